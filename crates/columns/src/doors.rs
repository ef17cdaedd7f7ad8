//! The doors to what stores usage and what answers questions. Their currency is Arrow:
//! no type of a query engine crosses them.

use std::fmt;
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::{DataType, SchemaRef};
use async_trait::async_trait;
use futures::TryStreamExt;
use futures::stream::BoxStream;
use model::{OffsetRange, Partition};

use crate::{Error, UsageBatch};

/// What one commit adds: batches of any number of partitions, contiguous within each.
#[derive(Clone, Debug, Default)]
pub struct HistoryCommit {
    /// The batches, in offset order within a partition.
    pub batches: Vec<UsageBatch>,
    /// Partitions whose range may begin after what is stored ends, because the log itself
    /// has lost what was between.
    pub gaps_accepted: Vec<Partition>,
}

/// What a commit did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitReceipt {
    /// The version of the table after the commit.
    pub version: u64,
    /// Rows written.
    pub rows_written: u64,
    /// Rows left out because an earlier commit has them.
    pub rows_known: u64,
    /// The ranges that are durable now.
    pub ranges: Vec<OffsetRange>,
}

/// Stores usage so that every row is there exactly once.
#[async_trait]
pub trait HistoryWriter: Send + Sync {
    /// Stores what is not stored yet, atomically and durably.
    ///
    /// # Errors
    /// [`Error::Gap`] when rows would be missing, [`Error::Storage`] when the outcome is
    /// failure or unknown; committing the same again is always safe.
    async fn commit(&self, commit: HistoryCommit) -> Result<CommitReceipt, Error>;

    /// Returns the next offset that history expects of a partition, or `None` if it has nothing of it.
    ///
    /// # Errors
    /// When the storage cannot be read.
    async fn next_offset(&self, partition: &Partition) -> Result<Option<i64>, Error>;
}

/// Keeps files of snapshots where every instance reaches them. Names are paths with slashes.
#[async_trait]
pub trait SnapshotStore: Send + Sync {
    /// Stores a file under a name, whole or not at all, in place of what was there.
    ///
    /// # Errors
    /// When the storage does not take it.
    async fn put(&self, name: &str, file: &Path) -> Result<(), Error>;

    /// Writes what is stored under a name to a file.
    ///
    /// # Errors
    /// When there is nothing, or it cannot be read or written.
    async fn get(&self, name: &str, file: &Path) -> Result<(), Error>;

    /// Returns the last parts of the names of what is stored right below a folder.
    ///
    /// # Errors
    /// When the storage cannot be read.
    async fn list(&self, folder: &str) -> Result<Vec<String>, Error>;

    /// Removes what is stored under a name, if there is anything.
    ///
    /// # Errors
    /// When the storage refuses.
    async fn remove(&self, name: &str) -> Result<(), Error>;
}

/// Answers SQL, read-only.
#[async_trait]
pub trait HistoryReader: Send + Sync {
    /// Runs one statement and returns its rows.
    ///
    /// # Errors
    /// [`Error::Query`] when the statement is not understood, not allowed or wants too much.
    async fn query(&self, sql: &str) -> Result<Vec<RecordBatch>, Error>;

    /// Returns the names of the tables and their schemas.
    ///
    /// # Errors
    /// When the storage cannot be read.
    async fn tables(&self) -> Result<Vec<(String, SchemaRef)>, Error>;
}

/// Who asks, and what may be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// The name that was signed in with.
    pub name: String,
    /// The accounts whose rows there are; `None` is all of them. Tables without an account are
    /// not there for who is limited.
    pub accounts: Option<Vec<String>>,
    /// Rows that one answer may have.
    pub max_rows: usize,
}

/// What a statement wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// Rows.
    Query,
    /// A setting of the session, by its name in small letters.
    Set(String),
    /// The value of a setting, by its name in small letters.
    Show(String),
    /// `BEGIN`, `COMMIT` or `ROLLBACK`, of which there is nothing to do for who only reads.
    Transaction(&'static str),
    /// What leaves nothing behind: `DISCARD`, `DEALLOCATE`, `CLOSE`, `RESET`, and savepoints.
    Forget(&'static str),
}

/// One statement of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The statement, as the query engine reads it.
    pub text: String,
    /// What it wants.
    pub kind: StatementKind,
}

/// What a statement takes and gives.
#[derive(Clone, Debug)]
pub struct Description {
    /// The columns of its answer.
    pub schema: SchemaRef,
    /// The types of its parameters, from `$1` on.
    pub parameters: Vec<DataType>,
}

/// A table or view that there is for somebody.
#[derive(Clone, Debug)]
pub struct TableEntry {
    /// The name in SQL.
    pub name: String,
    /// Its columns.
    pub schema: SchemaRef,
    /// Whether it is made of others.
    pub is_view: bool,
}

