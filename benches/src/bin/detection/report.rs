//! The figures as tables of at most 110 columns.

mod groups;
mod oddities;
mod servegen;

use std::fmt::Write;

use simulator::{Detection, FalseAlerts, Interval, Report};

use crate::compare;
use crate::study::{AtBudget, Judged, SeedRun, Study};

/// Writes the whole study as text.
pub(crate) fn text(study: &Study) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = write_study(&mut out, study);
    out
}

fn write_study(out: &mut String, study: &Study) -> std::fmt::Result {
    writeln!(out, "{}", study.command)?;
    if !study.runs.is_empty() {
        writeln!(out)?;
        let (scenario, scale) = (&study.scenario, study.scale);
        writeln!(out, "Scenario \"{scenario}\" at scale {scale}")?;
        write_runs(out, &study.runs)?;
        writeln!(out)?;
        study
            .notes
            .iter()
            .try_for_each(|note| write_note(out, note))?;
        writeln!(out)?;
        write_calibration(out, &study.budgets)?;
    }
    for at_budget in &study.budgets {
        write_budget(out, at_budget)?;
    }
    let servegen = study.servegen.as_ref();
    servegen.map_or(Ok(()), |servegen| servegen::write(out, servegen))
}

/// Writes a paragraph of whole words, with a dash before it.
fn write_note(out: &mut String, note: &str) -> std::fmt::Result {
    const WIDTH: usize = 106;
    let mut line = String::from("-");
    for word in note.split(' ') {
        if line.len() + 1 + word.len() > WIDTH {
            writeln!(out, "{line}")?;
            line = String::from(" ");
        }
        line.push(' ');
        line.push_str(word);
    }
    writeln!(out, "{line}")
}

fn write_runs(out: &mut String, runs: &[SeedRun]) -> std::fmt::Result {
    writeln!(
        out,
        "{:>20} {:>12} {:>12} {:>9} {:>8} {:>8} {:>9}",
        "seed", "events", "duplicates", "outside", "keys", "abuses", "oddities"
    )?;
    for run in runs {
        writeln!(
            out,
            "{:>20} {:>12} {:>12} {:>9} {:>8} {:>8} {:>9}",
            run.seed,
            run.events,
            run.duplicates,
            run.rows_outside_of_the_run,
            run.keys,
            run.abuses,
            run.oddities
        )?;
    }
    Ok(())
}

fn write_calibration(out: &mut String, budgets: &[AtBudget]) -> std::fmt::Result {
    writeln!(out, "False alerts of the detector per 1000 key-days")?;
    writeln!(
        out,
        "{:>8} {:>9} {:>7} {:>9} {:>15} {:>16} {:>13} {:>11} {:>12}",
        "stated",
        "key-days",
        "false",
        "realised",
        "95 %",
        "realised/stated",
        "95 %",
        "found",
        "lost"
    )?;
    for at_budget in budgets {
        let Some(detector) = at_budget.all_keys.first() else {
            continue;
        };
        let row = detector.report.false_alerts;
        let overall = &detector.report.overall;
        writeln!(
            out,
            "{:>8} {:>9.0} {:>7} {:>9.2} {:>15} {:>16.2} {:>13} {:>11} {:>12}",
            at_budget.stated_per_1000_key_days,
            row.key_days,
            row.count,
            row.per_1000_key_days,
            span(row.per_1000_key_days_interval),
            at_budget.realised_over_stated,
            span(at_budget.realised_over_stated_interval),
            format!("{}/{}", overall.detected, overall.abuses),
            percent(overall.lost_share),
        )?;
    }
    Ok(())
}

fn write_budget(out: &mut String, at_budget: &AtBudget) -> std::fmt::Result {
    let stated = at_budget.stated_per_1000_key_days;
    writeln!(
        out,
        "\n=== Stated: {stated} false alerts per 1000 key-days ==="
    )?;
    if let Some(detector) = at_budget.all_keys.first() {
        write_abuses(out, detector)?;
        write_classes(out, detector)?;
        groups::write(out, &detector.report)?;
        oddities::write(out, &detector.by_oddity)?;
    }
    compare::write(out, "All keys", &at_budget.all_keys)?;
    compare::write(out, "The forest's keys", &at_budget.forest_keys)
}

