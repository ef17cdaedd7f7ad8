//! A pipeline on doubles.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use casebook::Casebook;
use codec::{Codec, FingerprintSecret};
use columns::double::MemoryHistory;
use columns::{CommitReceipt, HistoryCommit, HistoryWriter, LiveRows};
use detector::{DetectorConfig, KeyDirectory};
use model::double::{MemoryRecordSink, MemorySource};
use model::{EventSource, OffsetRange, Partition, RecordSink, Records, SourceError, SystemClock};
use pipeline::{
    CheckpointConfig, DeadLetterTopic, Error, Grouping, LiveTables, Pipeline, PipelineVitals,
    Restored, RunSummary, SnapshotConfig, SnapshotFolder, Stages,
};
use tokio_util::sync::CancellationToken;

/// A history that fails as often as it was told to.
#[derive(Default)]
pub(crate) struct FlakyHistory {
    inner: MemoryHistory,
    pub(crate) failures_left: AtomicU32,
    pub(crate) order: Mutex<Vec<&'static str>>,
}

impl FlakyHistory {
    pub(crate) fn rows(&self) -> usize {
        self.inner.rows()
    }
}

/// Takes one failure if any is left.
fn fails(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
        left.checked_sub(1)
    })
    .is_ok()
}

#[async_trait]
impl HistoryWriter for FlakyHistory {
    async fn commit(&self, commit: HistoryCommit) -> Result<CommitReceipt, columns::Error> {
        if fails(&self.failures_left) {
            self.order.lock().unwrap().push("failed");
            return Err(columns::Error::Storage {
                message: "down".into(),
                transient: true,
            });
        }
        // As there is before and after any real commit, for a crash to fall into.
        tokio::task::yield_now().await;
        self.order.lock().unwrap().push("committed");
        let receipt = self.inner.commit(commit).await;
        tokio::task::yield_now().await;
        receipt
    }

    async fn next_offset(&self, partition: &Partition) -> Result<Option<i64>, columns::Error> {
        self.inner.next_offset(partition).await
    }
}

/// A topic that fails as often as it was told to.
struct FlakyTopic(Arc<MemoryRecordSink>, Arc<AtomicU32>);

#[async_trait]
impl RecordSink for FlakyTopic {
    async fn append(&self, topic: &str, records: &[(String, Vec<u8>)]) -> Result<(), SourceError> {
        if fails(&self.1) {
            return Err(SourceError {
                message: "down".into(),
                transient: true,
            });
        }
        tokio::task::yield_now().await;
        let appended = self.0.append(topic, records).await;
        tokio::task::yield_now().await;
        appended
    }
}

/// What outlives a pipeline: casebook, history, topics, committed offsets.
pub(crate) struct Setup {
    pub(crate) casebook: Casebook,
    pub(crate) history: Arc<FlakyHistory>,
    pub(crate) topic: Arc<MemoryRecordSink>,
    pub(crate) topic_failures: Arc<AtomicU32>,
    pub(crate) committed: Arc<Mutex<Vec<OffsetRange>>>,
    pub(crate) vitals: Arc<PipelineVitals>,
    /// Where snapshots are kept, if they are.
    pub(crate) snapshots: Option<SnapshotFolder>,
    /// Whether the state is copied for them.
    pub(crate) copy: bool,
    /// Whether the log was empty at start.
    pub(crate) is_live: bool,
    pub(crate) checkpoint_rows: usize,
    pub(crate) threads: NonZeroUsize,
    pub(crate) inventory: model::Inventory,
}

impl Setup {
    pub(crate) async fn new() -> Self {
        Self {
            casebook: Casebook::in_memory().await.unwrap(),
            history: Arc::default(),
            topic: Arc::default(),
            topic_failures: Arc::default(),
            committed: Arc::default(),
            vitals: Arc::default(),
            snapshots: None,
            copy: true,
            is_live: false,
            checkpoint_rows: 10_000,
            threads: NonZeroUsize::new(3).unwrap(),
            inventory: simulator::simulate("braintrust", 1, 1.0).unwrap().inventory,
        }
    }

    /// Runs a new pipeline over the batches to their end.
    pub(crate) async fn run(&self, batches: VecDeque<Records>) -> RunSummary {
        self.try_run(batches, usize::MAX).await.unwrap()
    }

