//! What a score says, as numbers and as a table.

use std::collections::BTreeMap;
use std::fmt;

use model::{Nanos, Timestamp};
use serde::Serialize;

/// The score of a detector on one run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The scenario of the labels.
    pub scenario: String,
    /// The seed of the labels.
    pub seed: u64,
    /// How the alerts were counted.
    pub alerts: AlertCounts,
    /// False alerts against the time in which there could be some.
    pub false_alerts: FalseAlerts,
    /// All abuses together.
    pub overall: Detection,
    /// The abuses of each type.
    pub by_type: BTreeMap<String, Detection>,
    /// The keys of each class.
    pub by_class: BTreeMap<String, ClassScore>,
    /// The legitimate oddities of each kind.
    pub by_oddity: BTreeMap<String, OddityScore>,
    /// Each group of abuses that the labels name, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupOutcome>,
    /// Each abuse, by start.
    pub abuses: Vec<AbuseOutcome>,
}

/// How the alerts were counted. An alert about several keys is one for each of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AlertCounts {
    /// Alerts read.
    pub alerts: u64,
    /// Alerts by key in the scored span; the sum of the next three.
    pub on_keys: u64,
    /// Counted and true.
    pub counted_true: u64,
    /// Counted and false.
    pub counted_false: u64,
    /// Not counted, being within six hours of a counted one on the same key.
    pub repeated: u64,
    /// Not counted, being outside of the scored span.
    pub outside_scored_span: u64,
    /// Alerts in the scored span that name several keys.
    pub campaigns: u64,
    /// Those of them of which fewer than half of the keys were under abuse.
    pub false_campaigns: u64,
    /// Counted false ones on keys that the labels do not know, or on no key.
    pub on_unknown_keys: u64,
    /// The first of those keys.
    pub unknown_keys: Vec<String>,
}

/// A 95 % interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl From<(f64, f64)> for Interval {
    fn from((low, high): (f64, f64)) -> Self {
        Self { low, high }
    }
}

/// False alerts, and the days on which keys existed and were not abused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct FalseAlerts {
    /// Counted false alerts.
    pub count: u64,
    /// Days of existence in the scored span, less the days of abuse, over all keys.
    pub key_days: f64,
    /// The rate; 0 without key-days.
    pub per_1000_key_days: f64,
    /// Byar's interval of the rate.
    pub per_1000_key_days_interval: Interval,
}

/// How a set of abuses was detected.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Detection {
    /// How many there were.
    pub abuses: usize,
    /// How many a true alert met.
    pub detected: usize,
    /// The share that was detected; `None` where there were none.
    pub recall: Option<f64>,
    /// Wilson's interval of the recall.
    pub recall_interval: Interval,
    /// The median of raising minus start in minutes, over those detected.
    pub median_minutes: Option<f64>,
    /// The 90th percentile of it.
    pub p90_minutes: Option<f64>,
    /// What the abusers cost in all.
    pub cost_usd: Nanos,
    /// What they had cost when they were detected, or at their end.
    pub lost_usd: Nanos,
    /// The share of the cost that was lost; `None` where it cost nothing.
    pub lost_share: Option<f64>,
}

/// A class of keys.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClassScore {
    /// The number of keys.
    pub keys: usize,
    /// False alerts on them.
    pub false_alerts: FalseAlerts,
    /// Abuses of them.
    pub detection: Detection,
}

/// A kind of legitimate oddity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct OddityScore {
    /// How many took place in the scored span.
    pub in_scored_span: usize,
    /// The days in which an alert would be counted on it, over all of them.
    pub key_days: f64,
    /// Counted false alerts during one, or at most an hour after.
    pub false_alerts: u64,
    /// Those of them where the oddity was announced.
    pub false_alerts_announced: u64,
}

/// What became of a group of abuses, such as the breach of a vendor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupOutcome {
    /// The name in the labels.
    pub group: String,
    /// The type of its abuses.
    #[serde(rename = "type")]
    pub kind: String,
    /// How many keys were abused.
    pub abuses: usize,
    /// How many of them a true alert met, alone or with others.
    pub detected: usize,
    /// The time of the first abusive event of all.
    pub start: Timestamp,
    /// When the first alert named several keys, half of them or more of the group.
    pub detected_at: Option<Timestamp>,
    /// Detection minus start.
    pub minutes: Option<f64>,
}

