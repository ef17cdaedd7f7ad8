//! Which keys may be displaced when there is no room, and which of them goes first.
//!
//! An id that nobody has heard of is on probation until it has been used again a day after its
//! first use: whoever makes ids up would have to keep each of them in use for a day. It is
//! watched and judged like any other key meanwhile; only its place is not safe.
//!
//! Its place is a lease: every request and every cent holds it for ten minutes more, two days at
//! most. When there is no room, the key whose lease ends first makes room for one whose lease
//! would end later. That is the age of the last use with the weight of what was used
//! (GreedyDual, Young 1994), so that a flood of ids that are used once displaces itself and not
//! the new key that is really used.

use std::collections::BTreeSet;

use columns::SnapshotError;

use crate::archive::Archive;
use crate::clock::BUCKETS_A_DAY;
use crate::grid::Grid;

/// How long after its first use a key must be used again to be known: a day.
pub(crate) const PROBATION_BUCKETS: i64 = BUCKETS_A_DAY;
/// The longest lease from the last use on: as long as births are watched, two days.
const LONGEST_LEASE: i64 = 2 * BUCKETS_A_DAY;
/// The lease of a key with an alert: longer than any that is asked for, so that what is told of
/// is watched.
const ALERTED_LEASE: i64 = 2 * LONGEST_LEASE;
/// What ends never.
const KNOWN: i32 = i32::MAX;

/// How many keys there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) known: usize,
    pub(crate) on_probation: usize,
}

impl Room {
    /// Splits the room for `keys`: a sixteenth, but some thousands at least where there is room
    /// for that, is for those on probation.
    pub(crate) fn of(keys: usize) -> Self {
        let on_probation = (keys / 16).max(4096).min(keys / 2).max(1);
        Self {
            known: keys.saturating_sub(on_probation).max(1),
            on_probation,
        }
    }
}

/// The column of leases.
#[derive(Clone)]
pub(crate) struct Probation {
    /// The last bucket of each key's lease; [`KNOWN`] for keys that are not on probation.
    ends: Grid<i32>,
    /// Those on probation, the one to go first in front.
    queue: BTreeSet<(i32, u32)>,
    known: usize,
}

impl Probation {
    pub(crate) fn new() -> Self {
        Self {
            ends: Grid::new(1),
            queue: BTreeSet::new(),
            known: 0,
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self { ends, queue, known } = self;
        archive.grid("ends", ends)?;
        archive.value("queue", queue)?;
        archive.value("known", known)
    }

    /// Begins a key that is known, or whose lease ends with a bucket.
    pub(crate) fn begin(&mut self, slot: usize, lease_end: Option<i64>) {
        let end = lease_end.map_or(KNOWN, |end| end as i32);
        self.ends.begin(slot, end);
        match lease_end {
            Some(_) => {
                self.queue.insert((end, slot as u32));
            }
            None => self.known += 1,
        }
    }

    /// Forgets a key.
    pub(crate) fn release(&mut self, slot: usize) {
        let end = self.ends.get(slot);
        if end == KNOWN {
            self.known -= 1;
        } else {
            self.queue.remove(&(end, slot as u32));
        }
        self.ends.set(slot, KNOWN);
    }

    /// Makes a key known.
    pub(crate) fn end(&mut self, slot: usize) {
        if self.is_on(slot) {
            self.release(slot);
            self.known += 1;
        }
    }

    /// Puts a known key on probation, with a lease that ends with a bucket.
    pub(crate) fn doubt(&mut self, slot: usize, lease_end: i64) {
        if !self.is_on(slot) {
            self.known -= 1;
            self.begin(slot, Some(lease_end));
        }
    }

    pub(crate) fn is_on(&self, slot: usize) -> bool {
        self.ends.get(slot) != KNOWN
    }

    /// Returns the end of the lease that `weight` requests and cents in a bucket would have,
    /// after one that ends with `end`.
    pub(crate) fn lease(end: i64, bucket: i64, weight: u64) -> i64 {
        let weight = i64::try_from(weight).unwrap_or(i64::MAX);
        let later = end.max(bucket).saturating_add(weight);
        later.min(bucket + LONGEST_LEASE).max(end)
    }

    /// Makes a key's lease longer by what it has used in a bucket, if it is on probation.
    pub(crate) fn extend(&mut self, slot: usize, bucket: i64, weight: u64) {
        let end = i64::from(self.ends.get(slot));
        if self.is_on(slot) {
            self.move_to(slot, Self::lease(end, bucket, weight));
        }
    }

    /// Keeps a key that has an alert in a bucket.
    pub(crate) fn keep(&mut self, slot: usize, bucket: i64) {
        if self.is_on(slot) {
            self.move_to(slot, bucket + ALERTED_LEASE);
        }
    }

    fn move_to(&mut self, slot: usize, end: i64) {
        let (old, end) = (self.ends.get(slot), end as i32);
        if old != end {
            self.queue.remove(&(old, slot as u32));
            self.queue.insert((end, slot as u32));
            self.ends.set(slot, end);
        }
    }

    /// Returns the key that is the first to go, if its lease ends before `end`.
    pub(crate) fn first_before(&self, end: i64) -> Option<usize> {
        let &(first, slot) = self.queue.first()?;
        (i64::from(first) < end).then_some(slot as usize)
    }

    /// Returns how many keys are on probation.
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Returns how many keys are known.
    pub(crate) fn known(&self) -> usize {
        self.known
    }

    pub(crate) fn bytes(&self) -> usize {
        self.ends.bytes() + self.queue.len() * 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_was_used_least_and_longest_ago_goes_first() {
        let mut probation = Probation::new();
        for (slot, bucket, weight) in [(0, 10, 1), (1, 12, 1), (2, 9, 30)] {
            let end = Probation::lease(0, bucket, weight);
            probation.begin(slot, Some(end));
        }
        assert_eq!(probation.first_before(Probation::lease(0, 10, 1)), None);
        assert_eq!(probation.first_before(Probation::lease(0, 11, 1)), Some(0));
        probation.release(0);
        assert_eq!(probation.first_before(i64::MAX), Some(1));
        probation.extend(1, 12, 500);
        assert_eq!(probation.first_before(i64::MAX), Some(2));
        probation.end(2);
        assert_eq!((probation.known(), probation.len()), (1, 1));
        probation.doubt(2, 0);
        assert_eq!(probation.first_before(i64::MAX), Some(2));
        probation.end(2);
        assert_eq!((probation.known(), probation.len()), (1, 1));
        probation.keep(1, 12);
        let longest = Probation::lease(0, 12, u64::MAX);
        assert_eq!(probation.first_before(longest), None);
    }

    #[test]
    fn the_room_is_split_whatever_its_size() {
        for keys in [1, 2, 100, 8192, 400_000] {
            let room = Room::of(keys);
            assert!(room.known >= 1 && room.on_probation >= 1);
            assert!(room.known + room.on_probation <= keys.max(2), "{room:?}");
        }
        assert_eq!(Room::of(400_000).on_probation, 25_000);
    }
}
