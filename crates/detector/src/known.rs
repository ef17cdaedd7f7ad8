//! Which networks, clients and models a key is known to use.

use columns::SnapshotError;
use columns::arrow::array::types::UInt32Type;
use serde::{Deserialize, Serialize};

use crate::archive::{Archive, Lanes};
use crate::clock::day_of;
use crate::grid::Grid;

/// What is watched for newness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(usize)]
pub(crate) enum Trait {
    Network,
    Model,
    Client,
}

/// How many traits there are.
pub(crate) const TRAITS: usize = 3;

impl Trait {
    pub(crate) const ALL: [Trait; TRAITS] = [Trait::Network, Trait::Model, Trait::Client];

    /// Returns which cells of a row are this trait's.
    const fn cells(self) -> std::ops::Range<usize> {
        match self {
            Self::Network => 0..8,
            Self::Model => 8..13,
            Self::Client => 13..17,
        }
    }

    /// Returns how many values of a key are kept while it is not used.
    const fn kept(self) -> usize {
        match self {
            Self::Network => 8,
            Self::Model => 3,
            Self::Client => 2,
        }
    }
}

/// How many values of a key are kept while it is not used.
pub(crate) const KEPT: usize = 13;

const CELLS: usize = 17;

/// A value is new on its first two calendar days.
const NEW_DAYS: i64 = 1;
/// What a key shows in its first days is its own.
const SETTLING_DAYS: i64 = 2;

/// One value: a hash, and the days (since the epoch) on which it was first and last seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Value {
    hash: u32,
    first_day: u16,
    last_day: u16,
}

/// The columns of known values. The value unused for longest makes room.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Known {
    values: Grid<Value>,
    born_day: Grid<u16>,
}

