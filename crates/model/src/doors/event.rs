//! Where records come from, where rows and rejected records go.

use std::collections::BTreeMap;
use std::fmt;

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

/// What happens to partitions in a group of instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebalanced {
    /// They are this instance's from now on.
    Assigned,
    /// They are to be another's: nothing more of them is handed over until there is an answer.
    Revoked,
}

/// Partitions that this instance gets or gives up. The source waits for the answer; one that is
/// dropped says that nobody answers any more.
pub struct Rebalance {
    /// Whether they come or go.
    pub change: Rebalanced,
    /// The partitions.
    pub partitions: Vec<Partition>,
    answer: Box<dyn FnOnce(BTreeMap<Partition, i64>) + Send>,
}

impl Rebalance {
    /// Makes one; `answer` is called with the offset from which each partition that comes is
    /// read.
    pub fn new(
        change: Rebalanced,
        partitions: Vec<Partition>,
        answer: impl FnOnce(BTreeMap<Partition, i64>) + Send + 'static,
    ) -> Self {
        Self {
            change,
            partitions,
            answer: Box::new(answer),
        }
    }

    /// Says that what comes can be read from these offsets on, a partition that is not named from
    /// its beginning; or that all is saved of what goes.
    pub fn answer(self, starts: BTreeMap<Partition, i64>) {
        (self.answer)(starts);
    }
}

impl fmt::Debug for Rebalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rebalance")
            .field("change", &self.change)
            .field("partitions", &self.partitions)
            .finish_non_exhaustive()
    }
}

/// Tells how partitions are shared out among instances.
#[async_trait]
pub trait Rebalances: Send {
    /// Waits for the next change; for ever once the source has ended. Dropping the future loses
    /// nothing.
    async fn next(&mut self) -> Rebalance;
}

/// A log of one order that every instance writes to and reads whole.
#[async_trait]
pub trait SharedLog: Send {
    /// Goes to an offset, or to the beginning; where the log begins later by now, to there. Returns
    /// whether it has: a log that ends before the offset is another one.
    ///
    /// # Errors
    /// When the log cannot be reached or made.
    async fn read_from(&mut self, offset: Option<i64>) -> Result<bool, SourceError>;

    /// Returns the next message and its offset; waits where there is none. Dropping the future
    /// loses nothing.
    ///
    /// # Errors
    /// When the log cannot be read and trying again inside does not help.
    async fn next(&mut self) -> Result<(i64, Vec<u8>), SourceError>;

    /// Appends a message and returns its offset once every replica has it.
    ///
    /// # Errors
    /// When that is not known; the message may be there.
    async fn append(&self, message: Vec<u8>) -> Result<i64, SourceError>;
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
