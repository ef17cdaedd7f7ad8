//! Means and deviations that follow a key: of ten minutes, of what a request costs.

use columns::SnapshotError;

use crate::archive::Archive;
use crate::brief::Brief;
use crate::grid::Grid;

/// A column of decayed means and mean squared deviations.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments {
    /// Mean, mean squared deviation, evidence so far.
    cells: Grid<f32>,
    prior_square: f32,
    /// The smallest weight of one observation.
    least: f32,
}

impl Moments {
    /// Makes a column whose deviation is believed to be `prior_sd` and that remembers about
    /// `memory` observations.
    pub(crate) fn new(prior_sd: f32, memory: f32) -> Self {
        Self {
            cells: Grid::new(3),
            prior_square: prior_sd * prior_sd,
            least: 1.0 / memory,
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            cells,
            prior_square: _,
            least: _,
        } = self;
        archive.grid("cells", cells)
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize) {
        self.cells.begin(slot, 0.0);
        self.cells.row_mut(slot)[1] = self.prior_square;
    }

    /// Returns a key's moments in a few bytes.
    pub(crate) fn keep(&self, slot: usize) -> [Brief; 3] {
        let row = self.cells.row(slot);
        std::array::from_fn(|at| Brief::from(row[at]))
    }

    /// Takes kept moments for a key's own.
    pub(crate) fn warm(&mut self, slot: usize, kept: &[Brief; 3]) {
        let cells = self.cells.row_mut(slot).iter_mut();
        cells.zip(kept).for_each(|(cell, kept)| *cell = kept.get());
    }

    /// Takes over what another key has learned.
    pub(crate) fn copy(&mut self, from: usize, to: usize) {
        let row = self.cells.row(from).to_vec();
        self.cells.row_mut(to).copy_from_slice(&row);
    }

    /// Learns an observation.
    pub(crate) fn learn(&mut self, slot: usize, value: f32, weight: f32) {
        let row = self.cells.row_mut(slot);
        row[2] += weight;
        let share = (weight / (row[2] + 1.0)).max(self.least * weight).min(1.0);
        let from_mean = value - row[0];
        row[0] += if row[2] <= weight { 1.0 } else { share } * from_mean;
        if row[2] > weight {
            // The deviation is drawn to its prior by ten observations.
            let share = (weight / (row[2] + 10.0)).max(self.least * weight);
            row[1] += share * (from_mean * from_mean - row[1]);
        }
    }

    /// Takes a value for the mean; the deviation stays as it was.
    pub(crate) fn adopt(&mut self, slot: usize, value: f32) {
        self.cells.row_mut(slot)[0] = value;
    }

    /// Learns `count` observations of 0.
    pub(crate) fn learn_zeros(&mut self, slot: usize, count: i64) {
        let least = self.least;
        let row = self.cells.row_mut(slot);
        row[2] += count as f32;
        let kept = (1.0 - least).powf(count as f32);
        // Var = E[x²] - mean²; zeros only shrink both.
        let square = (row[1] + row[0] * row[0]) * kept;
        row[0] *= kept;
        row[1] = (square - row[0] * row[0]).max(0.0);
    }

    /// Returns mean, deviation and evidence.
    pub(crate) fn get(&self, slot: usize) -> (f32, f32, f32) {
        let row = self.cells.row(slot);
        (row[0], row[1].max(0.0).sqrt(), row[2])
    }

    pub(crate) fn bytes(&self) -> usize {
        self.cells.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_of_the_values() {
        let mut moments = Moments::new(1.0, 1000.0);
        moments.begin(0);
        for at in 0..2000 {
            moments.learn(0, if at % 2 == 0 { 8.0 } else { 12.0 }, 1.0);
        }
        let (mean, sd, _) = moments.get(0);
        assert!((mean - 10.0).abs() < 0.1, "{mean}");
        assert!((sd - 2.0).abs() < 0.1, "{sd}");
    }

    #[test]
    fn zeros_are_learned_together_as_one_by_one() {
        let mut moments = Moments::new(1.0, 1000.0);
        moments.begin(0);
        moments.begin(1);
        for slot in [0, 1] {
            (0..1500).for_each(|_| moments.learn(slot, 10.0, 1.0));
        }
        (0..500).for_each(|_| moments.learn(0, 0.0, 1.0));
        moments.learn_zeros(1, 500);
        let (one, two) = (moments.get(0), moments.get(1));
        assert!((one.0 - two.0).abs() < 0.3, "{one:?} {two:?}");
        assert!((one.1 - two.1).abs() < 0.5, "{one:?} {two:?}");
    }
}