impl Known {
    pub(crate) fn new() -> Self {
        Self {
            values: Grid::new(CELLS),
            born_day: Grid::new(1),
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self { values, born_day } = self;
        archive.grid("values", values)?;
        archive.grid("born_day", born_day)
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize, bucket: i64) {
        self.values.begin(slot, Value::default());
        self.born_day.begin(slot, day_of(bucket) as u16);
    }

    /// Returns the hashes of the values that were seen last; 0 where there is none.
    pub(crate) fn keep(&self, slot: usize) -> [u32; KEPT] {
        let mut kept = [0; KEPT];
        let mut cells = kept.iter_mut();
        for trait_ in Trait::ALL {
            let mut values: Vec<&Value> = self.values.row(slot)[trait_.cells()]
                .iter()
                .filter(|value| value.last_day > 0)
                .collect();
            values.sort_by_key(|value| {
                let last = std::cmp::Reverse(value.last_day);
                (last, value.first_day, value.hash)
            });
            let hashes = values.into_iter().map(|value| value.hash);
            let hashes = hashes.chain(std::iter::repeat(0)).take(trait_.kept());
            cells
                .by_ref()
                .zip(hashes)
                .for_each(|(cell, hash)| *cell = hash);
        }
        kept
    }

    /// Makes kept values the key's own.
    pub(crate) fn warm(&mut self, slot: usize, kept: &[u32; KEPT], last_day: u16) {
        let first_day = self.born_day.get(slot);
        let row = self.values.row_mut(slot);
        let mut hashes = kept.iter();
        for trait_ in Trait::ALL {
            let cells = row[trait_.cells()].iter_mut();
            for (cell, &hash) in cells.zip(hashes.by_ref().take(trait_.kept())) {
                if hash != 0 {
                    *cell = Value {
                        hash,
                        first_day,
                        last_day,
                    };
                }
            }
        }
    }

    /// Notes that a key was born no later than with a bucket.
    pub(crate) fn born_by(&mut self, slot: usize, bucket: i64) {
        let born = self.born_day.get(slot).min(day_of(bucket) as u16);
        self.born_day.set(slot, born);
    }

    /// Takes over what another key is known to use.
    pub(crate) fn copy(&mut self, from: usize, to: usize) {
        let row = self.values.row(from).to_vec();
        self.values.row_mut(to).copy_from_slice(&row);
        self.born_day.set(to, self.born_day.get(from));
    }

    fn find(&self, slot: usize, trait_: Trait, hash: u32) -> Option<Value> {
        self.values.row(slot)[trait_.cells()]
            .iter()
            .copied()
            .find(|value| value.hash == hash && value.last_day > 0)
    }

    /// Returns whether a value is new to the key: not known, or first seen within the last day
    /// on a key that had settled before. On a key that is itself new nothing is.
    pub(crate) fn is_new(&self, slot: usize, trait_: Trait, hash: u32, bucket: i64) -> bool {
        let (day, born) = (day_of(bucket), i64::from(self.born_day.get(slot)));
        match self.find(slot, trait_, hash) {
            None => day >= born + SETTLING_DAYS,
            Some(value) => {
                let first = i64::from(value.first_day);
                first >= born + SETTLING_DAYS && day - first <= NEW_DAYS
            }
        }
    }

    /// Returns whether the key has shown any value.
    pub(crate) fn has_any(&self, slot: usize, trait_: Trait) -> bool {
        self.values.row(slot)[trait_.cells()]
            .iter()
            .any(|value| value.last_day > 0)
    }

    /// Returns whether a value has never been seen on the key before.
    pub(crate) fn is_unseen(&self, slot: usize, trait_: Trait, hash: u32) -> bool {
        self.find(slot, trait_, hash).is_none()
    }

    /// Learns that a value was seen in a closed bucket.
    pub(crate) fn learn(&mut self, slot: usize, trait_: Trait, hash: u32, bucket: i64) {
        let day = day_of(bucket) as u16;
        let cells = &mut self.values.row_mut(slot)[trait_.cells()];
        let at = match cells
            .iter()
            .position(|value| value.hash == hash && value.last_day > 0)
        {
            Some(at) => at,
            None => {
                // Of those unused for equally long the one known for longest stays.
                let oldest = (0..cells.len())
                    .min_by_key(|&at| (cells[at].last_day, std::cmp::Reverse(cells[at].first_day)));
                let at = oldest.unwrap_or(0);
                cells[at] = Value {
                    hash,
                    first_day: day,
                    last_day: day,
                };
                at
            }
        };
        cells[at].last_day = cells[at].last_day.max(day);
    }

    /// Takes every value that was first seen since a bucket for the key's own.
    pub(crate) fn accept(&mut self, slot: usize, since: i64) {
        let day = day_of(since);
        for value in self.values.row_mut(slot) {
            if i64::from(value.first_day) >= day {
                value.first_day = (day - NEW_DAYS - 1) as u16;
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.values.bytes() + self.born_day.bytes()
    }
}

impl Lanes for Value {
    type Arrow = UInt32Type;

    const LANES: usize = 2;

    fn write(self, numbers: &mut Vec<u32>) {
        let days = u32::from(self.first_day) << 16 | u32::from(self.last_day);
        numbers.extend([self.hash, days]);
    }

    fn read(numbers: &[u32]) -> Self {
        Self {
            hash: numbers[0],
            first_day: (numbers[1] >> 16) as u16,
            last_day: numbers[1] as u16,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::BUCKETS_A_DAY;

    const DAY: i64 = 20_000;

    fn on_day(day: i64) -> i64 {
        (DAY + day) * BUCKETS_A_DAY + 7
    }

    fn known() -> Known {
        let mut known = Known::new();
        known.begin(0, on_day(0));
        known.learn(0, Trait::Network, 1, on_day(0));
        known
    }

    #[test]
    fn a_network_is_new_for_a_day_and_then_ordinary() {
        let mut known = known();
        let is_new = |known: &Known, day| known.is_new(0, Trait::Network, 2, on_day(day));
        assert!(!is_new(&known, 1), "the key itself is new");
        assert!(is_new(&known, 9));
        known.learn(0, Trait::Network, 2, on_day(9));
        assert!(is_new(&known, 10));
        assert!(!is_new(&known, 12));
        assert!(!known.is_new(0, Trait::Network, 1, on_day(9)));
    }

    #[test]
    fn what_was_accepted_is_new_no_more() {
        let mut known = known();
        known.learn(0, Trait::Network, 2, on_day(9));
        known.accept(0, on_day(9));
        assert!(!known.is_new(0, Trait::Network, 2, on_day(9)));
        assert!(known.is_new(0, Trait::Network, 3, on_day(9)));
    }

    #[test]
    fn the_value_unused_for_longest_makes_room() {
        let mut known = known();
        for hash in 2..=9 {
            known.learn(0, Trait::Network, hash, on_day(i64::from(hash)));
        }
        assert!(known.is_unseen(0, Trait::Network, 1));
        assert!(!known.is_unseen(0, Trait::Network, 2));
    }
}
