//! The tables of real clients.

use std::fmt::Write;

use super::{span, write_note};
use crate::servegen::ServegenResult;

/// Writes what the detector says of them.
pub(super) fn write(out: &mut String, servegen: &ServegenResult) -> std::fmt::Result {
    writeln!(
        out,
        "\n=== ServeGen: real clients, days 8 to 14, unlabelled ==="
    )?;
    let gaps: Vec<String> = servegen
        .gap_windows
        .iter()
        .map(|(model, windows)| format!("{model} {windows}"))
        .collect();
    let notes = [
        format!(
            "{} clients with 14 days, {} of them steady; {} rows of another length are left out; {} events.",
            servegen.clients, servegen.steady, servegen.other_rows, servegen.events
        ),
        format!("Steady: {}.", servegen.steady_means),
        format!(
            "Windows in which the collector stood still, for which no event is made: {}.",
            gaps.join(", ")
        ),
        "One alert a key and 24 hours counts. Some may be right, so the rates are upper bounds."
            .into(),
    ];
    notes.iter().try_for_each(|note| write_note(out, note))?;
    writeln!(
        out,
        "\n{:>8} {:>14} {:<10} {:>9} {:>7} {:>11} {:>17} {:>16}",
        "stated",
        "alerts in 14 d",
        "clients",
        "key-days",
        "false",
        "per 1000 d",
        "95 %",
        "realised/stated"
    )?;
    for at_budget in &servegen.budgets {
        let stated = at_budget.stated_per_1000_key_days;
        for (class, row) in &at_budget.false_alerts {
            writeln!(
                out,
                "{stated:>8} {:>14} {class:<10} {:>9.0} {:>7} {:>11.2} {:>17} {:>16.2}",
                at_budget.alerts,
                row.key_days,
                row.count,
                row.per_1000_key_days,
                span(row.per_1000_key_days_interval),
                row.per_1000_key_days / stated,
            )?;
        }
    }
    Ok(())
}
