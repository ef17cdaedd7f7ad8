//! How long requests are: four shapes, and each key's own version of one.

use model::{Timestamp, Window};
use rand::RngExt;

use crate::chance::{self, Rng};
use crate::event::Operation;

/// A sort of request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// The operation on the wire.
    pub(crate) operation: Operation,
    /// Mean input tokens.
    pub(crate) input: u32,
    /// Mean output tokens.
    pub(crate) output: u32,
}

/// Classifier, chat, retrieval and agent.
pub(crate) const SHAPES: [Shape; 4] = [
    Shape {
        operation: Operation::TextCompletion,
        input: 500,
        output: 25,
    },
    Shape {
        operation: Operation::Chat,
        input: 1100,
        output: 260,
    },
    Shape {
        operation: Operation::Chat,
        input: 6000,
        output: 400,
    },
    Shape {
        operation: Operation::Chat,
        input: 22_000,
        output: 700,
    },
];

/// Above this many requests their sum is drawn at once, as a gamma value of the same mean
/// and variance: the exact sum would cost two draws a request and look the same.
const EXACT: u32 = 12;

/// The token lengths of one caller.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    shape: usize,
    input_mean: f64,
    output_mean: f64,
    /// The coefficient of variation.
    variation: f64,
    start: Timestamp,
    drift_per_day: f64,
    /// When the prompt changed, and how much longer the input is since.
    prompt_change: Option<(Timestamp, f64)>,
    /// When a new version of the program began to send longer or shorter requests, and by
    /// what factor.
    deploy: Option<(Timestamp, f64)>,
    /// The share of very long prompts.
    long_share: f64,
}

impl Tokens {
    /// Draws an owner's lengths for `span`.
    pub(crate) fn draw(rng: &mut Rng, span: Window) -> Self {
        let shape = match rng.random::<f64>() {
            share if share < 0.25 => 0,
            share if share < 0.65 => 1,
            share if share < 0.9 => 2,
            _ => 3,
        };
        let changes = chance::happens(rng, 0.25);
        let change_at = chance::between(rng, 0.0, span.width_millis() as f64) as i64;
        let longer = chance::log_between(rng, 0.6, 1.7);
        Self {
            shape,
            input_mean: f64::from(SHAPES[shape].input) * chance::log_normal(rng, 1.0, 0.25),
            output_mean: f64::from(SHAPES[shape].output) * chance::log_normal(rng, 1.0, 0.25),
            variation: chance::between(rng, 0.6, 1.8),
            start: span.start,
            drift_per_day: chance::normal(rng, 0.0, 0.003).clamp(-0.008, 0.008),
            prompt_change: changes.then(|| (span.start.plus(change_at), longer)),
            deploy: None,
            long_share: chance::log_between(rng, 0.0002, 0.003),
        }
    }

    /// Returns the operation on the wire.
    pub(crate) const fn operation(&self) -> Operation {
        SHAPES[self.shape].operation
    }

    /// Returns the same lengths, `factor` times as long.
    pub(crate) fn scaled(&self, factor: f64) -> Self {
        Self {
            input_mean: self.input_mean * factor,
            output_mean: self.output_mean * factor,
            ..self.clone()
        }
    }

    /// Returns lengths of about `input` tokens in and `output` out, without the very long.
    pub(crate) fn about(&self, input: f64, output: f64) -> Self {
        Self {
            input_mean: input,
            output_mean: output,
            variation: 0.1,
            drift_per_day: 0.0,
            prompt_change: None,
            deploy: None,
            long_share: 0.0,
            ..self.clone()
        }
    }

    /// Makes requests `factor` times as long from `time` on, input and output.
    pub(crate) fn deploy(&mut self, time: Timestamp, factor: f64) {
        self.deploy = Some((time, factor));
    }

    /// Returns the mean input and output tokens at `time`.
    pub(crate) fn means(&self, time: Timestamp) -> (f64, f64) {
        let days = (time.millis() - self.start.millis()) as f64 / Timestamp::DAY as f64;
        let drift = (1.0 + self.drift_per_day).powf(days);
        let since = |change: Option<(Timestamp, f64)>| {
            change
                .filter(|(changed, _)| *changed <= time)
                .map_or(1.0, |(_, longer)| longer)
        };
        // Times 1.0 changes no bit, so whoever deploys nothing is as before.
        let drift = drift * since(self.deploy);
        let prompt = since(self.prompt_change);
        (self.input_mean * drift * prompt, self.output_mean * drift)
    }

    /// Draws the input and output tokens of so many requests.
    pub(crate) fn sum(&self, requests: u32, time: Timestamp, rng: &mut Rng) -> (u64, u64) {
        let (input_mean, output_mean) = self.means(time);
        let long = chance::binomial(rng, requests, self.long_share);
        let mut input = self.total(requests - long, input_mean, rng);
        for _ in 0..long {
            let factor = chance::log_between(rng, 6.0, 20.0);
            input += (input_mean * factor).min(180_000.0);
        }
        let output = self.total(requests, output_mean, rng);
        let least = f64::from(requests);
        (
            input.round().max(least) as u64,
            output.round().max(least) as u64,
        )
    }

    fn total(&self, requests: u32, mean: f64, rng: &mut Rng) -> f64 {
        if requests > EXACT {
            let shape = f64::from(requests) / (self.variation * self.variation);
            return chance::gamma(rng, mean * f64::from(requests), shape);
        }
        (0..requests)
            .map(|_| chance::log_normal(rng, mean, self.variation))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(number: u64) -> (Tokens, Rng) {
        let start = Timestamp::parse("2026-04-06T00:00:00Z").unwrap();
        let end = start.plus(35 * Timestamp::DAY);
        let mut rng = chance::stream(5, "test", "tokens", number);
        (Tokens::draw(&mut rng, Window { start, end }), rng)
    }

    #[test]
    fn sums_at_once_and_one_by_one_have_the_same_mean() {
        let (tokens, mut rng) = tokens(1);
        let mean = |requests: u32, times: u32, rng: &mut Rng| {
            let sums = (0..times).map(|_| tokens.sum(requests, tokens.start, rng).0 as f64);
            sums.sum::<f64>() / f64::from(requests * times)
        };
        let single = mean(1, 20_000, &mut rng);
        let many = mean(200, 100, &mut rng);
        assert!((single / many - 1.0).abs() < 0.08, "{single} {many}");
    }

    #[test]
    fn every_request_has_tokens() {
        for number in 0..20 {
            let (tokens, mut rng) = tokens(number);
            let (input, output) = tokens.sum(3, tokens.start, &mut rng);
            assert!(input >= 3 && output >= 3);
        }
    }
}
