//! Every spelling of a moment that is seen in the wild.
//!
//! | spelling | example |
//! |---|---|
//! | epoch in s, ms, µs, ns, told apart by magnitude; also in a text, with a fraction | `1777896000.123` |
//! | .NET ticks | `639134928000000000` |
//! | RFC 3339, with or without offset (then UTC), with `T` or a space, ` UTC` | `2026-05-04 12:00:00 UTC` |
//! | a day, US or ISO | `05/04/2026` |
//! | JavaScript's `Date` and HTTP's | `Mon May 04 2026 12:00:00 GMT+0000 (…)` |
//!
//! 0 and -1 are how some sources write a time that they do not have.

use model::{Reason, TimeError, Timestamp};

use crate::json::Json;
use crate::rejection::Rejection;

/// The ticks of .NET, of 100 ns since the year 1, at the Unix epoch.
const TICKS_AT_EPOCH: u64 = 621_355_968_000_000_000;

/// The longest spelling, in bytes; a `Date` with the name of its zone has some eighty.
const MAX_TEXT_BYTES: usize = 256;

/// The length of an ISO day.
const DAY_BYTES: usize = 10;

/// Writes the beginning of a day as RFC 3339; bills have one in each line.
fn midnight(day: &[u8; DAY_BYTES]) -> [u8; 20] {
    let mut moment = *b"0000-00-00T00:00:00Z";
    moment[..DAY_BYTES].copy_from_slice(day);
    moment
}

/// Reads a moment; null, an empty text, 0 and -1 are unknown.
///
/// # Errors
/// [`Reason::Time`] for what is no moment, or none of the years 2015 to 2100;
/// [`Reason::WrongType`] for what is neither text nor number.
pub(crate) fn read(json: Json<'_>) -> Result<Option<Timestamp>, Rejection> {
    let Some(text) = json.label() else {
        let empty = !json.exists() || matches!(json.raw(), "" | "-");
        return if empty {
            Ok(None)
        } else {
            Err(json.fault(Reason::WrongType, format_args!("not a time")))
        };
    };
    parse(text).map_err(|err| json.fault(Reason::Time, format_args!("{err}")))
}

/// Returns the milliseconds of a duration in seconds, or nothing for what makes no sense.
pub(crate) fn millis_of_secs(secs: f64) -> Option<u64> {
    let millis = (secs * 1000.0).round();
    (0.0..1e12).contains(&millis).then_some(millis as u64)
}

/// Parses a moment in any spelling of the table.
pub(crate) fn parse(text: &str) -> Result<Option<Timestamp>, TimeError> {
    // The bounds of a bucket are read for each of its lines.
    if text.len() > MAX_TEXT_BYTES {
        return Err(TimeError::Syntax);
    }
    let text = text.trim();
    // No number has a hyphen in both places, and most moments have.
    let bytes = text.as_bytes();
    let is_day = bytes.get(4) == Some(&b'-') && bytes.get(7) == Some(&b'-');
    if !is_day && let Some(epoch) = epoch(text) {
        return epoch?.map(Timestamp::in_range).transpose();
    }
    let whole_day = bytes
        .first_chunk()
        .filter(|_| is_day && bytes.len() == DAY_BYTES);
    let read = match whole_day.map(midnight) {
        Some(midnight) => Timestamp::parse(&String::from_utf8_lossy(&midnight)),
        None => Timestamp::parse(text),
    };
    match read {
        Err(TimeError::Syntax) => {}
        known => return known.map(Some),
    }
    let rewritten = words(text)
        .or_else(|| us_day(text))
        .or_else(|| naive(text))
        .ok_or(TimeError::Syntax)?;
    Timestamp::parse(&rewritten).map(Some)
}

/// Reads a number; `None` if it is none.
fn epoch(text: &str) -> Option<Result<Option<Timestamp>, TimeError>> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let scientific;
    let digits = if digits.contains(['e', 'E']) {
        let number = digits.parse::<f64>().ok()?;
        scientific = format!("{number}");
        &scientific
    } else {
        digits
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let Ok(number) = whole.parse::<u64>() else {
        return Some(Err(TimeError::Range));
    };
    if number == 0 || (negative && number == 1) {
        return Some(Ok(None));
    }
    if negative {
        return Some(Err(TimeError::Range));
    }
    let millis = match number {
        // The digits as they stand: a double would turn .123 into .122.
        0..100_000_000_000 => {
            let digits = fraction.bytes().chain([b'0'; 3]).take(3);
            digits.fold(number, |number, digit| {
                number * 10 + u64::from(digit - b'0')
            })
        }
        100_000_000_000..100_000_000_000_000 => number,
        100_000_000_000_000..100_000_000_000_000_000 => number / 1000,
        600_000_000_000_000_000..700_000_000_000_000_000 => {
            (number - TICKS_AT_EPOCH.min(number)) / 10_000
        }
        1_000_000_000_000_000_000.. => number / 1_000_000,
        _ => return Some(Err(TimeError::Range)),
    };
    let millis = i64::try_from(millis).map_err(|_| TimeError::Range);
    Some(millis.map(|millis| Some(Timestamp::from_millis(millis))))
}

