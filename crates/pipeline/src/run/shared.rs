//! A run that is one of several instances.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use columns::SnapshotError;
use model::{Partition, Rebalance, Rebalanced, Records, SourceError};
use tracing::{error, info, warn};

use super::Run;
use crate::Error;
use crate::backoff::Backoff;
use crate::instances::{Event, Handover, Message, Owned, Sharing, StateFile, messages};
use crate::snapshots::{read_file, write_file};
use crate::stage::{Shown, Stage};
use crate::workers::Done;

/// The name of the lease of an instance that still reads what is old: nobody is told meanwhile.
pub(crate) const CATCHING_UP: &str = "catching up: ";

/// How long such a lease lasts unless it is renewed: longer than anything takes that is done in
/// between.
pub(crate) const LEASE_MILLIS: i64 = 60_000;

/// How often a partition is claimed that another claims at the same time.
const CLAIMS: usize = 3;

impl Run {
    /// Restores what the partitions know together, and begins to read what instances say.
    pub(super) async fn begin_sharing(&mut self) -> Result<(), Error> {
        if self.sharing.is_none() {
            return Ok(());
        }
        let mut stages = self.stop_workers()?;
        stages.joint.share();
        let unread = stages.joint.clone();
        // What a damaged file leaves behind is of no use: each is read into a new one.
        let read = move |file: &Path| {
            let mut joint = unread.clone();
            read_file(file, |archive| joint.archive(archive)).map(|()| joint)
        };
        if let Some((offset, joint)) = self.restore(None, i64::MAX, read).await? {
            info!(offset, "restored what the partitions know together");
            stages.joint = joint;
        }
        let mut next = stages.joint.replica().and_then(|replica| replica.next());
        let mut backoff = backoff();
        while let Some(sharing) = &mut self.sharing {
            match sharing.log.read_from(next).await {
                Ok(true) => break,
                Ok(false) => {
                    error!(next, "the topic that instances share is another one by now");
                    if let Err(error) = sharing.handover.forget_shared().await {
                        warn!(%error, "could not remove what is of another topic");
                    }
                    stages.joint.begin_log();
                    next = None;
                }
                Err(error) if error.transient => self.wait_after(&mut backoff, &error).await?,
                Err(error) => return Err(error.into()),
            }
        }
        self.start_workers(stages)
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
        if let Some(partition) = claimed {
            self.look_whether_lost(&partition);
        }
        self.record(&alerts).await
    }

    /// Drops a partition that another instance has claimed after this one.
    fn look_whether_lost(&mut self, partition: &Partition) {
        let epoch_of = |sharing: &Sharing| sharing.owned.get(partition).map(|owned| owned.epoch);
        let Some(epoch) = self.sharing.as_ref().and_then(epoch_of) else {
            return;
        };
        let joint = self.workers.as_mut().map(|workers| workers.joint());
        let owner = joint.and_then(|joint| joint.replica()?.owner_of(partition));
        let Some((instance, _)) = owner.filter(|(_, newer)| *newer > epoch) else {
            return;
        };
        warn!(%partition, instance, "another instance has this partition by now");
        self.lose(partition);
    }

    /// Drops a partition: what was read of it and not committed, whoever has it reads again.
    pub(super) fn lose(&mut self, partition: &Partition) {
        // Its stage has seen what is dropped, and is saved by nobody. What history has of it stays
        // so: a snapshot that has begun may wait to hear of it.
        self.offsets.remove(partition);
        if let Some(sharing) = &mut self.sharing {
            sharing.owned.remove(partition);
            sharing
                .lost
                .get_or_insert((partition.clone(), Instant::now()));
        }
    }

    /// Ends the run where the group has left a partition with this instance for long that another
    /// has claimed, and that nobody reads.
    pub(super) fn look_whether_stuck(&self) -> Result<(), Error> {
        let Some(sharing) = &self.sharing else {
            return Ok(());
        };
        match &sharing.lost {
            Some((partition, since)) if since.elapsed() > sharing.patience => {
                Err(Error::Lost(partition.clone()))
            }
            _ => Ok(()),
        }
    }

