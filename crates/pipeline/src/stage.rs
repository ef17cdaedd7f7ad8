//! One partition's way through the pure middle: records to columns, alerts and dead letters.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use casebook::KeySighting;
use codec::Codec;
use columns::{SnapshotError, UsageBatch, UsageBatchBuilder};
use detector::{
    Archive, Dedup, DetectorConfig, Findings, KeyDirectory, PartitionDetector, ScoresWanted, Sign,
    Standing, Unkeyed, Usual, Vitals,
};
use model::{Alert, Anomaly, DeadLetter, EventSink, Position, Records, UsageRow};
use serde::{Deserialize, Serialize};

use crate::poison::Poison;

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

/// What a batch leaves to be joined with what other partitions show.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) signs: Vec<Sign>,
    pub(crate) unkeyed: Unkeyed,
    pub(crate) standpoint: Standpoint,
}

/// How far a partition has come, and how it is doing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standpoint {
    pub(crate) reach: Reach,
    pub(crate) vitals: Vitals,
}

/// How far a partition has come: the first bucket that is not closed, for keys and for what has
/// none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reach {
    pub(crate) open_from: Option<i64>,
    pub(crate) read_until: Option<i64>,
}

/// Decoding, dropping of repeats, and detection of one partition; whoever has it owns the
/// partition's state.
#[derive(Clone)]
pub(crate) struct Stage {
    codec: Codec,
    scores: ScoresWanted,
    poison: Arc<Poison>,
    #[cfg(feature = "test-support")]
    fault: Option<crate::fault::Fault>,
    dedup: Dedup,
    detector: PartitionDetector,
}

impl Stage {
    /// Makes a stage that knows nothing yet.
    pub(crate) fn new(
        codec: Codec,
        config: DetectorConfig,
        directory: Arc<KeyDirectory>,
        scores: ScoresWanted,
        poison: Arc<Poison>,
    ) -> Self {
        Self {
            codec,
            scores,
            poison,
            #[cfg(feature = "test-support")]
            fault: crate::fault::Fault::from_env(),
            dedup: Dedup::default(),
            detector: PartitionDetector::new(config, directory),
        }
    }

    /// Carries records through.
    pub(crate) fn process(&mut self, records: &Records) -> (Staged, Shown) {
        let partition = records.partition();
        let first = records.iter().next();
        let start_offset = first.map_or(records.next_offset(), |record| record.offset);
        let duplicates_before = self.dedup.repeats();
        let mut sink = OnceOnly {
            builder: UsageBatchBuilder::new(partition.clone(), start_offset),
            dedup: &mut self.dedup,
            sightings: Vec::new(),
            is_writing: false,
        };
        let mut reader = self.codec.reader(partition);
        for record in records.iter() {
            sink.builder.set_record_time(record.time);
            if self.poison.passes_over(partition, record.offset) {
                reader.pass_over(&record, &mut sink);
                continue;
            }
            let read = panic::catch_unwind(AssertUnwindSafe(|| {
                #[cfg(feature = "test-support")]
                if let Some(fault) = &self.fault {
                    fault.decode(record.payload);
                }
                reader.read(&record, &mut sink);
            }));
            if let Err(defect) = read {
                if sink.is_writing {
                    // A half of a row stands in the columns.
                    panic::resume_unwind(defect);
                }
                // The panic was logged, and the dead letter says where it was.
                // What the reader remembers may be half of something too.
                reader = self.codec.reader(partition);
                reader.pass_over(&record, &mut sink);
            }
        }
        #[cfg(feature = "test-support")]
        if let Some(fault) = &self.fault {
            let mut judged = Records::new(partition.clone(), start_offset);
            let poison = &self.poison;
            let read = |record: &model::Record<'_>| !poison.passes_over(partition, record.offset);
            for record in records.iter().filter(read) {
                judged.push(record.offset, record.time, record.payload);
            }
            fault.judge(&judged);
        }
        let OnceOnly {
            mut builder,
            sightings,
            ..
        } = sink;
        let dead_letters = builder.take_dead_letters();
        let usage_batch = builder.finish(records.next_offset());
        let mut found = self.found();
        self.detector.observe(&usage_batch, &mut found);
        let staged = Staged {
            usage_batch,
            alerts: found.alerts,
            scores: found.scores,
            dead_letters,
            sightings,
            duplicates: self.dedup.repeats() - duplicates_before,
        };
        (staged, self.take_shown())
    }