/// Rewrites `2026-05-04`, `2026-05-04 12:00:00.5`, the same with `T`, ` UTC`, `+00` or `+0000`.
fn naive(text: &str) -> Option<String> {
    let text = text.strip_suffix(" UTC").unwrap_or(text);
    let (day, rest) = text.split_at_checked(10)?;
    if rest.is_empty() {
        return Some(format!("{day}T00:00:00Z"));
    }
    let clock = rest.strip_prefix(['T', ' '])?;
    let offset_at = clock.find(['+', '-', 'Z', ' ']).unwrap_or(clock.len());
    let (clock, offset) = clock.split_at_checked(offset_at)?;
    let offset = offset.trim();
    let clock = match clock.len() {
        5 => format!("{clock}:00"),
        _ => clock.to_owned(),
    };
    let offset = match offset.len() {
        0 => "Z".to_owned(),
        3 => format!("{offset}:00"),
        5 => format!("{}:{}", offset.get(..3)?, offset.get(3..)?),
        _ => offset.to_owned(),
    };
    Some(format!("{day}T{clock}{offset}"))
}

/// Rewrites `05/04/2026`, with or without a time of the day.
fn us_day(text: &str) -> Option<String> {
    let (day, clock) = text.split_once(' ').unwrap_or((text, "00:00:00"));
    let mut parts = day.split('/');
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    naive(&format!("{year:0>4}-{month:0>2}-{day:0>2} {clock}"))
}

/// Rewrites `Mon May 04 2026 12:00:00 GMT+0200 (…)` and `Mon, 04 May 2026 12:00:00 GMT`.
fn words(text: &str) -> Option<String> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = text.split_ascii_whitespace().skip(1);
    let (one, two, year) = (words.next()?, words.next()?, words.next()?);
    let (month, day) = if one.starts_with(|c: char| c.is_ascii_digit()) {
        (two, one)
    } else {
        (one, two)
    };
    if month.len() != 3 {
        return None;
    }
    let month = MONTHS.find(month).filter(|at| at % 3 == 0)? / 3 + 1;
    let clock = words.next()?;
    let zone = words.next().unwrap_or("GMT").trim_start_matches("GMT");
    let zone = zone.trim_start_matches("UTC");
    naive(&format!("{year}-{month:02}-{day:0>2} {clock}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<Option<&str>, TimeError>) {
        let read = parse(text).map(|time| time.map(|time| time.to_string()));
        assert_eq!(read, expected.map(|time| time.map(str::to_owned)), "{text}");
    }

    #[test]
    fn one_moment_in_all_its_spellings() {
        let noon = Ok(Some("2026-05-04T12:00:00.000Z"));
        for text in [
            "1777896000",
            "1777896000.0",
            "1777896000000",
            "1777896000000.5",
            "1777896000000000",
            "1777896000000000000",
            "1.777896e9",
            "639134928000000000",
            "2026-05-04T12:00:00Z",
            "2026-05-04T14:00:00+02:00",
            "2026-05-04T12:00:00",
            "2026-05-04 12:00:00",
            "2026-05-04 12:00:00 UTC",
            "2026-05-04 12:00:00+00",
            "2026-05-04 12:00:00 +0000",
            "2026-05-04 12:00:00.000000+00:00",
            "2026-05-04T12:00",
            "05/04/2026 12:00:00",
            "5/4/2026 12:00",
            "Mon May 04 2026 14:00:00 GMT+0200 (Central European Summer Time)",
            "Mon, 04 May 2026 12:00:00 GMT",
        ] {
            check(text, noon);
        }
        check("1777896000.123456", Ok(Some("2026-05-04T12:00:00.123Z")));
        check("1777896000.1", Ok(Some("2026-05-04T12:00:00.100Z")));
        check(
            "2026-05-04T12:00:00.123456789Z",
            Ok(Some("2026-05-04T12:00:00.123Z")),
        );
        check("2026-05-04", Ok(Some("2026-05-04T00:00:00.000Z")));
        check("05/04/2026", Ok(Some("2026-05-04T00:00:00.000Z")));
    }

    #[test]
    fn what_is_no_moment_is_refused_and_what_is_missing_is_missing() {
        for text in ["0", "-1", "0.0", "000"] {
            check(text, Ok(None));
        }
        for text in [
            "-5",
            "1",
            "400000000000000000",
            "9999-01-01T00:00:00Z",
            "99999999999999999999999999999999999999999",
            "1e300",
        ] {
            check(text, Err(TimeError::Range));
        }
        for text in [
            "soon",
            "2026-13-04",
            "04.05.2026",
            "13/13/2026",
            "a b c d e",
            "é026-05-04 1",
            "NaN",
            "inf",
            "Mon anF 04 2026 12:00:00",
        ] {
            check(text, Err(TimeError::Syntax));
        }
    }
}
