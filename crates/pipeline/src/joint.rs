//! What partitions show together: many keys at once, and what has no key.

use std::collections::BTreeMap;
use std::sync::Arc;

use columns::SnapshotError;
use detector::{Archive, Campaigns, DetectorConfig, KeyDirectory, Ledgers, Standing};
use model::{Alert, Partition, Timestamp};

use crate::stage::{Shown, Standpoint};

/// The one place that sees all partitions. They are heard in the order in which their records
/// were read, whichever of them is ready first.
#[derive(Clone)]
pub(crate) struct Joint {
    campaigns: Campaigns,
    ledgers: Ledgers,
    standpoints: BTreeMap<Partition, Standpoint>,
    /// Whether the partitions are read side by side, and not one after another.
    is_live: bool,
}

impl Joint {
    pub(crate) fn new(config: DetectorConfig, directory: Arc<KeyDirectory>, is_live: bool) -> Self {
        Self {
            campaigns: Campaigns::new(config.clone(), directory.clone()),
            ledgers: Ledgers::new(config, directory),
            standpoints: BTreeMap::new(),
            is_live,
        }
    }

    /// Takes what a partition has shown, its `alerts` among that; returns what it makes of it.
    pub(crate) fn take(
        &mut self,
        partition: &Partition,
        alerts: &[Alert],
        shown: Shown,
    ) -> Vec<Alert> {
        self.ledgers.hear(alerts);
        self.campaigns.take(shown.signs);
        self.ledgers.take(shown.unkeyed);
        self.note(partition, shown.standpoint);
        if !self.is_live {
            return self.ledgers.relieve();
        }
        let standpoints = self.standpoints.values();
        let open_from = standpoints.clone().filter_map(|at| at.open_from);
        let read_until = standpoints.filter_map(|at| at.read_until);
        let mut alerts = self.campaigns.close(open_from);
        alerts.extend(self.ledgers.close(read_until));
        alerts
    }

    /// Notes how far a partition has come.
    pub(crate) fn note(&mut self, partition: &Partition, standpoint: Standpoint) {
        match self.standpoints.get_mut(partition) {
            Some(known) => *known = standpoint,
            None => {
                self.standpoints.insert(partition.clone(), standpoint);
            }
        }
    }

    /// Notes that the log has been read to where it ended at start, and returns what keys of
    /// all partitions have shown together until then.
    pub(crate) fn catch_up(&mut self) -> Vec<Alert> {
        if self.is_live {
            return Vec::new();
        }
        self.is_live = true;
        let mut alerts = self.ledgers.relieve();
        alerts.extend(self.campaigns.catch_up());
        alerts.extend(self.ledgers.catch_up());
        alerts
    }

    /// Judges bills as if nothing more came that could explain them, at the end of a backtest.
    pub(crate) fn finish(&mut self) -> Vec<Alert> {
        self.ledgers.catch_up()
    }

    /// Takes another inventory; what is judged from now on follows it.
    pub(crate) fn set_directory(&mut self, directory: Arc<KeyDirectory>) {
        self.campaigns.set_directory(directory.clone());
        self.ledgers.set_directory(directory);
    }

    /// Returns whether what has no key is judged yet.
    pub(crate) fn standings(&self) -> Vec<Standing> {
        self.ledgers.standings()
    }

    /// Returns keys with a baseline, bytes of state, and the lowest watermark.
    pub(crate) fn vitals(&self) -> (usize, usize, Option<Timestamp>) {
        let standpoints = self.standpoints.values();
        let keys = standpoints.clone().map(|at| at.vitals.keys).sum();
        let bytes: usize = standpoints.clone().map(|at| at.vitals.state_bytes).sum();
        let watermark = standpoints.filter_map(|at| at.vitals.watermark).min();
        (keys, bytes + self.ledgers.state_bytes(), watermark)
    }

    /// Carries what it knows into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        self.campaigns.archive(archive)?;
        self.ledgers.archive(archive)
    }
}
