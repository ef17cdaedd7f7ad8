//! The history of all usage, as its writer sees it.

use async_trait::async_trait;
use columns::{CommitReceipt, Error, HistoryCommit, HistoryWriter};
use model::Partition;
use tokio::sync::Mutex;

use crate::kept::Kept;
use crate::location::root_url;
use crate::table::Table;

/// The tables of the lake, to which rows are added.
pub struct History {
    /// In the order of [`Kept::ALL`]; one commit at a time.
    tables: Mutex<Vec<(Kept, Table)>>,
}

impl History {
    /// Opens the tables below `url`, or makes them; `cluster` names the Kafka cluster whose
    /// offsets are kept.
    ///
    /// # Errors
    /// [`Error::Storage`] when the folder cannot be read or written.
    pub async fn open(url: &str, cluster: &str) -> Result<Self, Error> {
        let root = root_url(url)?;
        let mut tables = Vec::with_capacity(Kept::ALL.len());
        for kept in Kept::ALL {
            tables.push((kept, Table::open(&root, kept, cluster).await?));
        }
        Ok(Self {
            tables: Mutex::new(tables),
        })
    }
}

#[async_trait]
impl HistoryWriter for History {
    /// Every table takes what it does not have yet, by its own offsets, so that what ends half-way
    /// is only done again. Usage comes last: its offsets say how far all are.
    async fn commit(&self, commit: HistoryCommit) -> Result<CommitReceipt, Error> {
        let mut tables = self.tables.lock().await;
        let mut receipt = None;
        for (kept, table) in tables.iter_mut() {
            let is_last = *kept == LAST;
            let committed = table.commit(&commit, is_last).await?;
            receipt = is_last.then_some(committed);
        }
        receipt.ok_or_else(|| unreachable!("the last table is one of them"))
    }

    async fn next_offset(&self, partition: &Partition) -> Result<Option<i64>, Error> {
        let mut tables = self.tables.lock().await;
        let Some((_, table)) = tables.last_mut() else {
            unreachable!("the last table is one of them");
        };
        table.update().await?;
        table.known(partition).await
    }
}

/// The table that is committed last.
const LAST: Kept = Kept::ALL[Kept::ALL.len() - 1];
