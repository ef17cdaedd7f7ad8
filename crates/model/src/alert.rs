//! What a person is told about one episode of one key; `schemas/alert.v1.schema.json`.

use serde::{Deserialize, Serialize};

use crate::{
    AlertId, Detector, Entity, EntityLevel, IncidentId, Metric, Nanos, Severity, Timestamp,
};

/// One alert: one episode of one key, told once and then revised.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Computed from the entity and the first window's start.
    pub alert_id: AlertId,
    /// 0 while the first window is open; grows with every change that matters.
    pub revision: u32,
    /// The event time known when this revision was made: never earlier than the data it used.
    pub raised_at: Timestamp,
    /// What it is about.
    #[serde(default)]
    pub entity_level: EntityLevel,
    /// The key's id or fingerprint; empty where the entity has no key, and then null on the wire.
    #[serde(with = "empty_is_null")]
    pub key_id: String,
    /// A masked form of the key, if one is known.
    pub key_hint: Option<String>,
    /// The tenant.
    pub account: String,
    /// The provider's project, if known.
    pub project: Option<String>,
    /// The service that is billed, where it is one's.
    #[serde(default)]
    pub service: Option<String>,
    /// The provider.
    pub provider: String,
    /// The vendor that links the keys of a campaign; null for an alert on one key.
    pub vendor: Option<String>,
    /// Third parties with whom the key is stored, from the inventory.
    pub stored_with: Vec<String>,
    /// Who answers for the key, from the inventory.
    pub owner: Option<String>,
    /// The family of evidence.
    pub detector: Detector,
    /// How much it asks of a person.
    pub severity: Severity,
    /// 0 to 100; 50 is where an alert begins.
    pub score: f64,
    /// The chance to see this much or more; 0 when it underflows.
    pub p_value: f64,
    /// Its negative natural logarithm, which does not underflow.
    pub neg_log_p: f64,
    /// How many episodes as bad or worse a key like this has in a day.
    pub episodes_per_day: f64,
    /// What was counted.
    pub metric: Metric,
    /// The start of the worst window so far.
    pub window_start: Timestamp,
    /// Its end.
    pub window_end: Timestamp,
    /// What was seen in it.
    pub observed: f64,
    /// What was expected.
    pub expected: f64,
    /// The lower end of the expected range.
    pub expected_low: f64,
    /// The upper end of the expected range.
    pub expected_high: f64,
    /// What speaks for it, in sentences.
    pub evidence: Vec<Evidence>,
    /// What the usage of the episode is made of.
    pub top_contributors: Vec<Contributor>,
    /// The incident it belongs to.
    pub incident_id: IncidentId,
    /// The start of the episode's first window.
    pub first_seen: Timestamp,
    /// Money above what was expected, since the episode began.
    pub cost_so_far_usd: Nanos,
    /// Money above what was expected, per hour, now.
    pub burn_usd_per_hour: f64,
    /// MITRE ATT&CK and ATLAS techniques it may be.
    pub attack_techniques: Vec<String>,
    /// Whether the episode is over.
    pub ended: bool,
    /// Observed against expected, hour by hour, up to now.
    pub series: Vec<SeriesPoint>,
}

impl Alert {
    /// Returns the entity it is about.
    pub fn entity(&self) -> Entity {
        Entity {
            provider: self.provider.clone(),
            account: self.account.clone(),
            key: self.key_id.clone(),
        }
    }

    /// Returns the name of what it is about: the key's id, or the level and name of what has none.
    pub fn name(&self) -> String {
        let of = |name: &str| format!("{} {name}", self.entity_level.as_str());
        match self.entity_level {
            EntityLevel::Key => self.key_id.clone(),
            EntityLevel::Account => of(&self.account),
            EntityLevel::Provider => of(&self.provider),
            EntityLevel::Service => of(self.service.as_deref().unwrap_or_default()),
            EntityLevel::Project => of(self.project.as_deref().unwrap_or_default()),
        }
    }

    /// Returns observed over expected, or `None` where nothing was expected.
    pub fn factor(&self) -> Option<f64> {
        (self.expected > 0.0).then(|| self.observed / self.expected)
    }
}

/// Writes an empty text as null: on the wire an unknown is never an empty string.
mod empty_is_null {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
        (!text.is_empty()).then_some(text).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<String, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or_default())
    }
}

/// One sentence of evidence and the family and figure behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The family of evidence.
    pub family: String,
    /// The sentence.
    pub text: String,
    /// The negative natural logarithm of its chance, where it has one.
    pub neg_log_p: Option<f64>,
}

/// One value of one dimension and its share of the episode's usage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contributor {
    /// The dimension: model, source_ip or user_agent.
    pub dimension: String,
    /// The value.
    pub value: String,
    /// Its share of the requests, 0 to 1.
    pub share: f64,
    /// Whether the key had never shown this value before the episode.
    pub first_seen: bool,
}

/// One point of the chart: a window, what was seen and what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoint {
    /// The start of the window.
    pub start: Timestamp,
    /// The end of the window.
    pub end: Timestamp,
    /// What was seen, in the alert's metric.
    pub observed: f64,
    /// What was expected.
    pub expected: f64,
    /// The lower end of the expected range.
    pub low: f64,
    /// The upper end of the expected range.
    pub high: f64,
}