    /// Takes partitions: claims them, and restores what is known of them. Returns from where each
    /// is read.
    async fn assigned(
        &mut self,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, i64>, Error> {
        self.begin_to_catch_up().await;
        let epochs = self.claim(partitions).await?;
        let mut starts = BTreeMap::new();
        for (partition, epoch) in epochs {
            self.idleness.forget(&partition);
            let joint = self.workers.as_mut().ok_or(Error::StageEnded)?.joint();
            let replica = joint.replica();
            let said_until = replica.map_or(0, |replica| replica.said_until(&partition));
            let owned = Owned {
                epoch,
                said_until,
                reach: None,
                is_idle: false,
            };
            let (stage, start) = self.restore_stage(&partition).await?;
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
                sharing.lost.take_if(|(lost, _)| *lost == partition);
                sharing.owned.insert(partition.clone(), owned);
            }
            self.look_whether_lost(&partition);
        }
        Ok(starts)
    }

    /// Claims partitions, and hears all that was said of them before; returns the epoch of each.
    async fn claim(&mut self, partitions: &[Partition]) -> Result<Vec<(Partition, i64)>, Error> {
        let instance = self.instance();
        let mut epochs: BTreeMap<Partition, i64> = BTreeMap::new();
        let mut unclaimed: Vec<Partition> = partitions.to_vec();
        for _ in 0..CLAIMS {
            for partition in &unclaimed {
                let claim = Message::Claim {
                    partition: partition.clone(),
                    instance: instance.clone(),
                };
                epochs.insert(partition.clone(), self.say(&claim).await?);
            }
            self.hear_all().await?;
            let joint = self.workers.as_mut().ok_or(Error::StageEnded)?.joint();
            let is_newest = |partition: &Partition| {
                let owner = joint
                    .replica()
                    .and_then(|replica| replica.owner_of(partition));
                owner.is_some_and(|(_, epoch)| epochs.get(partition) == Some(&epoch))
            };
            // Somebody who had it before woke up in between, and is told by the group soon.
            unclaimed.retain(|partition| !is_newest(partition));
            if unclaimed.is_empty() {
                break;
            }
        }
        Ok(epochs.into_iter().collect())
    }

    /// Restores the newest state of a partition that is not ahead of history.
    async fn restore_stage(
        &mut self,
        partition: &Partition,
    ) -> Result<(Box<Stage>, Option<i64>), Error> {
        let mut backoff = backoff();
        let stored = loop {
            match self.history.next_offset(partition).await {
                Ok(stored) => break stored.unwrap_or(0),
                Err(
                    error @ columns::Error::Storage {
                        transient: true, ..
                    },
                ) => {
                    self.wait_after(&mut backoff, &error).await?;
                }
                Err(error) => return Err(error.into()),
            }
        };
        let unread = self.workers.as_ref().ok_or(Error::StageEnded)?.new_stage();
        let read = {
            let unread = unread.clone();
            move |file: &Path| {
                let mut stage = unread.clone();
                read_file(file, |archive| stage.archive(archive)).map(|()| stage)
            }
        };
        Ok(match self.restore(Some(partition), stored, read).await? {
            Some((offset, stage)) => (stage, Some(offset)),
            None => {
                info!(%partition, "no snapshot to start from: it is read from its beginning");
                (unread, None)
            }
        })
    }

