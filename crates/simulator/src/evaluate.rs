//! Compares alerts with labels.
//!
//! - True: the alert's key is under abuse when it is raised, or was until at most an hour ago.
//!   Everything else is false, on unknown keys too.
//! - Alerts on one key within six hours of a counted one count once. A repeat can still
//!   detect: an early false alarm must not hide that the abuse was then seen.
//! - Time to detect: the event time of raising the first true alert, minus the abuse's start.
//! - A group of abuses is detected as one by the first alert that names several keys, half of
//!   them or more of the group, while one of those is under abuse or was an hour ago.
//! - Alerts outside of the scored span are neither true nor false; they are counted apart.

use std::collections::{BTreeMap, HashMap};

use model::{Nanos, Timestamp, Window};

use crate::interval;
use crate::labels::{AbuseLabel, KeyLabel, Labels, OddityLabel};
use crate::report::{
    AbuseOutcome, AlertCounts, ClassScore, Detection, FalseAlerts, GroupOutcome, OddityScore,
    Report,
};
use crate::scored_alert::ScoredAlert;

/// How long after its end an abuse still makes an alert true.
const GRACE: i64 = Timestamp::HOUR;

/// How long after a counted alert others on the same key are repeats of it.
const REPEAT: i64 = 6 * Timestamp::HOUR;

/// How many unknown keys are named.
const NAMED: usize = 5;

/// The class of keys that the labels do not know.
const UNKNOWN: &str = "unknown";

/// Scores `alerts` against `labels`.
pub fn evaluate(labels: &Labels, alerts: impl Iterator<Item = ScoredAlert>) -> Report {
    let mut tally = Tally::new(labels);
    let mut accusations = Vec::new();
    for alert in alerts {
        tally.counts.alerts += 1;
        let mut keys = alert.key_ids;
        keys.sort();
        keys.dedup();
        if keys.is_empty() {
            // Usage without a key is nobody's key; the account stands for it.
            keys.push(format!("(no key of \"{}\")", alert.account));
        }
        tally.count_campaign(alert.raised_at, &keys);
        accusations.extend(keys.into_iter().map(|key| (alert.raised_at, key)));
    }
    accusations.sort();
    for (raised_at, key) in accusations {
        tally.count(raised_at, &key);
    }
    tally.report()
}

/// Everything known and counted so far.
struct Tally<'a> {
    labels: &'a Labels,
    keys: HashMap<&'a str, &'a KeyLabel>,
    /// Places in the labels' list, by key.
    abuses: HashMap<&'a str, Vec<usize>>,
    oddities: HashMap<&'a str, Vec<&'a OddityLabel>>,
    counts: AlertCounts,
    last_counted: HashMap<String, Timestamp>,
    /// When each abuse was first met by a true alert.
    detected_at: Vec<Option<Timestamp>>,
    /// When each group was first met as one.
    groups_at: BTreeMap<&'a str, Timestamp>,
    false_by_class: BTreeMap<String, u64>,
    by_oddity: BTreeMap<String, OddityScore>,
}

impl<'a> Tally<'a> {
    fn new(labels: &'a Labels) -> Self {
        let mut abuses: HashMap<&str, Vec<usize>> = HashMap::new();
        for (place, abuse) in labels.abuses.iter().enumerate() {
            abuses.entry(&abuse.key).or_default().push(place);
        }
        let mut oddities: HashMap<&str, Vec<&OddityLabel>> = HashMap::new();
        let mut by_oddity: BTreeMap<String, OddityScore> = BTreeMap::new();
        for oddity in &labels.oddities {
            oddities.entry(&oddity.key).or_default().push(oddity);
            let score = by_oddity.entry(oddity.kind.clone()).or_default();
            let scored = labels.scored;
            let is_scored = oddity.end >= scored.start && oddity.start <= scored.end;
            score.in_scored_span += usize::from(is_scored);
            let window = Window {
                start: oddity.start,
                end: oddity.end.plus(GRACE),
            };
            score.key_days += overlap(scored, window) as f64 / Timestamp::DAY as f64;
        }
        Self {
            labels,
            keys: labels
                .keys
                .iter()
                .map(|key| (key.key.as_str(), key))
                .collect(),
            abuses,
            oddities,
            counts: AlertCounts::default(),
            last_counted: HashMap::new(),
            detected_at: vec![None; labels.abuses.len()],
            groups_at: BTreeMap::new(),
            false_by_class: BTreeMap::new(),
            by_oddity,
        }
    }

