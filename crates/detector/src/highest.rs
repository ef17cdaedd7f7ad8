//! The most a key has done in ten minutes and in an hour, slowly forgotten.
//!
//! Where nothing is known of who calls, a rise is measured against this and not against what is
//! usual at the hour: clients that sleep most of the day rise a thousandfold whenever they wake.

use columns::SnapshotError;

use crate::archive::Archive;
use crate::clock::BUCKETS_A_DAY;
use crate::grid::Grid;

/// The memory halves in fourteen days.
const HALF_LIFE_BUCKETS: f32 = 14.0 * BUCKETS_A_DAY as f32;
/// Under an alarm the memory grows at most by this factor: what repeats itself becomes known,
/// what happened once under an alarm hides little.
const ALARMED_FACTOR: f32 = 3.0;

/// The columns of the highest counts of requests.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Highest {
    /// In ten minutes, in an hour.
    counts: Grid<f32>,
}

impl Highest {
    pub(crate) fn new() -> Self {
        Self {
            counts: Grid::new(2),
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self { counts } = self;
        archive.grid("counts", counts)
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize) {
        self.counts.begin(slot, 0.0);
    }

    /// Takes what was kept for a key's own.
    pub(crate) fn warm(&mut self, slot: usize, kept: [f32; 2]) {
        self.counts.row_mut(slot).copy_from_slice(&kept);
    }

    /// Takes over what another key has shown.
    pub(crate) fn copy(&mut self, from: usize, to: usize) {
        let highest = self.get(from);
        self.counts.row_mut(to).copy_from_slice(&highest);
    }

    /// Learns the ten minutes and the hour that end with a closed bucket.
    pub(crate) fn learn(&mut self, slot: usize, counts: [f32; 2], is_alarmed: bool) {
        self.fade(slot, 1);
        for (highest, count) in self.counts.row_mut(slot).iter_mut().zip(counts) {
            let most = if is_alarmed {
                ALARMED_FACTOR * *highest
            } else {
                f32::INFINITY
            };
            *highest = highest.max(count.min(most));
        }
    }

    /// Lets buckets without usage pass.
    pub(crate) fn fade(&mut self, slot: usize, buckets: i64) {
        let kept = 0.5f32.powf(buckets as f32 / HALF_LIFE_BUCKETS);
        for highest in self.counts.row_mut(slot) {
            *highest *= kept;
        }
    }

    /// Returns the most in ten minutes and in an hour.
    pub(crate) fn get(&self, slot: usize) -> [f32; 2] {
        let row = self.counts.row(slot);
        [row[0], row[1]]
    }

    pub(crate) fn bytes(&self) -> usize {
        self.counts.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_is_remembered_and_fades() {
        let mut highest = Highest::new();
        highest.begin(0);
        highest.learn(0, [50.0, 90.0], false);
        highest.learn(0, [10.0, 60.0], false);
        let [ten_minutes, hour] = highest.get(0);
        assert!((49.9..50.0).contains(&ten_minutes) && (89.9..90.0).contains(&hour));
        highest.fade(0, 14 * BUCKETS_A_DAY);
        assert!((24.9..25.1).contains(&highest.get(0)[0]));
    }

    #[test]
    fn under_an_alarm_little_is_learned() {
        let mut highest = Highest::new();
        highest.begin(0);
        highest.learn(0, [50.0, 90.0], false);
        highest.learn(0, [5000.0, 9000.0], true);
        assert!(highest.get(0)[0] <= 150.0);
    }
}
