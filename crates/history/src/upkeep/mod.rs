//! What keeps the lake fit for questions: few files, sorted by who is asked about, and none that
//! is older than it may be.
//!
//! It is a writer of its own, beside the one that adds rows: it takes no lock of it, and what it
//! commits goes by the same protocol. A commit of rows that it comes between begins again with
//! the files that it has written already.

mod compact;
mod erase;
mod expire;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use columns::Error;
use datafusion::catalog::TableProvider;
use datafusion::execution::context::{SessionConfig, SessionContext};
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::{Expr, col};
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TableReference};
use deltalake_core::kernel::{Action, Add};
use deltalake_core::protocol::DeltaOperation;
use deltalake_core::writer::DeltaWriter;
use deltalake_core::{DeltaTable, DeltaTableError};
use futures::StreamExt;
use model::Timestamp;
use tracing::info;
use url::Url;

pub use erase::Erasure;

use crate::config::HistoryConfig;
use crate::day_file::{DayFile, SORTED_TAG, files_of};
use crate::error::{query, storage};
use crate::files::{are_there, delete, sync_files, table_schema, writer};
use crate::kept::Kept;
use crate::location::{load, root_url, table_url};
use crate::provider::Scan;

/// Bytes that a file should have: less is read in many small pieces, more is rewritten for little.
const FILE_BYTES: u64 = 64 << 20;

/// Bytes of memory that sorting may take; what does not fit goes to temporary files.
const SORT_BYTES: usize = 256 << 20;

/// How often a commit begins again after others came between.
const CONFLICT_RETRIES: usize = 50;

/// Looks after the tables of a lake.
pub struct Upkeep {
    root: Url,
    config: HistoryConfig,
    spill: PathBuf,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpkeepReport {
    /// Files that were merged into fewer.
    pub files_merged: usize,
    /// Files that they became.
    pub files_written: usize,
    /// Files whose rows are older than is kept, or were to be erased.
    pub files_removed: usize,
    /// Rows that were erased.
    pub rows_erased: u64,
    /// Files that no version names any more, and that are gone.
    pub files_deleted: usize,
}

impl std::ops::AddAssign for UpkeepReport {
    fn add_assign(&mut self, other: Self) {
        self.files_merged += other.files_merged;
        self.files_written += other.files_written;
        self.files_removed += other.files_removed;
        self.rows_erased += other.rows_erased;
        self.files_deleted += other.files_deleted;
    }
}

impl Upkeep {
    /// Looks after the tables below `url`; what does not fit into memory while it is sorted goes to
    /// files in the folder `spill`, which is made when it is needed.
    ///
    /// # Errors
    /// [`Error::Storage`] when the url is not understood.
    pub fn new(url: &str, config: HistoryConfig, spill: &Path) -> Result<Self, Error> {
        Ok(Self {
            root: root_url(url)?,
            config,
            spill: spill.to_owned(),
        })
    }

    /// Merges small files, sorts days that are over, and takes away what is older than is kept.
    ///
    /// # Errors
    /// [`Error::Storage`] when a table cannot be read or written; what was committed before stays.
    pub async fn tidy(&self, now: Timestamp) -> Result<UpkeepReport, Error> {
        let mut report = UpkeepReport::default();
        let mut tables = Vec::with_capacity(Kept::ALL.len());
        for kept in Kept::ALL {
            tables.extend(Tended::open(&self.root, kept, &self.spill).await?);
        }
        // First what must go, whatever happens to what may be better.
        for tended in &mut tables {
            report += expire::expire(tended, self.config.retention_days, now).await?;
        }
        for tended in &mut tables {
            report += compact::compact(tended, now).await?;
        }
        if report != UpkeepReport::default() {
            info!(?report, "history tidied");
        }
        Ok(report)
    }

    /// Deletes files that no version of the last `vacuum_hours` names.
    ///
    /// # Errors
    /// [`Error::Storage`] when a table cannot be read or written.
    pub async fn vacuum(&self) -> Result<UpkeepReport, Error> {
        let mut report = UpkeepReport::default();
        for kept in Kept::ALL {
            if let Some(mut tended) = Tended::open(&self.root, kept, &self.spill).await? {
                report += expire::vacuum(&mut tended, self.config.vacuum_hours).await?;
            }
        }
        Ok(report)
    }
}

/// A table that is looked after.
struct Tended {
    kept: Kept,
    url: Url,
    delta: DeltaTable,
    spill: PathBuf,
}

impl Tended {
    /// Opens a table, if it is there.
    async fn open(root: &Url, kept: Kept, spill: &Path) -> Result<Option<Self>, Error> {
        let url = table_url(root, kept)?;
        match load(&url).await {
            Ok(delta) => Ok(Some(Self {
                kept,
                url,
                delta,
                spill: spill.to_owned(),
            })),
            Err(DeltaTableError::NotATable(_) | DeltaTableError::InvalidTableLocation(_)) => {
                Ok(None)
            }
            Err(err) => Err(storage("open the history")(err)),
        }
    }

