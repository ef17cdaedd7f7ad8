//! The pure middle: records to columns, alerts and dead letters.

use std::collections::BTreeMap;
use std::sync::Arc;

use casebook::KeySighting;
use codec::Codec;
use columns::{SnapshotError, UsageBatch, UsageBatchBuilder};
use detector::{
    Archive, Campaigns, Dedup, DetectorConfig, Findings, KeyDirectory, Ledgers, PartitionDetector,
    Standing,
};
use model::{
    Alert, Anomaly, DeadLetter, EventSink, Partition, Position, Records, Timestamp, UsageRow,
};

/// Which records share windows and baselines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Those of one partition: a key's events share one.
    ByPartition,
    /// All: files of a backtest, read one after another.
    All,
}

/// What one batch of records became.
#[derive(Debug)]
pub struct Staged {
    /// The rows, and the offsets they cover.
    pub usage_batch: UsageBatch,
    /// New alerts and new revisions, in the order in which they were raised.
    pub alerts: Vec<Alert>,
    /// Scores of judged windows, if they were asked for.
    pub scores: Vec<Anomaly>,
    /// Records that could not be read.
    pub dead_letters: Vec<DeadLetter>,
    /// What lists and audit logs said of keys.
    pub sightings: Vec<KeySighting>,
    /// Repeats that were dropped.
    pub duplicates: u64,
}

/// Decoding, dropping of repeats, and detection, with the state of every partition.
pub struct Stages {
    codec: Codec,
    config: DetectorConfig,
    directory: Arc<KeyDirectory>,
    grouping: Grouping,
    with_scores: bool,
    partitions: BTreeMap<Partition, PartitionState>,
    campaigns: Campaigns,
    ledgers: Ledgers,
    /// Whether the partitions are read side by side, and not one after another.
    is_live: bool,
}

struct PartitionState {
    dedup: Dedup,
    detector: PartitionDetector,
}

impl Stages {
    /// Makes stages that know nothing yet.
    pub fn new(
        codec: Codec,
        config: DetectorConfig,
        directory: Arc<KeyDirectory>,
        grouping: Grouping,
    ) -> Self {
        Self {
            codec,
            campaigns: Campaigns::new(config.clone(), directory.clone()),
            ledgers: Ledgers::new(config.clone(), directory.clone()),
            is_live: grouping == Grouping::All,
            config,
            directory,
            grouping,
            with_scores: false,
            partitions: BTreeMap::new(),
        }
    }

    /// Carries what one partition knows into a snapshot or out of one.
    ///
    /// # Errors
    /// When the disk fails, or a snapshot is damaged; then the stages are of no use.
    pub fn archive_partition(
        &mut self,
        partition: &Partition,
        archive: &mut Archive<'_>,
    ) -> Result<(), SnapshotError> {
        let PartitionState { dedup, detector } = self.state(partition);
        dedup.archive(archive)?;
        detector.archive(archive)
    }

    /// Carries what the partitions know together into a snapshot or out of one.
    ///
    /// # Errors
    /// When the disk fails, or a snapshot is damaged; then the stages are of no use.
    pub fn archive_shared(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        self.campaigns.archive(archive)?;
        self.ledgers.archive(archive)
    }

    /// Takes another inventory; what is judged from now on follows it.
    pub fn set_directory(&mut self, directory: &Arc<KeyDirectory>) {
        self.directory = directory.clone();
        for state in self.partitions.values_mut() {
            state.detector.set_directory(directory.clone());
        }
        self.campaigns.set_directory(directory.clone());
    }

    /// Asks for the score of every judged window.
    pub fn with_scores(mut self) -> Self {
        self.with_scores = true;
        self
    }

    /// Carries records through.
    pub fn process(&mut self, records: &Records) -> Staged {
        let start_offset = records
            .iter()
            .next()
            .map_or(records.next_offset(), |r| r.offset);
        self.process_from(records, start_offset)
    }

    /// Carries records through; the range they cover begins at `start_offset`.
    pub fn process_from(&mut self, records: &Records, start_offset: i64) -> Staged {
        let partition = records.partition().clone();
        let state = self.state(&partition);
        let builder = UsageBatchBuilder::new(partition.clone(), start_offset);
        let duplicates_before = state.dedup.repeats();
        let mut dedup = std::mem::take(&mut state.dedup);
        let mut sink = OnceOnly {
            builder,
            dedup: &mut dedup,
            sightings: Vec::new(),
        };
        for record in records.iter() {
            sink.builder.set_record_time(record.time);
            self.codec.decode_record(&partition, &record, &mut sink);
        }
        let sightings = sink.sightings;
        let mut builder = sink.builder;
        let dead_letters = builder.take_dead_letters();
        let usage_batch = builder.finish(records.next_offset());
        let mut found = Found {
            with_scores: self.with_scores,
            ..Found::default()
        };
        let state = self.state(&partition);
        let duplicates = dedup.repeats() - duplicates_before;
        state.dedup = dedup;
        state.detector.observe(&usage_batch, &mut found);
        let Found {
            mut alerts, scores, ..
        } = found;
        let joined = self.join(&alerts);
        alerts.extend(joined);
        Staged {
            usage_batch,
            alerts,
            scores,
            dead_letters,
            sightings,
            duplicates,
        }
    }

