//! The z-score of a window against the same hour of the week in the weeks before.

use super::{Baseline, Moments, deviations};
use crate::sums::{HOUR, Series, WEEK};

/// The least history that is judged by: the hour in two weeks.
const LEAST_HISTORY: usize = 2 * HOUR;

/// How many standard deviations a sum lies above the mean of the six windows of the same hour of
/// the week in all weeks before. A standard deviation below one request counts as one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeasonalZ;

impl Baseline for SeasonalZ {
    fn name(&self) -> &'static str {
        "seasonal z"
    }

    fn score(&self, series: &Series<'_>, _salt: u64) -> Vec<f32> {
        // The place of the first window in its hour; hours and weeks are aligned to the clock.
        let phase = series.first.rem_euclid(HOUR as i64) as usize;
        let score = |(at, &count): (usize, &u64)| {
            let history = same_hour_before(series.counts, at, phase);
            match history.windows >= LEAST_HISTORY {
                true => deviations(count, history),
                false => 0.0,
            }
        };
        series.counts.iter().enumerate().map(score).collect()
    }
}

fn same_hour_before(counts: &[u64], at: usize, phase: usize) -> Moments {
    let mut history = Moments::default();
    // Counted from the beginning of the series' first hour, which may lie before the series.
    let hour = (at + phase) / HOUR * HOUR;
    for weeks in 1..=hour / WEEK {
        let start = hour - weeks * WEEK;
        let windows = (start..start + HOUR).filter_map(|window| window.checked_sub(phase));
        windows.for_each(|window| history.add(counts[window]));
    }
    history
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_hour_of_earlier_weeks_is_the_history() {
        let mut counts = vec![0; 3 * WEEK];
        for (place, count) in [(0, 1), (5, 2), (6, 100), (WEEK, 3), (WEEK + 5, 4)] {
            counts[place] = count;
        }
        let history = same_hour_before(&counts, 2 * WEEK + 3, 0);
        assert_eq!((history.windows, history.sum), (12, 10));
        assert_eq!(same_hour_before(&counts, WEEK - 1, 0), Moments::default());
    }

    #[test]
    fn hours_are_those_of_the_clock_not_of_the_series() {
        let mut counts = vec![0; 3 * WEEK];
        counts[0] = 1;
        counts[1] = 1;
        counts[2] = 100;
        // The series begins four windows into an hour: two windows of it are left.
        let history = same_hour_before(&counts, WEEK, 4);
        assert_eq!((history.windows, history.sum), (2, 2));
        assert_eq!(same_hour_before(&counts, WEEK + 2, 4).sum, 100);
    }

    #[test]
    fn a_weekly_peak_is_no_surprise_in_the_third_week() {
        let mut counts = vec![0; 3 * WEEK];
        for week in 0..3 {
            counts[week * WEEK..week * WEEK + HOUR].fill(50);
        }
        counts[2 * WEEK + HOUR] = 50;
        let series = Series {
            key: "key_1",
            first: 0,
            counts: &counts,
        };
        let scores = SeasonalZ.score(&series, 0);
        assert_eq!(scores[WEEK + HOUR], 0.0);
        assert_eq!(scores[2 * WEEK], 0.0);
        assert_eq!(scores[2 * WEEK + HOUR], 50.0);
    }
}
