//! The threshold at which a baseline has as many false alerts as it may.

/// Returns the lowest positive threshold at which `false_alerts` are at most `allowed`.
///
/// Bisects on the bits of the number: positive floats are ordered as their bits are, so 31
/// counts settle it exactly. Counts fall with the threshold but for the silence after an alert,
/// by which a higher one can now and then have one more; the count at what is returned is
/// allowed in any case.
pub(crate) fn lowest(allowed: u64, mut false_alerts: impl FnMut(f32) -> u64) -> f32 {
    let (mut low, mut high) = (1, f32::INFINITY.to_bits());
    while low < high {
        let middle = low + (high - low) / 2;
        if false_alerts(f32::from_bits(middle)) <= allowed {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    f32::from_bits(high)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(scores: &[f32], allowed: u64, expected_alerts: usize) {
        let at = |threshold: f32| scores.iter().filter(|score| **score >= threshold).count();
        let threshold = lowest(allowed, |threshold| at(threshold) as u64);
        assert_eq!(at(threshold), expected_alerts, "{allowed}: {threshold}");
        let below = f32::from_bits(threshold.to_bits() - 1);
        assert!(below == 0.0 || at(below) as u64 > allowed, "{threshold}");
    }

    #[test]
    fn as_many_as_allowed_are_raised() {
        let scores = [0.5, 3.0, 4.0, 1e9, 77_000.0];
        for allowed in 0..=5 {
            check(&scores, allowed, allowed as usize);
        }
        check(&scores, 100, 5);
    }

    #[test]
    fn equal_scores_are_raised_together_or_not_at_all() {
        check(&[2.0, 2.0, 2.0, 9.0], 2, 1);
        check(&[2.0, 2.0, 2.0, 9.0], 0, 0);
        check(&[], 0, 0);
    }
}
