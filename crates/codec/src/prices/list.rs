//! The prices that were looked up, for people.

use model::{Nanos, Timestamp};
use serde::Serialize;

use super::rates::ClassRates;
use super::{Day, Prices, Tier};

/// What a million tokens of one class cost with one model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Price {
    /// The provider, as events name it.
    pub provider: String,
    /// The model, as events name it.
    pub model: String,
    /// How calls are served: standard, batch, flex, priority, fast.
    pub tier: &'static str,
    /// The class of tokens.
    pub token_class: &'static str,
    /// Only calls with more input than so many tokens have it.
    pub above_input_tokens: u64,
    /// Dollars for a million.
    pub usd_per_million: Nanos,
    /// The newest day of usage that it was looked up for.
    pub day: Timestamp,
    /// The version of the price list.
    pub version: String,
}

/// The classes, in the order of their rates.
const CLASS_WORDS: [&str; 6] = [
    "input",
    "cache_read",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
];

impl Prices {
    /// Returns the prices of what has been used since the start, each of the newest day.
    pub fn list(&self) -> Vec<Price> {
        let offers = self
            .offers
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut prices = Vec::new();
        for (key, days) in &offers.days {
            let Some((&number, day)) = days.last_key_value() else {
                continue;
            };
            let rates = match day {
                Day::Whole(rates, _) => rates.as_ref(),
                // Of a day with more than one price, that of its end.
                Day::Parts(parts) => parts.last().and_then(Option::as_ref),
            };
            let Some(rates) = rates else { continue };
            let model = if key.model.is_empty() {
                &key.requested
            } else {
                &key.model
            };
            let steps = std::iter::once((0, &rates.base))
                .chain(rates.above.iter().map(|(bound, rates)| (*bound, rates)));
            for (above_input_tokens, rates) in steps {
                prices.extend(
                    of_classes(rates).map(|(token_class, usd_per_million)| Price {
                        provider: key.provider.clone(),
                        model: model.clone(),
                        tier: key.tier.word(),
                        token_class,
                        above_input_tokens,
                        usd_per_million,
                        day: Timestamp::from_millis(number * Timestamp::DAY),
                        version: self.version.clone(),
                    }),
                );
            }
        }
        // Several names that were asked for may have got the same model.
        prices.sort_by(|a, b| a.order().cmp(&b.order()).then(b.day.cmp(&a.day)));
        prices.dedup_by(|later, first| later.order() == first.order());
        prices
    }
}

/// A rate of 1e-15 dollars a token is as many nano-dollars for a million.
fn of_classes(rates: &ClassRates) -> impl Iterator<Item = (&'static str, Nanos)> {
    let rates = CLASS_WORDS.into_iter().zip(rates);
    rates.filter_map(|(word, rate)| Some((word, Nanos::new(i64::try_from((*rate)?).ok()?))))
}

impl Price {
    /// What tells one price from others, but for the day.
    fn order(&self) -> (&str, &str, &str, &str, u64, Nanos) {
        (
            &self.provider,
            &self.model,
            self.tier,
            self.token_class,
            self.above_input_tokens,
            self.usd_per_million,
        )
    }
}

impl Tier {
    const fn word(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Batch => "batch",
            Self::Flex => "flex",
            Self::Priority => "priority",
            Self::Fast => "fast",
            Self::Other => "other",
        }
    }
}
