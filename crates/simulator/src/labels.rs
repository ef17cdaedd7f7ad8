//! What was abuse and what only looked like it; `schemas/labels.v1.schema.json`.

use model::{Nanos, Timestamp, Window};
use serde::{Deserialize, Serialize};

use crate::event::SimulatedEvent;

/// The truth about a run, which a detector never sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Labels {
    /// The version of the format, [`Labels::VERSION`].
    pub version: String,
    /// The name of the scenario.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// The span in which alerts are scored; its last moment counts.
    pub scored: Window,
    /// The abuses, by start.
    pub abuses: Vec<AbuseLabel>,
    /// The legitimate oddities, by start; a weekly one has an entry for each week.
    pub oddities: Vec<OddityLabel>,
    /// Every key.
    pub keys: Vec<KeyLabel>,
}

impl Labels {
    /// The version that this crate writes and reads.
    pub const VERSION: &'static str = "labels.v1";
}

/// One abuse of one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AbuseLabel {
    /// The key's id.
    pub key: String,
    /// The tenant.
    pub account: String,
    /// The type, such as `smash`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The time of the first abusive event.
    pub start: Timestamp,
    /// The time of the last abusive event.
    pub end: Timestamp,
    /// How hard it was planned to be.
    pub intensity: f64,
    /// What the intensity counts, such as `times_mean_requests`.
    pub intensity_unit: String,
    /// The number of abusive events, duplicates not counted.
    pub events: u64,
    /// The number of abusive requests.
    pub requests: u64,
    /// What the abuser cost in all.
    pub cost_usd: Nanos,
    /// What the abuser had cost by the end of each minute, from the minute of `start` on.
    pub cumulative_cost_usd: Vec<Nanos>,
    /// How many requests the abuser had made by the end of each minute, in scenarios that
    /// ask for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cumulative_requests: Vec<u64>,
    /// What the abuses of one breach have in common, such as the vendor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

impl AbuseLabel {
    /// Adds up the abuser's `events`, or returns `None` where there are none.
    pub(crate) fn from_events(
        kind: &str,
        (intensity, unit): (f64, &str),
        events: &[SimulatedEvent],
    ) -> Option<Self> {
        let first = events.iter().min_by_key(|event| event.time)?;
        let end = events.iter().map(|event| event.time).max()?;
        let start = first.time;
        let minute = |time: Timestamp| {
            let from = start.floor_to(Timestamp::MINUTE);
            ((time.millis() - from.millis()) / Timestamp::MINUTE) as usize
        };
        let mut by_minute = vec![Nanos::default(); minute(end) + 1];
        let mut requests = vec![0; by_minute.len()];
        for event in events {
            by_minute[minute(event.time)] += event.cost;
            requests[minute(event.time)] += u64::from(event.requests);
        }
        let (mut total, mut count) = (Nanos::default(), 0);
        for (cost, requests) in by_minute.iter_mut().zip(&mut requests) {
            total += *cost;
            *cost = total;
            count += *requests;
            *requests = count;
        }
        Some(Self {
            key: first.names.key.clone(),
            account: first.names.account.clone(),
            kind: kind.to_owned(),
            start,
            end,
            intensity: (intensity * 1000.0).round() / 1000.0,
            intensity_unit: unit.to_owned(),
            events: events.len() as u64,
            requests: count,
            cost_usd: total,
            cumulative_cost_usd: by_minute,
            cumulative_requests: requests,
            group: None,
        })
    }

    /// Returns how many requests the abuser had made by the end of the minute of `time`,
    /// where the label counts them.
    pub fn requests_by(&self, time: Timestamp) -> Option<u64> {
        let last = self.cumulative_requests.last()?;
        Some(self.minute_of(time).map_or(0, |minute| {
            *self.cumulative_requests.get(minute).unwrap_or(last)
        }))
    }

    /// Returns what the abuser had cost by the end of the minute of `time`.
    pub fn cost_by(&self, time: Timestamp) -> Nanos {
        let Some(minute) = self.minute_of(time) else {
            return Nanos::default();
        };
        let by_minute = &self.cumulative_cost_usd;
        by_minute.get(minute).copied().unwrap_or(self.cost_usd)
    }

    /// Returns the place of the minute of `time`, or `None` before the start.
    fn minute_of(&self, time: Timestamp) -> Option<usize> {
        let from = self.start.floor_to(Timestamp::MINUTE);
        let minute = (time.millis() - from.millis()) / Timestamp::MINUTE;
        (time >= self.start).then_some(minute as usize)
    }
}

/// One time that something legitimate looked odd.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OddityLabel {
    /// The key's id.
    pub key: String,
    /// The type, such as `weekly_batch`.
    #[serde(rename = "type")]
    pub kind: String,
    /// When it begins.
    pub start: Timestamp,
    /// When it is over.
    pub end: Timestamp,
    /// Whether the changes of the inventory announce it.
    pub announced: bool,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyLabel {
    /// The key's id.
    pub key: String,
    /// The tenant.
    pub account: String,
    /// The class, such as `service`.
    pub class: String,
    /// When it exists within the run.
    pub exists: Window,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_by_a_moment_is_that_of_its_whole_minute() {
        let start = Timestamp::parse("2026-05-04T03:00:30Z").unwrap();
        let label = AbuseLabel {
            key: "key_1".into(),
            account: "quietharbor".into(),
            kind: "smash".into(),
            start,
            end: start.plus(2 * Timestamp::MINUTE),
            intensity: 10.0,
            intensity_unit: "times_mean_requests".into(),
            events: 3,
            requests: 3,
            cost_usd: Nanos::new(30),
            cumulative_cost_usd: [10, 20, 30].map(Nanos::new).to_vec(),
            cumulative_requests: vec![1, 2, 3],
            group: None,
        };
        let at = |seconds: i64| label.cost_by(start.plus(seconds * Timestamp::SECOND)).get();
        assert_eq!(
            [at(-1), at(0), at(29), at(30), at(120), at(9999)],
            [0, 10, 10, 20, 30, 30]
        );
        let requests = |seconds: i64| label.requests_by(start.plus(seconds * Timestamp::SECOND));
        assert_eq!(
            [-1, 0, 30, 9999].map(requests),
            [Some(0), Some(1), Some(2), Some(3)]
        );
    }
}
