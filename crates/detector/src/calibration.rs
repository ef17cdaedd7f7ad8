//! How often a key does something as bad as this: peaks over a threshold, in episodes a day.
//!
//! Exceedances of the nominal rarity over [`Scale::threshold`] are de-clustered; their number and
//! mean excess, drawn to a prior, give the expected episodes a day as bad or worse
//! (Pickands 1975; Davison and Smith 1990). This is what an alert's budget is spent in.

use crate::grid::Grid;
use crate::windows::{METRICS, SCALES, Scale};

/// The mean excess of a key that nothing is known of, and the evidence that this and
/// [`Scale::prior_clusters_a_day`] are worth, in days and clusters.
const PRIOR_EXCESS: f64 = 2.0;
const PRIOR_DAYS: f64 = 3.0;
const PRIOR_CLUSTERS: f64 = 5.0;
const SMALLEST_EXCESS: f64 = 0.7;
/// Evidence halves in 21 days.
const HALF_LIFE_DAYS: f64 = 21.0;
/// From so many clusters on, their own sizes say how rare a larger one is.
const CLUSTERS_TO_KNOW_SIZES: f64 = 6.0;

/// One running cluster and the statistics of the ended ones, for one metric and scale.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tail {
    /// Decayed number of clusters and sum of their excesses.
    clusters: f32,
    excess: f32,
    /// Decayed sums of the logarithm of cluster size (peak over level) and its square.
    size: f32,
    size_squared: f32,
    /// The running cluster: its highest rarity and size, and the bucket of its last exceedance.
    peak: f32,
    peak_size: f32,
    last: i64,
}

/// The columns of the tails, and the decayed days each key has been watched.
pub(crate) struct Calibration {
    tails: [Grid<Tail>; METRICS],
    days: Grid<f64>,
    counted_to: Grid<i64>,
}

impl Calibration {
    pub(crate) fn new() -> Self {
        Self {
            tails: [(); METRICS].map(|()| Grid::new(SCALES)),
            days: Grid::new(1),
            counted_to: Grid::new(1),
        }
    }

    pub(crate) fn grow(&mut self, bucket: i64) {
        self.tails.iter_mut().for_each(Grid::grow);
        self.days.grow();
        self.counted_to.grow();
        let slot = self.days.rows() - 1;
        self.counted_to.row_mut(slot)[0] = bucket;
    }

    /// Lets time pass for a key: evidence fades, days add up, clusters end.
    pub(crate) fn pass(&mut self, slot: usize, bucket: i64) {
        let counted_to = self.counted_to.row(slot)[0];
        if bucket <= counted_to {
            return;
        }
        let days = (bucket - counted_to) as f64 / 144.0;
        let decay = 0.5f64.powf(days / HALF_LIFE_DAYS);
        self.days.row_mut(slot)[0] = self.days.row(slot)[0] * decay + days;
        self.counted_to.row_mut(slot)[0] = bucket;
        for tails in &mut self.tails {
            for (tail, scale) in tails.row_mut(slot).iter_mut().zip(Scale::ALL) {
                tail.clusters *= decay as f32;
                tail.excess *= decay as f32;
                tail.size *= decay as f32;
                tail.size_squared *= decay as f32;
                if tail.peak > 0.0 && bucket - tail.last > scale.cluster_gap_buckets() {
                    tail.clusters += 1.0;
                    tail.excess += tail.peak - scale.threshold() as f32;
                    tail.size += tail.peak_size;
                    tail.size_squared += tail.peak_size * tail.peak_size;
                    tail.peak = 0.0;
                    tail.peak_size = 0.0;
                }
            }
        }
    }

    /// Notes an exceedance of a closed window; `size` is the logarithm of count over level.
    pub(crate) fn note(
        &mut self,
        slot: usize,
        metric: usize,
        scale: Scale,
        bucket: i64,
        rarity: f64,
        size: f64,
    ) {
        if rarity <= scale.threshold() {
            return;
        }
        let tail = &mut self.tails[metric].row_mut(slot)[scale as usize];
        tail.peak = tail.peak.max(rarity.min(1e6) as f32);
        tail.peak_size = tail.peak_size.max(size as f32);
        tail.last = bucket;
    }

    /// Returns the expected episodes a day with a window as rare as `rarity` or rarer, or as
    /// large, where the key's own bursts have taught their sizes.
    pub(crate) fn episodes_per_day(
        &self,
        slot: usize,
        metric: usize,
        scale: Scale,
        rarity: f64,
        size: f64,
    ) -> f64 {
        if rarity <= scale.threshold() {
            // Below the threshold the question is not asked; an ordinary window is no episode.
            return f64::from(144u32 / scale.cluster_gap_buckets() as u32).max(1.0);
        }
        let tail = &self.tails[metric].row(slot)[scale as usize];
        let days = self.days.row(slot)[0];
        let clusters = f64::from(tail.clusters);
        let rate = (clusters + PRIOR_DAYS * scale.prior_clusters_a_day()) / (days + PRIOR_DAYS);
        if clusters >= CLUSTERS_TO_KNOW_SIZES {
            let mean = f64::from(tail.size) / clusters;
            let scatter = (f64::from(tail.size_squared) - clusters * mean * mean).max(0.0);
            let variance = (scatter + 4.0 * 0.2) / (clusters + 4.0);
            let z = (size - mean) / (variance * (1.0 + 1.0 / clusters)).sqrt();
            return rate
                * (-crate::tail::neg_ln_sf_normal(z.max(-5.0)))
                    .exp()
                    .max(1e-300);
        }
        let excess = ((f64::from(tail.excess) + PRIOR_CLUSTERS * PRIOR_EXCESS)
            / (clusters + PRIOR_CLUSTERS))
            .max(SMALLEST_EXCESS);
        rate * (-(rarity - scale.threshold()) / excess).exp().max(1e-300)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.tails.iter().map(Grid::bytes).sum::<usize>()
            + self.days.bytes()
            + self.counted_to.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after_weekly_bursts(weeks: i64) -> Calibration {
        let mut calibration = Calibration::new();
        calibration.grow(0);
        for day in 0..weeks * 7 {
            calibration.pass(0, day * 144 + 1);
            calibration.note(0, 0, Scale::TenMinutes, day * 144 + 1, 30.0, 3.0);
            calibration.pass(0, day * 144 + 60);
        }
        calibration
    }

    #[test]
    fn rarer_windows_are_rarer_episodes() {
        let mut calibration = Calibration::new();
        calibration.grow(0);
        calibration.pass(0, 30 * 144);
        let at = |rarity| calibration.episodes_per_day(0, 0, Scale::TenMinutes, rarity, 1.0);
        assert!(at(6.0) > at(10.0) && at(10.0) > at(40.0));
        assert!(at(40.0) < 1e-6);
    }

    #[test]
    fn a_key_that_bursts_every_day_is_believed_to_do_so_again() {
        let calibration = after_weekly_bursts(4);
        let usual = calibration.episodes_per_day(0, 0, Scale::TenMinutes, 30.0, 3.0);
        let tenfold =
            calibration.episodes_per_day(0, 0, Scale::TenMinutes, 300.0, 3.0 + 10f64.ln());
        assert!(usual > 0.2, "{usual}");
        assert!(tenfold < 0.005, "{tenfold}");
    }
}
