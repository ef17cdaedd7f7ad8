//! Rows to Delta Lake, exactly once.
//!
//! delta-rs keeps a `txn` action for each application but enforces nothing, so the protocol is
//! ours: load version V, read each partition's `txn`, drop the rows below it, refuse a gap,
//! write, and commit against V without blind retries; on a conflict begin again. On a local
//! disk the files, the log entry and their directories are synced before a commit counts.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use columns::arrow::array::RecordBatch;
use columns::{CommitReceipt, Error, HistoryCommit, HistoryWriter, UsageBatch, usage_schema};
use deltalake_core::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake_core::kernel::{Action, Add, StructType, Transaction};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::writer::{DeltaWriter, RecordBatchWriter};
use deltalake_core::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use model::{OffsetRange, Partition};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use tokio::sync::Mutex;
use tracing::debug;
use url::Url;

use crate::error::storage;

/// How often a commit begins again after somebody else's came between.
const CONFLICT_RETRIES: usize = 5;

/// The column that partitions the table.
pub(crate) const DAY_COLUMN: &str = "event_date";

/// The table of usage events.
pub struct History {
    url: Url,
    cluster: String,
    /// One commit at a time: the table's state is that of the last one.
    table: Mutex<DeltaTable>,
}

impl History {
    /// Opens the table below `url`, or makes it; `cluster` names the Kafka cluster whose offsets
    /// are kept.
    ///
    /// # Errors
    /// [`Error::Storage`] when the folder cannot be read or written.
    pub async fn open(url: &str, cluster: &str) -> Result<Self, Error> {
        let url = table_url(url)?;
        let table = match load(&url).await {
            Ok(table) => table,
            Err(DeltaTableError::NotATable(_) | DeltaTableError::InvalidTableLocation(_)) => {
                create(&url).await?
            }
            Err(err) => return Err(storage("open the history")(err)),
        };
        Ok(Self {
            url,
            cluster: cluster.to_owned(),
            table: Mutex::new(table),
        })
    }

    async fn try_commit(
        &self,
        table: &mut DeltaTable,
        commit: &HistoryCommit,
    ) -> Result<Option<CommitReceipt>, Error> {
        table
            .update_state()
            .await
            .map_err(storage("read the history's state"))?;
        let mut plan = Plan::default();
        for usage_batch in &commit.batches {
            let partition = &usage_batch.range().partition;
            if !plan.next.contains_key(partition) {
                let known = self.known(table, partition).await?;
                plan.next.insert(partition.clone(), known);
            }
            plan.add(usage_batch, commit.gaps_accepted.contains(partition))?;
        }
        let version = table.version().unwrap_or_default();
        let receipt = CommitReceipt {
            version,
            rows_written: plan.rows_written,
            rows_known: plan.rows_known,
            ranges: plan.ranges.clone(),
        };
        if !plan.moved {
            return Ok(Some(receipt));
        }
        let adds = write_files(table, &plan.rows).await?;
        self.sync_files(adds.iter().map(|add| add.path.clone()).collect())
            .await?;
        match self.commit_against(table, adds, &plan).await {
            Ok(version) => {
                self.sync_files(vec![format!("_delta_log/{version:020}.json")])
                    .await?;
                Ok(Some(CommitReceipt { version, ..receipt }))
            }
            Err(DeltaTableError::Transaction { .. } | DeltaTableError::VersionAlreadyExists(_)) => {
                debug!("another commit came between, beginning again");
                Ok(None)
            }
            Err(err) => Err(storage("commit to the history")(err)),
        }
    }

    async fn commit_against(
        &self,
        table: &mut DeltaTable,
        adds: Vec<Add>,
        plan: &Plan,
    ) -> Result<u64, DeltaTableError> {
        let transactions = plan.next.iter().filter_map(|(partition, next)| {
            next.map(|next| Transaction::new(app_id(&self.cluster, partition), next))
        });
        let properties = CommitProperties::default()
            .with_max_retries(0)
            .with_application_transactions(transactions.collect());
        let operation = DeltaOperation::Write {
            mode: SaveMode::Append,
            partition_by: Some(vec![DAY_COLUMN.to_owned()]),
            predicate: None,
        };
        let log_store = table.log_store();
        let snapshot = table.snapshot()?;
        let committed = CommitBuilder::from(properties)
            .with_actions(adds.into_iter().map(Action::Add).collect())
            .build(Some(snapshot as &dyn TableReference), log_store, operation)
            .await?;
        Ok(committed.version())
    }

    async fn known(&self, table: &DeltaTable, partition: &Partition) -> Result<Option<i64>, Error> {
        let snapshot = table
            .snapshot()
            .map_err(storage("read the history's state"))?;
        snapshot
            .transaction_version(table.log_store().as_ref(), app_id(&self.cluster, partition))
            .await
            .map_err(storage("read the history's offsets"))
    }

    /// Makes files and the directories that name them durable, on a local disk.
    async fn sync_files(&self, paths: Vec<String>) -> Result<(), Error> {
        let Ok(root) = self.url.to_file_path() else {
            return Ok(());
        };
        let synced = tokio::task::spawn_blocking(move || sync_below(&root, &paths)).await;
        let failed = |source: String| Error::Storage {
            message: format!("could not make the history durable: {source}"),
            transient: false,
        };
        synced
            .map_err(|err| failed(err.to_string()))?
            .map_err(|err| failed(err.to_string()))
    }
}

