//! What is measured, as numbers; the JSON is exactly this.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use simulator::{FalseAlerts, Interval, Labels, OddityScore, Report, ScoredAlert};

use crate::baseline::{self, KeyScores};
use crate::interval;
use crate::pool;
use crate::servegen::ServegenResult;
use crate::threshold;

/// A whole run of the bench.
#[derive(Debug, Serialize)]
pub(crate) struct Study {
    /// The command that does it again.
    pub(crate) command: String,
    /// The scenario.
    pub(crate) scenario: String,
    /// How many times the scenario's keys.
    pub(crate) scale: f64,
    /// What was simulated, by seed.
    pub(crate) runs: Vec<SeedRun>,
    /// How many keys of each seed the forest was run on.
    pub(crate) forest_keys: usize,
    /// How the figures are to be understood.
    pub(crate) notes: Vec<String>,
    /// The figures at each stated budget.
    pub(crate) budgets: Vec<AtBudget>,
    /// The figures on real clients, without labels.
    pub(crate) servegen: Option<ServegenResult>,
}

/// What one seed gave.
#[derive(Debug, Serialize)]
pub(crate) struct SeedRun {
    pub(crate) seed: u64,
    pub(crate) events: usize,
    pub(crate) duplicates: u64,
    /// Rows before or after the run, and on keys without a label; the baselines miss them.
    pub(crate) rows_outside_of_the_run: u64,
    pub(crate) keys: usize,
    pub(crate) abuses: usize,
    pub(crate) oddities: usize,
}

/// The figures at one stated budget.
#[derive(Debug, Serialize)]
pub(crate) struct AtBudget {
    /// False alerts per 1000 key-days that the detector was asked for.
    pub(crate) stated_per_1000_key_days: f64,
    /// How many times as many there were.
    pub(crate) realised_over_stated: f64,
    /// Its interval.
    pub(crate) realised_over_stated_interval: Interval,
    /// The detector, and after it the baselines at its realised false alerts.
    pub(crate) all_keys: Vec<Judged>,
    /// The detector on the forest's keys, and after it the forest at as many false alerts;
    /// empty without a forest.
    pub(crate) forest_keys: Vec<Judged>,
}

/// The score of one method.
#[derive(Debug, Serialize)]
pub(crate) struct Judged {
    /// The name.
    pub(crate) method: String,
    /// The threshold set on this very run; `None` for the detector, which was told its budget.
    pub(crate) threshold: Option<f32>,
    /// The score; a baseline's without its list of abuses.
    pub(crate) report: Report,
    /// More on each kind of legitimate oddity.
    pub(crate) by_oddity: BTreeMap<String, OddityRate>,
}

/// False alerts on one kind of legitimate oddity.
#[derive(Debug, Serialize)]
pub(crate) struct OddityRate {
    /// How many took place in the scored span.
    pub(crate) in_scored_span: usize,
    /// False alerts during one, or at most an hour after, and the time in which one is counted.
    pub(crate) during: FalseAlerts,
    /// The keys that show it at some time.
    pub(crate) keys: usize,
    /// The false alerts on those keys at any time.
    pub(crate) on_its_keys: FalseAlerts,
}

/// The name of our own detector.
pub(crate) const DETECTOR: &str = "spikewatch";

impl AtBudget {
    /// Gives the figures of a detector that was told `stated`.
    pub(crate) fn new(stated: f64, all_keys: Vec<Judged>, forest_keys: Vec<Judged>) -> Self {
        let row = all_keys.first().map(|judged| judged.report.false_alerts);
        let row = row.unwrap_or_default();
        Self {
            stated_per_1000_key_days: stated,
            realised_over_stated: row.per_1000_key_days / stated,
            realised_over_stated_interval: interval::divided(
                row.per_1000_key_days_interval,
                stated,
            ),
            all_keys,
            forest_keys,
        }
    }
}

