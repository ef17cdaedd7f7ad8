//! How rare is this count? One window against one prediction.

use crate::baseline::Prediction;
use crate::tail::{neg_ln_sf_log_normal, neg_ln_sf_negative_binomial};
use crate::windows::Scale;

/// How much the slow expert is believed where the fast one is surprised.
const SLOW_SHARE: f64 = 0.01;

/// One judged window, in the unit of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    /// The negative natural logarithm of the chance to see this much or more.
    pub(crate) rarity: f64,
    /// What was seen.
    pub(crate) observed: f64,
    /// What was expected.
    pub(crate) expected: f64,
    /// The logarithm of observed over the slow level's expectation: how large a burst is.
    pub(crate) size: f64,
}

/// Judges `observed` (in units of a request) in the window of `scale`.
///
/// Each expert's chance is the larger of a negative binomial and a log-normal tail: an
/// intersection-union bound, valid if either is right. The experts are mixed, so that a burst
/// that goes on, a session or a recovery explains itself at the price of `ln(1/share)`.
pub(crate) fn judge(prediction: &Prediction, scale: Scale, observed: f64) -> Verdict {
    let at = scale as usize;
    let (slow, fast) = (
        f64::from(prediction.slow[at]),
        f64::from(prediction.fast[at]),
    );
    let size = ((observed + 0.5) / (slow + 0.5)).ln();
    let slow_rarity = expert(prediction, at, slow, observed);
    if !Scale::EARLY.contains(&scale) {
        return Verdict {
            rarity: slow_rarity,
            observed,
            expected: slow,
            size,
        };
    }
    let fast_rarity = expert(prediction, at, fast, observed);
    // -ln((1 - w) e^-fast + w e^-slow), without leaving the logarithms.
    let a = -(1.0 - SLOW_SHARE).ln() + fast_rarity;
    let b = -SLOW_SHARE.ln() + slow_rarity;
    let least = a.min(b);
    let rarity = least - ((least - a).exp() + (least - b).exp()).ln();
    Verdict {
        rarity: rarity.max(0.0),
        observed,
        expected: fast.max(slow.min(fast)),
        size,
    }
}

fn expert(prediction: &Prediction, at: usize, mean: f64, observed: f64) -> f64 {
    let dispersion = f64::from(prediction.dispersion[at]);
    let counted = neg_ln_sf_negative_binomial(observed, mean, dispersion);
    // Beside the learned deviation stands the one of counting itself.
    let sd_ln = (f64::from(prediction.sd_ln[at]).powi(2) + 1.0 / (mean + 1.0)).sqrt();
    counted.min(neg_ln_sf_log_normal(observed, mean, sd_ln))
}

/// Returns whether a count is so far above the expected that judging it is worth the time.
pub(crate) fn worth_judging(prediction: &Prediction, scale: Scale, observed: f64) -> bool {
    let at = scale as usize;
    let mean = f64::from(prediction.slow[at].min(prediction.fast[at]));
    observed > 1.0 + mean + 3.0 * (mean + f64::from(prediction.dispersion[at]) * mean * mean).sqrt()
}

/// Returns the range that holds 99 of 100 windows: a log-normal with the negative binomial's
/// mean and variance.
pub(crate) fn band(mean: f64, dispersion: f64) -> (f64, f64) {
    if mean <= 0.0 {
        return (0.0, 0.0);
    }
    let variance_ln = (1.0 + (1.0 / mean + dispersion)).ln();
    let (median, spread) = (mean.ln() - variance_ln / 2.0, 2.576 * variance_ln.sqrt());
    ((median - spread).exp(), (median + spread).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(slow: f32, fast: f32) -> Prediction {
        Prediction {
            slow: [slow; 4],
            fast: [fast; 4],
            dispersion: [0.1; 4],
            sd_ln: [0.3; 4],
            unit: 1.0,
            ..Prediction::default()
        }
    }

    #[test]
    fn the_usual_is_common_and_a_spike_is_rare() {
        let usual = judge(&prediction(20.0, 20.0), Scale::TenMinutes, 22.0);
        let spike = judge(&prediction(20.0, 20.0), Scale::TenMinutes, 400.0);
        assert!(usual.rarity < 2.0, "{usual:?}");
        assert!(spike.rarity > 20.0, "{spike:?}");
    }

    #[test]
    fn a_burst_that_goes_on_explains_itself_at_a_price() {
        let burst = judge(&prediction(20.0, 400.0), Scale::TenMinutes, 400.0);
        assert!(burst.rarity < 3.0, "{burst:?}");
        let usual_after_silence = judge(&prediction(20.0, 0.5), Scale::TenMinutes, 20.0);
        assert!(usual_after_silence.rarity < 6.0, "{usual_after_silence:?}");
    }

    #[test]
    fn the_band_holds_the_mean() {
        for (mean, dispersion) in [(0.1, 0.3), (5.0, 0.1), (900.0, 2.0)] {
            let (low, high) = band(mean, dispersion);
            assert!(low < mean && mean < high, "{low} {mean} {high}");
        }
        assert_eq!(band(0.0, 1.0), (0.0, 0.0));
    }
}