#[async_trait]
impl HistoryWriter for History {
    async fn commit(&self, commit: HistoryCommit) -> Result<CommitReceipt, Error> {
        let mut table = self.table.lock().await;
        for _ in 0..CONFLICT_RETRIES {
            if let Some(receipt) = self.try_commit(&mut table, &commit).await? {
                return Ok(receipt);
            }
        }
        Err(Error::Storage {
            message: "other writers kept coming between".to_owned(),
            transient: true,
        })
    }

    async fn next_offset(&self, partition: &Partition) -> Result<Option<i64>, Error> {
        let mut table = self.table.lock().await;
        table
            .update_state()
            .await
            .map_err(storage("read the history's state"))?;
        self.known(&table, partition).await
    }
}

/// What a commit will write, once what is known has been taken out.
#[derive(Default)]
struct Plan {
    /// The next offset of each partition, before and then after the commit.
    next: HashMap<Partition, Option<i64>>,
    rows: Vec<RecordBatch>,
    ranges: Vec<OffsetRange>,
    rows_written: u64,
    rows_known: u64,
    /// Whether any partition's offset grows.
    moved: bool,
}

impl Plan {
    fn add(&mut self, usage_batch: &UsageBatch, gap_accepted: bool) -> Result<(), Error> {
        let range = usage_batch.range();
        let known = self.next.get(&range.partition).copied().flatten();
        if let Some(stored) = known
            && range.start > stored
            && !gap_accepted
        {
            let partition = range.partition.to_string();
            return Err(Error::Gap {
                partition,
                stored,
                start: range.start,
            });
        }
        let first_new = known.map_or(0, |known| {
            // Offsets grow within a batch.
            usage_batch
                .offsets()
                .values()
                .partition_point(|&offset| offset < known)
        });
        let rows = usage_batch
            .columns()
            .slice(first_new, usage_batch.rows() - first_new);
        self.rows_known += first_new as u64;
        self.rows_written += rows.num_rows() as u64;
        if rows.num_rows() > 0 {
            self.rows.push(rows);
        }
        if known.is_none_or(|known| range.end > known) {
            self.next.insert(range.partition.clone(), Some(range.end));
            self.moved = true;
        }
        self.ranges.push(range.clone());
        Ok(())
    }
}

/// Names a partition of a cluster in the table's log.
pub(crate) fn app_id(cluster: &str, partition: &Partition) -> String {
    format!("{cluster}/{}#0/{}", partition.topic, partition.number)
}

pub(crate) fn table_url(location: &str) -> Result<Url, Error> {
    if !location.contains("://") {
        std::fs::create_dir_all(location).map_err(|err| Error::Storage {
            message: format!("could not make folder \"{location}\": {err}"),
            transient: false,
        })?;
    }
    deltalake_core::ensure_table_uri(location).map_err(storage("understand the history's url"))
}

pub(crate) async fn load(url: &Url) -> Result<DeltaTable, DeltaTableError> {
    let mut table = DeltaTableBuilder::from_url(url.clone())?.build()?;
    // Asked first, because loading what is not there is logged as an error further down.
    if !table.verify_deltatable_existence().await? {
        return Err(DeltaTableError::NotATable(url.to_string()));
    }
    table.load().await?;
    Ok(table)
}

async fn create(url: &Url) -> Result<DeltaTable, Error> {
    let schema: StructType =
        usage_schema()
            .as_ref()
            .try_into_kernel()
            .map_err(|err| Error::Storage {
                message: format!("could not describe the table: {err}"),
                transient: false,
            })?;
    CreateBuilder::new()
        .with_location(url.as_str())
        .with_table_name("usage_events")
        .with_columns(schema.fields().cloned())
        .with_partition_columns([DAY_COLUMN])
        .with_save_mode(SaveMode::Ignore)
        .await
        .map_err(storage("make the history"))
}

async fn write_files(table: &DeltaTable, rows: &[RecordBatch]) -> Result<Vec<Add>, Error> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by("spikewatch".to_owned())
        .build();
    let mut writer = RecordBatchWriter::for_table(table)
        .map_err(storage("write to the history"))?
        .with_writer_properties(properties);
    for batch in rows {
        writer
            .write(batch.clone())
            .await
            .map_err(storage("write to the history"))?;
    }
    writer
        .flush()
        .await
        .map_err(storage("write to the history"))
}

fn sync_below(root: &Path, paths: &[String]) -> std::io::Result<()> {
    let mut folders: Vec<PathBuf> = Vec::new();
    for path in paths {
        let file = root.join(percent_decoded(path));
        std::fs::File::open(&file)?.sync_all()?;
        // A new day is a new folder, whose own name must be durable too.
        let mut folder = file.parent();
        while let Some(at) = folder.filter(|at| at.starts_with(root)) {
            if !folders.iter().any(|known| known == at) {
                folders.push(at.to_owned());
            }
            folder = at.parent();
        }
    }
    folders
        .iter()
        .try_for_each(|folder| std::fs::File::open(folder)?.sync_all())
}

/// Paths in the log are percent-encoded; ours hold nothing that needs it but `=`.
fn percent_decoded(path: &str) -> String {
    path.replace("%3D", "=")
}
