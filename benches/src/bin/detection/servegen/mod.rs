//! False alerts on real clients: counts without labels, run through the detector.

mod counts;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use detector::KeyDirectory;
use model::{Timestamp, Window};
use serde::Serialize;
use simulator::{FalseAlerts, Interval, KeyLabel, Labels, ScoredAlert};

use crate::detect::{Detected, detect};
use crate::progress::Progress;
use crate::{Failure, interval, workers};
use counts::{Counts, START, STEADY_ACTIVE, STEADY_VARIATION};

/// The stated budgets, in false alerts per 1000 key-days.
const BUDGETS: [f64; 2] = [1.0, 10.0];

/// The scored span: days 8 to 14.
const SCORED: Window = Window {
    start: START.plus(7 * Timestamp::DAY),
    end: START.plus(14 * Timestamp::DAY),
};

/// How long further alerts on a key are not counted.
const REFRACTORY: i64 = Timestamp::DAY;

/// The classes that clients are put into.
const STEADY: &str = "steady";
const OTHER: &str = "other";

/// What the detector says of real clients.
#[derive(Debug, Serialize)]
pub(crate) struct ServegenResult {
    /// Clients with a row of 14 days.
    pub(crate) clients: usize,
    /// Rows of another length, left out.
    pub(crate) other_rows: usize,
    /// Those of the clients that are steady.
    pub(crate) steady: usize,
    /// What steady means.
    pub(crate) steady_means: String,
    /// Windows in which every client of a model is silent, by model.
    pub(crate) gap_windows: BTreeMap<String, usize>,
    /// Events made of the counts.
    pub(crate) events: usize,
    /// What was found at each stated budget.
    pub(crate) budgets: Vec<ServegenAtBudget>,
}

/// Alerts at one stated budget. Nothing is labelled: an alert on real abuse counts as false too.
#[derive(Debug, Serialize)]
pub(crate) struct ServegenAtBudget {
    pub(crate) stated_per_1000_key_days: f64,
    /// Alerts on all 14 days, before any is left out.
    pub(crate) alerts: usize,
    /// By class of clients, and `all`.
    pub(crate) false_alerts: BTreeMap<String, FalseAlerts>,
    /// The rate of all clients over the stated one.
    pub(crate) realised_over_stated: f64,
    pub(crate) realised_over_stated_interval: Interval,
}

/// Runs the detector over a file of counts.
///
/// # Errors
/// When the file cannot be read or understood.
pub(crate) fn run(path: &Path) -> Result<ServegenResult, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|err| format!("read counts \"{}\": {err}", path.display()))?;
    let counts = Counts::parse(&text)?;
    let labels = labels(&counts);
    let events = counts.events();
    let jobs = workers::two_at_once(BUDGETS.to_vec(), |stated| {
        let progress = Progress::new(format!("servegen, stated {stated}"), events);
        let directory = KeyDirectory::default();
        let detected = detect(counts.batches(), directory, stated, progress, |_| {})?;
        Ok(score(&labels, stated, detected))
    });
    let steady = labels.keys.iter().filter(|key| key.class == STEADY);
    let gap_windows = counts.gaps.iter().map(|(model, gaps)| {
        let gaps = gaps.iter().filter(|gap| **gap).count();
        (model.clone(), gaps)
    });
    Ok(ServegenResult {
        clients: counts.clients.len(),
        other_rows: counts.other_rows,
        steady: steady.count(),
        steady_means: format!(
            "active in at least {:.0} % of windows, and the daily totals' standard deviation is below {STEADY_VARIATION} of their mean; gaps left out of both",
            100.0 * STEADY_ACTIVE
        ),
        gap_windows: gap_windows.collect(),
        events,
        budgets: jobs.into_iter().collect::<Result<_, Failure>>()?,
    })
}

/// Returns labels by which nobody is ever abused and every client exists all the time.
fn labels(counts: &Counts) -> Labels {
    let key = |client: &counts::Client| KeyLabel {
        key: client.name.clone(),
        account: client.model.clone(),
        class: match counts.is_steady(client) {
            true => STEADY.into(),
            false => OTHER.into(),
        },
        exists: Window {
            start: START,
            end: SCORED.end,
        },
    };
    Labels {
        version: Labels::VERSION.into(),
        scenario: "servegen".into(),
        seed: 0,
        scored: SCORED,
        abuses: Vec::new(),
        oddities: Vec::new(),
        keys: counts.clients.iter().map(key).collect(),
    }
}

fn score(labels: &Labels, stated: f64, detected: Detected) -> ServegenAtBudget {
    let alerts = detected.alerts.len();
    let counted = once_a_day(detected.alerts);
    let report = simulator::evaluate(labels, counted.into_iter());
    let classes = report.by_class.into_iter();
    let mut false_alerts: BTreeMap<String, FalseAlerts> = classes
        .map(|(class, score)| (class, score.false_alerts))
        .collect();
    false_alerts.insert("all".into(), report.false_alerts);
    let row = report.false_alerts;
    ServegenAtBudget {
        stated_per_1000_key_days: stated,
        alerts,
        false_alerts,
        realised_over_stated: row.per_1000_key_days / stated,
        realised_over_stated_interval: interval::divided(row.per_1000_key_days_interval, stated),
    }
}

/// Returns the alerts in the scored span, at most one a key and 24 hours.
fn once_a_day(mut alerts: Vec<ScoredAlert>) -> Vec<ScoredAlert> {
    let mut silent_until: HashMap<Vec<String>, Timestamp> = HashMap::new();
    alerts.sort_by_key(|alert| alert.raised_at);
    alerts.retain(|alert| {
        let is_scored = alert.raised_at >= SCORED.start && alert.raised_at <= SCORED.end;
        let silent_until = silent_until.entry(alert.key_ids.clone()).or_default();
        let counts = is_scored && alert.raised_at >= *silent_until;
        if counts {
            *silent_until = alert.raised_at.plus(REFRACTORY);
        }
        counts
    });
    alerts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::tests::alert;
    use crate::servegen::counts::tests::line;

    #[test]
    fn alerts_count_once_a_day_in_the_second_week() {
        let alerts = [6.9, 7.1, 7.2, 8.05, 8.15, 14.1].map(|days| alert("m/1", days));
        let counted = once_a_day(alerts.to_vec());
        assert_eq!(counted, [alerts[1].clone(), alerts[4].clone()]);
    }

    #[test]
    fn clients_have_seven_key_days_each_and_a_class() {
        let text = line("m/1", |_| 5) + &line("m/2", |at| u64::from(at == 9));
        let counts = Counts::parse(&text).unwrap();
        let detected = Detected {
            alerts: vec![alert("m/2", 9.0)],
            duplicates: 0,
        };
        let result = score(&labels(&counts), 1.0, detected);
        let key_days = |class: &str| result.false_alerts[class].key_days;
        assert_eq!((key_days("all"), key_days(STEADY)), (14.0, 7.0));
        assert_eq!(result.false_alerts[OTHER].count, 1);
        assert_eq!(result.false_alerts[STEADY].count, 0);
    }
}
