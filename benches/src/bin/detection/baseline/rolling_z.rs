//! The z-score of a window against the windows just before it.

use super::{Baseline, Moments, deviations};
use crate::sums::{DAY, Series, WEEK};

/// The least history that is judged by: a day.
const LEAST_HISTORY: usize = DAY;

/// How many standard deviations a sum lies above the mean of the windows before it, the window
/// itself not among them. A standard deviation below one request counts as one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RollingZ {
    name: &'static str,
    windows: usize,
}

impl RollingZ {
    /// Against the last 24 hours.
    pub(crate) const DAY: Self = Self {
        name: "z 24 h",
        windows: DAY,
    };

    /// Against the last 7 days.
    pub(crate) const WEEK: Self = Self {
        name: "z 7 d",
        windows: WEEK,
    };
}

impl Baseline for RollingZ {
    fn name(&self) -> &'static str {
        self.name
    }

    fn score(&self, series: &Series<'_>, _salt: u64) -> Vec<f32> {
        let mut history = Moments::default();
        let score = |(at, &count): (usize, &u64)| {
            let score = match history.windows >= LEAST_HISTORY {
                true => deviations(count, history),
                false => 0.0,
            };
            history.add(count);
            if history.windows > self.windows {
                history.remove(series.counts[at - self.windows]);
            }
            score
        };
        series.counts.iter().enumerate().map(score).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(counts: &[u64]) -> Vec<f32> {
        let series = Series {
            key: "key_1",
            first: 0,
            counts,
        };
        RollingZ::DAY.score(&series, 0)
    }

    #[test]
    fn the_first_day_is_not_judged() {
        let mut counts = vec![0; DAY];
        counts[DAY - 1] = 1000;
        counts.push(1000);
        let scores = scores(&counts);
        assert!(scores[..DAY].iter().all(|score| *score == 0.0));
        // One of 144 windows holds 1000: mean 1000/144, deviation 1000/12.
        let expected = (1000.0 - 1000.0 / 144.0) / (1000.0 / 12.0);
        assert!((scores[DAY] - expected).abs() < 1e-3, "{}", scores[DAY]);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut counts = vec![0; 2 * DAY + 2];
        counts[0] = 1_000_000;
        counts[DAY + 1] = 7;
        let scores = scores(&counts);
        assert_eq!(scores[DAY + 1], 7.0);
        assert!(scores[DAY] < 0.0);
    }
}
