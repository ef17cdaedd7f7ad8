//! `spikewatch explain`: why an alert was raised.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use casebook::{AlertFilter, Casebook};
use model::{Alert, EntityLevel, SeriesPoint};

use crate::cli::ExplainArgs;
use crate::{config, wiring};

/// Rows of the plot, and its hours at most.
const PLOT_ROWS: usize = 8;
const PLOT_HOURS: usize = 72;
/// How many alerts of the casebook are looked through for the beginning of an id.
const SEARCHED: u32 = 100_000;

pub(crate) async fn run(file: Option<&Path>, args: ExplainArgs) -> anyhow::Result<ExitCode> {
    let alert = match &args.alerts {
        Some(path) => find(read(path)?, &args.alert)?,
        None => {
            let casebook = wiring::existing_casebook(&config::load(file)?).await?;
            find_in(&casebook, &args.alert).await?
        }
    };
    if args.json {
        println!("{}", serde_json::to_string(&alert)?);
    } else {
        print!("{}", explain(&alert));
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the one alert of the casebook whose id begins so.
pub(crate) async fn find_in(casebook: &Casebook, id: &str) -> anyhow::Result<Alert> {
    let filter = AlertFilter {
        limit: SEARCHED,
        ..AlertFilter::default()
    };
    find(casebook.alerts(filter).await?, id)
}

fn read(path: &Path) -> anyhow::Result<Vec<Alert>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("read alerts from \"{}\"", path.display()))?;
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(at, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("line {} of \"{}\" is no alert", at + 1, path.display()))
        })
        .collect()
}

/// Returns the newest revision of the one alert whose id begins so.
fn find(alerts: Vec<Alert>, id: &str) -> anyhow::Result<Alert> {
    let mut found: Option<Alert> = None;
    for alert in alerts {
        if !alert.alert_id.as_str().starts_with(id) {
            continue;
        }
        match &found {
            Some(known) if known.alert_id != alert.alert_id => {
                bail!(
                    "\"{id}\" is the beginning of {} and of {}; give more of it",
                    known.alert_id,
                    alert.alert_id
                );
            }
            Some(known) if known.revision >= alert.revision => {}
            _ => found = Some(alert),
        }
    }
    found.with_context(|| format!("no alert \"{id}\"; `spikewatch alerts` lists them"))
}

/// Says everything about an alert that a person needs.
fn explain(alert: &Alert) -> String {
    let mut out = String::new();
    let state = if alert.ended { "over" } else { "open" };
    let line = |out: &mut String, name: &str, value: &str| {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{name:12} {value}");
    };
    let subject = match alert.entity_level {
        EntityLevel::Key => format!("key {}", alert.key_id),
        _ => alert.name(),
    };
    let _ = writeln!(
        out,
        "{}  {} {} on {} of {} ({})\n",
        alert.alert_id,
        alert.severity.as_str(),
        state,
        subject,
        or_unknown(&alert.account),
        or_unknown(&alert.provider),
    );
    line(&mut out, "since", &alert.first_seen.to_string());
    line(&mut out, "raised at", &alert.raised_at.to_string());
    if let Some(owner) = &alert.owner {
        line(&mut out, "owner", owner);
    }
    if !alert.stored_with.is_empty() {
        line(&mut out, "stored with", &alert.stored_with.join(", "));
    }
    line(
        &mut out,
        "money",
        &format!(
            "{:.2} dollars above the expected so far, {:.2} an hour now",
            alert.cost_so_far_usd.to_usd(),
            alert.burn_usd_per_hour
        ),
    );
    line(
        &mut out,
        "score",
        &format!("{:.0} of 100; 50 is where an alert begins", alert.score),
    );
    let _ = writeln!(out, "\nwhat speaks for it");
    for evidence in &alert.evidence {
        let rarity = evidence
            .neg_log_p
            .map_or(String::new(), |nats| format!("  [-ln p {nats:.1}]"));
        let _ = writeln!(out, "  {:9} {}{rarity}", evidence.family, evidence.text);
    }
    if !alert.top_contributors.is_empty() {
        let _ = writeln!(out, "\nwhat it is made of");
    }
    for contributor in &alert.top_contributors {
        let new = if contributor.first_seen { "  new" } else { "" };
        let _ = writeln!(
            out,
            "  {:10} {:5.1} %  {}{new}",
            contributor.dimension,
            100.0 * contributor.share,
            contributor.value
        );
    }
    let _ = write!(out, "\n{}", plot(alert));
    out
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "unknown" } else { text }
}

/// Draws observed (#) over the expected range (:), hour by hour.
fn plot(alert: &Alert) -> String {
    let skipped = alert.series.len().saturating_sub(PLOT_HOURS);
    let points = &alert.series[skipped..];
    let top = |point: &SeriesPoint| point.observed.max(point.high);
    let most = points.iter().map(top).fold(0.0, f64::max);
    if most <= 0.0 {
        return String::new();
    }
    // A spike of a hundred times would flatten the rest: the axis is a square root.
    let row = |value: f64| ((value.max(0.0) / most).sqrt() * PLOT_ROWS as f64).round() as usize;
    let mut out = format!(
        "{} by the hour: # observed, : the expected range; the axis is a square root\n",
        alert.metric.unit()
    );
    for at in (1..=PLOT_ROWS).rev() {
        let value = most * (at as f64 / PLOT_ROWS as f64).powi(2);
        let _ = write!(out, "{value:>12.2} |");
        for point in points {
            out.push(match point {
                point if row(point.observed) >= at => '#',
                point if (row(point.low)..=row(point.high)).contains(&at) => ':',
                _ => ' ',
            });
        }
        out.push('\n');
    }
    if let (Some(first), Some(last)) = (points.first(), points.last()) {
        let _ = writeln!(out, "{:>12} +{}", "", "-".repeat(points.len()));
        let _ = writeln!(out, "{:>14}{} to {}", "", first.start, last.end);
    }
    out
}
