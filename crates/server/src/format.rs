//! Numbers, money and time as people read them.

use model::{Metric, Nanos, Timestamp};

/// Writes a whole number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Writes a count or amount with no more digits than matter.
pub(crate) fn number(value: f64) -> String {
    let value = finite(value);
    let magnitude = value.abs();
    if magnitude >= 1e15 {
        return format!("{value:.2e}");
    }
    let decimals = if magnitude >= 100.0 || magnitude.fract() == 0.0 {
        0
    } else if magnitude >= 1.0 {
        1
    } else {
        3
    };
    let text = format!("{magnitude:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let fraction = fraction.trim_end_matches('0');
    let whole = grouped(whole.parse().unwrap_or_default());
    let sign = if value < 0.0 { "-" } else { "" };
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

/// Writes dollars: cents below a thousand, whole dollars above, and never 0 for what is not 0.
pub(crate) fn dollars(value: f64) -> String {
    let value = finite(value);
    let sign = if value < 0.0 { "-" } else { "" };
    let magnitude = value.abs();
    if magnitude >= 1e15 {
        format!("{sign}${magnitude:.2e}")
    } else if magnitude >= 999.995 {
        format!("{sign}${}", grouped(magnitude.round() as u64))
    } else if magnitude == 0.0 || magnitude >= 0.005 {
        format!("{sign}${magnitude:.2}")
    } else {
        format!("{sign}<$0.01")
    }
}

/// Writes an amount of money.
pub(crate) fn money(amount: Nanos) -> String {
    dollars(amount.to_usd())
}

/// Writes a value of a metric: dollars with their sign, counts without.
pub(crate) fn amount(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Cost => dollars(value),
        Metric::Requests | Metric::Tokens => number(value),
    }
}

/// Returns what a metric counts, in the middle of a sentence.
pub(crate) fn noun(metric: Metric) -> &'static str {
    match metric {
        Metric::Cost => "spend",
        Metric::Requests | Metric::Tokens => metric.unit(),
    }
}

/// Writes a share of the whole.
pub(crate) fn percent(share: f64) -> String {
    let percent = finite(share).clamp(0.0, 1.0) * 100.0;
    if percent > 0.0 && percent < 1.0 {
        "<1 %".to_owned()
    } else {
        format!("{percent:.0} %")
    }
}

/// Returns the number itself, or 0 where there is none.
pub(crate) fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The parts of a moment in UTC.
struct Parts {
    year: String,
    month: &'static str,
    day: String,
    clock: String,
    seconds: String,
}

fn parts(time: Timestamp) -> Option<Parts> {
    let text = time.to_string();
    let month: usize = text.get(5..7)?.parse().ok()?;
    Some(Parts {
        year: text.get(0..4)?.to_owned(),
        month: MONTHS.get(month.checked_sub(1)?)?,
        day: text.get(8..10)?.trim_start_matches('0').to_owned(),
        clock: text.get(11..16)?.to_owned(),
        seconds: text.get(16..19)?.to_owned(),
    })
}

/// Writes a moment: `4 May 2026, 12:00 UTC`.
pub(crate) fn moment(time: Timestamp) -> String {
    match parts(time) {
        Some(p) => format!("{} {} {}, {} UTC", p.day, p.month, p.year, p.clock),
        None => time.to_string(),
    }
}

/// Writes a moment for a table, whose page says that all times are UTC: `4 May 2026, 12:00`.
pub(crate) fn date_and_clock(time: Timestamp) -> String {
    match parts(time) {
        Some(p) => format!("{} {} {}, {}", p.day, p.month, p.year, p.clock),
        None => time.to_string(),
    }
}

/// Writes a moment to the second: `4 May 12:00:07`.
pub(crate) fn to_the_second(time: Timestamp) -> String {
    match parts(time) {
        Some(p) => format!("{} {} {}{}", p.day, p.month, p.clock, p.seconds),
        None => time.to_string(),
    }
}

/// Writes a moment without its year: `4 May 12:00`.
pub(crate) fn short_moment(time: Timestamp) -> String {
    match parts(time) {
        Some(p) => format!("{} {} {}", p.day, p.month, p.clock),
        None => time.to_string(),
    }
}

/// Writes the day: `4 May`.
pub(crate) fn day(time: Timestamp) -> String {
    match parts(time) {
        Some(p) => format!("{} {}", p.day, p.month),
        None => time.to_string(),
    }
}

/// Writes the hour and minute: `12:00`.
pub(crate) fn clock(time: Timestamp) -> String {
    parts(time).map_or_else(|| time.to_string(), |p| p.clock)
}

/// Writes the hour, minute and second: `12:00:07`.
pub(crate) fn clock_to_the_second(time: Timestamp) -> String {
    parts(time).map_or_else(|| time.to_string(), |p| format!("{}{}", p.clock, p.seconds))
}

