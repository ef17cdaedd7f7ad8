//! Rows of a key or of a person that are to be forgotten, in old versions too.

use columns::Error;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{Expr, col, is_true, lit, not};
use deltalake_core::checkpoints::{cleanup_expired_logs_for, create_checkpoint};
use deltalake_core::logstore::extract_version_from_filename;
use deltalake_core::operations::vacuum::VacuumMode;
use deltalake_core::protocol::DeltaOperation;
use futures::TryStreamExt;
use model::Timestamp;

use super::{Tended, Upkeep, UpkeepReport, expire};
use crate::day_file::DayFile;
use crate::error::{query, storage};
use crate::kept::Kept;

/// Whose rows are to be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erasure {
    /// Those of a key, by its id, of one account or of all.
    Key {
        /// The id.
        key_id: String,
        /// The account that it is of; of all without.
        account: Option<String>,
    },
    /// Those of a person: the provider's user, the caller's own user, or the principal.
    User(String),
}

impl Erasure {
    /// Returns which rows of a table are to go; nothing where none can be.
    fn condition(&self, kept: Kept) -> Option<Expr> {
        match self {
            Self::Key { key_id, account } => {
                let of_key = col("key_id").eq(lit(key_id.as_str()));
                Some(match account {
                    Some(account) => of_key.and(col("account").eq(lit(account.as_str()))),
                    None => of_key,
                })
            }
            Self::User(user) => {
                let columns = ["user_id", "end_user", "principal"];
                let has_users = kept.schema().column_with_name(columns[0]).is_some();
                let by = columns.map(|name| col(name).eq(lit(user.as_str())));
                has_users.then(|| by.into_iter().reduce(Expr::or)).flatten()
            }
        }
    }
}

impl Upkeep {
    /// Erases rows from every table, and deletes every file and every entry of the log from which
    /// they could be read. Older versions of the tables are gone with them, and a query that is
    /// running may fail.
    ///
    /// # Errors
    /// [`Error::Storage`] when a table cannot be read or written; doing it again goes on.
    pub async fn erase(&self, erasure: &Erasure) -> Result<UpkeepReport, Error> {
        let mut report = UpkeepReport::default();
        for kept in Kept::ALL {
            let Some(condition) = erasure.condition(kept) else {
                continue;
            };
            if let Some(mut tended) = Tended::open(&self.root, kept, &self.spill).await? {
                report += tended.erase(&condition).await?;
            }
        }
        Ok(report)
    }
}

impl Tended {
    async fn erase(&mut self, condition: &Expr) -> Result<UpkeepReport, Error> {
        let mut report = UpkeepReport::default();
        for file in self.files().await? {
            let rows = self.count(&file, condition).await?;
            if rows == 0 {
                continue;
            }
            let operation = DeltaOperation::Delete {
                predicate: Some("erased on request".to_owned()),
            };
            let files = [file];
            let others = not(is_true(condition.clone()));
            let adds = self.rewritten(files.to_vec(), Some(others)).await?;
            if !self.replace(&files, adds, true, operation).await? {
                return Err(Error::Storage {
                    message: "somebody else rewrites the same files; erase again".to_owned(),
                    transient: true,
                });
            }
            report.files_removed += 1;
            report.rows_erased += rows;
        }
        // What an earlier attempt left is deleted too.
        report += expire::delete(self, VacuumMode::Lite, 0).await?;
        report += expire::vacuum(self, 0).await?;
        self.forget_versions().await?;
        Ok(report)
    }

    async fn count(&self, file: &DayFile, condition: &Expr) -> Result<u64, Error> {
        let context = SessionContext::new();
        let rows = context.read_table(self.scan(&context, vec![file.clone()])?);
        let rows = rows.and_then(|rows| rows.filter(condition.clone()));
        let count = rows.map_err(query)?.count().await.map_err(query)?;
        Ok(count as u64)
    }

    /// Deletes all of the log but what the newest version needs: it says which keys were in which
    /// files.
    async fn forget_versions(&mut self) -> Result<(), Error> {
        let what = "forget old versions of the history";
        self.update().await?;
        let Some(version) = self.delta.version() else {
            return Ok(());
        };
        create_checkpoint(&self.delta, None)
            .await
            .map_err(storage(what))?;
        let log_store = self.delta.log_store();
        // The storage's clock may be ahead of this one.
        let until = chrono::Utc::now().timestamp_millis() + Timestamp::DAY;
        cleanup_expired_logs_for(version, log_store.as_ref(), until, None)
            .await
            .map_err(storage(what))?;
        let entries = log_store.object_store(None);
        let entries = entries.list(Some(log_store.log_path()));
        let names: Vec<String> = entries
            .map_ok(|entry| entry.location.filename().unwrap_or_default().to_owned())
            .try_collect()
            .await
            .map_err(|err| storage(what)(err.into()))?;
        let is_older = |name: &&String| extract_version_from_filename(name) < Some(version);
        let is_entry = |name: &&String| name.ends_with(".json") && !name.starts_with('_');
        match names.iter().filter(is_entry).find(is_older) {
            None => Ok(()),
            Some(left) => Err(Error::Storage {
                message: format!("entry \"{left}\" of the history's log could not be deleted"),
                transient: true,
            }),
        }
    }
}