    /// Judges what is still open, at the end of a backtest.
    pub fn finish(&mut self) -> (Vec<Alert>, Vec<Anomaly>) {
        let mut found = Found {
            with_scores: self.with_scores,
            ..Found::default()
        };
        for state in self.partitions.values_mut() {
            state.detector.finish(&mut found);
        }
        let joined = self.join(&found.alerts);
        found.alerts.extend(joined);
        // Nothing more comes that could explain what is billed.
        found.alerts.extend(self.ledgers.catch_up());
        (found.alerts, found.scores)
    }

    /// Notes that the log has been read to where it ended at start, and returns what keys of
    /// all partitions have shown together until then.
    pub fn catch_up(&mut self) -> Vec<Alert> {
        if self.is_live {
            return Vec::new();
        }
        let mut alerts = self.join(&[]);
        self.is_live = true;
        alerts.extend(self.campaigns.catch_up());
        alerts.extend(self.ledgers.catch_up());
        alerts
    }

    /// Returns whether each key is judged yet, by which families, and why not; then the same of
    /// what has no key.
    pub fn standings(&self) -> Vec<Standing> {
        let partitions = self.partitions.values();
        let mut standings: Vec<Standing> = partitions
            .flat_map(|state| state.detector.standings())
            .collect();
        standings.extend(self.ledgers.standings());
        standings
    }

    /// Looks at what all partitions show together: many keys at once, and what has no key.
    /// `alerts` are those on keys that were just raised.
    fn join(&mut self, alerts: &[Alert]) -> Vec<Alert> {
        self.ledgers.hear(alerts);
        for state in self.partitions.values_mut() {
            self.campaigns.take(state.detector.take_signs());
            self.ledgers.take(state.detector.take_unkeyed());
        }
        if !self.is_live {
            return self.ledgers.relieve();
        }
        let detectors = || self.partitions.values().map(|state| &state.detector);
        let open_from = detectors().filter_map(PartitionDetector::open_from);
        let read_until = detectors().filter_map(PartitionDetector::read_until);
        let mut alerts = self.campaigns.close(open_from);
        alerts.extend(self.ledgers.close(read_until));
        alerts
    }

    /// Returns keys with a baseline, bytes of state, and the lowest watermark.
    pub fn vitals(&self) -> (usize, usize, Option<Timestamp>) {
        let vitals = self
            .partitions
            .values()
            .map(|state| state.detector.vitals());
        let ledgers = self.ledgers.state_bytes();
        vitals.fold((0, ledgers, None), |(keys, bytes, watermark), vitals| {
            let lowest = match (watermark, vitals.watermark) {
                (Some(one), Some(other)) => Some(std::cmp::min(one, other)),
                (one, other) => one.or(other),
            };
            (keys + vitals.keys, bytes + vitals.state_bytes, lowest)
        })
    }

    fn state(&mut self, partition: &Partition) -> &mut PartitionState {
        let shared = match self.grouping {
            Grouping::ByPartition => partition.clone(),
            Grouping::All => Partition::new("all", 0),
        };
        self.partitions
            .entry(shared)
            .or_insert_with(|| PartitionState {
                dedup: Dedup::default(),
                detector: PartitionDetector::new(self.config.clone(), self.directory.clone()),
            })
    }
}

/// Keeps repeats out of the columns.
struct OnceOnly<'d> {
    builder: UsageBatchBuilder,
    dedup: &'d mut Dedup,
    sightings: Vec<KeySighting>,
}

impl EventSink for OnceOnly<'_> {
    fn row(&mut self, row: &UsageRow<'_>, position: &Position) {
        if !self.dedup.is_repeat_row(row) {
            self.sightings.extend(KeySighting::all_of(row));
            self.builder.row(row, position);
        }
    }

    fn dead_letter(&mut self, dead_letter: DeadLetter) {
        self.builder.dead_letter(dead_letter);
    }
}

/// Gathers what the detector finds.
#[derive(Default)]
struct Found {
    alerts: Vec<Alert>,
    scores: Vec<Anomaly>,
    with_scores: bool,
}

impl Findings for Found {
    fn alert(&mut self, alert: Alert) {
        self.alerts.push(alert);
    }

    fn wants_scores(&self) -> bool {
        self.with_scores
    }

    fn score(&mut self, anomaly: Anomaly) {
        self.scores.push(anomaly);
    }
}