/// An answer, of which the rows come as they are found. Dropped, it ends the query.
pub struct Answer {
    /// The columns of every batch.
    pub schema: SchemaRef,
    /// The rows; after an error there is nothing more.
    pub batches: BoxStream<'static, Result<RecordBatch, Error>>,
}

impl Answer {
    /// Waits for all rows. There is at least one batch, for what reads its columns.
    ///
    /// # Errors
    /// The first of the batches.
    pub async fn gathered(self) -> Result<Vec<RecordBatch>, Error> {
        let mut batches: Vec<RecordBatch> = self.batches.try_collect().await?;
        if batches.is_empty() {
            batches.push(RecordBatch::new_empty(self.schema));
        }
        Ok(batches)
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schema = &self.schema;
        f.debug_struct("Answer")
            .field("schema", schema)
            .finish_non_exhaustive()
    }
}

/// Answers the SQL of programs of others, read-only.
#[async_trait]
pub trait SqlGate: Send + Sync {
    /// Splits a text into statements, none of which does more than read.
    ///
    /// # Errors
    /// [`Error::Query`] when it is not understood, too long, or a statement wants to write.
    fn statements(&self, text: &str) -> Result<Vec<Statement>, Error>;

    /// Returns what a setting of the session says, if there is one of that name.
    fn setting(&self, name: &str) -> Option<&'static str>;

    /// Says what a statement takes and gives.
    ///
    /// # Errors
    /// [`Error::Query`] when it is not understood or not allowed.
    async fn describe(&self, asker: &Asker, statement: &str) -> Result<Description, Error>;

    /// Begins a statement with its parameters, each as text or null.
    ///
    /// # Errors
    /// [`Error::Query`] when it is not understood, not allowed or wants too much; what is only
    /// seen on the way is in the answer.
    async fn answer(
        &self,
        asker: &Asker,
        statement: &str,
        parameters: &[Option<String>],
    ) -> Result<Answer, Error>;

    /// Returns the tables and views that there are for somebody, by name.
    ///
    /// # Errors
    /// When a view cannot be made.
    async fn tables_for(&self, asker: &Asker) -> Result<Vec<TableEntry>, Error>;
}

/// Rows that SQL sees and somebody else keeps: what is not committed yet, or the casebook's.
#[async_trait]
pub trait TableSource: Send + Sync {
    /// Returns the name in SQL.
    fn name(&self) -> &str;

    /// Returns the schema.
    fn schema(&self) -> SchemaRef;

    /// Returns the rows as they are now.
    ///
    /// # Errors
    /// When they cannot be read.
    async fn batches(&self) -> Result<Vec<RecordBatch>, Error>;
}

/// In-memory doubles, for tests.
#[cfg(feature = "test-support")]
pub mod double {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;

    /// Keeps batches in memory and enforces the same rules as the real history.
    #[derive(Debug, Default)]
    pub struct MemoryHistory {
        state: Mutex<(BTreeMap<Partition, i64>, Vec<RecordBatch>, u64)>,
    }

    impl MemoryHistory {
        /// Returns all rows.
        pub fn batches(&self) -> Vec<RecordBatch> {
            self.state.lock().expect("no holder panics").1.clone()
        }

        /// Returns the number of rows.
        pub fn rows(&self) -> usize {
            self.batches().iter().map(RecordBatch::num_rows).sum()
        }
    }

    #[async_trait]
    impl HistoryWriter for MemoryHistory {
        async fn commit(&self, commit: HistoryCommit) -> Result<CommitReceipt, Error> {
            let mut state = self.state.lock().expect("no holder panics");
            let (next, stored, version) = &mut *state;
            let (mut written, mut known, mut ranges) = (0, 0, Vec::new());
            for batch in &commit.batches {
                let range = batch.range();
                let expected = next.get(&range.partition).copied().unwrap_or(range.start);
                if range.start > expected && !commit.gaps_accepted.contains(&range.partition) {
                    let partition = range.partition.to_string();
                    return Err(Error::Gap {
                        partition,
                        stored: expected,
                        start: range.start,
                    });
                }
                let first = (0..batch.rows())
                    .find(|&row| batch.offsets().value(row) >= expected)
                    .unwrap_or(batch.rows());
                known += first as u64;
                written += (batch.rows() - first) as u64;
                stored.push(batch.columns().slice(first, batch.rows() - first));
                next.insert(range.partition.clone(), expected.max(range.end));
                ranges.push(range.clone());
            }
            *version += 1;
            let version = *version;
            Ok(CommitReceipt {
                version,
                rows_written: written,
                rows_known: known,
                ranges,
            })
        }

        async fn next_offset(&self, partition: &Partition) -> Result<Option<i64>, Error> {
            Ok(self
                .state
                .lock()
                .expect("no holder panics")
                .0
                .get(partition)
                .copied())
        }
    }
}