/// What became of one abuse.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AbuseOutcome {
    /// The key's id.
    pub key: String,
    /// The class of the key.
    pub class: String,
    /// The type.
    #[serde(rename = "type")]
    pub kind: String,
    /// The time of the first abusive event.
    pub start: Timestamp,
    /// When the first true alert was raised.
    pub detected_at: Option<Timestamp>,
    /// Raising minus start.
    pub minutes: Option<f64>,
    /// What the abuser cost in all.
    pub cost_usd: Nanos,
    /// What the abuser had cost when detected, or at the end.
    pub lost_usd: Nanos,
    /// How many requests the abuser had made when detected, where the labels count them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_before: Option<u64>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "scenario {}, seed {}", self.scenario, self.seed)?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<24} {:>9} {:>7} {:>13} {:>10} {:>10} {:>12} {:>7}",
            "abuse", "detected", "recall", "95 %", "median", "p90", "lost USD", "share"
        )?;
        for (kind, detection) in &self.by_type {
            write_detection(f, kind, detection)?;
        }
        write_detection(f, "all", &self.overall)?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<24} {:>9} {:>9} {:>7} {:>11} {:>17} {:>9}",
            "class", "keys", "key-days", "false", "per 1000 d", "95 %", "detected"
        )?;
        for (class, score) in &self.by_class {
            let detection = &score.detection;
            let detected = format!("{}/{}", detection.detected, detection.abuses);
            write_false(
                f,
                class,
                &score.keys.to_string(),
                &score.false_alerts,
                &detected,
            )?;
        }
        let keys: usize = self.by_class.values().map(|score| score.keys).sum();
        let detected = format!("{}/{}", self.overall.detected, self.overall.abuses);
        write_false(f, "all", &keys.to_string(), &self.false_alerts, &detected)?;
        writeln!(f)?;
        let counts = &self.alerts;
        writeln!(
            f,
            "alerts {}: {} true, {} false, {} repeated within 6 h, {} outside the scored span",
            counts.alerts,
            counts.counted_true,
            counts.counted_false,
            counts.repeated,
            counts.outside_scored_span
        )?;
        for (kind, score) in &self.by_oddity {
            writeln!(
                f,
                "false alerts on {kind}: {} ({} announced) in {} of them",
                score.false_alerts, score.false_alerts_announced, score.in_scored_span
            )?;
        }
        for group in &self.groups {
            writeln!(
                f,
                "{} of {}: {} of {} keys detected, as one after {}",
                group.kind,
                group.group,
                group.detected,
                group.abuses,
                duration(group.minutes)
            )?;
        }
        if counts.campaigns > 0 {
            let (all, wrong) = (counts.campaigns, counts.false_campaigns);
            writeln!(f, "alerts on several keys: {all}, {wrong} of them false")?;
        }
        if counts.on_unknown_keys > 0 {
            let keys = counts.unknown_keys.join(", ");
            let count = counts.on_unknown_keys;
            writeln!(f, "false alerts on unknown keys: {count} ({keys})")?;
        }
        Ok(())
    }
}

fn write_detection(f: &mut fmt::Formatter<'_>, name: &str, row: &Detection) -> fmt::Result {
    let interval = row.recall_interval;
    writeln!(
        f,
        "{name:<24} {:>9} {:>7} {:>13} {:>10} {:>10} {:>12.2} {:>7}",
        format!("{}/{}", row.detected, row.abuses),
        percent(row.recall),
        format!("{:.0}-{:.0} %", interval.low * 100.0, interval.high * 100.0),
        duration(row.median_minutes),
        duration(row.p90_minutes),
        row.lost_usd.to_usd(),
        percent(row.lost_share),
    )
}

fn write_false(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    keys: &str,
    row: &FalseAlerts,
    detected: &str,
) -> fmt::Result {
    let interval = row.per_1000_key_days_interval;
    writeln!(
        f,
        "{name:<24} {keys:>9} {:>9.1} {:>7} {:>11.2} {:>17} {detected:>9}",
        row.key_days,
        row.count,
        row.per_1000_key_days,
        format!("{:.2}-{:.2}", interval.low, interval.high),
    )
}

fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.0} %", share * 100.0))
}

fn duration(minutes: Option<f64>) -> String {
    match minutes {
        None => "-".into(),
        Some(minutes) if minutes < 120.0 => format!("{minutes:.1} min"),
        Some(minutes) => format!("{:.1} h", minutes / 60.0),
    }
}
