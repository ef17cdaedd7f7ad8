//! The loop: read, stage, write down, checkpoint.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use casebook::Casebook;
use columns::{CommitReceipt, HistoryWriter, LiveRows};
use model::{Alert, Clock, EventSource, OffsetRange, Partition, Reason, RecordSink};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::commit::Commit;
use crate::effects::Effects;
use crate::feeds::Feeds;
use crate::idle::Idleness;
use crate::instances::{self, Instances, Sharing};
use crate::keeper::Keeper;
use crate::shown::{LiveTables, Scores};
use crate::upkeep::Upkeep;
use crate::workers::{Done, Workers};
use crate::{Error, PipelineVitals, SnapshotConfig, Stages};

mod shared;

pub(crate) use shared::{CATCHING_UP, LEASE_MILLIS};

/// How often the loop looks up when nothing arrives.
const TICK: Duration = Duration::from_millis(200);

/// How many checkpoints' rows may wait for history before no more is read.
const ROWS_AHEAD: usize = 2;

/// Hears of the alerts of a batch.
pub type OnAlerts = Box<dyn FnMut(&[Alert]) + Send + Sync>;

/// When a checkpoint is made.
#[derive(Clone, Debug)]
pub struct CheckpointConfig {
    /// Rows that wait at most.
    pub rows: usize,
    /// How long a row waits at most.
    pub interval: Duration,
}

/// Where dead letters go, beside the casebook.
pub struct DeadLetterTopic {
    /// The log.
    pub sink: Arc<dyn RecordSink>,
    /// The topic.
    pub topic: String,
}

