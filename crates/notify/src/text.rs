//! Words and numbers as people read them, and text of strangers made harmless.

use chrono::{DateTime, Utc};
use model::{Metric, Timestamp};

/// How long a name may be where it stands among other words.
pub(crate) const NAME_CHARS: usize = 80;

/// Makes one line of `text`, at most `max_chars` long, that cannot steer what shows it.
///
/// Control characters, line breaks and tabs become one space. Characters without a width and
/// those that turn the direction of writing are dropped, because they make a name look like
/// another. `://` is broken, so that no mail or chat program makes a link of a stranger's text.
pub(crate) fn clean(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    let mut pending_space = false;
    for character in text.chars() {
        if is_invisible(character) {
            continue;
        }
        if character.is_whitespace() || character.is_control() {
            pending_space = !line.is_empty();
            continue;
        }
        if std::mem::take(&mut pending_space) {
            line.push(' ');
        }
        line.push(character);
    }
    shorten(&line.replace("://", "[:]//"), max_chars)
}

/// Cuts `text` to `max_chars` characters, the last one being an ellipsis if something is cut.
pub(crate) fn shorten(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max_chars.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Returns whether a character shows nothing or changes how its neighbours are shown.
pub(crate) fn is_invisible(character: char) -> bool {
    matches!(character,
        '\u{00AD}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{3164}' | '\u{FEFF}'
        | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
        | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// Writes dollars: `$1,234.56`.
pub(crate) fn usd(amount: f64) -> String {
    if !amount.is_finite() {
        return "an unknown amount".to_owned();
    }
    let cents = (amount.abs() * 100.0).round();
    if cents == 0.0 {
        return if amount > 0.0 {
            "less than $0.01"
        } else {
            "$0.00"
        }
        .to_owned();
    }
    let sign = if amount < 0.0 { "-" } else { "" };
    let text = format!("{:.2}", cents / 100.0);
    let (dollars, fraction) = text.split_once('.').unwrap_or((&text, "00"));
    format!("{sign}${}.{fraction}", grouped(dollars))
}

/// Writes a count with three digits that matter: `7`, `312`, `12.4k`, `3.1M`.
pub(crate) fn count(value: f64) -> String {
    if !value.is_finite() {
        return "an unknown number of".to_owned();
    }
    let magnitude = value.abs();
    // The borders are where rounding would print 1000 of the smaller unit.
    let (scaled, unit) = match magnitude {
        m if m < 999.5 => (value, ""),
        m if m < 999_950.0 => (value / 1e3, "k"),
        m if m < 999_950_000.0 => (value / 1e6, "M"),
        _ => (value / 1e9, "B"),
    };
    let decimals = usize::from(scaled.abs() < 99.95 && scaled.fract() != 0.0);
    let text = format!("{scaled:.decimals$}");
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// Writes a value of a metric without its unit, or with the dollar sign.
pub(crate) fn value(metric: Metric, amount: f64) -> String {
    match metric {
        Metric::Cost => usd(amount),
        Metric::Requests | Metric::Tokens => count(amount),
    }
}

/// Writes a value of a metric with its unit: `12.4k requests`, `$410.00`.
pub(crate) fn value_and_unit(metric: Metric, amount: f64) -> String {
    match metric {
        Metric::Cost => usd(amount),
        Metric::Requests | Metric::Tokens => format!("{} {}", count(amount), metric.unit()),
    }
}

/// Writes a factor: `41×`, `1.8×`, `1,204×`.
pub(crate) fn times(factor: f64) -> String {
    if !factor.is_finite() {
        "far more than".to_owned()
    } else if factor < 9.95 {
        format!("{factor:.1}×")
    } else {
        format!("{}×", grouped(&format!("{factor:.0}")))
    }
}

/// Says how often a key like this does as much.
pub(crate) fn rarity(episodes_per_day: f64) -> String {
    if episodes_per_day.is_nan() {
        return "how often a key like this does this is not known".to_owned();
    }
    if episodes_per_day >= 1.0 {
        return format!(
            "a key like this does this {} times a day",
            count(episodes_per_day)
        );
    }
    let days = 1.0 / episodes_per_day.max(0.0);
    if days > 3_650.0 {
        "a key like this does this less than once in ten years".to_owned()
    } else if days < 1.5 {
        "a key like this does this about once a day".to_owned()
    } else {
        format!(
            "a key like this does this once in {} days",
            grouped(&format!("{days:.0}"))
        )
    }
}

/// Writes a share of the whole: `62%`.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        p if !p.is_finite() => "?%".to_owned(),
        p if p > 0.0 && p < 1.0 => "<1%".to_owned(),
        p => format!("{p:.0}%"),
    }
}

/// Writes a moment to the minute, in UTC.
pub(crate) fn minute(time: Timestamp) -> String {
    match DateTime::<Utc>::from_timestamp_millis(time.millis()) {
        Some(time) => time.format("%Y-%m-%d %H:%M UTC").to_string(),
        None => "an unknown time".to_owned(),
    }
}

/// Writes a window: `2026-05-04 02:00 to 03:00 UTC`, with both days if there are two.
pub(crate) fn span(start: Timestamp, end: Timestamp) -> String {
    let (start, end) = (minute(start), minute(end));
    let (start_minute, end_minute) = (
        start.trim_end_matches(" UTC"),
        match (start.get(..10), end.get(..10)) {
            (Some(one), Some(other)) if one == other => end.get(11..).unwrap_or(&end),
            _ => &end,
        },
    );
    format!("{start_minute} to {end_minute}")
}

/// Writes `1 key`, `3 keys`.
pub(crate) fn plural(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// Writes `a, b and c`.
pub(crate) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// Makes the first letter a capital.
pub(crate) fn capital(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

fn grouped(digits: &str) -> String {
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_cents_and_thousands() {
        for (amount, expected) in [
            (0.0, "$0.00"),
            (0.001, "less than $0.01"),
            (1.005, "$1.00"),
            (999.999, "$1,000.00"),
            (1_234.56, "$1,234.56"),
            (9_876_543.2, "$9,876,543.20"),
            (-12.5, "-$12.50"),
            (f64::NAN, "an unknown amount"),
        ] {
            assert_eq!(usd(amount), expected, "{amount}");
        }
    }

    #[test]
    fn counts_are_short_and_never_say_1000_of_a_unit() {
        for (value, expected) in [
            (0.0, "0"),
            (0.4, "0.4"),
            (7.0, "7"),
            (312.4, "312"),
            (999.4, "999"),
            (999.6, "1k"),
            (12_400.0, "12.4k"),
            (412_345.0, "412k"),
            (999_960.0, "1M"),
            (3_140_000.0, "3.1M"),
            (7e9, "7B"),
        ] {
            assert_eq!(count(value), expected, "{value}");
        }
    }

    #[test]
    fn rarity_reads_as_a_sentence_at_every_size() {
        for (episodes_per_day, expected) in [
            (0.0, "a key like this does this less than once in ten years"),
            (
                1e-9,
                "a key like this does this less than once in ten years",
            ),
            (0.0032, "a key like this does this once in 312 days"),
            (0.9, "a key like this does this about once a day"),
            (3.0, "a key like this does this 3 times a day"),
            (f64::NAN, "how often a key like this does this is not known"),
        ] {
            assert_eq!(rarity(episodes_per_day), expected, "{episodes_per_day}");
        }
    }

    #[test]
    fn cleaned_text_is_one_visible_line() {
        assert_eq!(clean("a\r\nBcc: x@y\t\u{0}z", 80), "a Bcc: x@y z");
        assert_eq!(clean("user\u{202E}gpj.exe\u{200B}", 80), "usergpj.exe");
        assert_eq!(
            clean("see http://evil.example", 80),
            "see http[:]//evil.example"
        );
        assert_eq!(clean("  spaced   out  ", 80), "spaced out");
        assert_eq!(clean("abcdef", 4), "abc…");
    }

    #[test]
    fn windows_name_the_day_once_if_it_is_one() {
        let start = Timestamp::from_millis(1_777_860_000_000);
        assert_eq!(
            span(start, start.plus(Timestamp::HOUR)),
            "2026-05-04 02:00 to 03:00 UTC"
        );
        assert_eq!(
            span(start, start.plus(Timestamp::DAY)),
            "2026-05-04 02:00 to 2026-05-05 02:00 UTC"
        );
    }

    #[test]
    fn factors_and_shares() {
        assert_eq!(times(1.84), "1.8×");
        assert_eq!(times(41.2), "41×");
        assert_eq!(times(1_204.0), "1,204×");
        assert_eq!(percent(0.62), "62%");
        assert_eq!(percent(0.004), "<1%");
    }
}
