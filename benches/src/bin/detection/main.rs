//! How much abuse does the detector find at a stated budget of false alerts, and how does it
//! compare with usual methods at equal realised false alerts?
//!
//! ```text
//! simulate(seed) ─ records ─ codec, pipeline::Stages ─┬─ alerts at each stated budget
//!                                                     └─ ten-minute sums ─ scores of baselines
//! labels of all seeds ─ simulator::evaluate of both; thresholds of baselines by bisection
//! ```
//!
//! One seed is in memory at a time; what is kept of it are labels, alerts and scores.

mod baseline;
mod cli;
mod compare;
mod detect;
mod interval;
mod pool;
mod progress;
mod report;
mod seed;
mod servegen;
mod study;
mod sums;
mod threshold;
mod workers;

use std::collections::BTreeSet;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use simulator::Labels;

use cli::{Args, Baselines};
use pool::Pool;
use seed::SeedOutcome;
use study::{AtBudget, Judged, Study};

/// Whatever ends the bench early.
type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    if let Some(fault) = args.fault() {
        Args::command()
            .error(ErrorKind::ValueValidation, fault)
            .exit();
    }
    let mut study = Study {
        command: cli::command_line(std::env::args().skip(1)),
        scenario: args.scenario.clone(),
        scale: args.scale,
        runs: Vec::new(),
        forest_keys: args.forest_keys,
        notes: notes(&args),
        budgets: Vec::new(),
        servegen: None,
    };
    if !args.servegen_only {
        simulate(&args, &mut study)?;
    }
    if let Some(path) = &args.servegen {
        study.servegen = Some(servegen::run(path)?);
    }
    print!("{}", report::text(&study));
    if let Some(path) = &args.json {
        let mut text = serde_json::to_string_pretty(&study)?;
        text.push('\n');
        std::fs::write(path, text).map_err(|err| format!("write \"{}\": {err}", path.display()))?;
    }
    Ok(())
}

/// Runs every seed and pools them.
fn simulate(args: &Args, study: &mut Study) -> Result<(), Failure> {
    let mut pool = Pool::default();
    let mut whole = SeedOutcome::of_nothing(args);
    for &seed in &args.seeds {
        let (labels, run, outcome) = seed::run(args, seed)?;
        pool.add(labels)?;
        study.runs.push(run);
        whole.extend(outcome);
    }
    let Some(labels) = pool.labels() else {
        return Ok(());
    };
    let at_budgets = (0..).zip(&args.budgets);
    study.budgets = at_budgets
        .map(|(place, &stated)| at_budget(labels, &whole, place, stated))
        .collect();
    Ok(())
}

/// Scores the detector at one budget, and the baselines at the false alerts that it had.
fn at_budget(labels: &Labels, whole: &SeedOutcome, place: usize, stated: f64) -> AtBudget {
    eprintln!("stated {stated}: setting the thresholds of the baselines");
    let alerts = &whole.alerts[place];
    let detector = Judged::detector(labels, alerts);
    let allowed = detector.false_alerts();
    let mut all_keys = vec![detector];
    let baselines = whole.baselines.iter();
    all_keys
        .extend(baselines.map(|(name, scores)| Judged::baseline(name, labels, scores, allowed)));
    let mut forest_keys = Vec::new();
    if let Some((name, scores)) = &whole.forest {
        let keys: BTreeSet<String> = scores.iter().map(|scores| scores.key.clone()).collect();
        let labels = pool::of_keys(labels, &keys);
        let detector = Judged::detector(&labels, &pool::on_keys(alerts, &keys));
        let allowed = detector.false_alerts();
        let forest = Judged::baseline(name, &labels, scores, allowed);
        forest_keys.extend([detector, forest]);
    }
    AtBudget::new(stated, all_keys, forest_keys)
}

/// Returns what a reader must know of the figures.
fn notes(args: &Args) -> Vec<String> {
    let mut notes = vec![
        "The detector is told its budget before the run; figures are pooled over the seeds. Recall has Wilson's interval, rates have Byar's; both 95 %. Times to detect are over the abuses that were found; an abuse that was not found has lost all of its cost. Requests: the median of those that the abuser had made by then, where the labels count them. Rows outside of the run reach the detector and not the baselines.".to_owned(),
    ];
    if args.baselines == Baselines::None {
        return notes;
    }
    notes.extend([
        "The threshold of a baseline is set on the run on which it is judged, so that it has as many false alerts as the detector really had, or as near below as its scores allow. This favours the baselines.".to_owned(),
        "Baselines see requests in windows of ten minutes, complete however late the events came; they judge at the end of a window and are silent on a key for 24 hours after an alert; a roll-up over a longer time counts in its last window. A standard deviation below one request counts as one; a key of less than a day is not judged.".to_owned(),
        "z 24 h and z 7 d: against the windows of that time before. Seasonal z: against the same hour of the week in all weeks before, from two on.".to_owned(),
    ]);
    if args.forest_keys > 0 {
        notes.push(format!(
            "Forest: random cut forest by rcf3, {}, one window at a time, those above the mean of the last 24 hours only; on {} keys of each seed, chosen by the seed alone, with the detector on the same keys beside it at its false alerts there.",
            baseline::Forest::describe(),
            args.forest_keys
        ));
    }
    notes
}