    /// Counts one alert on one key; called in the order of raising.
    fn count(&mut self, raised_at: Timestamp, key: &str) {
        let scored = self.labels.scored;
        if raised_at < scored.start || raised_at > scored.end {
            self.counts.outside_scored_span += 1;
            return;
        }
        self.counts.on_keys += 1;
        let is_true = self.detect(raised_at, key);
        let last = self.last_counted.get(key);
        if last.is_some_and(|last| raised_at <= last.plus(REPEAT)) {
            self.counts.repeated += 1;
            return;
        }
        self.last_counted.insert(key.to_owned(), raised_at);
        if is_true {
            self.counts.counted_true += 1;
        } else {
            self.count_false(raised_at, key);
        }
    }

    /// Counts an alert that names several keys; called in any order.
    fn count_campaign(&mut self, raised_at: Timestamp, keys: &[String]) {
        let scored = self.labels.scored;
        if keys.len() < 2 || raised_at < scored.start || raised_at > scored.end {
            return;
        }
        let labels = self.labels;
        let mut under_abuse = 0;
        let mut by_group: BTreeMap<&'a str, usize> = BTreeMap::new();
        for key in keys {
            let places = self.abuses.get(key.as_str()).into_iter().flatten();
            let mut abuses = places.map(|place| &labels.abuses[*place]);
            if let Some(abuse) = abuses.find(|abuse| is_met(abuse, raised_at)) {
                under_abuse += 1;
                if let Some(group) = &abuse.group {
                    *by_group.entry(group).or_default() += 1;
                }
            }
        }
        self.counts.campaigns += 1;
        self.counts.false_campaigns += u64::from(2 * under_abuse < keys.len());
        for (group, met) in by_group {
            if 2 * met >= keys.len() {
                let at = self.groups_at.entry(group).or_insert(raised_at);
                *at = raised_at.min(*at);
            }
        }
    }

    /// Notes which abuses the alert meets, and returns whether there is any.
    fn detect(&mut self, raised_at: Timestamp, key: &str) -> bool {
        let mut is_true = false;
        for place in self.abuses.get(key).into_iter().flatten() {
            let abuse = &self.labels.abuses[*place];
            if is_met(abuse, raised_at) {
                is_true = true;
                self.detected_at[*place].get_or_insert(raised_at);
            }
        }
        is_true
    }

    fn count_false(&mut self, raised_at: Timestamp, key: &str) {
        self.counts.counted_false += 1;
        let class = match self.keys.get(key) {
            Some(known) => known.class.as_str(),
            None => {
                self.counts.on_unknown_keys += 1;
                let named = &mut self.counts.unknown_keys;
                if named.len() < NAMED && !named.iter().any(|name| name == key) {
                    named.push(key.to_owned());
                }
                UNKNOWN
            }
        };
        *self.false_by_class.entry(class.to_owned()).or_default() += 1;
        let during = self
            .oddities
            .get(key)
            .into_iter()
            .flatten()
            .find(|oddity| oddity.start <= raised_at && raised_at <= oddity.end.plus(GRACE));
        if let Some(oddity) = during {
            let score = self.by_oddity.entry(oddity.kind.clone()).or_default();
            score.false_alerts += 1;
            score.false_alerts_announced += u64::from(oddity.announced);
        }
    }

    /// Returns the days on which a key exists in the scored span and is not abused.
    fn key_days(&self, key: &KeyLabel) -> f64 {
        let scored = self.labels.scored;
        let exists = overlap(scored, key.exists);
        let abuses = self.abuses.get(key.key.as_str()).into_iter().flatten();
        let abused: i64 = abuses
            .map(|place| {
                let abuse = &self.labels.abuses[*place];
                let window = Window {
                    start: abuse.start.max(key.exists.start),
                    end: abuse.end.min(key.exists.end),
                };
                overlap(scored, window)
            })
            .sum();
        (exists - abused).max(0) as f64 / Timestamp::DAY as f64
    }

    fn outcomes(&self) -> Vec<AbuseOutcome> {
        let abuses = self.labels.abuses.iter().zip(&self.detected_at);
        let outcome = |(abuse, detected_at): (&AbuseLabel, &Option<Timestamp>)| AbuseOutcome {
            key: abuse.key.clone(),
            class: self
                .keys
                .get(abuse.key.as_str())
                .map_or(UNKNOWN, |key| key.class.as_str())
                .to_owned(),
            kind: abuse.kind.clone(),
            start: abuse.start,
            detected_at: *detected_at,
            minutes: detected_at.map(|at| {
                let millis = at.millis() - abuse.start.millis();
                millis as f64 / Timestamp::MINUTE as f64
            }),
            cost_usd: abuse.cost_usd,
            lost_usd: detected_at.map_or(abuse.cost_usd, |at| abuse.cost_by(at)),
            requests_before: detected_at.and_then(|at| abuse.requests_by(at)),
        };
        abuses.map(outcome).collect()
    }

