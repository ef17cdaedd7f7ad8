//! Everything a partition knows of its keys.

use std::collections::{BTreeMap, HashMap};

use columns::SnapshotError;
use model::Entity;
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::baseline::Baseline;
use crate::calibration::Calibration;
use crate::clock::{BUCKETS_A_DAY, BUCKETS_AN_HOUR, bucket_of, start_of};
use crate::directory::KeyDirectory;
use crate::finding::VOICES;
use crate::flood::Floods;
use crate::grid::Grid;
use crate::keys::KeyTable;
use crate::known::Known;
use crate::lessons::Lessons;
use crate::peaks::Peaks;
use crate::pool::Pool;
use crate::population::{Happening, Population};
use crate::probation::Probation;
use crate::sources::Sources;
use crate::stub::Stubs;
use crate::tally::Texts;
use crate::theft::SlowThefts;
use crate::windows::Windows;

/// From which silence on, in hours, a key may have been dormant: a week.
pub(crate) const DORMANT_HOURS: i64 = 168;
/// How much longer than the longest silence before the silence must be.
const LONGER_THAN_EVER: i64 = 2;
/// How long a return and a birth are watched, in buckets: six hours, two days.
pub(crate) const RETURN_BUCKETS: i64 = 6 * BUCKETS_AN_HOUR;
pub(crate) const NEWBORN_BUCKETS: i64 = 2 * BUCKETS_A_DAY;

/// A key that came back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Return {
    pub(crate) bucket: i64,
    pub(crate) silent_hours: i64,
}

/// A key without history.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Newborn {
    pub(crate) bucket: i64,
    /// Whether it was born while others were watched; the first keys of a stream were not.
    pub(crate) is_birth: bool,
    pub(crate) busiest_requests: u64,
    pub(crate) busiest_nanos: u64,
    /// Whether a bucket of it was closed.
    pub(crate) is_counted: bool,
    /// Whether it came in a flood: then it says nothing of what new keys do.
    pub(crate) is_of_flood: bool,
}

/// What the labels of a key take in memory, about.
const LABELS_BYTES: usize = 128;

