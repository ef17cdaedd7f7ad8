//! What has been read and is not committed yet.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use async_trait::async_trait;

use crate::{Error, Table, TableSource, UsageBatch, usage_schema};

/// The batches between the last commit and now, shared by the pipeline and by SQL.
///
/// A plain lock: it is held to push, drop or clone a list of reference counts, never over I/O.
#[derive(Clone, Default)]
pub struct LiveRows {
    batches: Arc<Mutex<VecDeque<UsageBatch>>>,
}

impl LiveRows {
    /// Shows a batch to queries.
    pub fn push(&self, usage_batch: UsageBatch) {
        self.lock().push_back(usage_batch);
    }

    /// Returns everything that is not committed, the oldest first.
    pub fn pending(&self) -> Vec<UsageBatch> {
        self.lock().iter().cloned().collect()
    }

    /// Stops showing the `count` oldest batches: they are committed.
    pub fn committed(&self, count: usize) {
        let mut batches = self.lock();
        let count = count.min(batches.len());
        batches.drain(..count);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<UsageBatch>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a running service says of one table: always the whole of it, as of the last time.
#[derive(Clone)]
pub struct LiveTable {
    table: Table,
    rows: Arc<Mutex<Vec<RecordBatch>>>,
}

impl LiveTable {
    /// Makes a table of which nothing is said yet.
    pub fn new(table: Table) -> Self {
        Self {
            table,
            rows: Arc::default(),
        }
    }

    /// Says what the rows are from now on.
    pub fn set(&self, rows: RecordBatch) {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = vec![rows];
    }
}

#[async_trait]
impl TableSource for LiveTable {
    fn name(&self) -> &str {
        self.table.name()
    }

    fn schema(&self) -> SchemaRef {
        self.table.schema()
    }

    async fn batches(&self) -> Result<Vec<RecordBatch>, Error> {
        let rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.clone())
    }
}

#[async_trait]
impl TableSource for LiveRows {
    fn name(&self) -> &str {
        "usage_events"
    }

    fn schema(&self) -> SchemaRef {
        usage_schema()
    }

    async fn batches(&self) -> Result<Vec<RecordBatch>, Error> {
        Ok(self
            .lock()
            .iter()
            .map(|usage_batch| usage_batch.columns().clone())
            .collect())
    }
}