    /// Runs a new pipeline over what the snapshot has not seen of the batches, until the log
    /// breaks down after so many of them; then nothing more is committed, as after a crash.
    pub(crate) async fn try_run(
        &self,
        mut batches: VecDeque<Records>,
        crash_after: usize,
    ) -> Result<RunSummary, Error> {
        let directory = Arc::new(KeyDirectory::new(&self.inventory));
        let make_stages = || {
            let codec = Codec::new(FingerprintSecret::public_test_secret());
            let config = DetectorConfig::default();
            Stages::new(codec, config, directory.clone(), Grouping::ByPartition)
        };
        let snapshots = self.snapshots.clone().map(|folder| SnapshotConfig {
            folder,
            interval: Duration::ZERO,
            copy: self.copy,
        });
        let restored = match &snapshots {
            Some(snapshots) => {
                let history = self.history.as_ref();
                snapshots.restore(history, make_stages).await?
            }
            None => Restored {
                stages: make_stages(),
                offsets: BTreeMap::new(),
            },
        };
        for records in &mut batches {
            if let Some(&known) = restored.offsets.get(records.partition()) {
                *records = from(records, known);
            }
        }
        batches.retain(|records| !records.is_empty());
        let source = MemorySource {
            batches,
            committed: self.committed.clone(),
        };
        let pipeline = Pipeline {
            source: Box::new(BreakingSource {
                source,
                left: crash_after,
                is_live: self.is_live,
            }),
            stages: restored.stages,
            threads: self.threads,
            offsets: restored.offsets,
            snapshots,
            casebook: self.casebook.clone(),
            channels: vec!["memory".into()],
            history: self.history.clone(),
            live: LiveRows::default(),
            tables: LiveTables::default(),
            dead_letter_topic: Some(DeadLetterTopic {
                sink: Arc::new(FlakyTopic(self.topic.clone(), self.topic_failures.clone())),
                topic: "dead-letters".into(),
            }),
            checkpoint: CheckpointConfig {
                rows: self.checkpoint_rows,
                interval: Duration::from_secs(3600),
            },
            vitals: self.vitals.clone(),
            clock: Arc::new(SystemClock),
            on_alerts: Box::new(|_| {}),
            instances: None,
        };
        pipeline.run(CancellationToken::new()).await
    }
}

/// Returns the records from an offset on.
fn from(records: &Records, offset: i64) -> Records {
    let mut rest = Records::new(records.partition().clone(), offset);
    for record in records.iter().filter(|record| record.offset >= offset) {
        rest.push(record.offset, record.time, record.payload);
    }
    rest
}

/// A log that cannot be read any more after so many batches.
struct BreakingSource {
    source: MemorySource,
    left: usize,
    /// Whether all of it came after the start.
    is_live: bool,
}

#[async_trait]
impl EventSource for BreakingSource {
    async fn next(&mut self) -> Result<Option<Records>, SourceError> {
        self.left = self.left.checked_sub(1).ok_or_else(|| SourceError {
            message: "the process is gone".into(),
            transient: false,
        })?;
        self.source.next().await
    }

    async fn commit(&mut self, ranges: &[OffsetRange]) -> Result<(), SourceError> {
        self.source.commit(ranges).await
    }

    fn caught_up(&self) -> bool {
        self.is_live || self.source.caught_up()
    }

    fn partitions(&self) -> BTreeMap<Partition, bool> {
        self.source.partitions()
    }
}

fn line_of(event: &simulator::SimulatedEvent) -> Vec<u8> {
    let mut line = Vec::new();
    event.write_json(&mut line);
    line
}

/// Returns the story's events of the abused accounts and a few quiet ones, as lines.
pub(crate) fn story() -> Vec<Vec<u8>> {
    let simulation = simulator::simulate("braintrust", 1, 1.0).unwrap();
    let abused: Vec<&str> = simulation
        .labels
        .abuses
        .iter()
        .map(|abuse| abuse.account.as_str())
        .collect();
    simulation
        .events
        .iter()
        .filter(|event| abused.contains(&event.account()))
        .map(line_of)
        .collect()
}

/// Cuts lines into batches of one partition.
pub(crate) fn batches_of(lines: &[Vec<u8>], cut: usize) -> VecDeque<Records> {
    let mut batches = VecDeque::new();
    let mut offset = 0;
    for chunk in lines.chunks(cut) {
        let mut records = Records::new(Partition::new("usage", 0), offset);
        for line in chunk {
            records.push(offset, None, line);
            offset += 1;
        }
        batches.push_back(records);
    }
    batches
}
