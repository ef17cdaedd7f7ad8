//! Where records come from, where rows and rejected records go.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::{DeadLetter, OffsetRange, Partition, Position, Records, UsageRow};

/// Why records could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// What could not be done.
    pub message: String,
    /// Whether trying again may help.
    pub transient: bool,
}

/// A log that is read in batches of one partition, in offset order within it.
#[async_trait]
pub trait EventSource: Send {
    /// Returns the next batch, or `None` when the source has reached its end.
    ///
    /// A batch may be empty: it says that nothing arrived for a while. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    /// When the log cannot be read and trying again inside the source does not help.
    async fn next(&mut self) -> Result<Option<Records>, SourceError>;

    /// Records that everything before the end of each range is durable elsewhere.
    ///
    /// # Errors
    /// When the log did not take it; the ranges may be committed again.
    async fn commit(&mut self, ranges: &[OffsetRange]) -> Result<(), SourceError>;

    /// Returns whether everything that was in the log at start has been returned.
    fn caught_up(&self) -> bool;

    /// Returns the partitions that are read, and of each whether it is known to have records that
    /// were not read yet, as of a few seconds ago.
    fn partitions(&self) -> BTreeMap<Partition, bool>;
}

/// Takes decoded rows and dead letters one by one, borrowed from the payload.
///
/// The codec calls it without knowing whether rows become columns, JSON lines or nothing.
pub trait EventSink {
    /// Takes one row.
    fn row(&mut self, row: &UsageRow<'_>, position: &Position);

    /// Takes one record that could not be read.
    fn dead_letter(&mut self, dead_letter: DeadLetter);
}

/// A log that is written to: dead letters, alerts.
#[async_trait]
pub trait RecordSink: Send + Sync {
    /// Appends records with their keys to `topic` and returns once all are acknowledged.
    ///
    /// # Errors
    /// When not all were acknowledged; some may have been written.
    async fn append(&self, topic: &str, records: &[(String, Vec<u8>)]) -> Result<(), SourceError>;
}
