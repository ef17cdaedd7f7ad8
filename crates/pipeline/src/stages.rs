//! The pure middle: records to columns, alerts and dead letters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use codec::Codec;
use columns::{SnapshotError, UsageBatch};
use detector::{Archive, DetectorConfig, KeyDirectory, ScoresWanted, Standing, Usual};
use model::{Alert, Anomaly, Metric, Partition, Records, Timestamp};

use crate::joint::Joint;
use crate::poison::{Poison, PoisonFile};
use crate::stage::{Stage, Staged};

/// Which records share windows and baselines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grouping {
    /// Those of one partition: a key's events share one.
    ByPartition,
    /// All: files of a backtest, read one after another.
    All,
}

/// Decoding, dropping of repeats, and detection, with the state of every partition.
#[derive(Clone)]
pub struct Stages {
    codec: Codec,
    config: DetectorConfig,
    directory: Arc<KeyDirectory>,
    grouping: Grouping,
    scores: ScoresWanted,
    poison: Arc<Poison>,
    /// Boxed, because they go from thread to thread.
    pub(crate) partitions: BTreeMap<Partition, Box<Stage>>,
    pub(crate) joint: Joint,
}

impl Stages {
    /// Makes stages that know nothing yet.
    pub fn new(
        codec: Codec,
        config: DetectorConfig,
        directory: Arc<KeyDirectory>,
        grouping: Grouping,
    ) -> Self {
        let is_live = grouping == Grouping::All;
        Self {
            codec,
            joint: Joint::new(config.clone(), directory.clone(), is_live),
            config,
            directory,
            grouping,
            scores: ScoresWanted::Nothing,
            poison: Arc::default(),
            partitions: BTreeMap::new(),
        }
    }

    /// Takes another inventory; what is judged from now on follows it.
    pub fn set_directory(&mut self, directory: &Arc<KeyDirectory>) {
        self.directory = directory.clone();
        for stage in self.partitions.values_mut() {
            stage.set_directory(directory.clone());
        }
        self.joint.set_directory(directory.clone());
    }

    /// Asks for the scores of judged windows.
    pub fn with_scores(mut self, scores: ScoresWanted) -> Self {
        self.scores = scores;
        self
    }

    /// Says at which records stages have crashed before.
    pub fn with_poison(mut self, file: &PoisonFile) -> Self {
        self.poison = file.shared();
        self
    }

    /// Returns where stages have crashed before.
    pub(crate) fn poison(&self) -> &Poison {
        &self.poison
    }

    /// Carries records through.
    pub fn process(&mut self, records: &Records) -> Staged {
        let partition = self.shared(records.partition());
        let (mut staged, shown) = self.stage(&partition).process(records);
        let joined = self.joint.take(&partition, &staged.alerts, shown);
        staged.alerts.extend(joined);
        staged
    }

    /// Learns from rows that history has, those of each partition in the order of their offsets.
    /// Returns what was found in them, of which nobody need be told any more.
    pub fn learn(&mut self, usage_batch: &UsageBatch) -> Vec<Alert> {
        let partition = usage_batch.range().partition.clone();
        let (mut alerts, shown) = self.stage(&partition).learn(usage_batch);
        let joined = self.joint.take(&partition, &alerts, shown);
        alerts.extend(joined);
        alerts
    }

    /// Ends learning; returns what the partitions have shown together.
    pub fn end_learning(&mut self) -> Vec<Alert> {
        self.joint.catch_up()
    }

    /// Judges what is still open, at the end of a backtest.
    pub fn finish(&mut self) -> (Vec<Alert>, Vec<Anomaly>) {
        let (mut alerts, mut scores) = (Vec::new(), Vec::new());
        for (partition, stage) in &mut self.partitions {
            let (found, scored, shown) = stage.finish();
            let joined = self.joint.take(partition, &found, shown);
            alerts.extend(found);
            alerts.extend(joined);
            scores.extend(scored);
        }
        alerts.extend(self.joint.finish());
        (alerts, scores)
    }

    /// Returns whether each key is judged yet, by which families, and why not; then the same of
    /// what has no key.
    pub fn standings(&self) -> Vec<Standing> {
        let stages = self.partitions.values();
        let mut standings: Vec<Standing> = stages.flat_map(|stage| stage.standings()).collect();
        standings.extend(self.joint.standings());
        standings
    }

    /// Returns what is usual for keys, at most so many of them.
    pub fn usual(&self, keys: usize) -> Vec<Usual> {
        let mut usual = Vec::new();
        for stage in self.partitions.values() {
            let left = keys.saturating_sub(usual.len() / Metric::ALL.len());
            usual.extend(stage.usual(left));
        }
        usual
    }

    /// Returns what reads the records.
    pub(crate) fn codec(&self) -> Codec {
        self.codec.clone()
    }

    /// Returns keys with a baseline, bytes of state, and the lowest watermark.
    pub fn vitals(&self) -> (usize, usize, Option<Timestamp>) {
        self.joint.vitals()
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
        let stage = self.stage(partition);
        stage.archive(archive)?;
        let standpoint = stage.standpoint();
        // How far it has come the log says that instances share.
        if self.joint.replica().is_none() {
            self.joint.note(partition, standpoint);
        }
        Ok(())
    }

    /// Returns the partitions of which something was erased since they were last written down.
    pub(crate) fn forgotten(&self) -> BTreeSet<Partition> {
        let forgotten = self.partitions.iter();
        let forgotten = forgotten.filter(|(_, stage)| stage.has_forgotten());
        forgotten.map(|(partition, _)| partition.clone()).collect()
    }

    /// Says that a snapshot of all of it is durable.
    pub(crate) fn was_written(&mut self) {
        self.partitions
            .values_mut()
            .for_each(|stage| stage.was_written());
    }

    /// Returns the place in the log of several instances up to which the partitions know together
    /// what they know, if there are several.
    pub(crate) fn shared_at(&self) -> Option<i64> {
        self.joint.replica()?.next()
    }

    /// Carries what the partitions know together into a snapshot or out of one.
    ///
    /// # Errors
    /// When the disk fails, or a snapshot is damaged; then the stages are of no use.
    pub fn archive_shared(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        self.joint.archive(archive)
    }

    /// Makes the stage of a partition of which nothing is known.
    pub(crate) fn new_stage(&self) -> Box<Stage> {
        Box::new(Stage::new(
            self.codec.clone(),
            self.config.clone(),
            self.directory.clone(),
            self.scores,
            self.poison.clone(),
        ))
    }

    fn shared(&self, partition: &Partition) -> Partition {
        match self.grouping {
            Grouping::ByPartition => partition.clone(),
            Grouping::All => Partition::new("all", 0),
        }
    }

    fn stage(&mut self, partition: &Partition) -> &mut Stage {
        if !self.partitions.contains_key(partition) {
            let stage = self.new_stage();
            self.partitions.insert(partition.clone(), stage);
        }
        let stage = self.partitions.get_mut(partition);
        stage.unwrap_or_else(|| unreachable!("it was just put there"))
    }
}
