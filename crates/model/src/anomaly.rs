//! What the detector finds in one window of one key.

use serde::{Deserialize, Serialize};

use crate::{Entity, Timestamp, Window};

/// What is counted in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Metric {
    /// Calls.
    #[serde(rename = "requests")]
    Requests,
    /// Input and output tokens together.
    #[serde(rename = "tokens")]
    Tokens,
    /// Cost in dollars.
    #[serde(rename = "cost_usd")]
    Cost,
}

impl Metric {
    /// Every metric, in the order of the columns.
    pub const ALL: [Metric; 3] = [Metric::Requests, Metric::Tokens, Metric::Cost];

    /// Returns the stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Cost => "cost_usd",
        }
    }

    /// Returns the unit as a person reads it.
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Cost => "dollars",
        }
    }
}

/// Which family of evidence raised an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detector {
    /// More requests or tokens than this key makes.
    Volume,
    /// More money than this key spends.
    Spend,
    /// Requests that cost more than this key's do, or go to a model it never used.
    Price,
    /// Calls from networks or with clients that are new to this key.
    Caller,
    /// Refused and listing calls: somebody tries the key out.
    Probing,
    /// A key that was silent for long.
    Dormancy,
    /// A key without a history that does more than new keys do.
    Newborn,
    /// Many keys of one account that nobody has heard of before.
    Flood,
    /// What the inventory forbids.
    Rule,
    /// Several keys at once, linked by what they share.
    Campaign,
}

/// How much an alert asks of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Kept for the record, below what matters in money or requests.
    Info,
    /// Look at it this week.
    Low,
    /// Look at it today.
    Medium,
    /// Look at it now.
    High,
    /// Act now.
    Critical,
}

impl Severity {
    /// Returns the stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// Returns whether a person is told at once.
    pub fn pages(self) -> bool {
        self >= Severity::Medium
    }
}

/// One judged window of one metric of one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Whose window it is.
    #[serde(flatten)]
    pub entity: Entity,
    /// What was counted.
    pub metric: Metric,
    /// The window.
    pub window: Window,
    /// When it was judged, in event time: never earlier than the data it used.
    pub judged_at: Timestamp,
    /// What was seen, in the metric's unit (dollars for cost).
    pub observed: f64,
    /// What was expected.
    pub expected: f64,
    /// The lower end of the expected range (0.5 % of windows lie below).
    pub expected_low: f64,
    /// The upper end of the expected range (0.5 % of windows lie above).
    pub expected_high: f64,
    /// The negative natural logarithm of the chance to see this much or more; never underflows.
    pub neg_log_p: f64,
    /// How many episodes as bad as this or worse a key like this has in a day.
    pub episodes_per_day: f64,
    /// 0 to 100; 50 is where an alert begins.
    pub score: f64,
}
