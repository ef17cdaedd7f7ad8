//! Methods side by side at equal realised false alerts.

use std::fmt::Write;

use simulator::Detection;

use crate::report::{duration, percent, percent_span};
use crate::study::Judged;

/// Writes what each method finds, how soon, and what is lost before; nothing without methods.
pub(crate) fn write(out: &mut String, title: &str, methods: &[Judged]) -> std::fmt::Result {
    let Some(first) = methods.first().filter(|_| methods.len() > 1) else {
        return Ok(());
    };
    let kinds: Vec<&String> = first.report.by_type.keys().collect();
    write_head(out, &format!("{title}: recall, 95 %, median"), methods)?;
    let found = |row: &Detection| {
        format!(
            "{} {:>6} {:>7}",
            percent(row.recall),
            percent_span(row),
            duration(row.median_minutes)
        )
    };
    write_rows(out, &kinds, methods, &found)?;
    write_line(out, "false alerts", methods, &|judged| {
        judged.false_alerts().to_string()
    })?;
    write_line(out, "per 1000 key-days", methods, &|judged| {
        format!("{:.2}", judged.report.false_alerts.per_1000_key_days)
    })?;
    write_line(out, "threshold", methods, &|judged| {
        judged.threshold.map_or("-".into(), threshold)
    })?;
    write_head(out, &format!("{title}: share lost, p90"), methods)?;
    let lost = |row: &Detection| {
        format!(
            "{} {:>7}",
            percent(row.lost_share),
            duration(row.p90_minutes)
        )
    };
    write_rows(out, &kinds, methods, &lost)
}

fn write_head(out: &mut String, title: &str, methods: &[Judged]) -> std::fmt::Result {
    write!(out, "\n{title}\n{:<25}", "abuse")?;
    for judged in methods {
        write!(out, " {:>20}", judged.method)?;
    }
    writeln!(out)
}

fn write_rows(
    out: &mut String,
    kinds: &[&String],
    methods: &[Judged],
    cell: &dyn Fn(&Detection) -> String,
) -> std::fmt::Result {
    let nothing = Detection::default();
    for kind in kinds {
        write_line(out, kind, methods, &|judged| {
            cell(judged.report.by_type.get(*kind).unwrap_or(&nothing))
        })?;
    }
    write_line(out, "all", methods, &|judged| cell(&judged.report.overall))
}

fn write_line(
    out: &mut String,
    name: &str,
    methods: &[Judged],
    cell: &dyn Fn(&Judged) -> String,
) -> std::fmt::Result {
    write!(out, "{name:<25}")?;
    for judged in methods {
        write!(out, " {:>20}", cell(judged))?;
    }
    writeln!(out)
}

/// Returns a threshold; where no score is high enough there is none.
fn threshold(threshold: f32) -> String {
    match threshold {
        threshold if threshold.is_infinite() => "none".into(),
        threshold if threshold < 100.0 => format!("{threshold:.2}"),
        threshold => format!("{threshold:.0}"),
    }
}
