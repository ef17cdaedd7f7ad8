//! The price table: what a request of so many tokens costs.
//!
//! The prices have the shape of public price lists and are nobody's. The dearest model
//! costs about a hundred times the cheapest. A dollar per million tokens is a thousand
//! nano-dollars per token, so every price is an integer.

use model::Nanos;

/// How dear a model is beside its sisters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    /// For many small questions.
    Cheap,
    /// For most work.
    Middle,
    /// What a thief asks for.
    Dear,
}

/// One row of the price table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Model {
    /// The name on the wire.
    pub(crate) name: &'static str,
    /// Whose it is.
    pub(crate) provider: &'static str,
    /// How dear it is.
    pub(crate) tier: Tier,
    /// Nano-dollars per input token before the key's discount.
    pub(crate) input_nanos: i64,
    /// Nano-dollars per output token.
    pub(crate) output_nanos: i64,
}

const fn row(
    provider: &'static str,
    name: &'static str,
    tier: Tier,
    input_nanos: i64,
    output_nanos: i64,
) -> Model {
    Model {
        name,
        provider,
        tier,
        input_nanos,
        output_nanos,
    }
}

/// Every model.
pub(crate) const MODELS: [Model; 10] = [
    row("openai", "gpt-4o-mini", Tier::Cheap, 150, 600),
    row("openai", "gpt-5-mini", Tier::Cheap, 250, 2_000),
    row("openai", "gpt-5", Tier::Middle, 1_250, 10_000),
    row("openai", "o1", Tier::Dear, 15_000, 60_000),
    row("anthropic", "claude-haiku-3-5", Tier::Cheap, 800, 4_000),
    row(
        "anthropic",
        "claude-sonnet-4-5",
        Tier::Middle,
        3_000,
        15_000,
    ),
    row("anthropic", "claude-opus-4-1", Tier::Dear, 15_000, 75_000),
    row("aws.bedrock", "nova-lite", Tier::Cheap, 250, 1_000),
    row("aws.bedrock", "nova-pro", Tier::Middle, 800, 3_200),
    row("aws.bedrock", "nova-premier", Tier::Dear, 12_500, 62_500),
];

impl Model {
    /// Returns the models of a provider.
    pub(crate) fn of(provider: &str) -> impl Iterator<Item = &'static Model> {
        MODELS
            .iter()
            .filter(move |model| model.provider == provider)
    }

    /// Returns the dearest model of a provider, or of all for a provider without one.
    pub(crate) fn dearest_of(provider: &str) -> &'static Model {
        let dearest = Self::of(provider).max_by_key(|model| model.output_nanos);
        dearest.unwrap_or(&MODELS[0])
    }

    /// Returns the cost of so many tokens for a key that pays `discount_permille` of the
    /// input price; parts of a nano-dollar are rounded half up, once.
    pub(crate) fn cost(&self, input: u64, output: u64, discount_permille: i64) -> Nanos {
        let input = input as i64 * self.input_nanos * discount_permille;
        Nanos::new((input + 500) / 1000 + output as i64 * self.output_nanos)
    }

    /// Returns the mean cost of a request with these mean tokens in nano-dollars.
    pub(crate) fn mean_cost(&self, input: f64, output: f64, discount_permille: i64) -> f64 {
        let discount = discount_permille as f64 / 1000.0;
        input * self.input_nanos as f64 * discount + output * self.output_nanos as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_exact_and_discounts_the_input_only() {
        let model = &MODELS[1];
        assert_eq!(model.cost(812, 164, 1000).get(), 812 * 250 + 164 * 2000);
        assert_eq!(model.cost(1000, 1, 550).get(), 137_500 + 2000);
        assert_eq!(model.cost(1, 0, 555).get(), 139);
        assert_eq!(model.cost(0, 0, 700), Nanos::default());
    }

    #[test]
    fn the_spread_is_about_a_hundred_to_one() {
        let costs = MODELS
            .iter()
            .map(|model| model.mean_cost(1100.0, 260.0, 1000));
        let low = costs.clone().fold(f64::MAX, f64::min);
        let high = costs.fold(0.0, f64::max);
        assert!((80.0..130.0).contains(&(high / low)), "{}", high / low);
    }

    #[test]
    fn every_provider_has_a_cheap_and_a_dear_model() {
        for model in &MODELS {
            assert_eq!(Model::dearest_of(model.provider).tier, Tier::Dear);
            assert!(Model::of(model.provider).any(|other| other.tier == Tier::Cheap));
        }
    }
}
