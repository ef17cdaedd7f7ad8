//! What an event cost where its source does not say: tokens times the price list.
//!
//! ```text
//! event ─ provider, model, service tier, day ─► resolved rates (cached)      mod.rs
//!              ├─ the overrides of the installation, LiteLLM's format         litellm.rs
//!              └─ the table of `genai-prices`, by the day of the event        table.rs
//! rates × tokens ─► nano-dollars, exact, rounded half-even once              rates.rs
//! no rates       ─► no cost; the tokens are counted                          unpriced.rs
//! ```
//!
//! Finding a model among two thousand takes tens of microseconds and more, so it is done once for
//! each model, tier and day; after that an event costs one look into a map. The same event has the
//! same price whatever was priced before it: the cache holds nothing that is not a function of its
//! key, the table and the overrides.

mod list;
mod litellm;
mod names;
mod rates;
mod table;
mod unpriced;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::{Equivalent, HashMap};
use model::{FlagField, Nanos, Quality, TextField, Timestamp, UsageRow};

use crate::draft::MAX_EXTRA;
use crate::json::COST_LIMIT;
pub use list::Price;
use litellm::Overrides;
use rates::{Counts, Rates};
use table::{Print, Table};
pub use unpriced::Unpriced;
use unpriced::UnpricedCounts;

/// The name of `extra` under which the version of the prices is kept with an event.
const PRICE_VERSION: &str = "price_version";

/// The longest name of a model or a provider that is looked up, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// How many days of models, by provider and tier, are remembered. What is one too many makes all be
/// forgotten and looked up again: names and times come from events, and whoever invents them must
/// not fill the memory. A year of 100 models is about half of it.
const MAX_DAYS: usize = 1 << 16;

/// Why a file of overrides cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PricesError {
    /// The file is no JSON object of objects.
    #[error("the price file is not a JSON object of models: {0}")]
    Shape(String),
    /// A price is no amount.
    #[error("\"{field}\" of \"{model}\" is not a price from 0 to 1000 dollars")]
    Price {
        /// The model's key in the file.
        model: String,
        /// The name of the price.
        field: String,
    },
    /// There is nothing in it to use.
    #[error("the price file has no model with a price per token")]
    Empty,
}

/// The prices of models: the bundled table, and what an installation says is different.
pub struct Prices {
    table: Table,
    overrides: Option<Overrides>,
    version: String,
    /// A lock of many readers: all threads look, and one writes for each new model or day.
    offers: RwLock<Offers>,
    unpriced: UnpricedCounts,
}

