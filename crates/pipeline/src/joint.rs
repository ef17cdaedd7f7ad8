//! What partitions show together: many keys at once, and what has no key.

use std::collections::BTreeMap;
use std::sync::Arc;

use columns::SnapshotError;
use detector::{Archive, Campaigns, DetectorConfig, KeyDirectory, Ledgers, Standing};
use model::{Alert, Partition, Timestamp};

use crate::stage::{Shown, Standpoint};

/// For how many buckets of ten minutes an idle partition is waited for.
const PATIENCE_BUCKETS: i64 = 3;

/// The one place that sees all partitions. They are heard in the order in which their records
/// were read, whichever of them is ready first.
///
/// A bucket is judged when every partition has closed it, so that it does not show which of them
/// is read faster. Only one that is idle, and half an hour behind, is not waited for: what it has
/// for that bucket after all counts with a later one.
#[derive(Clone)]
pub(crate) struct Joint {
    campaigns: Campaigns,
    ledgers: Ledgers,
    places: BTreeMap<Partition, Place>,
    /// Whether the partitions are read side by side, and not one after another.
    is_live: bool,
}

/// Where a partition is.
#[derive(Clone)]
struct Place {
    /// Unknown where only the log is known to have something of it.
    standpoint: Option<Standpoint>,
    /// Whether it is not waited for, see [`crate::idle::Idleness`].
    is_idle: bool,
}

impl Joint {
    pub(crate) fn new(config: DetectorConfig, directory: Arc<KeyDirectory>, is_live: bool) -> Self {
        Self {
            campaigns: Campaigns::new(config.clone(), directory.clone()),
            ledgers: Ledgers::new(config, directory),
            places: BTreeMap::new(),
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
        let mut alerts = self.close();
        alerts.extend(self.campaigns.relieve(self.is_live));
        alerts.extend(self.ledgers.relieve());
        alerts
    }

    /// Judges what every partition that is waited for has closed.
    fn close(&mut self) -> Vec<Alert> {
        if !self.is_live {
            return Vec::new();
        }
        let open_from = waited_for_until(self.places.values(), |at| at.open_from);
        let read_until = waited_for_until(self.places.values(), |at| at.read_until);
        let mut alerts = self.campaigns.close_before(open_from);
        alerts.extend(self.ledgers.close_before(read_until));
        alerts
    }

    /// Notes how far a partition has come.
    pub(crate) fn note(&mut self, partition: &Partition, standpoint: Standpoint) {
        let place = Place {
            standpoint: Some(standpoint),
            is_idle: false,
        };
        match self.places.get_mut(partition) {
            Some(known) => *known = place,
            None => {
                self.places.insert(partition.clone(), place);
            }
        }
    }

    /// Waits for these partitions too, though nothing has come of them yet.
    pub(crate) fn expect<'p>(&mut self, partitions: impl Iterator<Item = &'p Partition>) {
        for partition in partitions {
            if !self.places.contains_key(partition) {
                let place = Place {
                    standpoint: None,
                    is_idle: false,
                };
                self.places.insert(partition.clone(), place);
            }
        }
    }

    /// Takes note of which partitions are idle; returns what need not wait for them any more.
    pub(crate) fn set_idle(&mut self, is_idle: impl Fn(&Partition) -> bool) -> Vec<Alert> {
        for (partition, place) in &mut self.places {
            place.is_idle = is_idle(partition);
        }
        self.close()
    }

    /// Notes that the log has been read to where it ended at start, and returns what the
    /// partitions have shown together until then.
    pub(crate) fn catch_up(&mut self) -> Vec<Alert> {
        self.is_live = true;
        self.close()
    }

    /// Judges all there is, when the source has ended for good.
    pub(crate) fn finish(&mut self) -> Vec<Alert> {
        let mut alerts = self.campaigns.close_before(i64::MAX);
        alerts.extend(self.ledgers.close_before(i64::MAX));
        alerts
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
        let places = self.places.values();
        let standpoints = places.filter_map(|place| place.standpoint.as_ref());
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

/// Returns the bucket before which everything is judged.
fn waited_for_until<'a>(
    places: impl Iterator<Item = &'a Place> + Clone,
    bucket: impl Fn(&Standpoint) -> Option<i64>,
) -> i64 {
    let is_new = |place: &Place| place.standpoint.is_none() && !place.is_idle;
    if places.clone().any(is_new) {
        return i64::MIN;
    }
    let buckets = places.filter_map(|place| {
        let standpoint = place.standpoint.as_ref()?;
        Some((bucket(standpoint)?, place.is_idle))
    });
    let newest = buckets.clone().map(|(bucket, _)| bucket).max();
    let waits = |(bucket, is_idle): (i64, bool)| match is_idle {
        true => bucket.max(newest.unwrap_or(bucket) - PATIENCE_BUCKETS),
        false => bucket,
    };
    buckets.map(waits).min().unwrap_or(i64::MIN)
}
