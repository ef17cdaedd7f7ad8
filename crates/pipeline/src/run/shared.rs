//! A run that is one of several instances.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use columns::SnapshotError;
use model::{Partition, Rebalance, Rebalanced, Records, SourceError};
use tracing::{error, info, warn};

use super::Run;
use crate::Error;
use crate::backoff::Backoff;
use crate::instances::{Event, Handover, Message, Owned, StateFile, messages};
use crate::snapshots::{read_file, write_file};
use crate::stage::{Shown, Stage};
use crate::workers::Done;

/// The name of the lease of an instance that still reads what is old: nobody is told meanwhile.
pub(crate) const CATCHING_UP: &str = "catching up: ";

/// How long such a lease lasts unless it is renewed: longer than anything takes that is done in
/// between.
pub(crate) const LEASE_MILLIS: i64 = 60_000;

impl Run {
    /// Restores what the partitions know together, and begins to read what instances say.
    pub(super) async fn begin_sharing(&mut self) -> Result<(), Error> {
        let Some(sharing) = &self.sharing else {
            return Ok(());
        };
        let handover = sharing.handover.clone();
        let mut stages = self.stop_workers()?;
        stages.joint.share();
        for offset in newest_first(handover.offsets(None).await) {
            let staging = self.staging("shared");
            // What a damaged file leaves behind is of no use.
            let mut joint = stages.joint.clone();
            let restored = match handover.fetch(None, offset, &staging).await {
                Ok(()) => {
                    let restoring = tokio::task::spawn_blocking(move || {
                        read_file(&staging, |archive| joint.archive(archive)).map(|()| joint)
                    });
                    restoring.await?
                }
                Err(error) => Err(error),
            };
            match restored {
                Ok(joint) => {
                    stages.joint = joint;
                    info!(offset, "restored what the partitions know together");
                    break;
                }
                Err(error) => {
                    warn!(offset, %error, "a snapshot cannot be used, trying the one before");
                }
            }
        }
        let next = stages.joint.replica().and_then(|replica| replica.next());
        self.start_workers(stages)?;
        let mut backoff = backoff();
        loop {
            let Some(sharing) = &mut self.sharing else {
                return Ok(());
            };
            match sharing.log.read_from(next).await {
                Ok(()) => return Ok(()),
                Err(error) if error.transient => self.wait_after(&mut backoff, error).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes what others did.
    pub(super) async fn follow(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Message(offset, bytes) => self.hear(offset, &bytes).await,
            Event::Rebalance(rebalance) => match rebalance.change {
                Rebalanced::Assigned => {
                    let starts = self.assigned(&rebalance.partitions).await?;
                    rebalance.answer(starts);
                    Ok(())
                }
                Rebalanced::Revoked => self.revoked(rebalance).await,
            },
        }
    }

    /// Takes a message of the log.
    async fn hear(&mut self, offset: i64, bytes: &[u8]) -> Result<(), Error> {
        let joint = self.workers.as_mut().ok_or(Error::StageEnded)?.joint();
        let message = match Message::from_bytes(bytes) {
            Ok(message) => message,
            Err(why) => {
                error!(offset, why, "could not understand what an instance says");
                joint.skip(offset);
                return Ok(());
            }
        };
        let claimed = match &message {
            Message::Claim { partition, .. } => Some(partition.clone()),
            _ => None,
        };
        let alerts = joint.hear(offset, message);
        if let (Some(partition), Some(sharing)) = (claimed, &mut self.sharing)
            && let Some((instance, epoch)) = joint
                .replica()
                .and_then(|replica| replica.owner_of(&partition))
            && sharing
                .owned
                .get(&partition)
                .is_some_and(|owned| owned.epoch < epoch)
        {
            warn!(%partition, instance, "another instance has this partition by now");
            sharing.owned.remove(&partition);
        }
        self.record(&alerts).await
    }

    /// Takes partitions: claims them, and restores what is known of them. Returns from where each
    /// is read.
    async fn assigned(
        &mut self,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, i64>, Error> {
        self.begin_to_catch_up().await;
        let mut epochs = Vec::new();
        for partition in partitions {
            let instance = self.instance();
            let claim = Message::Claim {
                partition: partition.clone(),
                instance,
            };
            epochs.push((partition.clone(), self.say(&claim).await?));
        }
        // From here on nothing is heard of those who had them before.
        self.hear_all().await?;
        let mut starts = BTreeMap::new();
        for (partition, epoch) in epochs {
            let joint = self.workers.as_mut().ok_or(Error::StageEnded)?.joint();
            let said_until = joint
                .replica()
                .map(|replica| replica.said_until(&partition));
            let owned = Owned {
                epoch,
                said_until: said_until.unwrap_or(0),
                reach: None,
                is_idle: false,
            };
            let (stage, start) = self.restore(&partition).await?;
            let workers = self.workers.as_mut().ok_or(Error::StageEnded)?;
            let vitals = stage.standpoint().vitals;
            workers.joint().note_vitals(&partition, Some(vitals));
            workers.own(&partition, stage)?;
            info!(%partition, epoch, start, said_until, "took a partition");
            if let Some(start) = start {
                self.offsets.insert(partition.clone(), start);
                self.committed.insert(partition.clone(), start);
                starts.insert(partition.clone(), start);
            }
            if let Some(sharing) = &mut self.sharing {
                sharing.owned.insert(partition, owned);
            }
        }
        Ok(starts)
    }

    /// Restores the newest state of a partition that is not ahead of history.
    async fn restore(&mut self, partition: &Partition) -> Result<(Box<Stage>, Option<i64>), Error> {
        let workers = self.workers.as_ref().ok_or(Error::StageEnded)?;
        let stored = self.history.next_offset(partition).await?.unwrap_or(0);
        let Some(handover) = self
            .sharing
            .as_ref()
            .map(|sharing| sharing.handover.clone())
        else {
            return Ok((workers.new_stage(), None));
        };
        for offset in newest_first(handover.offsets(Some(partition)).await) {
            if offset > stored {
                error!(%partition, offset, stored, "a snapshot is ahead of history, whose rows are gone");
                continue;
            }
            let staging = self.staging("restored");
            let restored = match handover.fetch(Some(partition), offset, &staging).await {
                Ok(()) => {
                    let mut stage = workers.new_stage();
                    let restoring = tokio::task::spawn_blocking(move || {
                        let read = read_file(&staging, |archive| stage.archive(archive));
                        read.map(|()| stage)
                    });
                    restoring.await?
                }
                Err(error) => Err(error),
            };
            match restored {
                Ok(stage) => return Ok((stage, Some(offset))),
                Err(error) => {
                    warn!(%partition, offset, %error, "a snapshot cannot be used, trying the one before");
                }
            }
        }
        info!(%partition, "no snapshot to start from: it is read from its beginning");
        Ok((workers.new_stage(), None))
    }

    /// Gives partitions up: what was read of them is worked on, committed and saved.
    async fn revoked(&mut self, rebalance: Rebalance) -> Result<(), Error> {
        let is_going = |partition: &Partition| rebalance.partitions.contains(partition);
        // Whoever reads waits for us: what was handed over is all there is.
        while let Ok(records) = tokio::time::timeout(Duration::ZERO, self.source.next()).await {
            match records? {
                Some(records) if records.is_empty() || is_going(records.partition()) => {}
                Some(records) => self.give(records)?,
                None => {
                    self.has_source_ended = true;
                    break;
                }
            }
        }
        // The log's client waits for us, and would not take offsets; they are information only.
        self.is_giving_up = true;
        let settled = self.settle().await;
        self.is_giving_up = false;
        settled?;
        if let Some(keeper) = self.keeper.as_mut().filter(|keeper| keeper.is_saving()) {
            keeper.ended(&self.vitals).await;
        }
        let mut stages = self.stop_workers()?;
        for partition in &rebalance.partitions {
            let stage = stages.partitions.remove(partition);
            stages.joint.note_vitals(partition, None);
            let offset = self.offsets.remove(partition);
            self.committed.remove(partition);
            self.vitals.forget_partition(partition);
            let Some(sharing) = &mut self.sharing else {
                continue;
            };
            // Of one that was lost before, another has newer state.
            let owned = sharing.owned.remove(partition);
            let handover = sharing.handover.clone();
            if let (Some(stage), Some(offset), Some(_)) = (stage, offset, owned) {
                self.hand_over(handover, partition, stage, offset).await?;
            }
        }
        self.start_workers(stages)?;
        info!(partitions = ?rebalance.partitions.iter().map(ToString::to_string).collect::<Vec<_>>(), "gave partitions up");
        rebalance.answer(BTreeMap::new());
        Ok(())
    }

    /// Saves what is known of a partition for whoever has it next.
    async fn hand_over(
        &mut self,
        handover: Handover,
        partition: &Partition,
        mut stage: Box<Stage>,
        offset: i64,
    ) -> Result<(), Error> {
        let path = self.staging("handed-over");
        let erased = stage.has_forgotten().then(|| partition.clone());
        let file = StateFile {
            partition: Some(partition.clone()),
            offset,
            path: path.clone(),
        };
        let writing = tokio::task::spawn_blocking(move || {
            write_file(&path, |archive| stage.archive(archive))
        });
        let saved = match writing.await? {
            Ok(()) => {
                handover
                    .publish(&[file], &erased.into_iter().collect())
                    .await
            }
            Err(error) => Err(error),
        };
        if let Err(error) = saved {
            // Whoever has it next reads more of the log again.
            warn!(%partition, %error, "could not save a partition that goes");
        }
        Ok(())
    }

    /// Gives records to their thread, those of partitions that are another's to nobody. They are cut
    /// where others have said what is before.
    pub(super) fn give(&mut self, records: Records) -> Result<(), Error> {
        let workers = self.workers.as_mut().ok_or(Error::StageEnded)?;
        let Some(sharing) = &self.sharing else {
            return workers.give(records);
        };
        let Some(owned) = sharing.owned.get(records.partition()) else {
            return Ok(());
        };
        let (said, unsaid) = records.cut(owned.said_until);
        for part in [said, unsaid] {
            if !part.is_empty() {
                workers.give(part)?;
            }
        }
        Ok(())
    }

    /// Returns whether a batch is of a partition that is another's by now.
    pub(super) fn is_lost(&self, done: &Done) -> bool {
        let partition = done.partition();
        let sharing = self.sharing.as_ref();
        sharing.is_some_and(|sharing| !sharing.owned.contains_key(partition))
    }

    /// Says what a partition shows below an offset.
    pub(super) async fn say_shown(
        &mut self,
        partition: &Partition,
        alerts: &[model::Alert],
        shown: Shown,
        offset: i64,
    ) -> Result<(), Error> {
        let workers = self.workers.as_mut().ok_or(Error::StageEnded)?;
        let vitals = shown.standpoint.vitals;
        workers.joint().note_vitals(partition, Some(vitals));
        let owned = self
            .sharing
            .as_mut()
            .and_then(|sharing| sharing.owned.get_mut(partition));
        let Some(owned) = owned.filter(|owned| owned.said_until < offset) else {
            return Ok(());
        };
        let reach = Some(shown.standpoint.reach);
        let is_nothing = alerts.is_empty() && shown.signs.is_empty() && shown.unkeyed.is_empty();
        if is_nothing && owned.reach == reach {
            return Ok(());
        }
        (owned.reach, owned.is_idle) = (reach, false);
        let epoch = owned.epoch;
        for message in messages(partition, epoch, alerts, shown, offset) {
            self.say(&message).await?;
        }
        Ok(())
    }

    /// Says which partitions of this instance are not to be waited for, where that has changed.
    pub(super) async fn say_idle(&mut self) -> Result<(), Error> {
        let mut changed = Vec::new();
        for (partition, owned) in self
            .sharing
            .iter_mut()
            .flat_map(|sharing| &mut sharing.owned)
        {
            let is_idle = self.idleness.is_idle(partition);
            if owned.is_idle != is_idle {
                owned.is_idle = is_idle;
                changed.push(Message::Idle {
                    partition: partition.clone(),
                    epoch: owned.epoch,
                    is_idle,
                });
            }
        }
        for message in changed {
            self.say(&message).await?;
        }
        Ok(())
    }

    /// Reads all that this instance has said, and what others said before.
    pub(super) async fn hear_all(&mut self) -> Result<(), Error> {
        loop {
            let next = {
                let workers = self.workers.as_mut().ok_or(Error::StageEnded)?;
                workers.joint().replica().and_then(|replica| replica.next())
            };
            let Some(sharing) = &mut self.sharing else {
                return Ok(());
            };
            if sharing
                .written
                .is_none_or(|written| next.is_some_and(|next| next > written))
            {
                return Ok(());
            }
            let (offset, bytes) = tokio::select! {
                biased;
                message = sharing.log.next() => message?,
                () = self.cancel.cancelled() => {
                    return Err(Error::Interrupted("the topic that instances share"));
                }
            };
            self.hear(offset, &bytes).await?;
        }
    }

    /// Writes a message; what is down is waited for. Returns its offset.
    async fn say(&mut self, message: &Message) -> Result<i64, Error> {
        let bytes = message.to_bytes().map_err(|err| SourceError {
            message: format!("could not write a message: {err}"),
            transient: false,
        })?;
        let mut backoff = backoff();
        loop {
            let Some(sharing) = &mut self.sharing else {
                return Err(Error::StageEnded);
            };
            match sharing.log.append(bytes.clone()).await {
                Ok(offset) => {
                    sharing.written = Some(offset);
                    return Ok(offset);
                }
                Err(error) if error.transient => self.wait_after(&mut backoff, error).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn wait_after(&mut self, backoff: &mut Backoff, error: SourceError) -> Result<(), Error> {
        error!(%error, "could not use the topic that instances share, waiting");
        self.vitals.set_error(error.to_string());
        tokio::select! {
            () = self.cancel.cancelled() => {
                Err(Error::Interrupted("the topic that instances share"))
            }
            () = tokio::time::sleep(backoff.wait()) => Ok(()),
        }
    }

    /// Makes known, before anything old is read, that nobody is to be told of it.
    async fn begin_to_catch_up(&mut self) {
        self.vitals.caught_up.store(false, Ordering::Relaxed);
        let name = format!("{CATCHING_UP}{}", self.instance());
        let now = self.clock.now();
        let casebook = &self.effects.casebook;
        let until = now.plus(LEASE_MILLIS);
        if let Err(error) = casebook.lease(&name, &self.instance(), now, until).await {
            warn!(%error, "could not make known that this instance catches up");
        }
    }

    fn instance(&self) -> String {
        let sharing = self.sharing.as_ref();
        sharing
            .map(|sharing| sharing.name.clone())
            .unwrap_or_default()
    }

    /// Returns where a file is put that is on its way.
    fn staging(&self, name: &str) -> PathBuf {
        let keeper = self.keeper.as_ref();
        let folder = keeper.map(|keeper| keeper.folder().to_owned());
        let folder = folder.unwrap_or_else(std::env::temp_dir);
        // What cannot be made is told when the file is.
        let _ = std::fs::create_dir_all(&folder);
        folder.join(format!("{name}.file"))
    }
}

/// Returns the offsets of snapshots, the newest first; where they cannot be looked for there are
/// none, and the log is read from its beginning.
fn newest_first(
    offsets: Result<std::collections::BTreeSet<i64>, SnapshotError>,
) -> impl Iterator<Item = i64> {
    let offsets = offsets.unwrap_or_else(|error| {
        warn!(%error, "could not look for snapshots");
        Default::default()
    });
    offsets.into_iter().rev()
}

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(200), Duration::from_secs(30))
}
