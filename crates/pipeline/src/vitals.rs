//! How the pipeline is doing, for whoever shows it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
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
    /// Batches that are with a thread of the stages.
    pub batches_in_work: AtomicU64,
    /// Rows that wait for history.
    pub rows_waiting: AtomicU64,
    /// How many rows may wait before no more is read.
    pub rows_waiting_limit: AtomicU64,
    /// How long the last commit to history took, in milliseconds.
    pub commit_millis: AtomicU64,
    /// Writes to the casebook and the topic of dead letters that failed and were tried again.
    pub effect_failures: AtomicU64,
    /// Commits to history that failed and were tried again.
    pub commit_failures: AtomicU64,
    /// Whether the last commit to history failed.
    pub history_fails: AtomicBool,
    /// Whether the last write to the casebook or the topic of dead letters failed.
    pub casebook_fails: AtomicBool,
    /// Whether the last snapshot could not be saved.
    pub snapshots_fail: AtomicBool,
    /// Whether this is one of several instances.
    pub is_shared: AtomicBool,
    /// Records that a stage crashed at.
    pub crashes: AtomicU64,
    partitions: Mutex<BTreeMap<Partition, PartitionVitals>>,
    watermark_millis: AtomicI64,
    checkpoint_millis: AtomicI64,
    last_error: Mutex<Option<String>>,
    unreadable: Mutex<Vec<Partition>>,
    /// How many changed configurations were refused, and why the last one was.
    refused: Mutex<(u64, String)>,
}

/// How one partition is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartitionVitals {
    /// The event time up to which everything has been seen, once there is one.
    pub watermark: Option<Timestamp>,
    /// The broker's time of the newest record that was handled, if records have one.
    pub newest_record: Option<Timestamp>,
    /// Whether others do not wait for it, because nothing comes of it.
    pub is_idle: bool,
}

impl PipelineVitals {
    /// Returns how each partition is doing.
    pub fn partitions(&self) -> BTreeMap<Partition, PartitionVitals> {
        self.lock_partitions().clone()
    }

    /// Takes how far a partition has come.
    pub(crate) fn set_partition(
        &self,
        partition: &Partition,
        watermark: Option<Timestamp>,
        newest_record: Option<Timestamp>,
    ) {
        let mut partitions = self.lock_partitions();
        let vitals = partitions.entry(partition.clone()).or_default();
        vitals.watermark = watermark;
        vitals.newest_record = vitals.newest_record.max(newest_record);
        vitals.is_idle = false;
    }

    /// Returns whether this is an instance without a partition, to which nothing can come.
    pub(crate) fn awaits_nothing(&self) -> bool {
        self.is_shared.load(Ordering::Relaxed) && self.lock_partitions().is_empty()
    }

    /// Forgets a partition that is another instance's by now.
    pub(crate) fn forget_partition(&self, partition: &Partition) {
        self.lock_partitions().remove(partition);
    }

    /// Takes which partitions are idle.
    pub(crate) fn set_idle(&self, is_idle: impl Fn(&Partition) -> bool) {
        for (partition, vitals) in self.lock_partitions().iter_mut() {
            vitals.is_idle = is_idle(partition);
        }
    }

    fn lock_partitions(&self) -> MutexGuard<'_, BTreeMap<Partition, PartitionVitals>> {
        self.partitions
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

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

    /// Returns how many changed configurations were refused, and why the last one was.
    pub(crate) fn refused(&self) -> (u64, String) {
        self.refused
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// Takes why a changed configuration was refused.
    pub fn refuse_configuration(&self, why: String) {
        let mut refused = self
            .refused
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *refused = (refused.0 + 1, why);
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
        self.snapshots_fail.store(false, Ordering::Relaxed);
    }

    pub(crate) fn set_snapshot_pause(&self, pause: Duration) {
        let millis = pause.as_millis().try_into().unwrap_or(u64::MAX);
        self.snapshot_pause_millis.store(millis, Ordering::Relaxed);
    }

    pub(crate) fn set_snapshot_failed(&self) {
        self.snapshot_failures.fetch_add(1, Ordering::Relaxed);
        self.snapshots_fail.store(true, Ordering::Relaxed);
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
