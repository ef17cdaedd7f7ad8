//! A lake in a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use columns::arrow::array::cast::AsArray;
use columns::arrow::array::types::{Decimal128Type, Int64Type};
use columns::arrow::array::{Array, RecordBatch};
use columns::{
    CommitReceipt, HistoryCommit, HistoryReader, HistoryWriter, LiveRows, UsageBatch,
    UsageBatchBuilder,
};
use history::{History, HistoryConfig, Lake, QueryLimits, Upkeep};
use model::{CountField, EventSink, Nanos, Partition, Position, TextField, Timestamp, UsageRow};
use tempfile::TempDir;

pub(crate) struct Bench {
    folder: TempDir,
    pub(crate) history: History,
    pub(crate) live: LiveRows,
    pub(crate) lake: Lake,
    next_offset: i64,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = folder.path().to_str().unwrap();
        let history = History::open(url, "c").await.unwrap();
        let live = LiveRows::default();
        let (rows, limits) = (Arc::new(live.clone()), QueryLimits::default());
        let lake = Lake::new(url, "c", rows, Vec::new(), limits).unwrap();
        Self {
            folder,
            history,
            live,
            lake,
            next_offset: 0,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn upkeep(&self, config: HistoryConfig) -> Upkeep {
        let spill = self.path().join("spill");
        Upkeep::new(self.path().to_str().unwrap(), config, &spill).unwrap()
    }

    /// Makes a batch of rows at the next offsets.
    pub(crate) fn batch(&mut self, rows: &[UsageRow<'_>]) -> UsageBatch {
        let batch = Self::batch_of(0, self.next_offset, rows);
        self.next_offset = batch.range().end;
        batch
    }

    /// Makes a batch of rows of a partition, from an offset on.
    pub(crate) fn batch_of(partition: i32, first: i64, rows: &[UsageRow<'_>]) -> UsageBatch {
        let mut builder = UsageBatchBuilder::new(Partition::new("usage", partition), first);
        for (offset, row) in (first..).zip(rows) {
            let position = Position {
                topic: "usage".into(),
                partition,
                offset,
            };
            builder.row(row, &position);
        }
        builder.finish(first + rows.len() as i64)
    }

    pub(crate) async fn commit(&mut self, rows: &[UsageRow<'_>]) -> CommitReceipt {
        let batch = self.batch(rows);
        self.history.commit(commit_of(vec![batch])).await.unwrap()
    }

    pub(crate) async fn query(&self, sql: &str) -> RecordBatch {
        let batches = self.lake.query(sql).await.unwrap();
        let schema = batches[0].schema();
        columns::arrow::select::concat::concat_batches(&schema, &batches).unwrap()
    }

    /// Returns the one number that a statement gives.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let answer = self.query(sql).await;
        answer.column(0).as_primitive::<Int64Type>().value(0)
    }

    /// Returns the one amount that a statement gives, in nano-dollars.
    pub(crate) async fn nanos(&self, sql: &str) -> i128 {
        let answer = self.query(sql).await;
        answer.column(0).as_primitive::<Decimal128Type>().value(0)
    }

    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let answer = self.query(sql).await;
        let column = answer.column(0).as_string::<i32>();
        (0..column.len())
            .map(|row| column.value(row).to_owned())
            .collect()
    }

    /// Lists the Parquet files of a table's folder.
    pub(crate) fn files(&self, table: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut folders = vec![self.path().join(table)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() && !path.ends_with("_delta_log") {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "parquet") {
                    found.push(path);
                }
            }
        }
        found
    }
}

pub(crate) fn commit_of(batches: Vec<UsageBatch>) -> HistoryCommit {
    HistoryCommit {
        batches,
        gaps_accepted: Vec::new(),
    }
}

/// A call of a key that cost five nano-dollars.
pub(crate) fn call(time: Timestamp, key: &str) -> UsageRow<'_> {
    let mut row = UsageRow::at(time);
    row.set_text(TextField::Kind, "usage");
    row.set_text(TextField::Provider, "openai");
    row.set_text(TextField::Account, "acme");
    row.set_text(TextField::Key, key);
    row.set_text(TextField::User, "ann@example.com");
    row.set_count(CountField::Requests, 1);
    row.set_count(CountField::InputTokens, 10);
    row.cost = Some(Nanos::new(5));
    row
}

pub(crate) fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}
