//! How the pipeline is doing, for whoever shows it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use model::{Partition, Timestamp};

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
    /// Snapshots saved.
    pub snapshots: AtomicU64,
    /// Snapshots that could not be saved.
    pub snapshot_failures: AtomicU64,
    /// Bytes of the last snapshot.
    pub snapshot_bytes: AtomicU64,
    /// How long the last snapshot was written, in milliseconds.
    pub snapshot_millis: AtomicU64,
    /// How long nothing was judged because of it, in milliseconds.
    pub snapshot_pause_millis: AtomicU64,
    watermark_millis: AtomicI64,
    checkpoint_millis: AtomicI64,
    last_error: Mutex<Option<String>>,
    unreadable: Mutex<Vec<Partition>>,
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

    /// Returns the partitions of which next to nothing can be read.
    pub fn unreadable(&self) -> Vec<Partition> {
        self.unreadable
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_unreadable(&self, partitions: Vec<Partition>) {
        *self
            .unreadable
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = partitions;
    }

    /// Takes keys with a baseline, bytes of state, and the lowest watermark.
    pub(crate) fn set_stages(&self, (keys, bytes, watermark): (usize, usize, Option<Timestamp>)) {
        self.keys.store(keys as u64, Ordering::Relaxed);
        self.state_bytes.store(bytes as u64, Ordering::Relaxed);
        let millis = watermark.map_or(0, Timestamp::millis);
        self.watermark_millis.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn set_checkpoint(&self, time: Timestamp) {
        self.checkpoint_millis
            .store(time.millis(), Ordering::Relaxed);
    }

    pub(crate) fn set_snapshot(&self, bytes: u64, took: Duration) {
        let millis = took.as_millis().try_into().unwrap_or(u64::MAX);
        self.snapshots.fetch_add(1, Ordering::Relaxed);
        self.snapshot_bytes.store(bytes, Ordering::Relaxed);
        self.snapshot_millis.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn set_snapshot_pause(&self, pause: Duration) {
        let millis = pause.as_millis().try_into().unwrap_or(u64::MAX);
        self.snapshot_pause_millis.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn set_snapshot_failed(&self) {
        self.snapshot_failures.fetch_add(1, Ordering::Relaxed);
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
