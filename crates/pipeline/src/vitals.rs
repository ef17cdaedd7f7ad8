//! How the pipeline is doing, for whoever shows it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use model::Timestamp;

/// Counters that the pipeline moves and pages read.
#[derive(Debug, Default)]
pub struct PipelineVitals {
    /// Records read.
    pub records: AtomicU64,
    /// Bytes of their payloads.
    pub bytes: AtomicU64,
    /// Rows that became usage.
    pub rows: AtomicU64,
    /// Records that could not be read.
    pub dead_letters: AtomicU64,
    /// Repeats dropped.
    pub duplicates: AtomicU64,
    /// Alerts that were new.
    pub alerts: AtomicU64,
    /// Keys with a baseline.
    pub keys: AtomicU64,
    /// Bytes of detector state.
    pub state_bytes: AtomicU64,
    /// Rows committed to history.
    pub history_rows: AtomicU64,
    /// Whether everything that was there at start has been handled.
    pub caught_up: AtomicBool,
    watermark_millis: AtomicI64,
    checkpoint_millis: AtomicI64,
    last_error: Mutex<Option<String>>,
}

impl PipelineVitals {
    /// Returns the lowest watermark of all partitions, once there is one.
    pub fn watermark(&self) -> Option<Timestamp> {
        known(self.watermark_millis.load(Ordering::Relaxed))
    }

    /// Returns when the last checkpoint was made, by the wall clock.
    pub fn last_checkpoint(&self) -> Option<Timestamp> {
        known(self.checkpoint_millis.load(Ordering::Relaxed))
    }

    /// Returns the last thing that went wrong.
    pub fn last_error(&self) -> Option<String> {
        self.last_error
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_watermark(&self, watermark: Option<Timestamp>) {
        let millis = watermark.map_or(0, Timestamp::millis);
        self.watermark_millis.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn set_checkpoint(&self, time: Timestamp) {
        self.checkpoint_millis
            .store(time.millis(), Ordering::Relaxed);
    }

    pub(crate) fn set_error(&self, error: String) {
        let mut last = self
            .last_error
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *last = Some(error);
    }
}

fn known(millis: i64) -> Option<Timestamp> {
    (millis != 0).then(|| Timestamp::from_millis(millis))
}