impl fmt::Debug for Prices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prices")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Prices {
    /// Takes the prices that come with the program.
    ///
    /// The table is read now and not with the first event; that takes a tenth of a second.
    pub fn bundled() -> Self {
        Self {
            table: Table::bundled(),
            overrides: None,
            version: Table::VERSION.to_owned(),
            offers: RwLock::default(),
            unpriced: UnpricedCounts::default(),
        }
    }

    /// Takes prices that go before the bundled ones: the text of a file in the format of LiteLLM's
    /// `model_prices_and_context_window.json`.
    ///
    /// # Errors
    /// [`PricesError`] names the first thing that is no price; nothing is taken then.
    pub fn with_overrides(mut self, text: &str) -> Result<Self, PricesError> {
        let overrides = Overrides::parse(text)?;
        self.version = format!("{}+override-{}", Table::VERSION, overrides.hash());
        self.overrides = Some(overrides);
        self.offers = RwLock::default();
        Ok(self)
    }

    /// Returns the version of table and overrides, which every priced event keeps.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns what had tokens and no price since the start, most tokens first.
    pub fn unpriced(&self) -> Vec<Unpriced> {
        self.unpriced.list()
    }

    /// Writes the cost of a row that has tokens and no cost, or counts that it has no price.
    pub(crate) fn fill<'r>(&'r self, row: &mut UsageRow<'r>) {
        if row.cost.is_some()
            || row
                .text(TextField::Kind)
                .is_some_and(|kind| kind != "usage")
        {
            return;
        }
        // It has a cost, in a currency that there is no rate of exchange for.
        if row
            .text(TextField::Currency)
            .is_some_and(|currency| currency != "USD")
        {
            return;
        }
        // What a gateway answered out of its own cache, or did not let through, cost nothing at
        // the provider; it is not priced rather than said to be free.
        if matches!(row.text(TextField::Outcome), Some("cached" | "blocked")) {
            return;
        }
        // No tokens cost nothing, but not every call is paid by tokens: images have none.
        let Some(counts) = Counts::of(row).filter(|counts| counts.tokens() > 0) else {
            return;
        };
        match self.cost(row, &counts) {
            Some((cost, estimated)) => {
                row.cost = Some(cost);
                row.set_text(TextField::CostSource, "price_table");
                row.set_text(TextField::Currency, "USD");
                if estimated {
                    row.quality.insert(Quality::ESTIMATED_COST);
                }
                row.extra.retain(|(name, _)| name != PRICE_VERSION);
                row.extra.truncate(MAX_EXTRA - 1);
                let version = self.version.as_str();
                row.extra.push((PRICE_VERSION.into(), version.into()));
            }
            None => {
                let name = names::models(row).next().unwrap_or_default();
                let provider = row.text(TextField::Provider).unwrap_or_default();
                self.unpriced.count(provider, name, counts.tokens());
            }
        }
    }

    /// Returns what the tokens of a row cost, and whether that is less sure than the price list.
    fn cost(&self, row: &UsageRow<'_>, counts: &Counts) -> Option<(Nanos, bool)> {
        let rates = self.rates(row)?;
        let cost = rates.cost(counts)?;
        let fits = cost < i128::from(COST_LIMIT);
        let cost = Nanos::new(i64::try_from(cost).ok().filter(|_| fits)?);
        Some((cost, !rates.exact || rates.is_torn_by(counts)))
    }

    /// Returns the rates of a row's model on its day.
    fn rates(&self, row: &UsageRow<'_>) -> Option<Arc<Rates>> {
        let tier = Tier::of(row);
        let key = OfferRef {
            provider: row.text(TextField::Provider).unwrap_or_default(),
            upstream: row.text(TextField::UpstreamProvider).unwrap_or_default(),
            model: row.text(TextField::Model).unwrap_or_default(),
            requested: row.text(TextField::ModelRequested).unwrap_or_default(),
            tier,
        };
        let names = [key.provider, key.upstream, key.model, key.requested];
        if names.iter().any(|name| name.len() > MAX_NAME_BYTES) {
            return None;
        }
        let moment = Moment::of(row.time);
        let offers = self.offers.read().unwrap_or_else(PoisonError::into_inner);
        let known = offers.days.get(&key);
        let known = known.and_then(|days| days.get(&moment.day));
        if let Some(day) = known {
            return day.at(moment).cloned();
        }
        drop(offers);
        self.look_up(row, &key, moment)
    }

    /// Finds the rates of a day, and remembers them.
    fn look_up(
        &self,
        row: &UsageRow<'_>,
        key: &OfferRef<'_>,
        moment: Moment,
    ) -> Option<Arc<Rates>> {
        let overridden = self.overrides.as_ref();
        let overridden = overridden.and_then(|overrides| overrides.find(row, key.tier));
        let day = match overridden {
            Some(rates) => Day::Whole(Some(rates), Print::default()),
            None => {
                // Prices change a few times a year: the nearest days likely have the same.
                let offers = self.offers.read().unwrap_or_else(PoisonError::into_inner);
                let near = offers.days.get(key).map_or([None, None], |days| {
                    [
                        days.range(..moment.day).next_back(),
                        days.range(moment.day..).next(),
                    ]
                    .map(|near| near.map(|(_, day)| day.clone()))
                });
                drop(offers);
                let near = near.iter().flatten();
                self.table.day(row, key.tier, moment.day, near)
            }
        };
        let rates = day.at(moment).cloned();
        let mut offers = self.offers.write().unwrap_or_else(PoisonError::into_inner);
        if offers.count >= MAX_DAYS {
            *offers = Offers::default();
        }
        let days = offers.days.entry(key.owned()).or_default();
        // Another thread may have been faster.
        if days.insert(moment.day, day).is_none() {
            offers.count += 1;
        }
        rates
    }
}

