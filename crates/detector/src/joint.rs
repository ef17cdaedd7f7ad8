//! What families of evidence say together.

/// Chances above this do not count for anything.
const TRUNCATED_AT: f64 = 0.1;

/// Returns `-ln` of the chance that independent families together are as unusual as this, by
/// the truncated product of their chances (Zaykin, Zhivotovsky, Westfall and Weir 2002): only
/// chances up to a tenth count, so that a family with nothing to say costs little.
///
/// The families are not quite independent; the result is a statistic whose own tail is
/// calibrated, not a promise.
pub(crate) fn truncated_product(chances: &[f64]) -> f64 {
    let families = chances.len() as i32;
    let ln_product: f64 = chances
        .iter()
        .filter(|&&chance| chance <= TRUNCATED_AT)
        .map(|chance| chance.max(1e-300).ln())
        .sum();
    if ln_product == 0.0 {
        return 0.0;
    }
    let ln_truncated = TRUNCATED_AT.ln();
    let mut ln_terms = [f64::NEG_INFINITY; 16];
    let mut choose = 1.0f64;
    for small in 1..=families {
        choose *= f64::from(families - small + 1) / f64::from(small);
        let ln_weight = choose.ln() + f64::from(families - small) * (1.0 - TRUNCATED_AT).ln();
        // P(product of `small` uniforms on (0, τ) <= w), times τ^small.
        let excess = f64::from(small) * ln_truncated - ln_product;
        let ln_chance = if excess <= 0.0 {
            f64::from(small) * ln_truncated
        } else {
            let (mut term, mut sum) = (1.0, 1.0);
            for s in 1..small {
                term *= excess / f64::from(s);
                sum += term;
            }
            ln_product + sum.ln()
        };
        ln_terms[small as usize & 15] = ln_weight + ln_chance;
    }
    let largest = ln_terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = ln_terms.iter().map(|ln| (ln - largest).exp()).sum();
    (-(largest + sum.ln())).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chance(chances: &[f64]) -> f64 {
        (-truncated_product(chances)).exp()
    }

    #[test]
    fn one_family_says_what_it_says_alone() {
        assert!((chance(&[0.01]) - 0.01).abs() < 1e-9);
        assert_eq!(truncated_product(&[0.5]), 0.0);
    }

    #[test]
    fn what_none_says_alone_they_say_together() {
        let together = chance(&[0.02, 0.01, 0.02, 1.0]);
        assert!(together < 1e-3, "{together}");
        assert!(together > 0.02 * 0.01 * 0.02);
    }

    #[test]
    fn silent_families_cost_little() {
        let (few, many) = (chance(&[1e-3, 1.0]), chance(&[1e-3, 1.0, 1.0, 1.0, 1.0]));
        assert!(many < 8.0 * few, "{few} {many}");
    }

    /// The formula against a count of 2 × 10^5 draws of a fixed generator.
    #[test]
    fn under_chance_alone_it_is_as_rare_as_it_says() {
        let mut state = 1u64;
        let mut uniform = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 11) as f64 + 0.5) / (1u64 << 53) as f64
        };
        let (draws, mut below) = (200_000, [0u32; 3]);
        for _ in 0..draws {
            let chances = [uniform(), uniform(), uniform(), uniform()];
            let joint = chance(&chances);
            for (count, level) in below.iter_mut().zip([0.1, 0.01, 0.001]) {
                *count += u32::from(joint <= level);
            }
        }
        for (count, level) in below.into_iter().zip([0.1, 0.01, 0.001]) {
            let seen = f64::from(count) / f64::from(draws);
            assert!((seen / level - 1.0).abs() < 0.15, "{level}: {seen}");
        }
    }
}
