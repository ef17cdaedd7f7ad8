//! Saves now and then what the stages know, and finds it again at start.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use columns::HistoryWriter;
use model::Partition;
use tracing::{error, info, warn};

use crate::snapshots::Saved;
use crate::{Error, PipelineVitals, SnapshotFolder, Stages};

/// How many times as long as saving takes nothing is saved: it may cost a twentieth of the time.
const REST: u32 = 20;

/// Where and how often snapshots are made.
#[derive(Clone, Debug)]
pub struct SnapshotConfig {
    /// Where they are kept.
    pub folder: SnapshotFolder,
    /// The time between two, at least.
    pub interval: Duration,
}

/// Stages, and the offsets from which the log is read on.
pub struct Restored {
    /// They know what was read before the offsets.
    pub stages: Stages,
    /// The next offset of each partition of which something is known.
    pub offsets: BTreeMap<Partition, i64>,
}

impl SnapshotConfig {
    /// Restores the newest snapshot that is whole and not ahead of history; without one the
    /// stages know nothing, and every partition is read from its beginning.
    ///
    /// # Errors
    /// When history cannot be asked, or restoring panics.
    pub async fn restore(
        &self,
        history: &dyn HistoryWriter,
        make_stages: impl Fn() -> Stages,
    ) -> Result<Restored, Error> {
        for snapshot in self.folder.snapshots() {
            let number = snapshot.number();
            let offsets = snapshot.offsets();
            if let Some(partition) = ahead(&offsets, history).await? {
                error!(number, %partition, "a snapshot is ahead of history, whose rows are gone");
                continue;
            }
            let began = Instant::now();
            let mut stages = make_stages();
            let restoring = tokio::task::spawn_blocking(move || {
                let outcome = snapshot.restore(&mut stages);
                (stages, outcome)
            });
            let (stages, outcome) = restoring.await?;
            match outcome {
                Ok(()) => {
                    let (keys, ..) = stages.vitals();
                    info!(number, keys, took = ?began.elapsed(), "restored a snapshot");
                    return Ok(Restored { stages, offsets });
                }
                Err(error) => {
                    warn!(number, %error, "a snapshot cannot be used, trying the one before");
                }
            }
        }
        info!("no snapshot to start from: the log is read from its beginning");
        Ok(Restored {
            stages: make_stages(),
            offsets: BTreeMap::new(),
        })
    }
}

/// Returns a partition of which history does not have what the snapshot has seen.
async fn ahead(
    offsets: &BTreeMap<Partition, i64>,
    history: &dyn HistoryWriter,
) -> Result<Option<Partition>, Error> {
    for (partition, &offset) in offsets {
        let stored = history.next_offset(partition).await?;
        if stored.is_none_or(|stored| stored < offset) {
            return Ok(Some(partition.clone()));
        }
    }
    Ok(None)
}

/// Makes snapshots when they are due.
pub(crate) struct Keeper {
    config: SnapshotConfig,
    /// The offsets of the last snapshot.
    saved: BTreeMap<Partition, i64>,
    saved_at: Instant,
    took: Duration,
}

impl Keeper {
    pub(crate) fn new(config: SnapshotConfig, restored: BTreeMap<Partition, i64>) -> Self {
        Self {
            config,
            saved: restored,
            saved_at: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// Returns whether it is time to save what is known at these offsets.
    pub(crate) fn is_due(&self, offsets: &BTreeMap<Partition, i64>, ended: bool) -> bool {
        let rest = self.config.interval.max(self.took * REST);
        self.saved != *offsets && (ended || self.saved_at.elapsed() >= rest)
    }

    /// Saves what is known at these offsets, all of which history has; a failure is told, and
    /// tried again when it is due again.
    pub(crate) async fn save(
        &mut self,
        mut stages: Stages,
        offsets: &BTreeMap<Partition, i64>,
        vitals: &PipelineVitals,
    ) -> Result<Stages, Error> {
        let began = Instant::now();
        let (folder, at) = (self.config.folder.clone(), offsets.clone());
        let saving = tokio::task::spawn_blocking(move || {
            let outcome = folder.save(&mut stages, &at);
            (stages, outcome)
        });
        let (stages, outcome) = saving.await?;
        self.took = began.elapsed();
        self.saved_at = Instant::now();
        match outcome {
            Ok(Saved { number, bytes }) => {
                self.saved = offsets.clone();
                vitals.set_snapshot(bytes, self.took);
                info!(number, bytes, took = ?self.took, "saved a snapshot");
            }
            Err(error) => {
                vitals.set_snapshot_failed();
                vitals.set_error(format!("could not save a snapshot: {error}"));
                error!(%error, "could not save a snapshot, the one before is kept");
            }
        }
        Ok(stages)
    }
}
