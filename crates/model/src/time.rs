//! Event time: UTC milliseconds and half-open windows.

use std::fmt;

use chrono::{DateTime, Datelike, NaiveDateTime, SecondsFormat, Timelike, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in UTC, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// The text is not RFC 3339.
    #[error("not an RFC 3339 time")]
    Syntax,
    /// The moment lies outside 2015 to 2100.
    #[error("outside the years 2015 to 2100")]
    Range,
}

impl Timestamp {
    /// One second in milliseconds.
    pub const SECOND: i64 = 1_000;
    /// One minute in milliseconds.
    pub const MINUTE: i64 = 60 * Self::SECOND;
    /// One hour in milliseconds.
    pub const HOUR: i64 = 60 * Self::MINUTE;
    /// One day in milliseconds.
    pub const DAY: i64 = 24 * Self::HOUR;
    /// The earliest moment an event may claim: 2015-01-01T00:00:00Z.
    pub const EARLIEST: Timestamp = Timestamp(1_420_070_400_000);
    /// The first moment an event may no longer claim: 2100-01-01T00:00:00Z.
    pub const LATEST: Timestamp = Timestamp(4_102_444_800_000);

    /// Returns the moment `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Returns the moment `millis` later, saturating.
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Parses RFC 3339 text; digits below the millisecond are cut off, an offset is applied.
    ///
    /// # Errors
    /// [`TimeError::Syntax`] when the text is no such time, [`TimeError::Range`] when it
    /// lies outside the years that an event may claim.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let millis = match parse_utc_fast(text.as_bytes()) {
            Some(millis) => millis,
            None => DateTime::parse_from_rfc3339(text)
                .map_err(|_| TimeError::Syntax)?
                .timestamp_millis(),
        };
        Self(millis).in_range()
    }

    /// Returns `self` when an event may claim this moment.
    ///
    /// # Errors
    /// [`TimeError::Range`] otherwise.
    pub fn in_range(self) -> Result<Self, TimeError> {
        if self >= Self::EARLIEST && self < Self::LATEST {
            Ok(self)
        } else {
            Err(TimeError::Range)
        }
    }

    /// Returns the start of the `width_millis` wide bucket that holds this moment.
    pub const fn floor_to(self, width_millis: i64) -> Self {
        Self(self.0.div_euclid(width_millis) * width_millis)
    }
}

/// Reads `YYYY-MM-DDTHH:MM:SS[.fraction]Z`, the shape nearly every event has, or declines.
fn parse_utc_fast(text: &[u8]) -> Option<i64> {
    let (head, tail) = text.split_first_chunk::<19>()?;
    let separators = [head[4], head[7], head[10], head[13], head[16]];
    if separators != *b"--T::" {
        return None;
    }
    let mut is_number = true;
    let mut pair = |at: usize| {
        let (tens, ones) = (head[at].wrapping_sub(b'0'), head[at + 1].wrapping_sub(b'0'));
        is_number &= tens < 10 && ones < 10;
        10 * i64::from(tens) + i64::from(ones)
    };
    let (year, month, day) = (100 * pair(0) + pair(2), pair(5), pair(8));
    let (hour, minute, second) = (pair(11), pair(14), pair(17));
    if !is_number {
        return None;
    }
    let fraction = tail.strip_suffix(b"Z")?;
    let millis = match fraction.strip_prefix(b".") {
        None if fraction.is_empty() => 0,
        Some([a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9']) => {
            100 * i64::from(a - b'0') + 10 * i64::from(b - b'0') + i64::from(c - b'0')
        }
        Some(digits) if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) => (0..3)
            .map(|place| digits.get(place).map_or(0, |byte| i64::from(byte - b'0')))
            .fold(0, |sum, digit| sum * 10 + digit),
        _ => return None,
    };
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let month_days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return None,
    };
    if !(1..=month_days).contains(&day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    // Days from civil date, Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    let shifted_year = if month <= 2 { year - 1 } else { year };
    let era = shifted_year.div_euclid(400);
    let year_of_era = shifted_year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    Some((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + millis)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(time) = DateTime::<Utc>::from_timestamp_millis(self.0) else {
            return write!(f, "{}ms", self.0);
        };
        match digits_of(&time.naive_utc())
            .as_ref()
            .map(|text| std::str::from_utf8(text))
        {
            Some(Ok(text)) => f.write_str(text),
            _ => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true)),
        }
    }
}