/// How a call was asked to be served, which has a price of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Tier {
    Standard,
    Batch,
    Flex,
    Priority,
    Fast,
    /// A tier whose price no list has.
    Other,
}

impl Tier {
    fn of(row: &UsageRow<'_>) -> Self {
        let tier = row.text(TextField::ServiceTier);
        if row.flag(FlagField::Batch) == Some(true) || tier == Some("batch") {
            return Self::Batch;
        }
        match tier {
            // Anthropic's fast mode is a dimension beside the tier.
            None | Some("standard") => {
                let mut extra = row.extra.iter();
                let fast = extra.any(|(name, value)| name == "speed" && value == "fast");
                if fast { Self::Fast } else { Self::Standard }
            }
            Some("default" | "auto" | "on_demand" | "standard_only" | "STANDARD" | "ON_DEMAND") => {
                Self::Standard
            }
            Some("flex" | "flex_discount") => Self::Flex,
            Some("priority" | "priority_on_demand") => Self::Priority,
            Some("fast") => Self::Fast,
            Some(_) => Self::Other,
        }
    }
}

/// A day since the epoch and its half hour, in UTC: prices change at midnight, and in some hours of
/// the day at one provider.
#[derive(Clone, Copy, Debug)]
struct Moment {
    day: i64,
    half_hour: usize,
}

const HALF_HOURS: usize = 48;

impl Moment {
    fn of(time: Timestamp) -> Self {
        let of_day = time.millis().rem_euclid(Timestamp::DAY);
        let half_hour = of_day / (Timestamp::DAY / HALF_HOURS as i64);
        Self {
            day: time.millis().div_euclid(Timestamp::DAY),
            half_hour: usize::try_from(half_hour).unwrap_or_default(),
        }
    }
}

/// The rates of one day, or that there are none.
#[derive(Clone, Debug)]
enum Day {
    /// All day, with what tells it from other days.
    Whole(Option<Arc<Rates>>, Print),
    /// By half hour.
    Parts(Arc<[Option<Arc<Rates>>; HALF_HOURS]>),
}

impl Day {
    fn at(&self, moment: Moment) -> Option<&Arc<Rates>> {
        match self {
            Self::Whole(rates, _) => rates.as_ref(),
            Self::Parts(parts) => parts.get(moment.half_hour)?.as_ref(),
        }
    }
}

/// What is known of models at their providers and tiers, by day.
#[derive(Debug, Default)]
struct Offers {
    days: HashMap<OfferKey, BTreeMap<i64, Day>>,
    /// How many days there are in all.
    count: usize,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct OfferKey {
    provider: String,
    upstream: String,
    model: String,
    requested: String,
    tier: Tier,
}

/// The same, borrowed; its fields hash in the same order.
#[derive(Clone, Copy, Hash)]
struct OfferRef<'a> {
    provider: &'a str,
    upstream: &'a str,
    model: &'a str,
    requested: &'a str,
    tier: Tier,
}

impl OfferRef<'_> {
    fn owned(self) -> OfferKey {
        OfferKey {
            provider: self.provider.to_owned(),
            upstream: self.upstream.to_owned(),
            model: self.model.to_owned(),
            requested: self.requested.to_owned(),
            tier: self.tier,
        }
    }
}

impl Equivalent<OfferKey> for OfferRef<'_> {
    fn equivalent(&self, key: &OfferKey) -> bool {
        self.model == key.model
            && self.requested == key.requested
            && self.provider == key.provider
            && self.upstream == key.upstream
            && self.tier == key.tier
    }
}

#[cfg(test)]
mod tests;
