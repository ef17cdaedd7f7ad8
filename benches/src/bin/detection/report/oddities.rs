//! The table of false alerts on what is legitimate and only looks odd.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::span;
use crate::study::OddityRate;

/// Writes it: false alerts during an oddity, and at any time on the keys that show it.
pub(super) fn write(
    out: &mut String,
    by_oddity: &BTreeMap<String, OddityRate>,
) -> std::fmt::Result {
    if by_oddity.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n{:<20} {:>5} {:>7} {:>6} {:>10} {:>16} {:>8} {:>6} {:>10} {:>12}",
        "legitimate oddity",
        "times",
        "days",
        "false",
        "per 1000 d",
        "95 %",
        "its keys",
        "false",
        "per 1000 d",
        "95 %"
    )?;
    by_oddity.iter().try_for_each(|(kind, rate)| {
        let (during, on_its_keys) = (&rate.during, &rate.on_its_keys);
        writeln!(
            out,
            "{kind:<20} {:>5} {:>7.1} {:>6} {:>10.2} {:>16} {:>8} {:>6} {:>10.2} {:>12}",
            rate.in_scored_span,
            during.key_days,
            during.count,
            during.per_1000_key_days,
            span(during.per_1000_key_days_interval),
            rate.keys,
            on_its_keys.count,
            on_its_keys.per_1000_key_days,
            span(on_its_keys.per_1000_key_days_interval),
        )
    })
}