fn write_abuses(out: &mut String, judged: &Judged) -> std::fmt::Result {
    writeln!(
        out,
        "\n{:<25} {:>9} {:>7} {:>11} {:>11} {:>11} {:>8} {:>13} {:>7}",
        judged.method,
        "detected",
        "recall",
        "95 %",
        "median",
        "p90",
        "requests",
        "lost USD",
        "share"
    )?;
    let report = &judged.report;
    let all = ("all".to_owned(), report.overall.clone());
    let kinds = report.by_type.clone().into_iter();
    kinds.chain([all]).try_for_each(|(kind, row)| {
        writeln!(
            out,
            "{kind:<25} {:>9} {:>7} {:>11} {:>11} {:>11} {:>8} {:>13.2} {:>7}",
            format!("{}/{}", row.detected, row.abuses),
            percent(row.recall),
            percent_span(&row),
            duration(row.median_minutes),
            duration(row.p90_minutes),
            requests_before(report, &kind).map_or("-".into(), |count| count.to_string()),
            row.lost_usd.to_usd(),
            percent(row.lost_share),
        )
    })
}

/// Returns the median of requests that the abusers of a type had made when they were detected,
/// the lower one of two; `None` where the labels do not count them.
fn requests_before(report: &Report, kind: &str) -> Option<u64> {
    let abuses = report.abuses.iter().filter(|abuse| abuse.kind == kind);
    let mut counts: Vec<u64> = abuses.filter_map(|abuse| abuse.requests_before).collect();
    counts.sort_unstable();
    counts.get(counts.len().checked_sub(1)? / 2).copied()
}

fn write_classes(out: &mut String, judged: &Judged) -> std::fmt::Result {
    writeln!(
        out,
        "\n{:<26} {:>9} {:>10} {:>7} {:>11} {:>17} {:>10}",
        "class of key", "keys", "key-days", "false", "per 1000 d", "95 %", "detected"
    )?;
    let report = &judged.report;
    for (class, score) in &report.by_class {
        let detection = &score.detection;
        let found = format!("{}/{}", detection.detected, detection.abuses);
        write_class(out, class, score.keys, &score.false_alerts, &found)?;
    }
    let keys = report.by_class.values().map(|score| score.keys).sum();
    let found = format!("{}/{}", report.overall.detected, report.overall.abuses);
    write_class(out, "all", keys, &report.false_alerts, &found)?;
    let counts = &report.alerts;
    if counts.on_unknown_keys > 0 {
        let names = counts.unknown_keys.join(", ");
        writeln!(
            out,
            "false on unknown keys: {} ({names})",
            counts.on_unknown_keys
        )?;
    }
    Ok(())
}

fn write_class(
    out: &mut String,
    class: &str,
    keys: usize,
    row: &FalseAlerts,
    found: &str,
) -> std::fmt::Result {
    writeln!(
        out,
        "{class:<26} {keys:>9} {:>10.1} {:>7} {:>11.2} {:>17} {found:>10}",
        row.key_days,
        row.count,
        row.per_1000_key_days,
        span(row.per_1000_key_days_interval),
    )
}

fn span(interval: Interval) -> String {
    format!("{:.2}-{:.2}", interval.low, interval.high)
}

/// Returns the interval of a recall in whole percents.
pub(crate) fn percent_span(row: &Detection) -> String {
    let interval = row.recall_interval;
    format!("{:.0}-{:.0}", interval.low * 100.0, interval.high * 100.0)
}

/// Returns a share in whole percents.
pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.0} %", share * 100.0))
}

/// Returns a time that people can read.
pub(crate) fn duration(minutes: Option<f64>) -> String {
    match minutes {
        None => "-".into(),
        Some(minutes) if minutes < 120.0 => format!("{minutes:.1} m"),
        Some(minutes) => format!("{:.1} h", minutes / 60.0),
    }
}

#[cfg(test)]
mod tests;
