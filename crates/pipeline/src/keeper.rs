//! Saves now and then what the stages know, and finds it again at start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use columns::{HistoryWriter, SnapshotError};
use model::Partition;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use crate::instances::{Handover, StateFile};
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
    /// Whether the state is copied, so that reading goes on while it is written; without, memory
    /// for it is needed once, and nothing is judged meanwhile.
    pub copy: bool,
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
        self.folder.clear_unfinished();
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
                    self.folder.trust(number);
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

/// Makes snapshots when they are due, beside the work on what is read meanwhile.
pub(crate) struct Keeper {
    config: SnapshotConfig,
    /// Where other instances find them, if there are several.
    handover: Option<Handover>,
    /// The offsets of the last snapshot.
    saved: BTreeMap<Partition, i64>,
    saved_at: Instant,
    /// How long the last one was written.
    wrote: Duration,
    /// Partitions of which something was erased, and which no snapshot has without it yet.
    erased: BTreeSet<Partition>,
    saving: Option<Saving>,
}

/// A snapshot under way.
struct Saving {
    offsets: BTreeMap<Partition, i64>,
    erased: BTreeSet<Partition>,
    /// Told once history has all of it.
    in_history: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(Saved, Duration), SnapshotError>>,
}

impl Keeper {
    pub(crate) fn new(
        config: SnapshotConfig,
        restored: BTreeMap<Partition, i64>,
        handover: Option<Handover>,
    ) -> Self {
        Self {
            config,
            handover,
            saved: restored,
            saved_at: Instant::now(),
            wrote: Duration::ZERO,
            erased: BTreeSet::new(),
            saving: None,
        }
    }

    /// Returns whether it is time to save what is known at these offsets.
    pub(crate) fn is_due(&self, offsets: &BTreeMap<Partition, i64>, ended: bool) -> bool {
        let rest = self.config.interval.max(self.wrote * REST);
        self.saving.is_none()
            && (self.saved != *offsets || self.has_erased())
            && (ended || self.saved_at.elapsed() >= rest)
    }

    /// Notes partitions of which something was erased.
    pub(crate) fn note_erased(&mut self, erased: BTreeSet<Partition>) {
        self.erased.extend(erased);
    }

    /// Returns whether something was erased that the newest snapshot may still have.
    pub(crate) fn has_erased(&self) -> bool {
        !self.erased.is_empty()
    }

    /// Returns whether reading goes on while a copy is written; among instances it always does,
    /// because they do not wait for each other.
    pub(crate) fn copies(&self) -> bool {
        self.config.copy || self.handover.is_some()
    }

    /// Returns where snapshots of this process are.
    pub(crate) fn folder(&self) -> &Path {
        self.config.folder.root()
    }

    /// Saves what is known at these offsets while nothing else is done; history has all of it.
    pub(crate) async fn save_in_place(
        &mut self,
        mut stages: Stages,
        offsets: &BTreeMap<Partition, i64>,
        vitals: &PipelineVitals,
    ) -> Result<Stages, Error> {
        let began = Instant::now();
        let mut erased = std::mem::take(&mut self.erased);
        erased.extend(stages.forgotten());
        let (folder, at, of) = (self.config.folder.clone(), offsets.clone(), erased.clone());
        let saving = tokio::task::spawn_blocking(move || {
            let written = folder.write(&mut stages, &at, &of);
            let outcome = written.and_then(|written| folder.finish(written));
            (stages, outcome)
        });
        let (mut stages, outcome) = saving.await?;
        stages.was_written();
        self.saved_at = Instant::now();
        let outcome = outcome.map(|saved| (saved, began.elapsed()));
        self.note(outcome, offsets.clone(), erased, vitals);
        Ok(stages)
    }

