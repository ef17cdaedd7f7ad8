//! One round of judging a key: several tests, one budget.

use crate::episode::Worst;
use crate::windows::{NOVELTY, SCALES, VOLUMES};

/// Tests of volumes: each metric at each scale.
const TESTS: f64 = (VOLUMES * SCALES) as f64;

/// The part of the budget that is spent on volume and novelty together.
const FUSED_PART: f64 = 0.25;

/// Volume must be at least this unusual (episodes a day) for novelty to add to it: a key that
/// moves to another network with its usual volume is no incident by itself.
const SOME_VOLUME: f64 = 0.5;

/// Returns the share of the budget `alpha` that each test of a volume has.
pub(crate) fn share_of_test(alpha: f64) -> f64 {
    alpha * (1.0 - FUSED_PART) / TESTS
}

/// The rarest window of each family so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Round {
    volume: Option<Worst>,
    novelty: Option<Worst>,
}

impl Round {
    pub(crate) fn add(&mut self, worst: Worst) {
        let family = if worst.metric == NOVELTY {
            &mut self.novelty
        } else {
            &mut self.volume
        };
        if family.is_none_or(|known| worst.episodes_per_day < known.episodes_per_day) {
            *family = Some(worst);
        }
    }

    /// Returns the rarest volume if it, or it and the novelty beside it, is beyond the budget.
    ///
    /// The families are joined by Fisher's method (1932) on episodes a day, of which each has
    /// about one independent chance; the frequency returned is scaled back to one test's share,
    /// so that it compares with the others.
    pub(crate) fn beyond(&self, alpha: f64) -> Option<(Worst, Option<Worst>)> {
        let volume = self.volume?;
        if volume.episodes_per_day < share_of_test(alpha) {
            return Some((
                volume,
                self.novelty
                    .filter(|novelty| novelty.episodes_per_day < 1.0),
            ));
        }
        let novelty = self.novelty?;
        if volume.episodes_per_day > SOME_VOLUME || novelty.episodes_per_day >= 1.0 {
            return None;
        }
        // The best of a family's tests is worth less than one test alone.
        let volume_p = (volume.episodes_per_day * TESTS).min(1.0);
        let novelty_p = (novelty.episodes_per_day * SCALES as f64).min(1.0);
        let product = volume_p * novelty_p;
        let fused = product * (1.0 - product.ln());
        (fused < alpha * FUSED_PART).then(|| {
            let episodes_per_day = fused * share_of_test(1.0) / FUSED_PART;
            (
                Worst {
                    episodes_per_day,
                    ..volume
                },
                Some(novelty),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::Scale;

    fn found(metric: usize, episodes_per_day: f64) -> Worst {
        Worst {
            metric,
            scale: Scale::Hour,
            bucket: 1,
            observed: 40.0,
            expected: 4.0,
            low: 1.0,
            high: 12.0,
            rarity: 7.0,
            episodes_per_day,
        }
    }

    fn check(volume: f64, novelty: Option<f64>, expected: bool) {
        let mut round = Round::default();
        round.add(found(0, volume));
        if let Some(novelty) = novelty {
            round.add(found(NOVELTY, novelty));
        }
        let beyond = round.beyond(0.005);
        assert_eq!(
            beyond.is_some(),
            expected,
            "{volume} {novelty:?}: {beyond:?}"
        );
        if let Some((worst, _)) = beyond {
            assert!(
                worst.episodes_per_day < share_of_test(0.005) * 1.0001,
                "{worst:?}"
            );
        }
    }

    #[test]
    fn what_neither_shows_alone_is_found_together() {
        check(1e-5, None, true);
        check(1e-2, None, false);
        check(1e-2, Some(1e-5), true);
        check(1e-2, Some(1e-1), false);
        check(20.0, Some(1e-9), false);
    }
}