    /// Learns from rows that history has; returns what was found in them then.
    pub(crate) fn learn(&mut self, usage_batch: &UsageBatch) -> (Vec<Alert>, Shown) {
        for row in 0..usage_batch.rows() {
            // What is a repeat history does not have.
            self.dedup.is_repeat_row(&usage_batch.row(row));
        }
        let mut found = self.found();
        self.detector.observe(usage_batch, &mut found);
        (found.alerts, self.take_shown())
    }

    /// Judges what is still open, at the end of a backtest.
    pub(crate) fn finish(&mut self) -> (Vec<Alert>, Vec<Anomaly>, Shown) {
        let mut found = self.found();
        self.detector.finish(&mut found);
        (found.alerts, found.scores, self.take_shown())
    }

    /// Takes another inventory; what is judged from now on follows it.
    pub(crate) fn set_directory(&mut self, directory: Arc<KeyDirectory>) {
        self.detector.set_directory(directory);
    }

    /// Returns whether each key is judged yet, by which families, and why not.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        self.detector.standings()
    }

    /// Returns what is usual for keys, at most so many of them.
    pub(crate) fn usual(&self, keys: usize) -> Vec<Usual> {
        self.detector.usual(keys)
    }

    /// Returns how far it has come.
    pub(crate) fn standpoint(&self) -> Standpoint {
        Standpoint {
            reach: Reach {
                open_from: self.detector.open_from(),
                read_until: self.detector.read_until(),
            },
            vitals: self.detector.vitals(),
        }
    }

    /// Carries what it knows into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        self.dedup.archive(archive)?;
        self.detector.archive(archive)
    }

    /// Returns a copy that is written down while this one goes on; what was erased until now is
    /// written with it.
    pub(crate) fn copy(&mut self) -> Box<Self> {
        let copy = Box::new(self.clone());
        self.was_written();
        copy
    }

    /// Returns whether something was erased since it was last written down.
    pub(crate) fn has_forgotten(&self) -> bool {
        self.detector.has_forgotten()
    }

    /// Says that a snapshot of it is durable.
    pub(crate) fn was_written(&mut self) {
        self.detector.was_written();
    }

    fn take_shown(&mut self) -> Shown {
        Shown {
            signs: self.detector.take_signs(),
            unkeyed: self.detector.take_unkeyed(),
            standpoint: self.standpoint(),
        }
    }

    fn found(&self) -> Found {
        Found {
            wanted: self.scores,
            ..Found::default()
        }
    }
}

/// Keeps repeats out of the columns.
struct OnceOnly<'d> {
    builder: UsageBatchBuilder,
    dedup: &'d mut Dedup,
    sightings: Vec<KeySighting>,
    /// Whether a row is being written: a panic now leaves half of one.
    is_writing: bool,
}

impl EventSink for OnceOnly<'_> {
    fn row(&mut self, row: &UsageRow<'_>, position: &Position) {
        self.is_writing = true;
        if !self.dedup.is_repeat_row(row) {
            self.sightings.extend(KeySighting::all_of(row));
            self.builder.row(row, position);
        }
        self.is_writing = false;
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
    wanted: ScoresWanted,
}

impl Findings for Found {
    fn alert(&mut self, alert: Alert) {
        self.alerts.push(alert);
    }

    fn wants_scores(&self) -> ScoresWanted {
        self.wanted
    }

    fn score(&mut self, anomaly: Anomaly) {
        self.scores.push(anomaly);
    }
}