/// The columns, and the sparse tables of what only few keys have.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) keys: KeyTable,
    pub(crate) probation: Probation,
    pub(crate) windows: Windows,
    pub(crate) baseline: Baseline,
    pub(crate) calibration: Calibration,
    pub(crate) known: Known,
    pub(crate) thefts: SlowThefts,
    /// The last bucket with usage, and the longest silence in hours.
    pub(crate) last_active: Grid<i32>,
    pub(crate) longest_silence: Grid<u16>,
    pub(crate) peaks: Peaks,
    pub(crate) pool: Pool,
    pub(crate) population: Population,
    pub(crate) sources: Sources,
    pub(crate) texts: Texts,
    pub(crate) stubs: Stubs,
    pub(crate) floods: Floods,
    pub(crate) returns: HashMap<u32, Return>,
    pub(crate) newborns: BTreeMap<u32, Newborn>,
    /// What closed buckets teach that is not learned yet.
    pub(crate) lessons: Lessons,
    /// What the voices have said of late: chance and bucket.
    pub(crate) recent: HashMap<u32, [(f32, i32); VOICES]>,
    /// The newest hint and project of the few keys that have one, for people.
    pub(crate) labels: HashMap<u32, [Option<Box<str>>; 2]>,
    /// The first bucket of the stream.
    pub(crate) first_bucket: Option<i64>,
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            keys: KeyTable::new(),
            probation: Probation::new(),
            windows: Windows::new(),
            baseline: Baseline::new(),
            calibration: Calibration::new(),
            known: Known::new(),
            thefts: SlowThefts::new(),
            last_active: Grid::new(1),
            longest_silence: Grid::new(1),
            peaks: Peaks::default(),
            pool: Pool::new(),
            population: Population::new(),
            sources: Sources::default(),
            texts: Texts::default(),
            stubs: Stubs::default(),
            floods: Floods::default(),
            returns: HashMap::new(),
            newborns: BTreeMap::new(),
            lessons: Lessons::new(),
            recent: HashMap::new(),
            labels: HashMap::new(),
            first_bucket: None,
        }
    }

    /// Carries everything into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            keys,
            probation,
            windows,
            baseline,
            calibration,
            known,
            thefts,
            last_active,
            longest_silence,
            peaks,
            pool,
            population,
            sources,
            // Made anew by whoever needs a text.
            texts: _,
            stubs,
            floods,
            returns,
            newborns,
            lessons,
            recent,
            labels,
            first_bucket,
        } = self;
        archive.part("keys", |archive| keys.archive(archive))?;
        archive.part("probation", |archive| probation.archive(archive))?;
        archive.part("windows", |archive| windows.archive(archive))?;
        archive.part("baseline", |archive| baseline.archive(archive))?;
        archive.part("calibration", |archive| calibration.archive(archive))?;
        archive.part("known", |archive| known.archive(archive))?;
        archive.part("thefts", |archive| thefts.archive(archive))?;
        archive.grid("last_active", last_active)?;
        archive.grid("longest_silence", longest_silence)?;
        archive.part("peaks", |archive| peaks.archive(archive))?;
        archive.value("pool", pool)?;
        archive.value("population", population)?;
        archive.part("sources", |archive| sources.archive(archive))?;
        archive.part("stubs", |archive| stubs.archive(archive))?;
        archive.part("floods", |archive| floods.archive(archive))?;
        archive.map("returns", returns)?;
        archive.map("newborns", newborns)?;
        archive.part("lessons", |archive| lessons.archive(archive))?;
        archive.map("recent", recent)?;
        archive.map("labels", labels)?;
        archive.value("first_bucket", first_bucket)
    }

    /// Begins a key that is first seen in a minute, in a slot that is new or was given back.
    ///
    /// A key that the inventory knows for long but that was never seen has been silent since;
    /// one that replaces another goes on where that one was; any other is new.
    pub(crate) fn begin(&mut self, slot: usize, minute: i64, directory: &KeyDirectory) {
        let bucket = bucket_of(minute);
        let first_bucket = *self.first_bucket.get_or_insert(bucket);
        let entity = self.keys.entity(slot);
        let at = start_of(bucket + 1);
        let created = directory
            .entry(&entity, at)
            .and_then(|entry| entry.created)
            .map(|created| bucket_of(crate::clock::minute_of(created.millis())));
        let known_since = created
            .map(|created| created.max(first_bucket))
            .filter(|since| bucket - since >= DORMANT_HOURS * BUCKETS_AN_HOUR);
        self.begin_row(slot, minute, known_since.unwrap_or(bucket));
        let replaced = directory
            .replaces(&entity, at)
            .and_then(|old| self.keys.sibling(slot, &old))
            .filter(|&old| old != slot);
        if let Some(old) = replaced {
            self.inherit(old, slot);
        } else if known_since.is_none() {
            let is_birth = !self.is_first(bucket);
            self.newborns.insert(
                slot as u32,
                Newborn {
                    bucket,
                    is_birth,
                    busiest_requests: 0,
                    busiest_nanos: 0,
                    is_counted: false,
                    is_of_flood: false,
                },
            );
        }
    }

    /// Makes every row and every sparse table what it is for a key of which nothing is known.
    ///
    /// Every field is named here, so that none is forgotten.
    pub(crate) fn begin_row(&mut self, slot: usize, minute: i64, since: i64) {
        let Self {
            keys: _,
            probation: _,
            windows,
            baseline,
            calibration,
            known,
            thefts,
            last_active,
            longest_silence,
            peaks: _,
            pool: _,
            population: _,
            sources: _,
            texts: _,
            stubs: _,
            floods: _,
            returns: _,
            newborns: _,
            lessons,
            recent: _,
            labels: _,
            first_bucket: _,
        } = self;
        windows.begin(slot, minute);
        baseline.begin(slot, since);
        calibration.begin(slot, since);
        known.begin(slot, since);
        thefts.begin(slot, bucket_of(minute));
        lessons.begin(slot);
        last_active.begin(slot, since as i32);
        longest_silence.begin(slot, 0);
        self.clear(slot);
    }

    /// Takes a key's slot back.
    pub(crate) fn release(&mut self, slot: usize) {
        self.clear(slot);
        self.windows.forget(slot);
        self.calibration.forget(slot);
        self.probation.release(slot);
        self.keys.release(slot);
    }

    /// Clears the sparse tables of a key.
    fn clear(&mut self, slot: usize) {
        let slot_id = slot as u32;
        self.peaks.forget(slot);
        self.returns.remove(&slot_id);
        self.newborns.remove(&slot_id);
        self.recent.remove(&slot_id);
        self.labels.remove(&slot_id);
    }

    /// Returns whether a bucket is among the first of the stream: its keys are not new, they
    /// are only seen for the first time.
    pub(crate) fn is_first(&self, bucket: i64) -> bool {
        self.first_bucket
            .is_none_or(|first| bucket - first < NEWBORN_BUCKETS)
    }

    /// Returns whether a key came in a flood: nothing is learned of others from it.
    pub(crate) fn is_of_flood(&self, slot: usize) -> bool {
        self.newborns
            .get(&(slot as u32))
            .is_some_and(|newborn| newborn.is_of_flood)
    }

    /// Returns the account whose new ids one of these names is counted with: all together where
    /// the account is itself new.
    pub(crate) fn account_of_new(&mut self, provider: &str, account: &str, bucket: i64) -> Entity {
        let is_settled = self
            .keys
            .account_since(provider, account)
            .is_some_and(|since| bucket - since >= NEWBORN_BUCKETS);
        if !is_settled {
            return Entity::default();
        }
        Entity {
            provider: provider.to_owned(),
            account: account.to_owned(),
            key: String::new(),
        }
    }

    /// Notes that a key was born no later than with an open bucket: of its first rows the later
    /// may have come first.
    pub(crate) fn born_by(&mut self, slot: usize, bucket: i64) {
        if self.baseline.age_buckets(slot, bucket) >= 0 {
            return;
        }
        self.baseline.born_by(slot, bucket);
        self.known.born_by(slot, bucket);
        let last = self.last_active.get(slot).min(bucket as i32);
        self.last_active.set(slot, last);
        if let Some(newborn) = self.newborns.get_mut(&(slot as u32)) {
            let from = newborn.bucket;
            newborn.bucket = from.min(bucket);
            if self.probation.is_on(slot) && bucket < from {
                let Entity {
                    provider, account, ..
                } = self.keys.entity(slot);
                let account = self.account_of_new(&provider, &account, from);
                self.floods.recount(&account, from, bucket);
            }
        }
        self.first_bucket = self.first_bucket.map(|first| first.min(bucket));
    }

    fn inherit(&mut self, old: usize, new: usize) {
        self.baseline.copy(old, new);
        self.calibration.copy(old, new);
        self.known.copy(old, new);
        self.peaks.copy(old, new);
    }

    /// Returns the return that a key's usage in a bucket is part of, if it was dormant.
    pub(crate) fn returning(&self, slot: usize, bucket: i64) -> Option<Return> {
        if let Some(known) = self.returns.get(&(slot as u32))
            && bucket - known.bucket < RETURN_BUCKETS
        {
            return Some(*known);
        }
        let silent = bucket - i64::from(self.last_active.get(slot));
        let silent_hours = silent / BUCKETS_AN_HOUR;
        let longest = i64::from(self.longest_silence.get(slot));
        (silent_hours >= DORMANT_HOURS && silent_hours >= LONGER_THAN_EVER * longest).then_some(
            Return {
                bucket,
                silent_hours,
            },
        )
    }

    /// Returns whether a key was dormant or is new.
    pub(crate) fn is_special(&self, slot: usize, bucket: i64) -> bool {
        let is_newborn = self
            .newborns
            .get(&(slot as u32))
            .is_some_and(|newborn| newborn.is_birth);
        is_newborn || self.returning(slot, bucket).is_some()
    }

    /// Notes that a key was used in a closed bucket.
    pub(crate) fn note_active(&mut self, slot: usize, bucket: i64) {
        if let Some(returning) = self.returning(slot, bucket)
            && returning.bucket == bucket
        {
            self.returns.insert(slot as u32, returning);
            self.population.add(Happening::Return);
        }
        let last = i64::from(self.last_active.get(slot));
        if bucket > last {
            let silent_hours = ((bucket - last) / BUCKETS_AN_HOUR).min(i64::from(u16::MAX));
            let longest = self.longest_silence.get(slot).max(silent_hours as u16);
            self.longest_silence.set(slot, longest);
            self.last_active.set(slot, bucket as i32);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.keys.bytes()
            + self.probation.bytes()
            + self.stubs.bytes()
            + self.floods.bytes()
            + self.windows.bytes()
            + self.baseline.bytes()
            + self.calibration.bytes()
            + self.known.bytes()
            + self.thefts.bytes()
            + self.last_active.bytes()
            + self.longest_silence.bytes()
            + self.peaks.bytes()
            + self.texts.bytes()
            + self.newborns.len() * 64
            + self.returns.len() * 32
            + self.lessons.bytes()
            + self.recent.len() * 64
            + self.labels.len() * LABELS_BYTES
    }

    /// Forgets what has had its time.
    pub(crate) fn sweep(&mut self, bucket: i64) {
        self.texts.sweep();
        self.windows.sweep(bucket);
        self.returns
            .retain(|_, known| bucket - known.bucket < RETURN_BUCKETS);
        self.recent.retain(|_, voices| {
            voices
                .iter()
                .any(|&(_, last)| bucket - i64::from(last) < 2 * BUCKETS_AN_HOUR)
        });
    }
}
