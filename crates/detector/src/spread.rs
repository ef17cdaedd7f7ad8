//! How far a key's windows scatter around what is expected of them.

use columns::SnapshotError;
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::brief::Octaves;
use crate::grid::Grid;
use crate::signal::{COUNTS, Signal};

/// Dispersion (variance = mean + dispersion × mean²) and squared log residual before anything
/// is known, and how many windows of evidence that is worth.
const PRIOR_DISPERSION: f32 = 0.3;
const PRIOR_SQUARE: f32 = 0.25;
const PRIOR_WINDOWS: f32 = 20.0;
/// Counts beyond are taken for this: nothing that is squared here may overflow.
const LARGEST: f32 = 1e12;
/// The smallest weight of a window: a memory of some ten days of buckets.
const LEAST_WEIGHT: f32 = 1.0 / 1440.0;

/// The spreads of a key that is not used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BriefSpreads {
    dispersion: [Octaves; COUNTS],
    square: [Octaves; COUNTS],
    windows: u16,
}

/// The columns of spreads, for each signal that is a count.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spreads {
    dispersion: Grid<f32>,
    square: Grid<f32>,
    windows: Grid<u16>,
}

impl Spreads {
    pub(crate) fn new() -> Self {
        Self {
            dispersion: Grid::new(COUNTS),
            square: Grid::new(COUNTS),
            windows: Grid::new(1),
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            dispersion,
            square,
            windows,
        } = self;
        archive.grid("dispersion", dispersion)?;
        archive.grid("square", square)?;
        archive.grid("windows", windows)
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize) {
        self.dispersion.begin(slot, PRIOR_DISPERSION);
        self.square.begin(slot, PRIOR_SQUARE);
        self.windows.begin(slot, 0);
    }

    /// Returns a key's spreads in a few bytes.
    pub(crate) fn keep(&self, slot: usize) -> BriefSpreads {
        let brief = |grid: &Grid<f32>| {
            let row = grid.row(slot);
            std::array::from_fn(|at| Octaves::from(row[at]))
        };
        BriefSpreads {
            dispersion: brief(&self.dispersion),
            square: brief(&self.square),
            windows: self.windows.get(slot),
        }
    }

    /// Takes kept spreads for a key's own.
    pub(crate) fn warm(&mut self, slot: usize, kept: &BriefSpreads) {
        for (grid, kept) in [
            (&mut self.dispersion, kept.dispersion),
            (&mut self.square, kept.square),
        ] {
            let cells = grid.row_mut(slot).iter_mut();
            cells.zip(kept).for_each(|(cell, kept)| *cell = kept.get());
        }
        self.windows.set(slot, kept.windows);
    }

    /// Takes over what another key has learned.
    pub(crate) fn copy(&mut self, from: usize, to: usize) {
        for grid in [&mut self.dispersion, &mut self.square] {
            let row = grid.row(from).to_vec();
            grid.row_mut(to).copy_from_slice(&row);
        }
        self.windows.set(to, self.windows.get(from));
    }

    pub(crate) fn dispersion(&self, slot: usize, signal: Signal) -> f32 {
        self.dispersion.row(slot)[signal as usize].clamp(0.003, 60.0)
    }

    /// Returns the deviation of the logarithm of count over mean.
    pub(crate) fn sd_ln(&self, slot: usize, signal: Signal) -> f32 {
        self.square.row(slot)[signal as usize].sqrt().max(0.05)
    }

    /// Counts one more learned bucket.
    pub(crate) fn count(&mut self, slot: usize) {
        self.windows
            .set(slot, self.windows.get(slot).saturating_add(1));
    }

    /// Learns that a window held `count` where `mean` was expected.
    pub(crate) fn learn(
        &mut self,
        slot: usize,
        signal: Signal,
        (count, mean): (f32, f32),
        weight: f32,
    ) {
        let (count, mean) = (count.min(LARGEST), mean.clamp(1e-6, LARGEST));
        let share =
            (1.0 / (f32::from(self.windows.get(slot)) + PRIOR_WINDOWS)).max(LEAST_WEIGHT) * weight;
        // Windows with hardly anything expected say nothing about dispersion.
        let informed = (mean / (1.0 + mean)).powi(2);
        let excess = ((count - mean).powi(2) - mean) / (mean * mean);
        let dispersion = &mut self.dispersion.row_mut(slot)[signal as usize];
        // Clipped, so that one burst does not make the key blind.
        *dispersion += share * informed * (excess.clamp(-1.0, 25.0) - *dispersion);
        // Only what lies above counts: the tests are one-sided, and idle hours would make
        // the upper side look wild. For a symmetric spread the mean square is the same.
        let residual = ((count + 1.0) / (mean + 1.0)).ln().min(3.0);
        if residual > 0.0 {
            let square = &mut self.square.row_mut(slot)[signal as usize];
            *square += share * (residual * residual - *square);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.dispersion.bytes() + self.square.bytes() + self.windows.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steady_counts_have_little_spread_and_wild_ones_much() {
        let mut spreads = Spreads::new();
        spreads.begin(0);
        spreads.begin(1);
        for window in 0..2000 {
            let wild = if window % 10 == 0 { 100.0 } else { 2.0 };
            spreads.count(0);
            spreads.count(1);
            spreads.learn(0, Signal::Requests10m, (10.0, 10.0), 1.0);
            spreads.learn(1, Signal::Requests10m, (wild, 10.0), 1.0);
        }
        assert!(spreads.dispersion(0, Signal::Requests10m) < 0.01);
        assert!(spreads.dispersion(1, Signal::Requests10m) > 2.0);
        assert!(
            spreads.sd_ln(1, Signal::Requests10m) > 2.0 * spreads.sd_ln(0, Signal::Requests10m)
        );
    }
}
