//! The loop: read, stage, write down, checkpoint.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use casebook::{Casebook, KeySighting};
use columns::{HistoryCommit, HistoryWriter, LiveRows};
use model::{Alert, Clock, DeadLetter, EventSource, OffsetRange, Partition, RecordSink, Records};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::backoff::Backoff;
use crate::keeper::Keeper;
use crate::upkeep::Upkeep;
use crate::{Error, PipelineVitals, SnapshotConfig, Staged, Stages};

/// How often the loop looks up when nothing arrives.
const TICK: Duration = Duration::from_millis(200);

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
    /// for; meanwhile nothing is read and nothing is skipped.
    ///
    /// # Errors
    /// When the source cannot be read, or history would have a gap.
    pub async fn run(self, cancel: CancellationToken) -> Result<RunSummary, Error> {
        let keeper = self
            .snapshots
            .map(|config| Keeper::new(config, self.offsets.clone()));
        let mut run = Run {
            keeper,
            offsets: self.offsets,
            pending: BTreeMap::new(),
            pending_rows: 0,
            pending_batches: 0,
            last_checkpoint: Instant::now(),
            upkeep: Upkeep::default(),
            started: None,
            summary: RunSummary::default(),
            stages: Some(self.stages),
            history: self.history,
            casebook: self.casebook,
            channels: self.channels,
            live: self.live,
            dead_letter_topic: self.dead_letter_topic,
            vitals: self.vitals,
            clock: self.clock,
            on_alerts: self.on_alerts,
            cancel: cancel.clone(),
        };
        let mut source = self.source;
        loop {
            // Losing either other branch half-way is safe: `next` gives a batch whole or not
            // at all, and the tick has no state.
            let ended = tokio::select! {
                biased;
                () = cancel.cancelled() => true,
                records = source.next() => match records? {
                    Some(records) => {
                        run.stage(records).await?;
                        false
                    }
                    None => true,
                },
                () = tokio::time::sleep(TICK) => false,
            };
            if !ended && !run.vitals.caught_up.load(Ordering::Relaxed) && source.caught_up() {
                info!("caught up with what was in the log at start");
                run.catch_up().await?;
                run.vitals.caught_up.store(true, Ordering::Relaxed);
            }
            if ended && source.caught_up() {
                run.catch_up().await?;
            }
            if let Some(stages) = &mut run.stages {
                run.upkeep.keep(stages, &run.casebook, ended).await;
            }
            let due = run.pending_rows >= self.checkpoint.rows
                || run.last_checkpoint.elapsed() >= self.checkpoint.interval;
            if ended || due {
                run.checkpoint(source.as_mut(), ended).await?;
            }
            if ended {
                if source.caught_up() {
                    run.vitals.caught_up.store(true, Ordering::Relaxed);
                }
                return Ok(run.finish());
            }
        }
    }
}

/// A run under way.
struct Run {
    stages: Option<Stages>,
    history: Arc<dyn HistoryWriter>,
    casebook: Casebook,
    channels: Vec<String>,
    live: LiveRows,
    dead_letter_topic: Option<DeadLetterTopic>,
    vitals: Arc<PipelineVitals>,
    clock: Arc<dyn Clock>,
    on_alerts: OnAlerts,
    cancel: CancellationToken,
    keeper: Option<Keeper>,
    /// The next offset of each partition that has been staged.
    offsets: BTreeMap<Partition, i64>,
    /// The next offset of each partition that has been staged since the last checkpoint.
    pending: BTreeMap<Partition, i64>,
    pending_rows: usize,
    pending_batches: usize,
    last_checkpoint: Instant,
    upkeep: Upkeep,
    started: Option<Instant>,
    summary: RunSummary,
}

impl Run {
    async fn stage(&mut self, records: Records) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        self.started.get_or_insert_with(Instant::now);
        let (read, bytes) = (records.len() as u64, records.payload_bytes() as u64);
        let mut stages = self.stages.take().ok_or_else(|| model::SourceError {
            message: "a stage is still at work".to_owned(),
            transient: false,
        })?;
        // More than a millisecond of arithmetic stays off the runtime's threads.
        let (stages, staged) = tokio::task::spawn_blocking(move || {
            let staged = stages.process(&records);
            (stages, staged)
        })
        .await?;
        let (keys, state_bytes, watermark) = stages.vitals();
        self.stages = Some(stages);
        self.vitals.keys.store(keys as u64, Ordering::Relaxed);
        self.vitals
            .state_bytes
            .store(state_bytes as u64, Ordering::Relaxed);
        self.vitals.set_watermark(watermark);