    /// Begins to save what is known at these offsets, as a copy of the stages has it.
    ///
    /// What is written becomes a snapshot once [`Self::committed`] says that history has it:
    /// a snapshot is never ahead of history.
    pub(crate) fn begin(&mut self, mut stages: Stages, offsets: &BTreeMap<Partition, i64>) {
        let mut erased = std::mem::take(&mut self.erased);
        erased.extend(stages.forgotten());
        let (folder, at, of) = (self.config.folder.clone(), offsets.clone(), erased.clone());
        let handover = self.handover.clone();
        let (of_all, shared_at) = (erased.clone(), stages.shared_at());
        let (in_history, is_in_history) = oneshot::channel();
        let task = tokio::spawn(async move {
            let began = Instant::now();
            let writing = {
                let folder = folder.clone();
                tokio::task::spawn_blocking(move || folder.write(&mut stages, &at, &of))
            };
            let written = writing.await.map_err(std::io::Error::other)??;
            let wrote = began.elapsed();
            let is_whole = is_in_history.await.is_ok();
            let kept_in = folder.clone();
            let finishing = tokio::task::spawn_blocking(move || match is_whole {
                true => folder.finish(written),
                // The run is over, and history does not have all of it.
                false => folder.give_up(&written),
            });
            let saved = finishing.await.map_err(std::io::Error::other)??;
            let Some(handover) = handover else {
                return Ok((saved, wrote));
            };
            let began = Instant::now();
            let files: Vec<StateFile> = kept_in.state_files(saved.number, shared_at)?;
            handover.publish(&files, &of_all).await?;
            // It is where all find it; what is here may be of partitions that have gone.
            kept_in.forget_before(saved.number);
            Ok((saved, wrote + began.elapsed()))
        });
        self.saved_at = Instant::now();
        self.saving = Some(Saving {
            offsets: offsets.clone(),
            erased,
            in_history: Some(in_history),
            task,
        });
    }

    /// Returns whether a snapshot waits for history.
    pub(crate) fn waits_for_history(&self) -> bool {
        let saving = self.saving.as_ref();
        saving.is_some_and(|saving| saving.in_history.is_some())
    }

    /// Notes what history has.
    pub(crate) fn committed(&mut self, committed: &BTreeMap<Partition, i64>) {
        let Some(saving) = &mut self.saving else {
            return;
        };
        let has = |(partition, offset): (&Partition, &i64)| {
            committed
                .get(partition)
                .is_some_and(|committed| committed >= offset)
        };
        if saving.offsets.iter().all(has)
            && let Some(in_history) = saving.in_history.take()
        {
            // A task that failed before hears nothing.
            let _ = in_history.send(());
        }
    }

    /// Waits for the end of a snapshot; for ever if none is under way. Dropping the future loses
    /// nothing.
    ///
    /// A failure is told, and tried again when it is due again.
    pub(crate) async fn ended(&mut self, vitals: &PipelineVitals) {
        let Some(saving) = &mut self.saving else {
            return std::future::pending().await;
        };
        let outcome = (&mut saving.task).await;
        let Some(saving) = self.saving.take() else {
            return;
        };
        let outcome = outcome.unwrap_or_else(|err| Err(std::io::Error::other(err).into()));
        self.note(outcome, saving.offsets, saving.erased, vitals);
    }

    fn note(
        &mut self,
        outcome: Result<(Saved, Duration), SnapshotError>,
        offsets: BTreeMap<Partition, i64>,
        erased: BTreeSet<Partition>,
        vitals: &PipelineVitals,
    ) {
        match outcome {
            Ok((Saved { number, bytes }, wrote)) => {
                self.saved = offsets;
                self.wrote = wrote;
                vitals.set_snapshot(bytes, wrote);
                info!(number, bytes, took = ?wrote, "saved a snapshot");
            }
            Err(error) => {
                // What was erased is not to come back by a file that names it.
                self.erased.extend(erased);
                vitals.set_snapshot_failed();
                vitals.set_error(format!("could not save a snapshot: {error}"));
                error!(%error, "could not save a snapshot, the one before is kept");
            }
        }
    }

    /// Returns whether one is under way.
    pub(crate) fn is_saving(&self) -> bool {
        self.saving.is_some()
    }
}
