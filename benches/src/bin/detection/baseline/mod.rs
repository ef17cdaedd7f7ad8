//! The usual methods, each of which gives every window of ten minutes of one key a score.
//!
//! What is the same for all of them, and in their favour: they see complete windows, know from
//! when on a key exists, and their threshold is set on the run on which they are judged.

mod forest;
mod rolling_z;
mod seasonal_z;

use model::{Timestamp, Window};
use simulator::ScoredAlert;

pub(crate) use forest::{Forest, chosen_keys};
pub(crate) use rolling_z::RollingZ;
pub(crate) use seasonal_z::SeasonalZ;

use crate::sums::{Series, Sums, WIDTH};
use crate::workers;

/// How long a key is silent after an alert of a baseline.
const REFRACTORY: i64 = Timestamp::DAY;

/// The least that a standard deviation is taken for, in requests. Without it the first request
/// after a day of silence would be infinitely far off.
const LEAST_DEVIATION: f64 = 1.0;

/// A method that scores windows.
pub(crate) trait Baseline: Sync {
    /// Returns the name that is printed.
    fn name(&self) -> &'static str;

    /// Returns a finite score for each window of `series`, made from it and the windows before
    /// it; 0 or less where there is nothing to say.
    fn score(&self, series: &Series<'_>, salt: u64) -> Vec<f32>;
}

/// The scores of one key that may become alerts.
#[derive(Debug)]
pub(crate) struct KeyScores {
    pub(crate) key: String,
    /// The number of each window, counted from the epoch, and its score above 0; in order.
    pub(crate) points: Vec<(u32, f32)>,
}

/// Scores the windows inside of `scored` of the keys that `keep` keeps, two keys at a time.
pub(crate) fn score_keys(
    baseline: &dyn Baseline,
    sums: &Sums,
    scored: Window,
    salt: u64,
    keep: &dyn Fn(&str) -> bool,
) -> Vec<KeyScores> {
    let jobs: Vec<Series<'_>> = sums.series().filter(|series| keep(series.key)).collect();
    workers::two_at_once(jobs, |series| {
        let numbered = (series.first..).zip(baseline.score(&series, salt));
        let inside = |(number, score): (i64, f32)| {
            let start = Timestamp::from_millis(number * WIDTH);
            let is_scored = start >= scored.start && start.plus(WIDTH) <= scored.end;
            (is_scored && score > 0.0).then_some((u32::try_from(number).ok()?, score))
        };
        KeyScores {
            key: series.key.to_owned(),
            points: numbered.filter_map(inside).collect(),
        }
    })
}

/// Returns the alerts at a threshold: raised at the end of a window with that score or more, at
/// most one a key and day.
pub(crate) fn alerts(
    keys: &[KeyScores],
    threshold: f32,
) -> impl Iterator<Item = ScoredAlert> + use<'_> {
    keys.iter().flat_map(move |scores| {
        let mut silent_until = Timestamp::from_millis(i64::MIN);
        scores.points.iter().filter_map(move |&(number, score)| {
            let raised_at = Timestamp::from_millis((i64::from(number) + 1) * WIDTH);
            if score < threshold || raised_at < silent_until {
                return None;
            }
            silent_until = raised_at.plus(REFRACTORY);
            Some(ScoredAlert {
                key_ids: vec![scores.key.clone()],
                account: String::new(),
                raised_at,
            })
        })
    })
}

/// How far `count` lies above the mean of `history`, in standard deviations.
fn deviations(count: u64, history: Moments) -> f32 {
    ((count as f64 - history.mean()) / history.deviation().max(LEAST_DEVIATION)) as f32
}

/// The exact sums of some counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Moments {
    windows: usize,
    sum: u128,
    squares: u128,
}

impl Moments {
    fn add(&mut self, count: u64) {
        self.windows += 1;
        self.sum += u128::from(count);
        self.squares += u128::from(count).pow(2);
    }

    fn remove(&mut self, count: u64) {
        self.windows -= 1;
        self.sum -= u128::from(count);
        self.squares -= u128::from(count).pow(2);
    }

    fn mean(&self) -> f64 {
        self.sum as f64 / self.windows.max(1) as f64
    }

    /// Returns the standard deviation of a sample; 0 for fewer than two counts.
    fn deviation(&self) -> f64 {
        let windows = self.windows as u128;
        if windows < 2 {
            return 0.0;
        }
        // In integers, where no figure is lost: n Σx² − (Σx)² is never negative.
        let spread = windows * self.squares - self.sum.pow(2);
        (spread as f64 / (windows * (windows - 1)) as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_those_of_a_sample() {
        let mut moments = Moments::default();
        for count in [9, 2, 4, 4, 4, 5, 5, 7, 9] {
            moments.add(count);
        }
        moments.remove(9);
        assert_eq!((moments.windows, moments.mean()), (8, 5.0));
        assert!((moments.deviation() - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        assert_eq!(Moments::default().deviation(), 0.0);
    }

    #[test]
    fn a_steady_history_has_a_deviation_of_one_request() {
        let mut moments = Moments::default();
        (0..10).for_each(|_| moments.add(3));
        assert_eq!(deviations(10, moments), 7.0);
    }

    #[test]
    fn an_alert_comes_at_the_end_of_its_window_and_silences_its_key_for_a_day() {
        let scores = KeyScores {
            key: "key_1".into(),
            points: vec![(10, 5.0), (11, 9.0), (12, 9.0), (154, 9.0), (155, 9.0)],
        };
        let raised = |threshold| -> Vec<i64> {
            alerts(std::slice::from_ref(&scores), threshold)
                .map(|alert| alert.raised_at.millis() / WIDTH)
                .collect()
        };
        assert_eq!(raised(9.0), [12, 156]);
        assert_eq!(raised(5.0), [11, 155]);
        assert!(raised(9.5).is_empty());
    }
}
