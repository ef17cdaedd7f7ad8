//! What a person works on: the alerts of one account that belong together.

use serde::{Deserialize, Serialize};

use crate::{Alert, IncidentId, Nanos, Severity, Timestamp};

/// Where the work on an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Somebody has to look.
    Open,
    /// Every episode has ended.
    Ended,
}

/// The alerts of one account that began within a day of each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Computed from the account and the first alert.
    pub incident_id: IncidentId,
    /// The tenant.
    pub account: String,
    /// Where the work stands.
    pub state: IncidentState,
    /// The highest severity among its alerts.
    pub severity: Severity,
    /// The start of its first window.
    pub first_seen: Timestamp,
    /// The event time of its newest alert revision.
    pub last_seen: Timestamp,
    /// The number of keys.
    pub keys: u32,
    /// Money above what was expected, over all its keys.
    pub cost_so_far_usd: Nanos,
    /// Money above what was expected, per hour, now, over all its keys.
    pub burn_usd_per_hour: f64,
}

/// One message to people: an incident as it stands, and which telling of it this is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The incident.
    pub incident: Incident,
    /// Its alerts, the worst first.
    pub alerts: Vec<Alert>,
    /// Vendors that every alerted key of the incident is stored with.
    pub shared_vendors: Vec<String>,
    /// Other open incidents with a key stored with one of those vendors.
    pub linked_accounts: Vec<String>,
    /// 0 for the first message about the incident, then 1, 2, ...
    pub sequence: u32,
    /// The same for every attempt at this message, so that a receiver can drop a repeat.
    pub idempotency_key: String,
    /// Where the incident can be looked at, if the console has an address.
    pub link: Option<String>,
}
