//! Prices of an installation's own, in the format of LiteLLM's
//! `model_prices_and_context_window.json`.
//!
//! Its keys are models, alone or behind their provider (`azure/gpt-4o`); its prices are dollars for
//! one token, written as numbers like `1.25e-06`, and are read from their decimal digits.
//! Source: BerriAI/litellm, `model_prices_and_context_window.json`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use model::{Nanos, UsageRow};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::rates::{CLASSES, Class, ClassRates, Rates, complete};
use super::{PricesError, Tier, names};
use crate::meaning::provider;

/// The models of a file.
pub(super) struct Overrides {
    models: HashMap<String, Entry>,
    hash: String,
}

struct Entry {
    /// The provider in OpenTelemetry's spelling; none fits all.
    provider: Option<String>,
    standard: Arc<Rates>,
    tiers: Vec<(Tier, Arc<Rates>)>,
}

/// What LiteLLM calls the classes.
const CLASS_NAMES: [(&str, Class); 5] = [
    ("input_cost_per_token", Class::Input),
    ("cache_read_input_token_cost", Class::CacheRead),
    ("cache_creation_input_token_cost", Class::CacheWrite),
    ("output_cost_per_token", Class::Output),
    ("output_cost_per_reasoning_token", Class::Reasoning),
];

const TIER_ENDINGS: [(&str, Tier); 4] = [
    ("_batches", Tier::Batch),
    ("_flex", Tier::Flex),
    ("_priority", Tier::Priority),
    ("_fast", Tier::Fast),
];

/// An example of every field, and no model.
const NO_MODEL: &str = "sample_spec";

impl Overrides {
    pub(super) fn parse(text: &str) -> Result<Self, PricesError> {
        let file: BTreeMap<String, Value> =
            serde_json::from_str(text).map_err(|err| PricesError::Shape(err.to_string()))?;
        let mut models = HashMap::new();
        for (name, fields) in &file {
            if name == NO_MODEL {
                continue;
            }
            let Value::Object(fields) = fields else {
                let what = format!("\"{name}\" is no object");
                return Err(PricesError::Shape(what));
            };
            if let Some(entry) = Entry::read(name, fields)? {
                models.insert(name.to_ascii_lowercase(), entry);
            }
        }
        if models.is_empty() {
            return Err(PricesError::Empty);
        }
        let digest = hex::encode(Sha256::digest(text.as_bytes()));
        Ok(Self {
            models,
            hash: digest.get(..12).unwrap_or_default().to_owned(),
        })
    }

    /// Returns the first 12 hex digits of the SHA-256 of the file.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// Returns the rates of a row's model.
    pub(super) fn find(&self, row: &UsageRow<'_>, tier: Tier) -> Option<Arc<Rates>> {
        let mut found = names::providers(row).flat_map(|provider| {
            names::models(row)
                .flat_map(|model| std::iter::once(model).chain(names::without_region(model)))
                .filter_map(move |model| self.entry(provider, &model.to_ascii_lowercase()))
        });
        let entry = found.next()?;
        if tier == Tier::Standard {
            return Some(Arc::clone(&entry.standard));
        }
        let own = entry.tiers.iter().find(|(other, _)| *other == tier);
        Some(match own {
            Some((_, rates)) => Arc::clone(rates),
            None => Arc::new(Rates {
                exact: false,
                ..(*entry.standard).clone()
            }),
        })
    }

    fn entry(&self, provider: Option<&str>, model: &str) -> Option<&Entry> {
        let Some(provider) = provider else {
            return self.models.get(model);
        };
        let mut prefixed = provider::spellings(provider)
            .filter_map(|spelling| self.models.get(&format!("{spelling}/{model}")));
        prefixed.next().or_else(|| {
            let entry = self.models.get(model)?;
            let other = entry.provider.as_deref();
            other.is_none_or(|other| other == provider).then_some(entry)
        })
    }
}

impl Entry {
    /// Reads an entry; one without a price per token is none.
    fn read(name: &str, fields: &Map<String, Value>) -> Result<Option<Self>, PricesError> {
        let mut prices = Prices::default();
        let mut other_prices = false;
        for (field, value) in fields {
            let read = || price(value).ok_or_else(|| bad(name, field));
            if value.is_null() {
            } else if let Some((tier, above, class)) = parse_name(field) {
                prices.set(tier, above, class, read()?);
            } else if field == "tiered_pricing" {
                prices.set_ranges(name, value)?;
            } else if field.contains("_cost_per_") {
                other_prices |= value.as_f64().is_some_and(|price| price > 0.0);
            }
        }
        let provider = fields.get("litellm_provider").and_then(Value::as_str);
        // `vertex_ai-anthropic_models` and the like name a part of a provider.
        let provider = provider.map(|name| match name.split_once('-') {
            Some(("vertex_ai", _)) => "vertex_ai",
            _ => name,
        });
        let Some(standard) = prices.rates(Tier::Standard) else {
            return Ok(None);
        };
        // Zero for tokens beside a price for something else: tokens are not what is paid for.
        if standard.are_zero() && other_prices {
            return Ok(None);
        }
        let tiers = TIER_ENDINGS.into_iter().filter_map(|(_, tier)| {
            let rates = prices.rates(tier)?;
            Some((tier, Arc::new(rates)))
        });
        Ok(Some(Self {
            provider: provider.map(|name| provider::name(name).into_owned()),
            standard: Arc::new(standard),
            tiers: tiers.collect(),
        }))
    }
}

