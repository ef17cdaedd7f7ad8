//! What partitions show together: many keys at once, and what has no key.

use std::collections::BTreeMap;
use std::sync::Arc;

use columns::SnapshotError;
use detector::{Archive, Campaigns, DetectorConfig, KeyDirectory, Ledgers, Standing, Vitals};
use model::{Alert, Partition, Timestamp};

use crate::instances::{Heard, Message, Replica};
use crate::stage::{Reach, Shown, Standpoint};

/// For how many buckets of ten minutes an idle partition is waited for.
const PATIENCE_BUCKETS: i64 = 3;

/// How far behind the others a partition may be that instances share and that nobody calls idle,
/// in buckets: a week. One of a topic that is not read any more has nobody who would.
const GONE_AFTER_BUCKETS: i64 = 7 * 144;

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
    /// What is known of the log that instances share; without one, all partitions are here.
    replica: Option<Replica>,
}

/// Where a partition is.
#[derive(Clone, Default)]
struct Place {
    /// Unknown where only the log is known to have something of it.
    reach: Option<Reach>,
    /// How it is doing, where it is read by this process.
    vitals: Option<Vitals>,
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
            replica: None,
        }
    }

    /// Takes what partitions show from the log that instances share, and only from there.
    pub(crate) fn share(&mut self) {
        self.replica.get_or_insert_default();
        // What is judged when follows from the log alone.
        self.is_live = true;
    }

    /// Begins with another log, of which nothing is known.
    pub(crate) fn begin_log(&mut self) {
        self.replica = Some(Replica::default());
    }

    /// Returns what is known of the log that instances share.
    pub(crate) fn replica(&self) -> Option<&Replica> {
        self.replica.as_ref()
    }

    /// Passes over a message of that log that cannot be understood.
    pub(crate) fn skip(&mut self, offset: i64) {
        if let Some(replica) = &mut self.replica {
            replica.skip(offset);
        }
    }

    /// Takes a message of the log that instances share; returns what it makes of it.
    pub(crate) fn hear(&mut self, offset: i64, message: Message) -> Vec<Alert> {
        let Some(replica) = &mut self.replica else {
            return Vec::new();
        };
        match replica.hear(offset, message) {
            Heard::Nothing => Vec::new(),
            Heard::Claim(partition) => {
                // One that is new is where the others are: it may never say anything.
                let newest = self.newest();
                let place = self.places.entry(partition).or_default();
                place.reach = place.reach.or(newest);
                place.is_idle = false;
                Vec::new()
            }
            Heard::Idle(partition, is_idle) => {
                self.places.entry(partition).or_default().is_idle = is_idle;
                self.close()
            }
            Heard::Shown(partition, reach, parts) => {
                for part in parts {
                    self.ledgers.hear(&part.alerts);
                    self.campaigns.take(part.signs);
                    self.ledgers.take(part.unkeyed);
                }
                let place = self.places.entry(partition).or_default();
                (place.reach, place.is_idle) = (Some(reach), false);
                self.settle()
            }
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
        self.settle()
    }

    /// Returns how far the furthest partition has come.
    fn newest(&self) -> Option<Reach> {
        let reaches = self.places.values().filter_map(|place| place.reach);
        reaches.reduce(|one, other| Reach {
            open_from: one.open_from.max(other.open_from),
            read_until: one.read_until.max(other.read_until),
        })
    }

    /// Judges what may be judged, and keeps within bounds what waits.
    fn settle(&mut self) -> Vec<Alert> {
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
        let patience = match self.replica {
            Some(_) => GONE_AFTER_BUCKETS,
            None => i64::MAX,
        };
        let places = self.places.values();
        let open_from = waited_for_until(places.clone(), patience, |reach| reach.open_from);
        let read_until = waited_for_until(places, patience, |reach| reach.read_until);
        let mut alerts = self.campaigns.close_before(open_from);
        alerts.extend(self.ledgers.close_before(read_until));
        alerts
    }

    /// Notes how far a partition has come.
    pub(crate) fn note(&mut self, partition: &Partition, standpoint: Standpoint) {
        let place = self.place(partition);
        place.vitals = Some(standpoint.vitals);
        (place.reach, place.is_idle) = (Some(standpoint.reach), false);
    }

    /// Notes how a partition is doing that is read here; how far it has come the log says that
    /// instances share. Nothing, where it is not read here any more.
    pub(crate) fn note_vitals(&mut self, partition: &Partition, vitals: Option<Vitals>) {
        self.place(partition).vitals = vitals;
    }

    fn place(&mut self, partition: &Partition) -> &mut Place {
        if !self.places.contains_key(partition) {
            self.places.insert(partition.clone(), Place::default());
        }
        let place = self.places.get_mut(partition);
        place.unwrap_or_else(|| unreachable!("it was just put there"))
    }

    /// Waits for these partitions too, though nothing has come of them yet.
    pub(crate) fn expect<'p>(&mut self, partitions: impl Iterator<Item = &'p Partition>) {
        for partition in partitions {
            self.place(partition);
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
        let vitals = places.filter_map(|place| place.vitals.as_ref());
        let keys = vitals.clone().map(|vitals| vitals.keys).sum();
        let bytes: usize = vitals.clone().map(|vitals| vitals.state_bytes).sum();
        let watermark = vitals.filter_map(|vitals| vitals.watermark).min();
        (keys, bytes + self.ledgers.state_bytes(), watermark)
    }

    /// Carries what it knows into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        self.campaigns.archive(archive)?;
        self.ledgers.archive(archive)?;
        let Some(replica) = &mut self.replica else {
            return Ok(());
        };
        // Where instances share it, it goes on from a place in their log.
        let places = self.places.iter();
        let mut reaches: BTreeMap<Partition, (Option<Reach>, bool)> = places
            .map(|(partition, place)| (partition.clone(), (place.reach, place.is_idle)))
            .collect();
        archive.value("replica", replica)?;
        archive.map("reaches", &mut reaches)?;
        for (partition, (reach, is_idle)) in reaches {
            let place = self.places.entry(partition).or_default();
            (place.reach, place.is_idle) = (reach, is_idle);
        }
        Ok(())
    }
}

/// Returns the bucket before which everything is judged; one that is further behind than `patience`
/// is not waited for.
fn waited_for_until<'a>(
    places: impl Iterator<Item = &'a Place> + Clone,
    patience: i64,
    bucket: impl Fn(&Reach) -> Option<i64>,
) -> i64 {
    let is_new = |place: &Place| place.reach.is_none() && !place.is_idle;
    if places.clone().any(is_new) {
        return i64::MIN;
    }
    let buckets = places.filter_map(|place| Some((bucket(&place.reach?)?, place.is_idle)));
    let newest = buckets.clone().map(|(bucket, _)| bucket).max();
    let waits = |(bucket, is_idle): (i64, bool)| match is_idle {
        true => bucket.max(newest.unwrap_or(bucket) - PATIENCE_BUCKETS),
        false => bucket.max(newest.unwrap_or(bucket).saturating_sub(patience)),
    };
    buckets.map(waits).min().unwrap_or(i64::MIN)
}
