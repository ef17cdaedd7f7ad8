//! Randomness by name: one stream for each seed, purpose, kind and number.
//!
//! No two parts share a stream, so a new kind of key, or one more draw in one place,
//! leaves everything else as it was.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution, Exp, Gamma, LogNormal, Normal, Poisson};

/// The one generator of the crate; its stream is the same on every machine.
pub(crate) type Rng = ChaCha8Rng;

/// Returns the stream of (`seed`, `purpose`, `kind`, `number`).
pub(crate) fn stream(seed: u64, purpose: &str, kind: &str, number: u64) -> Rng {
    let mut state = seed ^ digest(&[purpose, kind], number);
    let mut bytes = [0u8; 32];
    for chunk in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        chunk.copy_from_slice(&scramble(state).to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}

/// Returns 64 bits that stand for `words` and `number` (FNV-1a, then scrambled).
pub(crate) fn digest(words: &[&str], number: u64) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut eat = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    for word in words {
        word.bytes().for_each(&mut eat);
        eat(0xff); // A byte that UTF-8 never has keeps ("ab", "c") apart from ("a", "bc").
    }
    number.to_le_bytes().into_iter().for_each(eat);
    scramble(hash)
}

/// The output step of SplitMix64: one to one, so that distinct inputs stay distinct.
pub(crate) const fn scramble(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Draws evenly from `[low, high)`; `low` where the range is empty.
pub(crate) fn between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// Draws from `[low, high)` with an even logarithm; both ends must be positive.
pub(crate) fn log_between(rng: &mut Rng, low: f64, high: f64) -> f64 {
    debug_assert!(low > 0.0 && high > 0.0);
    between(rng, low.ln(), high.ln()).exp()
}

/// Draws whether something of this chance happens.
pub(crate) fn happens(rng: &mut Rng, chance: f64) -> bool {
    rng.random::<f64>() < chance
}

/// Draws one item; `items` must not be empty.
pub(crate) fn pick<T: Copy>(rng: &mut Rng, items: &[T]) -> T {
    items[rng.random_range(0..items.len())]
}

/// Draws a normal value.
pub(crate) fn normal(rng: &mut Rng, mean: f64, sigma: f64) -> f64 {
    Normal::new(mean, sigma).map_or(mean, |normal| normal.sample(rng))
}

/// Draws a log-normal value of this mean and coefficient of variation.
pub(crate) fn log_normal(rng: &mut Rng, mean: f64, variation: f64) -> f64 {
    LogNormal::from_mean_cv(mean, variation).map_or(mean, |normal| normal.sample(rng))
}

/// Draws a gamma value of this mean and shape; large shapes vary less.
pub(crate) fn gamma(rng: &mut Rng, mean: f64, shape: f64) -> f64 {
    Gamma::new(shape, mean / shape).map_or(mean, |gamma| gamma.sample(rng))
}

/// Draws the time to the next of events that come every `mean` on average.
pub(crate) fn wait(rng: &mut Rng, mean: f64) -> f64 {
    Exp::new(1.0 / mean).map_or(mean, |exp| exp.sample(rng))
}

/// Draws a Poisson count; 0 where the mean is 0.
pub(crate) fn poisson(rng: &mut Rng, mean: f64) -> u32 {
    if mean <= 0.0 {
        return 0;
    }
    Poisson::new(mean).map_or(0.0, |poisson: Poisson<f64>| poisson.sample(rng)) as u32
}

/// Draws how many of `count` happen, each with this chance.
pub(crate) fn binomial(rng: &mut Rng, count: u32, chance: f64) -> u32 {
    match count {
        0 => 0,
        1 => u32::from(happens(rng, chance)),
        _ => Binomial::new(u64::from(count), chance.clamp(0.0, 1.0))
            .map_or(0, |binomial| binomial.sample(rng) as u32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_every_part_of_their_name() {
        let first =
            |seed, purpose, kind, number| stream(seed, purpose, kind, number).random::<u64>();
        let base = first(1, "traffic", "service", 0);
        assert_eq!(base, first(1, "traffic", "service", 0));
        for other in [
            first(2, "traffic", "service", 0),
            first(1, "tokens", "service", 0),
            first(1, "traffic", "servic", 0),
            first(1, "traffic", "service", 1),
            first(1, "traffics", "ervice", 0),
        ] {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn draws_have_the_mean_they_promise() {
        let mut rng = stream(7, "test", "means", 0);
        let mut mean = |draw: &dyn Fn(&mut Rng) -> f64| {
            (0..4000).map(|_| draw(&mut rng)).sum::<f64>() / 4000.0
        };
        assert!((mean(&|rng| log_normal(rng, 100.0, 1.0)) - 100.0).abs() < 8.0);
        assert!((mean(&|rng| gamma(rng, 3.0, 10.0)) - 3.0).abs() < 0.1);
        assert!((mean(&|rng| f64::from(poisson(rng, 2.5))) - 2.5).abs() < 0.15);
        assert!((mean(&|rng| f64::from(binomial(rng, 40, 0.25))) - 10.0).abs() < 0.3);
        assert!((mean(&|rng| wait(rng, 5.0)) - 5.0).abs() < 0.5);
    }

    #[test]
    fn edge_cases_of_counts_are_zero() {
        let mut rng = stream(7, "test", "edges", 0);
        assert_eq!(poisson(&mut rng, 0.0), 0);
        assert_eq!(poisson(&mut rng, -1.0), 0);
        assert_eq!(binomial(&mut rng, 0, 0.5), 0);
        assert_eq!(binomial(&mut rng, 9, 0.0), 0);
    }
}
