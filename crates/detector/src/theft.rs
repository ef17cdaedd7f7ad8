//! Slow theft: evidence that a key runs somewhat above its level, cumulated over days.
//!
//! A cumulative sum of log likelihood ratios over six-hour blocks (Page 1954), of a level of 1.8
//! (or 3) times the expected against one of 1.15 (or 1.3) times: the composite null keeps growth
//! and weather from alarming.

use columns::SnapshotError;

use crate::archive::Archive;
use crate::clock::{BUCKETS_AN_HOUR, hour_of};
use crate::grid::Grid;

/// Hours and buckets in a block.
pub(crate) const BLOCK_HOURS: i64 = 6;
pub(crate) const BLOCK_BUCKETS: i64 = BLOCK_HOURS * BUCKETS_AN_HOUR;

/// Null and alternative level, as multiples of the expected.
const ALTERNATIVES: [(f64, f64); 2] = [(1.15, 1.8), (1.3, 3.0)];
/// What one block adds or takes at most, in nats.
const ONE_BLOCK: std::ops::RangeInclusive<f64> = -4.0..=6.0;

/// The columns of cumulated evidence.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SlowThefts {
    sums: Grid<f32>,
    /// The last block that was counted.
    counted: Grid<i32>,
}

impl SlowThefts {
    pub(crate) fn new() -> Self {
        Self {
            sums: Grid::new(ALTERNATIVES.len()),
            counted: Grid::new(1),
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self { sums, counted } = self;
        archive.grid("sums", sums)?;
        archive.grid("counted", counted)
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize, bucket: i64) {
        self.sums.begin(slot, 0.0);
        self.counted.begin(slot, block_of(bucket) as i32);
    }

    /// Returns the last block that was counted.
    pub(crate) fn counted(&self, slot: usize) -> i64 {
        i64::from(self.counted.get(slot))
    }

    /// Counts a block that held `count` requests where `mean` were expected.
    pub(crate) fn count(
        &mut self,
        slot: usize,
        block: i64,
        count: f64,
        mean: f64,
        dispersion: f64,
    ) {
        let mean = mean.max(1e-3);
        let r = 1.0 / dispersion.max(0.003);
        for (sum, (null, alternative)) in self.sums.row_mut(slot).iter_mut().zip(ALTERNATIVES) {
            let (k0, k1) = (null * mean, alternative * mean);
            let ratio =
                count * (k1 * (k0 + r) / (k0 * (k1 + r))).ln() + r * ((k0 + r) / (k1 + r)).ln();
            let added = ratio.clamp(*ONE_BLOCK.start(), *ONE_BLOCK.end());
            *sum = (f64::from(*sum) + added).max(0.0) as f32;
        }
        self.counted.set(slot, block as i32);
    }

    /// Forgets everything up to a block: what came before says nothing about what comes.
    pub(crate) fn skip_to(&mut self, slot: usize, block: i64) {
        self.sums.row_mut(slot).fill(0.0);
        self.counted.set(slot, block as i32);
    }

    /// Returns the evidence in nats.
    pub(crate) fn evidence(&self, slot: usize) -> f64 {
        let sums = self.sums.row(slot);
        f64::from(sums.iter().copied().fold(0.0, f32::max))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.sums.bytes() + self.counted.bytes()
    }
}

/// Returns the block of a bucket.
pub(crate) fn block_of(bucket: i64) -> i64 {
    hour_of(bucket).div_euclid(BLOCK_HOURS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(factor: f64, blocks: i64) -> f64 {
        let mut thefts = SlowThefts::new();
        thefts.begin(0, 0);
        for block in 1..=blocks {
            thefts.count(0, block, 300.0 * factor, 300.0, 0.02);
        }
        thefts.evidence(0)
    }

    #[test]
    fn half_more_for_days_is_seen_and_growth_of_a_tenth_is_not() {
        assert_eq!(after(1.1, 40), 0.0);
        assert!(after(1.5, 10) > 8.0, "{}", after(1.5, 10));
        assert!(after(2.0, 4) > after(1.5, 4));
    }
}