    /// Takes note of what others have committed.
    async fn update(&mut self) -> Result<(), Error> {
        let updated = self.delta.update_state().await;
        updated.map_err(storage("read the history's state"))
    }

    async fn files(&self) -> Result<Vec<DayFile>, Error> {
        files_of(&self.delta).await
    }

    /// Writes the rows of files again, sorted by who is asked about, and of those only what
    /// `condition` leaves. No commit names the new files yet.
    async fn rewritten(
        &self,
        files: Vec<DayFile>,
        condition: Option<Expr>,
    ) -> Result<Vec<Add>, Error> {
        std::fs::create_dir_all(&self.spill)?;
        let spill = DiskManagerMode::Directories(vec![self.spill.clone()]);
        let runtime = RuntimeEnvBuilder::new()
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(spill))
            .with_memory_pool(Arc::new(FairSpillPool::new(SORT_BYTES)))
            .build_arc()
            .map_err(query)?;
        // One after the other: who waits for rows to be committed is not to wait for this.
        let config = SessionConfig::new().with_target_partitions(1);
        let context = SessionContext::new_with_config_rt(config, runtime);
        let mut rows = context
            .read_table(self.scan(&context, files)?)
            .map_err(query)?;
        if let Some(condition) = condition {
            rows = rows.filter(condition).map_err(query)?;
        }
        let by = self.kept.sorted_by();
        let rows = rows.sort(by.map(|name| col(name).sort(true, false)).into());
        let mut stream = rows.map_err(query)?.execute_stream().await.map_err(query)?;
        let mut writer = writer(&self.delta)?.with_target_file_size(FILE_BYTES);
        while let Some(batch) = stream.next().await.transpose().map_err(query)? {
            let written = writer.write(batch).await;
            written.map_err(storage("rewrite the history"))?;
        }
        let adds = writer.flush().await;
        let adds = adds.map_err(storage("rewrite the history"))?;
        let paths = adds.iter().map(|add| add.path.clone()).collect();
        sync_files(&self.url, paths).await?;
        Ok(adds)
    }

    fn scan(
        &self,
        context: &SessionContext,
        files: Vec<DayFile>,
    ) -> Result<Arc<dyn TableProvider>, Error> {
        let store_url = ObjectStoreUrl::parse("lake://tended").map_err(query)?;
        context
            .runtime_env()
            .register_object_store(store_url.as_ref(), self.delta.object_store());
        Ok(Arc::new(Scan {
            schema: table_schema(&self.delta)?,
            store_url,
            files: Arc::new(files),
            live: Vec::new(),
        }))
    }

    /// Commits that files are replaced by others; `is_change` says that the rows are not the same.
    /// Returns whether it did: it does not where somebody else has replaced one of them already.
    async fn replace(
        &mut self,
        files: &[DayFile],
        mut adds: Vec<Add>,
        is_change: bool,
        operation: DeltaOperation,
    ) -> Result<bool, Error> {
        for add in &mut adds {
            add.data_change = is_change;
            let by = self.kept.sorted_by().join(",");
            add.tags = Some([(SORTED_TAG.to_owned(), Some(by))].into());
        }
        let removes = files.iter().map(|file| {
            let mut remove = file.remove.clone();
            remove.data_change = is_change;
            Action::Remove(remove)
        });
        let actions: Vec<Action> = removes
            .chain(adds.iter().cloned().map(Action::Add))
            .collect();
        for _ in 0..CONFLICT_RETRIES {
            self.update().await?;
            let there = self.files().await?;
            let is_there = |file: &DayFile| there.iter().any(|other| other.path == file.path);
            if !files.iter().all(is_there) {
                delete(&self.delta, &adds).await;
                return Ok(false);
            }
            if !are_there(&self.delta, &adds).await? {
                return Err(Error::Storage {
                    message: "files that were written are gone before their commit".to_owned(),
                    transient: true,
                });
            }
            match self.commit(actions.clone(), operation.clone()).await {
                Ok(version) => {
                    let entry = format!("_delta_log/{version:020}.json");
                    sync_files(&self.url, vec![entry]).await?;
                    self.update().await?;
                    return Ok(true);
                }
                Err(
                    DeltaTableError::Transaction { .. } | DeltaTableError::VersionAlreadyExists(_),
                ) => {}
                Err(err) => return Err(storage("commit to the history")(err)),
            }
        }
        Err(Error::Storage {
            message: "other writers kept coming between".to_owned(),
            transient: true,
        })
    }

    async fn commit(
        &self,
        actions: Vec<Action>,
        operation: DeltaOperation,
    ) -> Result<u64, DeltaTableError> {
        let properties = CommitProperties::default().with_max_retries(0);
        let snapshot = self.delta.snapshot()?;
        let committed = CommitBuilder::from(properties)
            .with_actions(actions)
            .build(
                Some(snapshot as &dyn TableReference),
                self.delta.log_store(),
                operation,
            )
            .await?;
        Ok(committed.version())
    }
}
