//! Counts over time: for each key a ring of cells, the newest in place of the oldest.

use std::collections::BTreeMap;

use columns::SnapshotError;
use hashbrown::HashMap;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::archive::{Archive, Lanes};
use crate::grid::Grid;

/// A whole number.
pub(crate) trait Cell:
    Lanes + Eq + Into<u64> + TryFrom<u64> + Serialize + DeserializeOwned
{
    const ZERO: Self;
    const MAX: Self;
}

macro_rules! cells {
    ($($number:ty),*) => {
        $(impl Cell for $number {
            const ZERO: Self = 0;
            const MAX: Self = Self::MAX;
        })*
    };
}

cells!(u8, u16, u32, u64);

/// A column of rings.
///
/// Most keys count little, so that cells are narrow; a key that outgrows them goes on in wide
/// ones until it has paused for a whole ring. Counts are exact in both, up to the largest wide
/// one. The largest narrow one is no count: it says, in a key's first cell, that its counts are
/// wide.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ring<N, W, const LENGTH: usize> {
    narrow: Grid<N>,
    wide: HashMap<u32, Box<[W; LENGTH]>>,
}

impl<N: Cell, W: Cell, const LENGTH: usize> Ring<N, W, LENGTH> {
    pub(crate) fn new() -> Self {
        Self {
            narrow: Grid::new(LENGTH),
            wide: HashMap::new(),
        }
    }

    /// Carries everything into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self { narrow, wide } = self;
        archive.grid("narrow", narrow)?;
        let mut cells: BTreeMap<u32, Vec<W>> = wide
            .iter()
            .map(|(slot, cells)| (*slot, cells.to_vec()))
            .collect();
        archive.map("wide", &mut cells)?;
        *wide = cells
            .into_iter()
            .map(|(slot, cells)| match cells.try_into() {
                Ok(cells) => Ok((slot, cells)),
                Err(cells) => Err(SnapshotError::Version(format!(
                    "a ring has {} cells and not {LENGTH}",
                    Vec::<W>::len(&cells)
                ))),
            })
            .collect::<Result<_, _>>()?;
        Ok(())
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize) {
        self.narrow.begin(slot, N::ZERO);
        self.wide.remove(&(slot as u32));
    }

    /// Adds to a cell, up to the most that a wide one holds.
    pub(crate) fn add(&mut self, slot: usize, index: i64, amount: u64) {
        if amount == 0 {
            return;
        }
        let at = place::<LENGTH>(index);
        let row = self.narrow.row_mut(slot);
        if row[0] == N::MAX {
            if let Some(cells) = self.wide.get_mut(&(slot as u32)) {
                cells[at] = capped(cells[at].into().saturating_add(amount));
            }
            return;
        }
        let sum = row[at].into().saturating_add(amount);
        match N::try_from(sum) {
            Ok(cell) if cell != N::MAX => row[at] = cell,
            _ => {
                let mut cells = Box::new(std::array::from_fn(|at| capped(row[at].into())));
                cells[at] = capped(sum);
                row[0] = N::MAX;
                self.wide.insert(slot as u32, cells);
            }
        }
    }

    /// Returns a cell.
    pub(crate) fn get(&self, slot: usize, index: i64) -> u64 {
        let row = self.narrow.row(slot);
        if row[0] != N::MAX {
            return row[place::<LENGTH>(index)].into();
        }
        let wide = self.wide.get(&(slot as u32));
        wide.map_or(0, |cells| cells[place::<LENGTH>(index)].into())
    }

    /// Returns the sum of the cells from `first` up to and without `end`, at most a ring of them.
    pub(crate) fn sum(&self, slot: usize, first: i64, end: i64) -> u64 {
        let row = self.narrow.row(slot);
        if row[0] != N::MAX {
            return sum::<_, LENGTH>(row, first, end);
        }
        let wide = self.wide.get(&(slot as u32));
        wide.map_or(0, |cells| sum::<_, LENGTH>(&cells[..], first, end))
    }

    /// Clears the cells after `head` up to and with `newest`.
    pub(crate) fn clear(&mut self, slot: usize, head: i64, newest: i64) {
        let indices = (newest - LENGTH as i64 + 1).max(head + 1)..=newest;
        let row = self.narrow.row_mut(slot);
        if row[0] != N::MAX {
            for index in indices {
                row[place::<LENGTH>(index)] = N::ZERO;
            }
        } else if let Some(cells) = self.wide.get_mut(&(slot as u32)) {
            for index in indices {
                cells[place::<LENGTH>(index)] = W::ZERO;
            }
            if **cells == [W::ZERO; LENGTH] {
                self.begin(slot);
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        // A wide row has its entry in the table, and what the allocator adds.
        self.narrow.bytes()
            + self.wide.capacity() * 18
            + self.wide.len() * (LENGTH * size_of::<W>() + 16)
    }
}

fn capped<W: Cell>(sum: u64) -> W {
    W::try_from(sum).unwrap_or(W::MAX)
}

fn place<const LENGTH: usize>(index: i64) -> usize {
    index.rem_euclid(LENGTH as i64) as usize
}

fn sum<C: Cell, const LENGTH: usize>(cells: &[C], first: i64, end: i64) -> u64 {
    let (mut sum, mut at) = (0u64, place::<LENGTH>(first));
    for _ in first..end {
        sum = sum.saturating_add(cells[at].into());
        at = if at + 1 == LENGTH { 0 } else { at + 1 };
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_outgrows_its_cells_keeps_its_counts_and_returns_after_a_pause() {
        let mut ring = Ring::<u8, u16, 4>::new();
        ring.begin(0);
        ring.begin(1);
        ring.add(1, 5, 254);
        ring.add(1, 6, 3);
        assert_eq!(ring.wide.len(), 0);
        ring.add(1, 5, 1);
        assert_eq!((ring.wide.len(), ring.get(1, 5)), (1, 255));
        ring.add(1, 6, 70_000);
        assert_eq!((ring.get(1, 6), ring.sum(1, 4, 8)), (65_535, 65_790));
        assert_eq!(ring.sum(0, 4, 8), 0);
        ring.clear(1, 6, 9);
        assert_eq!((ring.wide.len(), ring.sum(1, 6, 10)), (1, 65_535));
        ring.clear(1, 9, 10);
        assert_eq!((ring.wide.len(), ring.sum(1, 7, 11)), (0, 0));
    }

    #[test]
    fn a_key_in_a_slot_that_was_given_back_begins_with_nothing() {
        let mut ring = Ring::<u8, u32, 4>::new();
        ring.begin(0);
        ring.add(0, 5, 70_000);
        ring.begin(0);
        ring.add(0, 6, 3);
        assert_eq!((ring.wide.len(), ring.sum(0, 4, 8)), (0, 3));
    }
}
