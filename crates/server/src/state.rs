//! What the pages are made from.

use std::sync::Arc;

use casebook::Casebook;
use model::Timestamp;

/// How the running service is doing, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    /// When the process started, by the wall clock.
    pub started_at: Timestamp,
    /// Records read since the start.
    pub events: u64,
    /// Records read per second, lately.
    pub events_per_second: f64,
    /// Usage rows decoded since the start.
    pub rows: u64,
    /// Records that could not be read, since the start.
    pub dead_letters: u64,
    /// Repeats that were dropped, since the start.
    pub duplicates: u64,
    /// Alert revisions raised since the start.
    pub alerts: u64,
    /// Keys with a baseline or on the way to one.
    pub keys_tracked: u64,
    /// Records in the log that were not read yet; `None` while unknown.
    pub lag_records: Option<u64>,
    /// The event time up to which everything has been seen; `None` before the first event.
    pub watermark: Option<Timestamp>,
    /// Whether everything that was in the log at the start has been read.
    pub caught_up: bool,
    /// When the last checkpoint was durable, by the wall clock.
    pub last_checkpoint: Option<Timestamp>,
    /// Rows committed to history since the start.
    pub history_rows: u64,
    /// Bytes that the baselines and windows take.
    pub state_bytes: u64,
    /// Snapshots saved since the start.
    pub snapshots: u64,
    /// Snapshots that could not be saved, since the start.
    pub snapshot_failures: u64,
    /// Bytes of the last snapshot.
    pub snapshot_bytes: u64,
    /// How long the last snapshot was written.
    pub snapshot_seconds: f64,
    /// How long nothing was judged because of it.
    pub snapshot_pause_seconds: f64,
    /// What had tokens and neither a cost nor a price since the start, most tokens first.
    pub unpriced: Vec<UnpricedModel>,
    /// Topic and partition of what next to nothing can be read of.
    pub unreadable: Vec<(String, i32)>,
    /// Batches that are decoded and judged at this moment.
    pub batches_in_work: u64,
    /// Rows that wait for history.
    pub rows_waiting: u64,
    /// How many rows may wait for history before no more is read.
    pub rows_waiting_limit: u64,
    /// How long the last commit to history took.
    pub commit_seconds: f64,
    /// Commits to history that failed and were tried again, since the start.
    pub commit_failures: u64,
    /// Writes to the casebook and the topic of dead letters that failed and were tried again, since
    /// the start.
    pub effect_failures: u64,
    /// How each partition is doing.
    pub partitions: Vec<FeedVitals>,
    /// The last thing that went wrong, kept until something else does.
    pub last_error: Option<String>,
}

/// How one partition is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedVitals {
    /// The topic.
    pub topic: String,
    /// The number of the partition.
    pub partition: i32,
    /// Records that were not read yet; `None` while unknown.
    pub lag_records: Option<u64>,
    /// The event time up to which everything has been seen.
    pub watermark: Option<Timestamp>,
    /// The broker's time of the newest record that was handled.
    pub newest_record: Option<Timestamp>,
    /// Whether nothing comes of it.
    pub is_idle: bool,
}

/// A model whose usage has no cost, because no price is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnpricedModel {
    /// The provider; empty if the events do not say.
    pub provider: String,
    /// The model; empty if the events do not say.
    pub model: String,
    /// Events since the start.
    pub events: u64,
    /// Tokens since the start, in and out.
    pub tokens: u64,
}

/// The door through which the running pipeline says how it is doing.
pub trait VitalsSource: Send + Sync {
    /// Returns the vitals now; called for each page and scrape, so it must not block.
    fn vitals(&self) -> Vitals;
}

/// Vitals that stand still: of a casebook looked at without a running service, and in tests.
impl VitalsSource for Vitals {
    fn vitals(&self) -> Vitals {
        self.clone()
    }
}

/// What every request can see.
#[derive(Clone)]
pub struct AppState {
    /// Alerts, incidents, actions and the audit.
    pub casebook: Casebook,
    /// How the service is doing.
    pub vitals: Arc<dyn VitalsSource>,
}