/// Writes the chance behind a negative natural logarithm: `1 in 3,000`, `1 in 10^523`.
pub(crate) fn chance(neg_log_p: f64) -> String {
    let neg_log_p = finite(neg_log_p).max(0.0);
    if neg_log_p < 13.9 {
        format!("1 in {}", number(neg_log_p.exp().round()))
    } else {
        format!(
            "1 in 10^{}",
            number((neg_log_p / std::f64::consts::LN_10).floor())
        )
    }
}

/// Writes a length of time in its largest unit: `3 min`.
pub(crate) fn span(millis: i64) -> String {
    let millis = millis.max(0);
    if millis < Timestamp::MINUTE {
        format!("{} s", millis / Timestamp::SECOND)
    } else if millis < 2 * Timestamp::HOUR {
        format!("{} min", millis / Timestamp::MINUTE)
    } else if millis < 2 * Timestamp::DAY {
        format!("{} h", millis / Timestamp::HOUR)
    } else {
        format!("{} days", grouped((millis / Timestamp::DAY).unsigned_abs()))
    }
}

/// Writes how long ago a moment was, or nothing if it lies ahead, as in a replay.
pub(crate) fn ago(now: Timestamp, time: Timestamp) -> String {
    let millis = now.millis().saturating_sub(time.millis());
    if millis < 0 {
        String::new()
    } else {
        format!("{} ago", span(millis))
    }
}

/// Returns `word` with an s unless there is exactly one.
pub(crate) fn plural(count: u64, word: &str) -> String {
    if count == 1 {
        format!("1 {word}")
    } else {
        format!("{} {word}s", grouped(count))
    }
}

/// Returns whether a character has no shape of its own or changes the order of others: such a
/// one could make a command look like another command.
pub(crate) fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Writes a text from a feed with what cannot be seen in it named, as in `<U+202E>`, so that it
/// can neither hide nor turn the words around it.
pub(crate) fn visible(text: &str) -> String {
    let mut seen = String::with_capacity(text.len());
    for character in text.chars() {
        if is_hidden(character) {
            seen.push_str(&format!("<U+{:04X}>", u32::from(character)));
        } else {
            seen.push(character);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_the_digits_that_matter() {
        for (value, expected) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (0.00123, "0.001"),
            (12.34, "12.3"),
            (40.0, "40"),
            (1_234.56, "1,235"),
            (1_000_000.0, "1,000,000"),
            (-1_234.0, "-1,234"),
            (1e18, "1.00e18"),
            (f64::NAN, "0"),
            (f64::INFINITY, "0"),
        ] {
            assert_eq!(number(value), expected, "{value}");
        }
    }

    #[test]
    fn money_never_rounds_something_to_nothing() {
        for (value, expected) in [
            (0.0, "$0.00"),
            (0.001, "<$0.01"),
            (12.345, "$12.35"),
            (999.999, "$1,000"),
            (12_345.6, "$12,346"),
            (-3.0, "-$3.00"),
            (f64::NEG_INFINITY, "$0.00"),
        ] {
            assert_eq!(dollars(value), expected, "{value}");
        }
        assert_eq!(chance(8.0064), "1 in 3,000");
        assert_eq!(chance(1_204.5), "1 in 10^523");
        assert_eq!(chance(f64::NAN), "1 in 1");
        assert_eq!(percent(0.004), "<1 %");
        assert_eq!(percent(f64::NAN), "0 %");
        assert_eq!(percent(7.0), "100 %");
    }

    #[test]
    fn what_cannot_be_seen_is_named() {
        assert_eq!(visible("ключ key_1"), "ключ key_1");
        assert_eq!(visible("a\u{202e}b\n"), "a<U+202E>b<U+000A>");
    }

    #[test]
    fn time_is_written_in_utc() {
        let time = Timestamp::parse("2026-05-04T12:03:07.500Z").unwrap();
        assert_eq!(moment(time), "4 May 2026, 12:03 UTC");
        assert_eq!(to_the_second(time), "4 May 12:03:07");
        assert_eq!(short_moment(time), "4 May 12:03");
        assert_eq!((day(time), clock(time)), ("4 May".into(), "12:03".into()));
        assert_eq!(ago(time.plus(90_000), time), "1 min ago");
        assert_eq!(ago(time, time.plus(1)), "");
        assert_eq!(span(3 * Timestamp::DAY), "3 days");
        // Beyond what a calendar holds there is still a text and no panic.
        assert!(!moment(Timestamp::from_millis(i64::MAX)).is_empty());
        assert!(!clock(Timestamp::from_millis(i64::MIN)).is_empty());
    }
}
