//! How sure one can be of a rate that was counted once: 95 % intervals.

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// Returns Wilson's score interval for `hits` of `trials` (Wilson 1927); `(0, 1)` without trials.
pub(crate) fn wilson(hits: usize, trials: usize) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let (hits, trials) = (hits as f64, trials as f64);
    let share = hits / trials;
    let centre = share + Z * Z / (2.0 * trials);
    let spread = Z * (share * (1.0 - share) / trials + Z * Z / (4.0 * trials * trials)).sqrt();
    let scale = 1.0 + Z * Z / trials;
    (
        ((centre - spread) / scale).max(0.0),
        ((centre + spread) / scale).min(1.0),
    )
}

/// Returns an interval for the mean of a Poisson count, by Byar's approximation (Breslow and
/// Day 1987, formula 2.13), which is within a percent of the exact limits from 1 on.
pub(crate) fn poisson(count: u64) -> (f64, f64) {
    let limit = |count: f64, z: f64| {
        let root = 1.0 - 1.0 / (9.0 * count) + z / (3.0 * count.sqrt());
        count * root.powi(3)
    };
    let low = match count {
        0 => 0.0,
        _ => limit(count as f64, -Z).max(0.0),
    };
    (low, limit(count as f64 + 1.0, Z))
}

/// Returns the quantile of `sorted` values, with a straight line between neighbours; `None`
/// where there are no values.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    let part = place - below as f64;
    Some(sorted[below] * (1.0 - part) + sorted[above] * part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(actual: f64, expected: f64, tolerance: f64) {
        assert!((actual - expected).abs() < tolerance, "{actual} {expected}");
    }

    #[test]
    fn wilson_agrees_with_published_values() {
        let (low, high) = wilson(5, 6);
        near(low, 0.4365, 0.001);
        near(high, 0.9699, 0.001);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        near(wilson(0, 10).0, 0.0, 1e-9);
        near(wilson(10, 10).1, 1.0, 1e-9);
    }

    #[test]
    fn poisson_is_near_the_exact_limits() {
        near(poisson(0).0, 0.0, 1e-9);
        near(poisson(0).1, 3.69, 0.05);
        near(poisson(10).0, 4.795, 0.05);
        near(poisson(10).1, 18.39, 0.05);
        near(poisson(100).0, 81.36, 0.1);
        near(poisson(100).1, 121.63, 0.1);
    }

    #[test]
    fn quantiles_lie_on_the_line_between_neighbours() {
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(quantile(&[3.0], 0.9), Some(3.0));
        assert_eq!(quantile(&[1.0, 2.0], 0.5), Some(1.5));
        near(quantile(&[0.0, 10.0, 20.0], 0.9).unwrap(), 18.0, 1e-9);
    }
}
