//! Snapshots where every instance reaches them, by partition.
//!
//! ```text
//! state-4/<cluster>/topics/<topic>/<number>/<offset>.state
//!                                                     what a partition knows at an offset
//! state-4/<cluster>/shared/<log>/<offset>.state       what all know together, at one of the log
//! ```
//!
//! What a partition knows at an offset is the same whoever has computed it, so what is there
//! already is not written again, and it does not matter by whom it was.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use columns::{SnapshotError, SnapshotStore};
use detector::STATE_VERSION;
use model::Partition;
use tracing::warn;

use crate::snapshots::KEPT;

/// The end of the name of a file of state.
const STATE: &str = ".state";

/// The snapshots of all instances.
#[derive(Clone)]
pub(crate) struct Handover {
    store: Arc<dyn SnapshotStore>,
    root: String,
    /// The name of the log that instances share.
    log: String,
}

/// A file of state, not stored yet.
#[derive(Clone, Debug)]
pub(crate) struct StateFile {
    /// The partition; without one, what all know together.
    pub(crate) partition: Option<Partition>,
    /// The offset it is at.
    pub(crate) offset: i64,
    pub(crate) path: PathBuf,
}

impl Handover {
    pub(crate) fn new(store: Arc<dyn SnapshotStore>, cluster: &str, log: &str) -> Self {
        Self {
            store,
            log: log.to_owned(),
            root: format!("state-{STATE_VERSION}/{cluster}"),
        }
    }

    /// Stores files, and drops what is older than the last few of each partition; of one of which
    /// something was erased, all that is older.
    pub(crate) async fn publish(
        &self,
        files: &[StateFile],
        erased: &BTreeSet<Partition>,
    ) -> Result<(), SnapshotError> {
        for file in files {
            let partition = file.partition.as_ref();
            let is_erased = partition.is_some_and(|partition| erased.contains(partition));
            let mut offsets = self.offsets(partition).await?;
            if is_erased || !offsets.contains(&file.offset) {
                let name = self.name(partition, file.offset);
                self.store.put(&name, &file.path).await.map_err(io)?;
                offsets.insert(file.offset);
            }
            let kept = match is_erased {
                true => 1,
                false => KEPT,
            };
            let older = offsets.range(..=file.offset).rev().skip(kept);
            for &old in older {
                // It is dropped with the next one.
                if let Err(error) = self.store.remove(&self.name(partition, old)).await {
                    warn!(%error, "could not remove an old snapshot");
                }
            }
        }
        Ok(())
    }

    /// Removes what all know together: its offsets are of another log.
    pub(crate) async fn forget_shared(&self) -> Result<(), SnapshotError> {
        for offset in self.offsets(None).await? {
            self.store
                .remove(&self.name(None, offset))
                .await
                .map_err(io)?;
        }
        Ok(())
    }

    /// Returns the offsets of which there is state, of a partition or of what all know together.
    pub(crate) async fn offsets(
        &self,
        partition: Option<&Partition>,
    ) -> Result<BTreeSet<i64>, SnapshotError> {
        let names = self.store.list(&self.folder(partition)).await.map_err(io)?;
        let offsets = names.iter().filter_map(|name| name.strip_suffix(STATE));
        Ok(offsets.filter_map(|offset| offset.parse().ok()).collect())
    }

    /// Brings the state of an offset to a file.
    pub(crate) async fn fetch(
        &self,
        partition: Option<&Partition>,
        offset: i64,
        file: &Path,
    ) -> Result<(), SnapshotError> {
        let name = self.name(partition, offset);
        self.store.get(&name, file).await.map_err(io)
    }

    fn name(&self, partition: Option<&Partition>, offset: i64) -> String {
        format!("{}/{offset:020}{STATE}", self.folder(partition))
    }

    fn folder(&self, partition: Option<&Partition>) -> String {
        match partition {
            None => format!("{}/shared/{}", self.root, self.log),
            Some(Partition { topic, number }) => {
                format!("{}/topics/{topic}/{number}", self.root)
            }
        }
    }
}

fn io(error: columns::Error) -> SnapshotError {
    std::io::Error::other(error).into()
}
