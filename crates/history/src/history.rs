//! The history of all usage, as its writer sees it.

use async_trait::async_trait;
use columns::{CommitReceipt, Error, HistoryCommit, HistoryWriter};
use model::Partition;
use tokio::sync::Mutex;

use crate::kept::Kept;
use crate::location::{load, root_url};
use crate::table::{Offsets, Table, Whole};

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
        if load(&root).await.is_ok() {
            return Err(Error::Storage {
                message: format!(
                    "\"{url}\" is a history of an older version, all in one table: let the history be \
                     elsewhere ([history] url); what Kafka still has is read into it from a new data_dir"
                ),
                transient: false,
            });
        }
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
        let Some(((_, last), others)) = tables.split_last_mut() else {
            unreachable!("there are tables");
        };
        last.update().await?;
        let mut offsets = Offsets::new();
        for usage_batch in &commit.batches {
            let partition = &usage_batch.range().partition;
            if !offsets.contains_key(partition) {
                offsets.insert(partition.clone(), last.known(partition).await?);
            }
        }
        for (_, table) in others {
            table.commit(&commit, Whole::Other(&offsets)).await?;
        }
        last.commit(&commit, Whole::Itself).await
    }

    async fn next_offset(&self, partition: &Partition) -> Result<Option<i64>, Error> {
        let mut tables = self.tables.lock().await;
        let Some((_, table)) = tables.last_mut() else {
            unreachable!("there are tables");
        };
        table.update().await?;
        table.known(partition).await
    }
}

#[cfg(test)]
mod tests {
    use columns::{HistoryReader, LiveRows, UsageBatchBuilder};
    use model::{CountField, EventSink, Position, TextField, Timestamp, UsageRow};
    use std::sync::Arc;

    use super::*;
    use crate::{Lake, QueryLimits};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_commit_that_ended_between_two_tables_is_completed() {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().to_str().unwrap();
        let mut builder = UsageBatchBuilder::new(Partition::new("usage", 0), 0);
        let mut row = UsageRow::at(Timestamp::parse("2026-05-04T12:00:00Z").unwrap());
        row.set_text(TextField::Kind, "usage");
        row.set_count(CountField::Requests, 1);
        let position = Position {
            topic: "usage".into(),
            partition: 0,
            offset: 0,
        };
        builder.row(&row, &position);
        let commit = HistoryCommit {
            batches: vec![builder.finish(1)],
            gaps_accepted: Vec::new(),
        };
        for committed in 0..Kept::ALL.len() {
            let history = History::open(url, "c").await.unwrap();
            let mut tables = history.tables.lock().await;
            let (_, table) = &mut tables[committed];
            let nothing = Offsets::new();
            table.commit(&commit, Whole::Other(&nothing)).await.unwrap();
        }
        let history = History::open(url, "c").await.unwrap();
        let partition = Partition::new("usage", 0);
        let next = history.next_offset(&partition).await.unwrap();
        assert_eq!(next, Some(1), "the last table was committed last");
        history.commit(commit).await.unwrap();
        let live = Arc::new(LiveRows::default());
        let lake = Lake::new(url, "c", live, Vec::new(), QueryLimits::default()).unwrap();
        let sums = "SELECT (SELECT sum(requests) FROM usage_1m) = 1 \
            AND (SELECT sum(requests) FROM usage_1h) = 1 \
            AND (SELECT count(*) FROM usage_events) = 1 AS once";
        let answer = lake.query(sums).await.unwrap();
        let once = answer[0].column(0);
        assert!(columns::arrow::array::cast::AsArray::as_boolean(once).value(0));
    }
}
