//! Log survival functions that never underflow.
//!
//! statrs serves as the reference where its survival functions are representable; its own
//! logarithm of them is minus infinity below 1e-308, which is where alerts live.

use std::f64::consts::{LN_2, PI};

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf::erfc;

/// Returns `-ln P(Z >= z)` of the standard normal distribution.
///
/// Beyond z = 6 by the asymptotic series of Mills' ratio (Abramowitz and Stegun 26.2.12).
pub fn neg_ln_sf_normal(z: f64) -> f64 {
    if z < 6.0 {
        return -(0.5 * erfc(z / std::f64::consts::SQRT_2)).ln();
    }
    z * z / 2.0 + (2.0 * PI).ln() / 2.0 - ln_mills_ratio(z)
}

/// Returns the logarithm of `(1 - Φ(z)) / φ(z)` for large `z`.
fn ln_mills_ratio(z: f64) -> f64 {
    let inverse_square = 1.0 / (z * z);
    let series = 1.0 - inverse_square * (1.0 - 3.0 * inverse_square * (1.0 - 5.0 * inverse_square));
    series.ln() - z.ln()
}

/// Returns `(1 - Φ(z)) / φ(z)`.
fn mills_ratio(z: f64) -> f64 {
    if z < 6.0 {
        let density = (-z * z / 2.0).exp() / (2.0 * PI).sqrt();
        0.5 * erfc(z / std::f64::consts::SQRT_2) / density
    } else {
        ln_mills_ratio(z).exp()
    }
}

/// Returns `-ln P(N >= n)` of the negative binomial distribution with the given mean and
/// variance `mean + dispersion * mean²`; `n` may be a fraction, for sums in units of a request.
///
/// Saddlepoint approximation with continuity correction (Lugannani and Rice 1980, Daniels
/// 1987). At or below the mean it returns 0: the tests are one-sided. No mean at all expects
/// nothing: any count is as rare as under the smallest mean that is told apart.
pub fn neg_ln_sf_negative_binomial(n: f64, mean: f64, dispersion: f64) -> f64 {
    if n <= 0.0 {
        return 0.0;
    }
    let mean = mean.max(1e-9);
    let r = 1.0 / dispersion.clamp(1e-6, 1e3);
    let x = if n > 1.0 { n - 0.5 } else { n * 0.5 };
    if x <= mean {
        return 0.0;
    }
    let q = mean / (mean + r);
    let t = (x / (q * (x + r))).ln();
    let k = r * ((1.0 - q) * (x + r) / r).ln();
    let w = (2.0 * (t * x - k)).max(0.0).sqrt();
    if w < 0.05 {
        return LN_2;
    }
    let u = 2.0 * (t / 2.0).sinh() * (x + x * x / r).sqrt();
    // 1/u + R(w) - 1/w; for large w the last two cancel and the series is used instead.
    let correction = if w > 6.0 {
        let s = 1.0 / (w * w);
        -(s / w) * (1.0 - 3.0 * s + 15.0 * s * s)
    } else {
        mills_ratio(w) - 1.0 / w
    };
    let factor = 1.0 / u + correction;
    let neg_ln = if factor > 0.0 {
        w * w / 2.0 + (2.0 * PI).ln() / 2.0 - factor.ln()
    } else {
        neg_ln_sf_normal(w)
    };
    neg_ln.max(0.0)
}

/// Returns `-ln P(X >= x)` of a log-normal distribution with median `mean` and deviation
/// `sd_ln` of the logarithm, on counts shifted by one so that an empty window has a logarithm.
pub fn neg_ln_sf_log_normal(x: f64, mean: f64, sd_ln: f64) -> f64 {
    if x <= mean {
        return 0.0;
    }
    neg_ln_sf_normal(((x + 1.0) / (mean + 1.0)).ln() / sd_ln.max(1e-3))
}

/// Returns `P(T >= t)` of Student's t distribution: what is left to chance when mean and
/// deviation are themselves estimates.
pub(crate) fn student_sf(t: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).map_or(1.0, |student| student.sf(t))
}

#[cfg(test)]
mod tests {
    use super::*;
    use statrs::distribution::{DiscreteCDF, NegativeBinomial};

    /// Sums the probabilities from `n` up in logarithms, term by term.
    fn exact(n: u64, mean: f64, dispersion: f64) -> f64 {
        let r = 1.0 / dispersion;
        let q = mean / (mean + r);
        let ln_gamma = statrs::function::gamma::ln_gamma;
        let ln_term = |k: u64| {
            let k = k as f64;
            ln_gamma(k + r) - ln_gamma(r) - ln_gamma(k + 1.0) + r * (1.0 - q).ln() + k * q.ln()
        };
        let first = ln_term(n);
        let (mut sum, mut k) = (0.0, n);
        loop {
            let term = (ln_term(k) - first).exp();
            sum += term;
            k += 1;
            if term < 1e-14 {
                return -(first + sum.ln());
            }
        }
    }

    #[test]
    fn negative_binomial_agrees_with_exact_sums_where_nothing_else_can() {
        for (n, mean, dispersion) in [
            (30u64, 10.0, 0.3),
            (200, 10.0, 0.3),
            (5, 0.5, 0.5),
            (3, 0.01, 1.0),
            (1500, 1000.0, 0.02),
            (30_000, 1000.0, 0.02),
            (2000, 3.0, 2.0),
        ] {
            let seen = neg_ln_sf_negative_binomial(n as f64, mean, dispersion);
            let wanted = exact(n, mean, dispersion);
            let slack = 0.05 + 0.002 * wanted;
            assert!(
                (seen - wanted).abs() < slack,
                "{n} {mean} {dispersion}: {seen} {wanted}"
            );
        }
        assert!(
            exact(30_000, 1000.0, 0.02) > 745.0,
            "one of them is beyond the smallest double"
        );
    }

    #[test]
    fn negative_binomial_agrees_with_statrs_where_it_is_representable() {
        let (mean, dispersion) = (20.0, 0.25);
        let r = 1.0 / dispersion;
        let reference = NegativeBinomial::new(r, r / (r + mean)).unwrap();
        for n in [25u64, 40, 80, 160] {
            let seen = neg_ln_sf_negative_binomial(n as f64, mean, dispersion);
            let wanted = -reference.sf(n - 1).ln();
            assert!((seen - wanted).abs() < 0.05, "{n}: {seen} {wanted}");
        }
    }

    #[test]
    fn rarity_grows_with_the_count() {
        for (mean, dispersion) in [(0.001, 0.3), (0.3, 5.0), (7.0, 0.01), (900.0, 0.3)] {
            let mut last = 0.0;
            for n in 1..2000 {
                let seen = neg_ln_sf_negative_binomial(f64::from(n), mean, dispersion);
                assert!(
                    seen >= last - 1e-6,
                    "{mean} {dispersion} at {n}: {seen} after {last}"
                );
                assert!(seen.is_finite());
                last = seen;
            }
        }
    }

    #[test]
    fn normal_tail_is_continuous_where_the_series_takes_over() {
        let gap = neg_ln_sf_normal(6.0 + 1e-9) - neg_ln_sf_normal(6.0 - 1e-9);
        assert!(gap.abs() < 1e-3, "{gap}");
        assert!((neg_ln_sf_normal(0.0) - LN_2).abs() < 1e-9);
        assert!((neg_ln_sf_normal(40.0) - 804.608).abs() < 0.01);
    }
}