    fn groups(&self) -> Vec<GroupOutcome> {
        let mut groups: BTreeMap<&str, GroupOutcome> = BTreeMap::new();
        for (abuse, detected_at) in self.labels.abuses.iter().zip(&self.detected_at) {
            let Some(name) = &abuse.group else {
                continue;
            };
            let group = groups.entry(name).or_insert_with(|| GroupOutcome {
                group: name.clone(),
                kind: abuse.kind.clone(),
                abuses: 0,
                detected: 0,
                start: abuse.start,
                detected_at: self.groups_at.get(name.as_str()).copied(),
                minutes: None,
            });
            group.abuses += 1;
            group.detected += usize::from(detected_at.is_some());
            group.start = group.start.min(abuse.start);
        }
        for group in groups.values_mut() {
            group.minutes = group.detected_at.map(|at| {
                let millis = at.millis() - group.start.millis();
                millis as f64 / Timestamp::MINUTE as f64
            });
        }
        groups.into_values().collect()
    }

    fn report(mut self) -> Report {
        let outcomes = self.outcomes();
        let groups = self.groups();
        let select = |keep: &dyn Fn(&AbuseOutcome) -> bool| {
            detection(outcomes.iter().filter(|outcome| keep(outcome)))
        };
        let kinds = outcomes.iter().map(|outcome| outcome.kind.clone());
        let by_type = kinds
            .map(|kind| {
                let row = select(&|outcome| outcome.kind == kind);
                (kind, row)
            })
            .collect();
        let mut by_class: BTreeMap<String, ClassScore> = BTreeMap::new();
        let mut key_days = 0.0;
        for key in &self.labels.keys {
            let days = self.key_days(key);
            key_days += days;
            let score = by_class.entry(key.class.clone()).or_default();
            score.keys += 1;
            score.false_alerts.key_days += days;
        }
        for (class, count) in std::mem::take(&mut self.false_by_class) {
            by_class.entry(class).or_default().false_alerts.count += count;
        }
        for (class, score) in &mut by_class {
            let row = score.false_alerts;
            score.false_alerts = false_alerts(row.count, row.key_days);
            score.detection = select(&|outcome| outcome.class == *class);
        }
        Report {
            scenario: self.labels.scenario.clone(),
            seed: self.labels.seed,
            false_alerts: false_alerts(self.counts.counted_false, key_days),
            overall: select(&|_| true),
            by_type,
            by_class,
            by_oddity: self.by_oddity,
            alerts: self.counts,
            groups,
            abuses: outcomes,
        }
    }
}

/// Returns whether an alert of this moment is true of this abuse.
fn is_met(abuse: &AbuseLabel, raised_at: Timestamp) -> bool {
    abuse.start <= raised_at && raised_at <= abuse.end.plus(GRACE)
}

fn overlap(a: Window, b: Window) -> i64 {
    (a.end.min(b.end).millis() - a.start.max(b.start).millis()).max(0)
}

fn false_alerts(count: u64, key_days: f64) -> FalseAlerts {
    let rate = |count: f64| {
        if key_days > 0.0 {
            count / key_days * 1000.0
        } else {
            0.0
        }
    };
    let (low, high) = interval::poisson(count);
    FalseAlerts {
        count,
        key_days,
        per_1000_key_days: rate(count as f64),
        per_1000_key_days_interval: (rate(low), rate(high)).into(),
    }
}

fn detection<'a>(outcomes: impl Iterator<Item = &'a AbuseOutcome>) -> Detection {
    let mut row = Detection::default();
    let mut minutes = Vec::new();
    for outcome in outcomes {
        row.abuses += 1;
        row.cost_usd += outcome.cost_usd;
        row.lost_usd += outcome.lost_usd;
        minutes.extend(outcome.minutes);
    }
    minutes.sort_by(f64::total_cmp);
    row.detected = minutes.len();
    row.recall = (row.abuses > 0).then(|| row.detected as f64 / row.abuses as f64);
    row.recall_interval = interval::wilson(row.detected, row.abuses).into();
    row.median_minutes = interval::quantile(&minutes, 0.5);
    row.p90_minutes = interval::quantile(&minutes, 0.9);
    let share = row.lost_usd.to_usd() / row.cost_usd.to_usd();
    row.lost_share = (row.cost_usd > Nanos::default()).then_some(share);
    row
}

#[cfg(test)]
mod tests;