/// The prices of one entry, by tier and by the bound that they are for.
#[derive(Default)]
struct Prices {
    given: Vec<(Tier, u64, Class, u64)>,
}

impl Prices {
    fn set(&mut self, tier: Tier, above: u64, class: Class, rate: u64) {
        self.given.push((tier, above, class, rate));
    }

    /// Reads `[{"range": [0, 32000], "input_cost_per_token": …}, …]`.
    fn set_ranges(&mut self, name: &str, ranges: &Value) -> Result<(), PricesError> {
        for range in ranges.as_array().into_iter().flatten() {
            let start = range.pointer("/range/0").and_then(Value::as_f64);
            let start = start.ok_or_else(|| bad(name, "tiered_pricing"))?;
            for (field, value) in range.as_object().into_iter().flatten() {
                if let Some((tier, _, class)) = parse_name(field) {
                    let rate = price(value).ok_or_else(|| bad(name, field))?;
                    self.set(tier, start as u64, class, rate);
                }
            }
        }
        Ok(())
    }

    /// Returns the rates of a tier, or `None` if nothing is said of it.
    fn rates(&self, tier: Tier) -> Option<Rates> {
        let own = |(other, ..): &&(Tier, u64, Class, u64)| *other == tier;
        self.given.iter().find(own)?;
        let mut bounds: Vec<u64> = self
            .given
            .iter()
            .filter(|(other, ..)| [tier, Tier::Standard].contains(other))
            .map(|(_, above, ..)| *above)
            .collect();
        bounds.sort_unstable();
        bounds.dedup();
        let class_rates = |bound: u64| -> ClassRates {
            let mut rates = [None; CLASSES];
            // The standard prices first, so that a tier says only what is different; and of each
            // the lower bounds before the higher.
            for stage in [Tier::Standard, tier] {
                let mut given: Vec<_> = self.given.iter().filter(|(t, ..)| *t == stage).collect();
                given.sort_by_key(|(_, above, ..)| *above);
                for (_, above, class, rate) in given {
                    if *above <= bound {
                        rates[*class as usize] = Some(*rate);
                    }
                }
            }
            complete(rates)
        };
        Some(Rates {
            base: class_rates(0),
            above: bounds
                .into_iter()
                .filter(|bound| *bound > 0)
                .map(|bound| (bound, class_rates(bound)))
                .collect(),
            request_nanos: 0,
            search_nanos: 0,
            exact: true,
        })
    }
}

/// Reads the name of a price per token: its tier, the input it starts behind, and its class.
///
/// The endings come in any order: `cache_creation_input_token_cost_above_1hr_above_200k_tokens`.
fn parse_name(name: &str) -> Option<(Tier, u64, Class)> {
    let (start, class) = CLASS_NAMES
        .into_iter()
        .find(|(start, _)| name.starts_with(start))?;
    let mut rest = name.strip_prefix(start)?;
    let (mut tier, mut above, mut class) = (Tier::Standard, 0, class);
    while !rest.is_empty() {
        let ending = TIER_ENDINGS
            .into_iter()
            .find_map(|(ending, tier)| Some((rest.strip_prefix(ending)?, tier)));
        if let Some((after, found)) = ending {
            (rest, tier) = (after, found);
        } else if let Some(after) = rest.strip_prefix("_above_1hr") {
            (rest, class) = (after, Class::CacheWrite1h);
        } else {
            let (bound, after) = rest.strip_prefix("_above_")?.split_once("k_tokens")?;
            above = bound.parse::<u64>().ok()?.checked_mul(1000)?;
            rest = after;
        }
    }
    Some((tier, above, class))
}

/// Returns a price in dollars for one token as a rate, from its decimal digits.
fn price(value: &Value) -> Option<u64> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    // 1e-15 dollars are the millionth part of a nano-dollar.
    let rate = Nanos::parse_scaled(&text, 6).ok()?.get();
    u64::try_from(rate).ok().filter(|rate| *rate <= MAX_RATE)
}

/// A thousand dollars for one token is a mistake of units.
const MAX_RATE: u64 = 1_000_000_000_000_000_000;

fn bad(model: &str, field: &str) -> PricesError {
    PricesError::Price {
        model: model.to_owned(),
        field: field.to_owned(),
    }
}