/// Returns RFC 3339 with milliseconds for years of four digits; every row of a report has some.
fn digits_of(time: &NaiveDateTime) -> Option<[u8; 24]> {
    let year = u32::try_from(time.year())
        .ok()
        .filter(|year| *year < 10_000)?;
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (end, digits, mut number) in [
        (4, 4, year),
        (7, 2, time.month()),
        (10, 2, time.day()),
        (13, 2, time.hour()),
        (16, 2, time.minute()),
        (19, 2, time.second()),
        (23, 3, time.nanosecond() / 1_000_000),
    ] {
        for at in (end - digits..end).rev() {
            text[at] += (number % 10) as u8;
            number /= 10;
        }
    }
    Some(text)
}

impl Serialize for Timestamp {
    /// Writes RFC 3339, or milliseconds where nobody reads it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            return serializer.collect_str(self);
        }
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return i64::deserialize(deserializer).map(Self);
        }
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|err| serde::de::Error::custom(format!("{err}: \"{text}\"")))
    }
}

/// A half-open span of event time, `[start, end)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Window {
    /// The first moment inside.
    pub start: Timestamp,
    /// The first moment after.
    pub end: Timestamp,
}

impl Window {
    /// Returns whether `time` lies inside.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.start <= time && time < self.end
    }

    /// Returns the length in milliseconds.
    pub const fn width_millis(&self) -> i64 {
        self.end.0 - self.start.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<i64, TimeError>) {
        assert_eq!(
            Timestamp::parse(text).map(Timestamp::millis),
            expected,
            "{text}"
        );
    }

    #[test]
    fn fast_path_and_chrono_agree() {
        for text in [
            "2026-05-04T12:00:00.123Z",
            "2024-02-29T23:59:59Z",
            "2026-12-31T00:00:00.9Z",
            "2099-12-31T23:59:59.999999999Z",
            "2015-01-01T00:00:00.000Z",
            "2000-03-01T00:00:00Z",
        ] {
            let slow = DateTime::parse_from_rfc3339(text)
                .unwrap()
                .timestamp_millis();
            assert_eq!(parse_utc_fast(text.as_bytes()), Some(slow), "{text}");
        }
    }

    #[test]
    fn it_is_written_as_chrono_writes_it() {
        let day = 86_400_000;
        let moments = (-800_000..3_000_000)
            .step_by(9_973)
            .map(|n| n * day + n * 7_919 % day);
        for millis in moments.chain([0, -1, 253_402_300_799_999, 253_402_300_800_000, i64::MIN]) {
            let written = Timestamp::from_millis(millis).to_string();
            let slow = match DateTime::<Utc>::from_timestamp_millis(millis) {
                Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
                None => format!("{millis}ms"),
            };
            assert_eq!(written, slow);
        }
    }

    #[test]
    fn offsets_are_applied_and_nonsense_is_refused() {
        check("2026-05-04T14:00:00+02:00", Ok(1_777_896_000_000));
        check("2026-05-04T12:00:00Z", Ok(1_777_896_000_000));
        check("2026-02-30T12:00:00Z", Err(TimeError::Syntax));
        check("yesterday", Err(TimeError::Syntax));
        check("2014-12-31T23:59:59Z", Err(TimeError::Range));
        check("2100-01-01T00:00:00Z", Err(TimeError::Range));
    }

    #[test]
    fn buckets_floor_towards_the_past() {
        assert_eq!(
            Timestamp::from_millis(-1).floor_to(10),
            Timestamp::from_millis(-10)
        );
        assert_eq!(
            Timestamp::from_millis(19).floor_to(10),
            Timestamp::from_millis(10)
        );
    }
}
