//! What is kept of a key that has not been used for weeks: enough to know it again.
//!
//! After five weeks of silence what a key had learned is mostly what it would be drawn to
//! anyway: two thirds of its evidence and nine tenths of its level have faded, its profile is
//! flat, its windows are empty. A job of the month, also one that a weekend moves, is used again
//! before that. What makes a return suspicious does not fade: when the key was last used, its
//! longest silence, its networks, clients and models. So a key asleep is a stub of 164 bytes in
//! place of a kilobyte and a half.
//!
//! Also a key that still has its slot when it returns after so long is drawn to its stub, so
//! that nothing depends on when the slot was given back.

use std::collections::HashMap;

use columns::SnapshotError;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use crate::archive::Archive;
use crate::baseline::BriefBaseline;
use crate::clock::{BUCKETS_A_DAY, day_of};
use crate::known::KEPT;
use crate::state::State;

/// After how long without use a key falls asleep: 35 days.
pub(crate) const ASLEEP_BUCKETS: i64 = 35 * BUCKETS_A_DAY;

/// A key asleep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Stub {
    baseline: BriefBaseline,
    known: [u32; KEPT],
    /// The days that it was watched for without a burst.
    days: f32,
    pub(crate) last_active: i32,
    longest_silence: u16,
    /// Whether it was not on probation.
    pub(crate) is_known: bool,
}

const _: () = assert!(size_of::<Stub>() <= 164);

impl Stub {
    /// Returns what is to be kept of a key.
    pub(crate) fn of(state: &State, slot: usize) -> Self {
        Self {
            baseline: state.baseline.keep(slot),
            known: state.known.keep(slot),
            days: state.calibration.keep(slot),
            last_active: state.last_active.get(slot),
            longest_silence: state.longest_silence.get(slot),
            is_known: !state.probation.is_on(slot),
        }
    }

    /// Returns the bucket from which on the key was asleep.
    pub(crate) fn asleep_from(&self) -> i64 {
        i64::from(self.last_active) + ASLEEP_BUCKETS
    }

    /// Makes a slot the key's again, which was begun with nothing.
    pub(crate) fn wake(&self, state: &mut State, slot: usize) {
        let last_day = day_of(i64::from(self.last_active)) as u16;
        state.baseline.warm(slot, &self.baseline);
        let born = self.baseline.born();
        state.known.born_by(slot, born);
        state.known.warm(slot, &self.known, last_day);
        state.calibration.warm(slot, self.days);
        state.last_active.set(slot, self.last_active);
        state.longest_silence.set(slot, self.longest_silence);
    }
}

/// The keys asleep, by a hash of their names.
#[derive(Clone, Default)]
pub(crate) struct Stubs {
    by_key: HashMap<u128, Stub>,
    scratch: Vec<u8>,
}

impl Stubs {
    /// Returns the hash that stands for a key: of 128 bits, so that no two keys have the same.
    pub(crate) fn id(&mut self, (provider, account, key): (&str, &str, &str)) -> u128 {
        self.scratch.clear();
        for part in [provider, account, key] {
            self.scratch
                .extend_from_slice(&(part.len() as u64).to_le_bytes());
            self.scratch.extend_from_slice(part.as_bytes());
        }
        XxHash3_128::oneshot(&self.scratch)
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self { by_key, scratch: _ } = self;
        archive.map("by_key", by_key)
    }

    pub(crate) fn insert(&mut self, id: u128, stub: Stub) {
        self.by_key.insert(id, stub);
    }

    pub(crate) fn get(&self, id: u128) -> Option<&Stub> {
        self.by_key.get(&id)
    }

    pub(crate) fn remove(&mut self, id: u128) {
        self.by_key.remove(&id);
    }

    /// Forgets those that have slept for longest, so that no more than `most` are left.
    pub(crate) fn shrink(&mut self, most: usize) {
        let surplus = self.by_key.len().saturating_sub(most);
        if surplus == 0 {
            return;
        }
        let mut oldest: Vec<(i32, u128)> = self
            .by_key
            .iter()
            .map(|(&id, stub)| (stub.last_active, id))
            .collect();
        oldest.select_nth_unstable(surplus - 1);
        for (_, id) in &oldest[..surplus] {
            self.by_key.remove(id);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.by_key.capacity() * (size_of::<(u128, Stub)>() + 1) * 8 / 7
    }
}