impl Judged {
    /// Scores the detector.
    pub(crate) fn detector(labels: &Labels, alerts: &[ScoredAlert]) -> Self {
        Self {
            method: DETECTOR.into(),
            threshold: None,
            report: simulator::evaluate(labels, alerts.iter().cloned()),
            by_oddity: by_oddity(labels, alerts),
        }
    }

    /// Scores a baseline at the lowest threshold that gives at most `false_alerts`.
    pub(crate) fn baseline(
        method: &str,
        labels: &Labels,
        scores: &[KeyScores],
        false_alerts: u64,
    ) -> Self {
        let score = |threshold| simulator::evaluate(labels, baseline::alerts(scores, threshold));
        let threshold = threshold::lowest(false_alerts, |threshold| {
            score(threshold).alerts.counted_false
        });
        let alerts: Vec<ScoredAlert> = baseline::alerts(scores, threshold).collect();
        let mut report = score(threshold);
        report.abuses.clear();
        Self {
            method: method.into(),
            threshold: Some(threshold),
            report,
            by_oddity: by_oddity(labels, &alerts),
        }
    }

    /// Returns the number of counted false alerts.
    pub(crate) fn false_alerts(&self) -> u64 {
        self.report.alerts.counted_false
    }
}

fn by_oddity(labels: &Labels, alerts: &[ScoredAlert]) -> BTreeMap<String, OddityRate> {
    let scores = simulator::evaluate(labels, alerts.iter().cloned()).by_oddity;
    let rate = |(kind, score): (String, OddityScore)| {
        let of_kind = labels.oddities.iter().filter(|oddity| oddity.kind == kind);
        let keys: BTreeSet<String> = of_kind.map(|oddity| oddity.key.clone()).collect();
        let its_labels = pool::of_keys(labels, &keys);
        let its_alerts = pool::on_keys(alerts, &keys);
        let rate = OddityRate {
            in_scored_span: score.in_scored_span,
            during: interval::rate(score.false_alerts, score.key_days),
            keys: keys.len(),
            on_its_keys: simulator::evaluate(&its_labels, its_alerts.into_iter()).false_alerts,
        };
        (kind, rate)
    };
    scores.into_iter().map(rate).collect()
}

#[cfg(test)]
mod tests {
    use simulator::OddityLabel;

    use super::*;
    use crate::pool::tests::{alert, labels};
    use crate::sums::WIDTH;

    #[test]
    fn a_baseline_gets_the_false_alerts_of_the_detector() {
        let labels = labels(&["a", "b", "c"]);
        let detector = Judged::detector(&labels, &[alert("a", 22.0), alert("b", 23.0)]);
        let first = labels.scored.start.millis() / WIDTH;
        let scores = |key: &str, score: f32| KeyScores {
            key: key.into(),
            points: vec![(first as u32 + 5, score), (first as u32 + 500, score / 2.0)],
        };
        let scores = [scores("a", 8.0), scores("b", 5.0), scores("c", 3.0)];
        let judged = Judged::baseline("z", &labels, &scores, detector.false_alerts());
        assert_eq!(judged.false_alerts(), 2);
        assert_eq!(judged.threshold, Some(4.0f32.next_up()));
    }

    #[test]
    fn an_oddity_has_its_own_rate_and_that_of_its_keys() {
        let mut labels = labels(&["a", "b"]);
        labels.oddities.push(OddityLabel {
            key: "a".into(),
            kind: "weekly_batch".into(),
            start: alert("a", 24.0).raised_at,
            end: alert("a", 25.0).raised_at,
            announced: false,
        });
        let alerts = [alert("a", 24.5), alert("a", 30.0), alert("b", 24.5)];
        let rates = by_oddity(&labels, &alerts);
        let rate = &rates["weekly_batch"];
        assert_eq!((rate.during.count, rate.in_scored_span), (1, 1));
        assert!((rate.during.key_days - 25.0 / 24.0).abs() < 1e-9);
        assert_eq!((rate.keys, rate.on_its_keys.count), (1, 2));
    }
}