/// The stages between a source, the casebook and history.
pub struct Pipeline {
    /// Where records come from.
    pub source: Box<dyn EventSource>,
    /// Decoding and detection.
    pub stages: Stages,
    /// How many threads decode and judge; each partition is with one of them.
    pub threads: NonZeroUsize,
    /// The offsets up to which the stages have read already, by a snapshot.
    pub offsets: BTreeMap<Partition, i64>,
    /// Where and how often what the stages know is saved; never without it.
    pub snapshots: Option<SnapshotConfig>,
    /// Alerts, outbox and dead letters.
    pub casebook: Casebook,
    /// The names of the channels that people are told by.
    pub channels: Vec<String>,
    /// Committed usage.
    pub history: Arc<dyn HistoryWriter>,
    /// Usage that is not committed yet, as queries see it.
    pub live: LiveRows,
    /// What queries see beside usage.
    pub tables: LiveTables,
    /// The topic of dead letters, if there is one.
    pub dead_letter_topic: Option<DeadLetterTopic>,
    /// When a checkpoint is made.
    pub checkpoint: CheckpointConfig,
    /// Where the pipeline says how it is doing.
    pub vitals: Arc<PipelineVitals>,
    /// The wall clock, for the time of checkpoints.
    pub clock: Arc<dyn Clock>,
    /// Called with the alerts of each batch once they are durable.
    pub on_alerts: OnAlerts,
    /// What this instance shares with others, if there are several. Then `offsets` is empty, and
    /// snapshots are where all instances reach them.
    pub instances: Option<Instances>,
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunSummary {
    /// Records read.
    pub events: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Seconds from the first record to the last checkpoint.
    pub seconds: f64,
    /// Records that could not be read.
    pub dead_letters: u64,
    /// Repeats that were dropped.
    pub duplicates: u64,
    /// Alerts that were not known before.
    pub alerts: u64,
    /// Rows added to history.
    pub rows_written: u64,
    /// Rows that history had already.
    pub rows_known: u64,
}

impl Pipeline {
    /// Runs until the source ends or `cancel` says stop; either way everything read is committed.
    ///
    /// What is down (history's storage, the casebook's disk, the dead letter topic) is waited
    /// for; meanwhile no more is read than may wait, and nothing is skipped.
    ///
    /// # Errors
    /// When the source cannot be read, or history would have a gap.
    pub async fn run(self, cancel: CancellationToken) -> Result<RunSummary, Error> {
        let sharing = self.instances.map(Sharing::new);
        let handover = sharing.as_ref().map(|sharing| sharing.handover.clone());
        let keeper = self
            .snapshots
            .map(|config| Keeper::new(config, self.offsets.clone(), handover));
        let mut run = Run {
            sharing,
            source: self.source,
            workers: Some(Workers::start(self.stages, self.threads)?),
            threads: self.threads,
            keeper,
            committed: self.offsets.clone(),
            offsets: self.offsets,
            pending: BTreeMap::new(),
            pending_rows: 0,
            commit: None,
            checkpoint: self.checkpoint,
            last_checkpoint: Instant::now(),
            upkeep: Upkeep::default(),
            started: None,
            summary: RunSummary::default(),
            history: self.history,
            live: self.live,
            tables: self.tables,
            feeds: Feeds::default(),
            scores: Scores::default(),
            clock: self.clock,
            vitals: self.vitals.clone(),
            effects: Effects {
                casebook: self.casebook,
                channels: self.channels,
                dead_letter_topic: self.dead_letter_topic,
                on_alerts: self.on_alerts,
                vitals: self.vitals,
                cancel: cancel.clone(),
            },
            cancel,
            idleness: Idleness::new(Instant::now()),
            has_source_ended: false,
        };
        run.vitals
            .is_shared
            .store(run.sharing.is_some(), Ordering::Relaxed);
        run.begin_sharing().await?;
        while !run.turn().await? {}
        Ok(run.finish())
    }
}

/// A run under way.
struct Run {
    /// Goes before the source, which waits for whoever may still answer it.
    sharing: Option<Sharing>,
    source: Box<dyn EventSource>,
    /// `None` only while the stages are taken back for something that is about all of them.
    workers: Option<Workers>,
    threads: NonZeroUsize,
    keeper: Option<Keeper>,
    /// The next offset of each partition that has been staged.
    offsets: BTreeMap<Partition, i64>,
    /// The next offset of each partition that history has.
    committed: BTreeMap<Partition, i64>,
    /// The next offset of each partition that has been staged since the last commit began.
    pending: BTreeMap<Partition, i64>,
    /// Rows that are live and not committed, those of a commit under way too.
    pending_rows: usize,
    commit: Option<Commit>,
    checkpoint: CheckpointConfig,
    last_checkpoint: Instant,
    upkeep: Upkeep,
    started: Option<Instant>,
    summary: RunSummary,
    history: Arc<dyn HistoryWriter>,
    live: LiveRows,
    tables: LiveTables,
    feeds: Feeds,
    scores: Scores,
    clock: Arc<dyn Clock>,
    vitals: Arc<PipelineVitals>,
    effects: Effects,
    cancel: CancellationToken,
    idleness: Idleness,
    /// Whether the source has nothing more to give, ever.
    has_source_ended: bool,
}

impl Run {
    /// Does what comes first: a batch that was worked on, the end of a commit, or new records;
    /// then what is due. Returns whether that was the last turn.
    async fn turn(&mut self) -> Result<bool, Error> {
        self.look_for_idle().await?;
        self.look_whether_stuck()?;
        let workers = self.workers.as_mut().ok_or(Error::StageEnded)?;
        let most = ROWS_AHEAD.saturating_mul(self.checkpoint.rows);
        let may_read = workers.has_room() && self.pending_rows < most;
        let in_work = workers.in_work() as u64;
        self.vitals
            .batches_in_work
            .store(in_work, Ordering::Relaxed);
        let waiting = self.pending_rows as u64;
        self.vitals.rows_waiting.store(waiting, Ordering::Relaxed);
        let limit = &self.vitals.rows_waiting_limit;
        limit.store(most as u64, Ordering::Relaxed);
        self.idleness.pass(may_read, Instant::now());
        let mut has_committed = false;
        // Losing any other branch half-way is safe: each future gives all or keeps all.
        let ended = tokio::select! {
            biased;
            () = self.cancel.cancelled() => true,
            done = workers.next() => {
                self.take(done?).await?;
                false
            }
            receipt = ended(&mut self.commit) => {
                self.committed(receipt?).await;
                has_committed = true;
                false
            }
            () = saved(&mut self.keeper, &self.vitals) => false,
            event = instances::next(&mut self.sharing) => {
                match self.follow(event?).await {
                    // Asked to stop while it waited: what was begun is begun again.
                    Err(Error::Interrupted(_)) if self.cancel.is_cancelled() => true,
                    outcome => {
                        outcome?;
                        false
                    }
                }
            }
            records = self.source.next(), if may_read => match records? {
                Some(records) if records.is_empty() => false,
                Some(records) => {
                    self.started.get_or_insert_with(Instant::now);
                    self.give(records)?;
                    false
                }
                None => {
                    self.has_source_ended = true;
                    true
                }
            },
            () = tokio::time::sleep(TICK) => false,
        };
        if ended {
            self.drain().await?;
        }
        self.look_whether_caught_up(ended).await?;
        if self.upkeep.is_due(ended) {
            self.keep_up(ended).await?;
        }
        if ended {
            self.settle().await?;
            self.save_at_end().await?;
            return Ok(true);
        }
        // After a commit little waits for history; what is to be forgotten waits for nothing.
        let is_due = |keeper: &Keeper| {
            (has_committed || keeper.has_erased()) && keeper.is_due(&self.offsets, false)
        };
        if self.keeper.as_ref().is_some_and(is_due) {
            self.begin_snapshot().await?;
        }
        let waits = self.keeper.as_ref().is_some_and(Keeper::waits_for_history);
        let due = waits
            || self.pending_rows >= self.checkpoint.rows
            || self.last_checkpoint.elapsed() >= self.checkpoint.interval;
        if due && self.commit.is_none() {
            self.begin_commit();
        }
        Ok(false)
    }