    /// Reads the newest snapshot that is whole and not behind `most`. A storage that does not
    /// answer is waited for: to begin without a snapshot that is there would lose what only it
    /// knows.
    async fn restore<T: Send + 'static>(
        &mut self,
        partition: Option<&Partition>,
        most: i64,
        read: impl Fn(&Path) -> Result<T, SnapshotError> + Clone + Send + 'static,
    ) -> Result<Option<(i64, T)>, Error> {
        let Some(handover) = self
            .sharing
            .as_ref()
            .map(|sharing| sharing.handover.clone())
        else {
            return Ok(None);
        };
        let staging = self.staging("restored");
        let mut backoff = backoff();
        let mut unusable = BTreeSet::new();
        loop {
            let newest = match handover.offsets(partition).await {
                Ok(offsets) => offsets
                    .into_iter()
                    .rev()
                    .find(|offset| !unusable.contains(offset)),
                Err(error) => {
                    self.wait_after(&mut backoff, &error).await?;
                    continue;
                }
            };
            let Some(offset) = newest else {
                return Ok(None);
            };
            if offset > most {
                error!(
                    ?partition,
                    offset, most, "a snapshot is ahead of history, whose rows are gone"
                );
                unusable.insert(offset);
                continue;
            }
            let restored = match handover.fetch(partition, offset, &staging).await {
                Ok(()) => {
                    let (read, file) = (read.clone(), staging.clone());
                    let restored = tokio::task::spawn_blocking(move || read(&file)).await?;
                    // Nobody needs it here any more; the next one takes its place.
                    let _ = std::fs::remove_file(&staging);
                    restored
                }
                Err(error) => Err(error),
            };
            match restored {
                Ok(restored) => return Ok(Some((offset, restored))),
                // The storage, or a file that has been removed meanwhile: it is listed anew.
                Err(error @ SnapshotError::Io(_)) => self.wait_after(&mut backoff, &error).await?,
                Err(error) => {
                    warn!(?partition, offset, %error, "a snapshot cannot be used, trying the one before");
                    unusable.insert(offset);
                }
            }
        }
    }

    /// Gives partitions up: what was read of them is worked on, committed and saved.
    async fn revoked(&mut self, rebalance: Rebalance) -> Result<(), Error> {
        let is_going = |partition: &Partition| rebalance.partitions.contains(partition);
        // Whoever reads waits for us: what was handed over is all there is. None of it may stay: it
        // would be taken for what is read when a partition comes again. A task that has done much
        // is otherwise told that nothing is there, so that others have their turn.
        loop {
            let next = tokio::task::unconstrained(self.source.next());
            let Ok(records) = tokio::time::timeout(Duration::ZERO, next).await else {
                break;
            };
            match records? {
                Some(records) if records.is_empty() || is_going(records.partition()) => {}
                Some(records) => self.give(records)?,
                None => {
                    self.has_source_ended = true;
                    break;
                }
            }
        }
        self.settle().await?;
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
            self.idleness.forget(partition);
            let Some(sharing) = &mut self.sharing else {
                continue;
            };
            // Of one that was lost before, another has newer state.
            let owned = sharing.owned.remove(partition);
            sharing.lost.take_if(|(lost, _)| lost == partition);
            let handover = sharing.handover.clone();
            if let (Some(stage), Some(offset), Some(_)) = (stage, offset, owned) {
                self.hand_over(handover, partition, stage, offset).await?;
            }
        }
        self.vitals.set_stages(stages.vitals());
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
        let written = path.clone();
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
        // What was not written has left nothing.
        let _ = std::fs::remove_file(&written);
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
            let is_idle = self.idleness.knows(partition) && self.idleness.is_idle(partition);
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
                    return Err(Error::Interrupted("what instances share"));
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
                Err(error) if error.transient => self.wait_after(&mut backoff, &error).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn wait_after(
        &mut self,
        backoff: &mut Backoff,
        error: &(dyn std::error::Error + Sync),
    ) -> Result<(), Error> {
        error!(%error, "could not use what instances share, waiting");
        self.vitals.set_error(error.to_string());
        tokio::select! {
            () = self.cancel.cancelled() => Err(Error::Interrupted("what instances share")),
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

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(200), Duration::from_secs(30))
}
