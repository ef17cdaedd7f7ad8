//! `[detector]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How sensitive the detector is, and what is worth a person's attention.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DetectorConfig {
    /// How many false alerts are accepted for each thousand keys and day.
    pub false_alerts_per_1000_key_days: f64,
    /// Money above the expected, in dollars, from which an alert pages.
    pub page_from_usd: f64,
    /// Requests above the expected from which an alert is more than a note.
    pub note_from_requests: f64,
    /// For how many keys of one partition there is room in memory: 1 to 1.5 GB if all of them
    /// are in use at once, half of it if few are. A sixteenth is for keys nobody has heard of
    /// before.
    pub max_keys_per_partition: usize,
}

impl Default for DetectorConfig {
    fn default() -> Self {
        Self {
            false_alerts_per_1000_key_days: 5.0,
            page_from_usd: 5.0,
            note_from_requests: 100.0,
            max_keys_per_partition: 400_000,
        }
    }
}

impl DetectorConfig {
    /// Returns the accepted episodes for each key and day.
    pub(crate) fn alpha(&self) -> f64 {
        (self.false_alerts_per_1000_key_days / 1000.0).clamp(1e-9, 1.0)
    }
}