    /// Takes a batch that was worked on: others are told, and its rows are shown to queries.
    async fn take(&mut self, done: Done) -> Result<(), Error> {
        if self.is_lost(&done) {
            return Ok(());
        }
        let workers = self.workers.as_mut().ok_or(Error::StageEnded)?;
        let (records, bytes, newest) = (done.records, done.bytes, done.newest);
        let watermark = done.watermark();
        let (staged, shown) = match self.sharing {
            Some(_) => done.apart(),
            None => (workers.join(done), None),
        };
        self.vitals.set_stages(workers.vitals());
        let rows = staged.usage_batch.rows();
        let (duplicates, dead_letters) = (staged.duplicates, staged.dead_letters.len() as u64);
        self.summary.events += records;
        self.summary.bytes += bytes;
        self.summary.duplicates += duplicates;
        self.summary.dead_letters += dead_letters;
        for (counter, amount) in [
            (&self.vitals.records, records),
            (&self.vitals.bytes, bytes),
            (&self.vitals.rows, rows as u64),
            (&self.vitals.duplicates, duplicates),
            (&self.vitals.dead_letters, dead_letters),
        ] {
            counter.fetch_add(amount, Ordering::Relaxed);
        }
        self.feeds.note(&staged, records, self.clock.as_ref());
        self.vitals.set_unreadable(self.feeds.unreadable());
        let crashed = staged.dead_letters.iter();
        let crashed = crashed
            .filter(|letter| letter.reason == Reason::Crash)
            .count() as u64;
        self.vitals.crashes.fetch_add(crashed, Ordering::Relaxed);
        self.effects.put_dead_letters(&staged.dead_letters).await?;
        self.effects.observe_keys(&staged.sightings).await?;
        self.record(&staged.alerts).await?;
        let range = staged.usage_batch.range();
        if let Some(shown) = shown {
            let (partition, alerts) = (&range.partition, &staged.alerts);
            match self.say_shown(partition, alerts, shown, range.end).await {
                Ok(()) => {}
                // Asked to stop while nobody could be told: it is read again.
                Err(Error::Interrupted(_)) => {
                    let partition = partition.clone();
                    self.lose(&partition);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.idleness.hear(&range.partition);
        self.vitals
            .set_partition(&range.partition, watermark, newest);
        self.pending.insert(range.partition.clone(), range.end);
        self.offsets.insert(range.partition.clone(), range.end);
        self.pending_rows += rows;
        self.scores.extend(staged.scores);
        self.live.push(staged.usage_batch);
        Ok(())
    }

    async fn record(&mut self, alerts: &[Alert]) -> Result<(), Error> {
        self.summary.alerts += self.effects.record_alerts(alerts).await?;
        Ok(())
    }

    /// Waits for all batches in work.
    async fn drain(&mut self) -> Result<(), Error> {
        while let Some(workers) = self.workers.as_mut().filter(|workers| !workers.is_idle()) {
            let done = workers.next().await?;
            self.take(done).await?;
        }
        Ok(())
    }

    /// Records what the keys of all partitions have shown together, once all of the log that was
    /// there at start is read and worked on.
    async fn look_whether_caught_up(&mut self, ended: bool) -> Result<(), Error> {
        let was = self.vitals.caught_up.load(Ordering::Relaxed);
        if (was && !ended) || !self.source.caught_up() {
            return Ok(());
        }
        // Under load there is always something in work: it is not waited for a pause.
        self.drain().await?;
        if !self.cancel.is_cancelled() {
            self.hear_all().await?;
        }
        let workers = self.workers.as_mut().ok_or(Error::StageEnded)?;
        let mut alerts = workers.joint().catch_up();
        // What others may still show is not judged without them.
        if self.has_source_ended && self.sharing.is_none() {
            alerts.extend(workers.joint().finish());
        }
        self.record(&alerts).await?;
        if !was {
            info!("caught up with what was in the log at start");
            self.vitals.caught_up.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Looks for partitions that others need not wait for any more.
    async fn look_for_idle(&mut self) -> Result<(), Error> {
        let now = Instant::now();
        if !self.idleness.is_due(now) {
            return Ok(());
        }
        let partitions = self.source.partitions();
        self.idleness.look(&partitions);
        let is_idle = |partition: &Partition| self.idleness.is_idle(partition);
        if self.sharing.is_some() {
            self.vitals.set_idle(is_idle);
            return self.say_idle().await;
        }
        let joint = self.workers.as_mut().ok_or(Error::StageEnded)?.joint();
        joint.expect(partitions.keys());
        self.vitals.set_idle(is_idle);
        let alerts = joint.set_idle(is_idle);
        self.record(&alerts).await
    }

    /// Begins to commit what waits; the offsets of the group follow when it is done.
    fn begin_commit(&mut self) {
        self.last_checkpoint = Instant::now();
        if self.pending.is_empty() {
            return;
        }
        let ends = std::mem::take(&mut self.pending).into_iter();
        let ranges = ends.map(|(partition, end)| OffsetRange {
            partition,
            start: 0,
            end,
        });
        self.commit = Some(Commit::begin(
            self.history.clone(),
            self.live.pending(),
            ranges.collect(),
            self.vitals.clone(),
            self.cancel.clone(),
        ));
    }

    /// Takes note that a commit is done.
    async fn committed(&mut self, receipt: CommitReceipt) {
        let Some(commit) = self.commit.take() else {
            return;
        };
        self.summary.rows_written += receipt.rows_written;
        self.summary.rows_known += receipt.rows_known;
        let written = &self.vitals.history_rows;
        written.fetch_add(receipt.rows_written, Ordering::Relaxed);
        self.live.committed(commit.batches);
        self.pending_rows -= commit.rows;
        let ends = commit.ranges.iter();
        self.committed
            .extend(ends.map(|range| (range.partition.clone(), range.end)));
        if let Some(keeper) = &mut self.keeper {
            keeper.committed(&self.committed);
        }
        if let Err(err) = self.source.commit(&commit.ranges).await {
            // The group's offset is information; history knows where it stands.
            warn!(error = %err, "could not commit offsets");
        }
        self.vitals.set_checkpoint(self.clock.now());
    }

    /// Waits until nothing is in work and history has everything that was staged.
    async fn settle(&mut self) -> Result<(), Error> {
        self.drain().await?;
        loop {
            if self.commit.is_none() {
                self.begin_commit();
            }
            let Some(commit) = &mut self.commit else {
                return Ok(());
            };
            let receipt = commit.ended().await?;
            self.committed(receipt).await;
        }
    }

    /// Copies what the stages know as of one moment, and begins to write it down.
    async fn begin_snapshot(&mut self) -> Result<(), Error> {
        let in_place = |keeper: &mut Keeper| !keeper.copies();
        if let Some(mut keeper) = self.keeper.take_if(in_place) {
            self.settle().await?;
            let began = Instant::now();
            let stages = self.stop_workers()?;
            let saving = keeper.save_in_place(stages, &self.offsets, &self.vitals);
            let stages = saving.await?;
            self.start_workers(stages)?;
            self.keeper = Some(keeper);
            self.vitals.set_snapshot_pause(began.elapsed());
            return Ok(());
        }
        self.drain().await?;
        let began = Instant::now();
        let workers = self.workers.as_ref().ok_or(Error::StageEnded)?;
        let copy = workers.copy().await?;
        if let Some(keeper) = &mut self.keeper {
            keeper.begin(copy, &self.offsets);
            keeper.committed(&self.committed);
        }
        self.vitals.set_snapshot_pause(began.elapsed());
        Ok(())
    }

    /// Saves what the stages know at the end, all of which is in history by now.
    async fn save_at_end(&mut self) -> Result<(), Error> {
        let Some(mut keeper) = self.keeper.take() else {
            return Ok(());
        };
        if keeper.is_saving() {
            keeper.ended(&self.vitals).await;
        }
        if keeper.is_due(&self.offsets, true) {
            keeper.begin(self.stop_workers()?, &self.offsets);
            keeper.committed(&self.committed);
            keeper.ended(&self.vitals).await;
        }
        Ok(())
    }

    /// Takes over a changed inventory, and writes down how keys stand.
    async fn keep_up(&mut self, ended: bool) -> Result<(), Error> {
        self.drain().await?;
        let mut stages = self.stop_workers()?;
        let casebook = &self.effects.casebook;
        let tables = &self.tables;
        let instance = self.sharing.as_ref().map_or("", |sharing| &sharing.name);
        let upkeep = self
            .upkeep
            .keep(&mut stages, casebook, tables, instance, ended);
        upkeep.await;
        if let Some(keeper) = &mut self.keeper {
            keeper.note_erased(stages.forgotten());
        }
        let now = self.clock.now();
        tables.set_scores(&mut self.scores);
        tables.set_feed_health(&self.feeds, now);
        tables.set_prices(stages.codec(), now);
        self.start_workers(stages)
    }

    fn stop_workers(&mut self) -> Result<Stages, Error> {
        self.workers.take().ok_or(Error::StageEnded)?.stop()
    }

    fn start_workers(&mut self, stages: Stages) -> Result<(), Error> {
        self.workers = Some(Workers::start(stages, self.threads)?);
        Ok(())
    }

    fn finish(mut self) -> RunSummary {
        self.summary.seconds = self.started.map_or(0.0, |at| at.elapsed().as_secs_f64());
        self.summary
    }
}

/// Waits for the end of a snapshot; for ever if none is under way.
async fn saved(keeper: &mut Option<Keeper>, vitals: &PipelineVitals) {
    match keeper {
        Some(keeper) => keeper.ended(vitals).await,
        None => std::future::pending().await,
    }
}

/// Waits for the end of a commit; for ever if none is under way.
async fn ended(commit: &mut Option<Commit>) -> Result<CommitReceipt, Error> {
    match commit {
        Some(commit) => commit.ended().await,
        None => std::future::pending().await,
    }
}