        let Staged {
            usage_batch,
            alerts,
            dead_letters,
            sightings,
            duplicates,
            ..
        } = staged;
        self.summary.events += read;
        self.summary.bytes += bytes;
        self.summary.duplicates += duplicates;
        self.summary.dead_letters += dead_letters.len() as u64;
        let rows = usage_batch.rows();
        for (counter, amount) in [
            (&self.vitals.records, read),
            (&self.vitals.bytes, bytes),
            (&self.vitals.rows, rows as u64),
            (&self.vitals.duplicates, duplicates),
            (&self.vitals.dead_letters, dead_letters.len() as u64),
        ] {
            counter.fetch_add(amount, Ordering::Relaxed);
        }
        self.put_dead_letters(&dead_letters).await?;
        self.observe_keys(&sightings).await?;
        self.record_alerts(&alerts).await?;
        let range = usage_batch.range();
        self.pending.insert(range.partition.clone(), range.end);
        self.offsets.insert(range.partition.clone(), range.end);
        self.pending_rows += rows;
        self.pending_batches += 1;
        self.live.push(usage_batch);
        Ok(())
    }

    /// Records what the keys of all partitions have shown together, once all of the log is read.
    async fn catch_up(&mut self) -> Result<(), Error> {
        let alerts = match &mut self.stages {
            Some(stages) => stages.catch_up(),
            None => Vec::new(),
        };
        self.record_alerts(&alerts).await
    }

    /// Writes dead letters to the casebook and the topic; the offset does not pass before.
    async fn put_dead_letters(&mut self, dead_letters: &[DeadLetter]) -> Result<(), Error> {
        if dead_letters.is_empty() {
            return Ok(());
        }
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        loop {
            let outcome = self.try_put_dead_letters(dead_letters).await;
            match outcome {
                Ok(()) => return Ok(()),
                Err(error) => {
                    warn!(error, "could not put dead letters, waiting");
                    self.vitals.set_error(error);
                }
            }
            if !self.wait(backoff.wait()).await {
                return Err(Error::Interrupted("the place of dead letters"));
            }
        }
    }

    /// The topic first, with what the casebook does not have: a replay does not repeat it, and
    /// a crash in between repeats it at most once.
    async fn try_put_dead_letters(&self, dead_letters: &[DeadLetter]) -> Result<(), String> {
        let unknown = self
            .casebook
            .unknown_dead_letters(dead_letters)
            .await
            .map_err(|err| err.to_string())?;
        if let Some(topic) = &self.dead_letter_topic
            && !unknown.is_empty()
        {
            let records: Vec<_> = unknown
                .iter()
                .map(|letter| (letter.position.to_string(), json(letter)))
                .collect();
            topic
                .sink
                .append(&topic.topic, &records)
                .await
                .map_err(|err| err.to_string())?;
        }
        self.casebook
            .put_dead_letters(&unknown)
            .await
            .map(drop)
            .map_err(|err| err.to_string())
    }

    /// Writes down what lists and audit logs say of keys; the offset does not pass before.
    async fn observe_keys(&mut self, sightings: &[KeySighting]) -> Result<(), Error> {
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        loop {
            match self.casebook.observe_keys(sightings).await {
                Ok(_) => return Ok(()),
                Err(err) => {
                    error!(error = %err, "could not write down what is said of keys, waiting");
                    self.vitals.set_error(err.to_string());
                }
            }
            if !self.wait(backoff.wait()).await {
                return Err(Error::Interrupted("the casebook"));
            }
        }
    }

    /// Writes alerts and their messages down before anything else sees them.
    async fn record_alerts(&mut self, alerts: &[Alert]) -> Result<(), Error> {
        if alerts.is_empty() {
            return Ok(());
        }
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        loop {
            match self.casebook.record_alerts(alerts, &self.channels).await {
                Ok(recorded) => {
                    self.summary.alerts += u64::from(recorded.new);
                    self.vitals
                        .alerts
                        .fetch_add(u64::from(recorded.new), Ordering::Relaxed);
                    (self.on_alerts)(&recorded.applied);
                    return Ok(());
                }
                Err(err) => {
                    error!(error = %err, "could not record alerts, waiting");
                    self.vitals.set_error(err.to_string());
                }
            }
            if !self.wait(backoff.wait()).await {
                return Err(Error::Interrupted("the casebook"));
            }
        }
    }

    /// Commits what waits: history first, then the snapshot, the log's offsets last.
    async fn checkpoint(&mut self, source: &mut dyn EventSource, ended: bool) -> Result<(), Error> {
        self.last_checkpoint = Instant::now();
        if !self.pending.is_empty() {
            self.commit_history().await?;
        }
        self.save_snapshot(ended).await?;
        if self.pending.is_empty() {
            return Ok(());
        }
        let ranges: Vec<OffsetRange> = std::mem::take(&mut self.pending)
            .into_iter()
            .map(|(partition, end)| OffsetRange {
                partition,
                start: 0,
                end,
            })
            .collect();
        if let Err(err) = source.commit(&ranges).await {
            // The group's offset is information; history knows where it stands.
            warn!(error = %err, "could not commit offsets");
        }
        self.last_checkpoint = Instant::now();
        self.vitals.set_checkpoint(self.clock.now());
        Ok(())
    }

    /// Saves what the stages know, if it is time. All of it is in history by now.
    async fn save_snapshot(&mut self, ended: bool) -> Result<(), Error> {
        let due = |keeper: &mut Keeper| keeper.is_due(&self.offsets, ended);
        let Some(mut keeper) = self.keeper.take_if(due) else {
            return Ok(());
        };
        if let Some(stages) = self.stages.take() {
            let saved = keeper.save(stages, &self.offsets, &self.vitals).await;
            self.stages = Some(saved?);
        }
        self.keeper = Some(keeper);
        Ok(())
    }

    async fn commit_history(&mut self) -> Result<(), Error> {
        let batches = self.live.pending();
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
        let mut gaps_accepted = Vec::new();
        loop {
            let commit = HistoryCommit {
                batches: batches.clone(),
                gaps_accepted: gaps_accepted.clone(),
            };
            match self.history.commit(commit).await {
                Ok(receipt) => {
                    self.summary.rows_written += receipt.rows_written;
                    self.summary.rows_known += receipt.rows_known;
                    self.vitals
                        .history_rows
                        .fetch_add(receipt.rows_written, Ordering::Relaxed);
                    break;
                }
                Err(columns::Error::Gap {
                    partition,
                    stored,
                    start,
                }) => {
                    // Every partition is read from the log's own beginning or from where this
                    // process stopped: only the log itself can have lost what is between.
                    error!(
                        partition,
                        stored, start, "the log has lost records that were never read"
                    );
                    let lost = batches.iter().map(|batch| &batch.range().partition);
                    gaps_accepted.extend(lost.filter(|p| p.to_string() == partition).cloned());
                    continue;
                }
                Err(err @ columns::Error::Storage { .. }) => {
                    error!(error = %err, "could not commit to history, waiting");
                    self.vitals.set_error(err.to_string());
                    if !self.wait(backoff.wait()).await {
                        return Err(err.into());
                    }
                }
                Err(err) => return Err(err.into()),
            }
        }
        self.live.committed(self.pending_batches);
        self.pending_rows = 0;
        self.pending_batches = 0;
        Ok(())
    }

    /// Waits, unless the run is to stop; returns whether to try again.
    async fn wait(&self, wait: Duration) -> bool {
        tokio::select! {
            () = self.cancel.cancelled() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }

    fn finish(mut self) -> RunSummary {
        self.summary.seconds = self.started.map_or(0.0, |at| at.elapsed().as_secs_f64());
        self.summary
    }
}

fn json(letter: &DeadLetter) -> Vec<u8> {
    // A dead letter is plain data; its serialization cannot fail.
    serde_json::to_vec(letter).unwrap_or_default()
}
