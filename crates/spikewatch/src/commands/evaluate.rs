//! `spikewatch evaluate`.

use std::process::ExitCode;

use anyhow::Context;
use simulator::{Labels, ScoredAlert};

use crate::cli::EvaluateArgs;

pub(crate) fn run(args: EvaluateArgs) -> anyhow::Result<ExitCode> {
    let text = std::fs::read_to_string(&args.labels)
        .with_context(|| format!("read labels \"{}\"", args.labels.display()))?;
    let labels: Labels = serde_json::from_str(&text)
        .with_context(|| format!("understand labels \"{}\"", args.labels.display()))?;
    let text = std::fs::read_to_string(&args.alerts)
        .with_context(|| format!("read alerts \"{}\"", args.alerts.display()))?;
    let mut alerts = Vec::new();
    for (number, line) in (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let place = || format!("understand \"{}\" line {number}", args.alerts.display());
        alerts.push(ScoredAlert::from_json_line(line).with_context(place)?);
    }
    let report = simulator::evaluate(&labels, alerts.into_iter());
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    Ok(ExitCode::SUCCESS)
}
