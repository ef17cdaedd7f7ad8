//! One table of the lake, written exactly once.
//!
//! delta-rs keeps a `txn` action for each application but enforces nothing, so the protocol is
//! ours: load version V, read each partition's `txn`, drop the rows below it, refuse a gap,
//! write, and commit against V without blind retries; on a conflict begin again. On a local
//! disk the files, the log entry and their directories are synced before a commit counts.

use std::collections::HashMap;

use columns::arrow::array::RecordBatch;
use columns::{CommitReceipt, Error, HistoryCommit};
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake_core::kernel::{Action, Add, Transaction};
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::{DeltaTable, DeltaTableError};
use model::Partition;
use tracing::debug;
use url::Url;

use crate::error::storage;
use crate::evolve::with_all_columns;
use crate::files::{are_there, sync_files, write_files};
use crate::kept::Kept;
use crate::location::{create, load, table_url};
use crate::plan::Plan;

/// How often a commit begins again after somebody else's came between.
const CONFLICT_RETRIES: usize = 20;

/// The column that partitions every table.
pub(crate) const DAY_COLUMN: &str = "event_date";

/// A table, at the version that was last seen.
pub(crate) struct Table {
    kept: Kept,
    url: Url,
    cluster: String,
    delta: DeltaTable,
}

/// The next offset of each partition, as a table knows it.
pub(crate) type Offsets = HashMap<Partition, Option<i64>>;

/// Which table has every record, so that a gap in it is a loss and its offsets grow with every
/// commit. All others had everything below its offsets before it did.
#[derive(Clone, Copy)]
pub(crate) enum Whole<'o> {
    /// This one.
    Itself,
    /// Another, which knows these offsets.
    Other(&'o Offsets),
}

/// Files that a commit has written and did not get in, because somebody else's came between.
struct Written {
    known: Offsets,
    adds: Vec<Add>,
}

impl Table {
    /// Opens the table below `root`, or makes it.
    pub(crate) async fn open(root: &Url, kept: Kept, cluster: &str) -> Result<Self, Error> {
        let url = table_url(root, kept)?;
        let delta = match load(&url).await {
            Ok(table) => with_all_columns(table, kept).await?,
            Err(DeltaTableError::NotATable(_) | DeltaTableError::InvalidTableLocation(_)) => {
                create(&url, kept).await?
            }
            Err(err) => return Err(storage("open the history")(err)),
        };
        Ok(Self {
            kept,
            url,
            cluster: cluster.to_owned(),
            delta,
        })
    }

    /// Commits what the table does not have.
    pub(crate) async fn commit(
        &mut self,
        commit: &HistoryCommit,
        whole: Whole<'_>,
    ) -> Result<CommitReceipt, Error> {
        let mut written = None;
        for _ in 0..CONFLICT_RETRIES {
            if let Some(receipt) = self.try_commit(commit, whole, &mut written).await? {
                return Ok(receipt);
            }
        }
        Err(Error::Storage {
            message: "other writers kept coming between".to_owned(),
            transient: true,
        })
    }

    async fn try_commit(
        &mut self,
        commit: &HistoryCommit,
        whole: Whole<'_>,
        written: &mut Option<Written>,
    ) -> Result<Option<CommitReceipt>, Error> {
        self.update().await?;
        let mut known = HashMap::new();
        for usage_batch in &commit.batches {
            let partition = &usage_batch.range().partition;
            if !known.contains_key(partition) {
                let own = self.known(partition).await?;
                let offset = match whole {
                    Whole::Itself => own,
                    Whole::Other(offsets) => own.max(offsets.get(partition).copied().flatten()),
                };
                known.insert(partition.clone(), offset);
            }
        }
        let is_whole = matches!(whole, Whole::Itself);
        let mut plan = Plan::new(known.clone());
        for usage_batch in &commit.batches {
            let partition = &usage_batch.range().partition;
            let gap_accepted = !is_whole || commit.gaps_accepted.contains(partition);
            plan.add(usage_batch, gap_accepted)?;
        }
        let version = self.delta.version().unwrap_or_default();
        let rows = self.kept.rows_of(&plan.rows)?;
        let is_empty = rows.iter().all(|batch| batch.num_rows() == 0);
        if !plan.moved || (is_empty && !is_whole) {
            return Ok(Some(plan.receipt(version)));
        }
        let adds = match written.take_if(|written| written.known == known) {
            Some(Written { adds, .. }) if are_there(&self.delta, &adds).await? => adds,
            _ => self.write(&rows).await?,
        };
        match self.commit_against(adds.clone(), &plan).await {
            Ok(version) => {
                let entry = format!("_delta_log/{version:020}.json");
                sync_files(&self.url, vec![entry]).await?;
                Ok(Some(plan.receipt(version)))
            }
            Err(DeltaTableError::Transaction { .. } | DeltaTableError::VersionAlreadyExists(_)) => {
                debug!("another commit came between, beginning again");
                *written = Some(Written { known, adds });
                Ok(None)
            }
            Err(err) => Err(storage("commit to the history")(err)),
        }
    }

    async fn write(&self, rows: &[RecordBatch]) -> Result<Vec<Add>, Error> {
        let adds = write_files(&self.delta, rows).await?;
        let paths = adds.iter().map(|add| add.path.clone()).collect();
        sync_files(&self.url, paths).await?;
        Ok(adds)
    }

    async fn commit_against(&self, adds: Vec<Add>, plan: &Plan) -> Result<u64, DeltaTableError> {
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
        let log_store = self.delta.log_store();
        let snapshot = self.delta.snapshot()?;
        let committed = CommitBuilder::from(properties)
            .with_actions(adds.into_iter().map(Action::Add).collect())
            .build(Some(snapshot as &dyn TableReference), log_store, operation)
            .await?;
        Ok(committed.version())
    }

    /// Takes note of what others have committed.
    pub(crate) async fn update(&mut self) -> Result<(), Error> {
        let updated = self.delta.update_state().await;
        updated.map_err(storage("read the history's state"))
    }

    /// Returns the next offset that the table expects of a partition.
    pub(crate) async fn known(&mut self, partition: &Partition) -> Result<Option<i64>, Error> {
        if let Ok(offset) = known(&self.delta, &self.cluster, partition).await {
            return Ok(offset);
        }
        // The log may have been cut behind the version that is known.
        self.delta = load(&self.url).await.map_err(storage("open the history"))?;
        known(&self.delta, &self.cluster, partition).await
    }
}

/// Returns the next offset that a loaded table expects of a partition.
pub(crate) async fn known(
    delta: &DeltaTable,
    cluster: &str,
    partition: &Partition,
) -> Result<Option<i64>, Error> {
    let snapshot = delta
        .snapshot()
        .map_err(storage("read the history's state"))?;
    snapshot
        .transaction_version(delta.log_store().as_ref(), app_id(cluster, partition))
        .await
        .map_err(storage("read the history's offsets"))
}

/// Names a partition of a cluster in the table's log.
fn app_id(cluster: &str, partition: &Partition) -> String {
    format!("{cluster}/{}#0/{}", partition.topic, partition.number)
}
