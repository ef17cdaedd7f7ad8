//! One seed: simulate it, run the detector at every budget and the baselines once, forget it.

use detector::KeyDirectory;
use model::{Timestamp, Window};
use simulator::{Labels, ScoredAlert, Simulation};

use crate::Failure;
use crate::baseline::{self, Baseline, Forest, KeyScores, RollingZ, SeasonalZ};
use crate::cli::{Args, Baselines};
use crate::detect::{Detected, detect, simulated_batches};
use crate::pool::pooled_key;
use crate::progress::Progress;
use crate::study::SeedRun;
use crate::sums::Sums;
use crate::workers;

/// What is kept of seeds; keys begin with their seed.
#[derive(Debug)]
pub(crate) struct SeedOutcome {
    /// The detector's alerts at each budget, in the order of the arguments.
    pub(crate) alerts: Vec<Vec<ScoredAlert>>,
    /// The scores of each baseline on every key.
    pub(crate) baselines: Vec<(&'static str, Vec<KeyScores>)>,
    /// The scores of the forest on its keys; `None` where it is left out.
    pub(crate) forest: Option<(&'static str, Vec<KeyScores>)>,
}

impl SeedOutcome {
    /// Returns what is known before the first seed.
    pub(crate) fn of_nothing(args: &Args) -> Self {
        let with_baselines = args.baselines == Baselines::All;
        let names = methods(args).map(|baseline| (baseline.name(), Vec::new()));
        Self {
            alerts: vec![Vec::new(); args.budgets.len()],
            baselines: names.collect(),
            forest: (with_baselines && args.forest_keys > 0).then(|| (Forest.name(), Vec::new())),
        }
    }

    /// Adds what another seed gave.
    pub(crate) fn extend(&mut self, other: Self) {
        for (alerts, others) in self.alerts.iter_mut().zip(other.alerts) {
            alerts.extend(others);
        }
        for ((_, scores), (_, others)) in self.baselines.iter_mut().zip(other.baselines) {
            scores.extend(others);
        }
        if let (Some((_, scores)), Some((_, others))) = (&mut self.forest, other.forest) {
            scores.extend(others);
        }
    }
}

/// Returns the baselines that are quick enough for every key.
fn methods(args: &Args) -> impl Iterator<Item = &'static dyn Baseline> {
    const ALL: [&dyn Baseline; 3] = [&RollingZ::DAY, &RollingZ::WEEK, &SeasonalZ];
    let count = match args.baselines {
        Baselines::All => ALL.len(),
        Baselines::None => 0,
    };
    ALL.into_iter().take(count)
}

/// Runs one seed.
///
/// # Errors
/// When the scenario is unknown, or an event cannot be read back.
pub(crate) fn run(args: &Args, seed: u64) -> Result<(Labels, SeedRun, SeedOutcome), Failure> {
    eprintln!("seed {seed}: simulating");
    let simulation = simulator::simulate(&args.scenario, seed, args.scale)?;
    let (detected, sums) = detect_at_each(args, seed, &simulation)?;
    let run = SeedRun {
        seed,
        events: simulation.events.len(),
        rows_outside_of_the_run: sums.left_out,
        duplicates: detected.first().map_or(0, |detected| detected.duplicates),
        keys: simulation.labels.keys.len(),
        abuses: simulation.labels.abuses.len(),
        oddities: simulation.labels.oddities.len(),
    };
    let labels = simulation.labels;
    // The events are the bulk; the forest runs long without them.
    drop(simulation.events);
    let mut outcome = SeedOutcome::of_nothing(args);
    for (alerts, detected) in outcome.alerts.iter_mut().zip(detected) {
        *alerts = detected.alerts;
    }
    let score = |baseline: &dyn Baseline, keep: &dyn Fn(&str) -> bool| {
        eprintln!("seed {seed}: {}", baseline.name());
        baseline::score_keys(baseline, &sums, labels.scored, seed, keep)
    };
    for ((_, scores), baseline) in outcome.baselines.iter_mut().zip(methods(args)) {
        *scores = score(baseline, &|_| true);
    }
    if let Some((_, scores)) = &mut outcome.forest {
        let keys = labels.keys.iter().map(|key| key.key.as_str());
        let chosen = baseline::chosen_keys(keys, args.forest_keys, seed);
        *scores = score(&Forest, &|key| chosen.iter().any(|chosen| chosen == key));
    }
    outcome.name_keys_of(seed);
    Ok((labels, run, outcome))
}

/// Runs the detector at each budget, and adds up what the baselines see on the way of the first.
fn detect_at_each(
    args: &Args,
    seed: u64,
    simulation: &Simulation,
) -> Result<(Vec<Detected>, Sums), Failure> {
    let span = Window {
        start: simulation.start,
        end: simulation
            .start
            .plus(i64::from(simulation.days) * Timestamp::DAY),
    };
    let jobs: Vec<(usize, f64)> = args.budgets.iter().copied().enumerate().collect();
    let runs = workers::two_at_once(jobs, |(place, stated)| {
        let mut sums = Sums::new(span, &simulation.labels);
        let label = format!("seed {seed}, stated {stated}");
        let progress = Progress::new(label, simulation.events.len());
        let directory = KeyDirectory::new(&simulation.inventory);
        let batches = simulated_batches(&simulation.events);
        let detected = detect(batches, directory, stated, progress, |rows| {
            if place == 0 {
                sums.add(rows);
            }
        })?;
        Ok((detected, sums))
    });
    let runs: Vec<(Detected, Sums)> = runs.into_iter().collect::<Result<_, Failure>>()?;
    let (detected, mut sums): (Vec<_>, Vec<_>) = runs.into_iter().unzip();
    sums.truncate(1);
    let sums = sums.pop().ok_or("no budget is stated")?;
    Ok((detected, sums))
}

impl SeedOutcome {
    fn name_keys_of(&mut self, seed: u64) {
        let alerts = self.alerts.iter_mut().flatten();
        let accused = alerts.flat_map(|alert| alert.key_ids.iter_mut());
        let baselines = self.baselines.iter_mut().chain(&mut self.forest);
        let scores = baselines.flat_map(|(_, scores)| scores);
        let scored = scores.map(|scores| &mut scores.key);
        accused
            .chain(scored)
            .for_each(|key| *key = pooled_key(seed, key));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn a_seed_gives_alerts_at_each_budget_and_scores_of_each_baseline() {
        let words = ["detection", "--scenario", "small", "--scale", "0.1"];
        let more = ["--budgets", "5,100", "--forest-keys", "2"];
        let args = Args::parse_from(words.iter().chain(&more));
        let (labels, run, outcome) = run(&args, 7).unwrap();
        assert_eq!(run.keys, labels.keys.len());
        assert_eq!(outcome.alerts.len(), 2);
        assert_eq!(outcome.baselines.len(), 3);
        for (name, scores) in &outcome.baselines {
            assert_eq!(scores.len(), run.keys, "{name}");
            assert!(scores.iter().all(|scores| scores.key.starts_with("7/")));
        }
        assert_eq!(outcome.forest.unwrap().1.len(), 2);
    }
}
