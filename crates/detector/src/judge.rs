//! How rare is this count? One window against one expectation.

use serde::{Deserialize, Serialize};

use crate::calibration::Rarity;
use crate::signal::{Scale, Signal};
use crate::tail::{neg_ln_sf_log_normal, neg_ln_sf_negative_binomial};

/// How much the slow expert is believed where the fast one is surprised.
const SLOW_SHARE: f64 = 0.01;

/// What is expected of one signal's window, in requests or their equivalents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Expected {
    /// The slow expert's mean, the peaks of the hour of the week included.
    pub(crate) slow: f32,
    /// The fast expert's mean, for windows of up to an hour.
    pub(crate) fast: f32,
    /// Variance = mean + dispersion × mean².
    pub(crate) dispersion: f32,
    /// Deviation of the logarithm.
    pub(crate) sd_ln: f32,
}

impl Expected {
    /// Returns the larger count that either expert would not find unusual: judging what does
    /// not exceed it is not worth the time.
    pub(crate) fn ordinary(&self) -> f64 {
        let mean = f64::from(self.slow.min(self.fast));
        1.0 + mean + 3.0 * (mean + f64::from(self.dispersion) * mean * mean).sqrt()
    }

    /// Returns the mean that a person is told.
    pub(crate) fn mean(&self) -> f64 {
        f64::from(self.slow)
    }

    /// Returns the range that holds 99 of 100 windows: a log-normal with the negative
    /// binomial's mean and variance.
    pub(crate) fn band(&self) -> (f64, f64) {
        let mean = self.mean();
        if mean <= 0.0 {
            return (0.0, 0.0);
        }
        let variance_ln = (1.0 + (1.0 / mean + f64::from(self.dispersion))).ln();
        let (median, spread) = (mean.ln() - variance_ln / 2.0, 2.576 * variance_ln.sqrt());
        ((median - spread).exp(), (median + spread).exp())
    }
}

/// Judges `observed` (in requests or their equivalents) in a window of the signal's scale.
///
/// Each expert's chance is the larger of a negative binomial and a log-normal tail: an
/// intersection-union bound, valid if either is right. The experts are mixed, so that a burst
/// that goes on, a session or a recovery explains itself at the price of `ln(1/share)`.
pub(crate) fn judge(expected: &Expected, signal: Signal, observed: f64) -> Rarity {
    let slow = f64::from(expected.slow);
    let size = ((observed + 0.5) / (slow + 0.5)).ln();
    let by_slow = expert(expected, slow, observed);
    if signal.scale() > Scale::Hour {
        return Rarity {
            nominal: by_slow,
            size,
        };
    }
    let by_fast = expert(expected, f64::from(expected.fast), observed);
    Rarity {
        nominal: mixed(by_fast, by_slow),
        size,
    }
}

/// Returns `-ln((1 - w) e^-fast + w e^-slow)` without leaving the logarithms.
fn mixed(by_fast: f64, by_slow: f64) -> f64 {
    let a = by_fast - (1.0 - SLOW_SHARE).ln();
    let b = by_slow - SLOW_SHARE.ln();
    let least = a.min(b);
    (least - ((least - a).exp() + (least - b).exp()).ln()).max(0.0)
}

fn expert(expected: &Expected, mean: f64, observed: f64) -> f64 {
    let counted = neg_ln_sf_negative_binomial(observed, mean, f64::from(expected.dispersion));
    // Beside the learned deviation stands the one of counting itself.
    let sd_ln = (f64::from(expected.sd_ln).powi(2) + 1.0 / (mean + 1.0)).sqrt();
    counted.min(neg_ln_sf_log_normal(observed, mean, sd_ln))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(slow: f32, fast: f32) -> Expected {
        Expected {
            slow,
            fast,
            dispersion: 0.1,
            sd_ln: 0.3,
        }
    }

    fn nominal(slow: f32, fast: f32, observed: f64) -> f64 {
        judge(&expected(slow, fast), Signal::Requests10m, observed).nominal
    }

    #[test]
    fn the_usual_is_common_and_a_spike_is_rare() {
        assert!(nominal(20.0, 20.0, 22.0) < 2.0);
        assert!(nominal(20.0, 20.0, 400.0) > 20.0);
    }

    #[test]
    fn a_burst_that_goes_on_explains_itself_at_a_price() {
        assert!(nominal(20.0, 400.0, 400.0) < 3.0);
        assert!(nominal(20.0, 0.5, 20.0) < 6.0);
    }

    #[test]
    fn rarity_grows_with_the_count() {
        let mut last = 0.0;
        for observed in 1..500 {
            let rarity = nominal(5.0, 9.0, f64::from(observed));
            assert!(rarity >= last - 1e-9, "{observed}: {rarity} after {last}");
            last = rarity;
        }
    }

    #[test]
    fn the_band_holds_the_mean() {
        for (mean, dispersion) in [(0.1, 0.3), (5.0, 0.1), (900.0, 2.0)] {
            let expected = Expected {
                slow: mean,
                dispersion,
                ..Expected::default()
            };
            let (low, high) = expected.band();
            assert!(low < expected.mean() && expected.mean() < high);
        }
        assert_eq!(Expected::default().band(), (0.0, 0.0));
    }
}
