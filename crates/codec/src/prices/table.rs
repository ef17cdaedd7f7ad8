//! The price table of the crate `genai-prices`, as rates.
//!
//! The crate prices calls and does not show its rates, so they are read off: the price of so many
//! tokens of one class, divided by their number, at the beginning and behind every bound at which
//! rates change. Prices change at midnight UTC, and at one provider between half hours of the day.
//! A day is compared with its neighbours by a few prices before its rates are read off anew.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use genai_prices::{Calculator, PriceCalculation, PriceRequest, Usage, UsageKey};
use model::UsageRow;

use super::rates::{CLASSES, Class, ClassRates, Rates};
use super::{Day, HALF_HOURS, Tier, names};

pub(super) struct Table {
    calculator: &'static Calculator,
}

/// An input that is below every bound of the table, and one that is above.
const SHORT: u64 = 1 << 10;
const LONG: u64 = 1 << 24;

/// The output that rates are read off at.
const OUTPUT: f64 = 1e6;

const DAY_SECS: i64 = 86_400;
const HALF_HOUR_SECS: i64 = 1800;

/// Half hours that tell whether a day has more than one price: whatever part of the day has a price
/// of its own in the table, midnight and these are not all inside of it and not all outside.
const SAMPLES: [usize; 3] = [16, 24, 36];

/// A few prices of one day, by which it is compared with others.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Print {
    short: [f64; 3],
    long: [f64; 3],
    standard: [f64; 3],
}

impl Table {
    /// The crate and its version; a test holds it to `Cargo.lock`.
    pub(super) const VERSION: &'static str = "genai-prices-0.2.1";

    pub(super) fn bundled() -> Self {
        Self {
            calculator: Calculator::bundled(),
        }
    }

    /// Returns the rates of a row's model on a day. `near` are days of the same model and tier,
    /// whose rates are taken where the prices are the same.
    pub(super) fn day<'d>(
        &self,
        row: &UsageRow<'_>,
        tier: Tier,
        day: i64,
        near: impl Iterator<Item = &'d Day>,
    ) -> Day {
        let mut offers = names::providers(row).flat_map(|provider| {
            names::models(row).map(move |model| Offer {
                calculator: self.calculator,
                provider: provider.map(names::table_id),
                model,
                context: context(tier),
            })
        });
        let found = offers.find_map(|offer| {
            let print = offer.print(day, 0)?;
            (print.short[2] > 0.0 || offer.is_free()).then_some((offer, print))
        });
        let Some((offer, print)) = found else {
            return Day::Whole(None, Print::default());
        };
        let differs =
            |half_hour| offer.mixed(day, half_hour, offer.context, SHORT) != Some(print.short);
        if SAMPLES.into_iter().any(differs) {
            return offer.parts(day, tier);
        }
        for day in near {
            if let Day::Whole(Some(rates), other) = day
                && *other == print
            {
                return Day::Whole(Some(Arc::clone(rates)), print);
            }
        }
        Day::Whole(offer.rates(day, 0, tier).map(Arc::new), print)
    }
}

/// Returns what the crate calls a tier.
fn context(tier: Tier) -> Option<(&'static str, &'static str)> {
    match tier {
        Tier::Standard | Tier::Other => None,
        Tier::Batch => Some(("processing", "batch")),
        Tier::Flex => Some(("service_tier", "flex")),
        Tier::Priority => Some(("service_tier", "priority")),
        Tier::Fast => Some(("service_tier", "fast")),
    }
}

/// One model of one provider at one tier.
struct Offer<'o> {
    calculator: &'static Calculator,
    provider: Option<&'o str>,
    model: &'o str,
    context: Option<(&'static str, &'static str)>,
}

impl Offer<'_> {
    /// OpenRouter names the models that are free; everything else that costs nothing has a price
    /// that is not one of tokens.
    fn is_free(&self) -> bool {
        self.model.ends_with(":free")
    }

    fn price(
        &self,
        day: i64,
        half_hour: usize,
        context: Option<(&str, &str)>,
        usage: &[(UsageKey, f64)],
    ) -> Option<PriceCalculation> {
        let usage: Usage = usage.iter().cloned().collect();
        let secs = day * DAY_SECS + half_hour as i64 * HALF_HOUR_SECS;
        let since_epoch = Duration::from_secs(u64::try_from(secs).ok()?);
        let mut request = PriceRequest::new(self.model, &usage)
            .with_timestamp(SystemTime::UNIX_EPOCH + since_epoch);
        if let Some(provider) = self.provider {
            request = request.with_provider_id(provider);
        }
        if let Some((key, value)) = context {
            request = request.with_price_context(key, value);
        }
        self.calculator.calculate(&request).ok()
    }

    /// Returns the prices of input, output and all of a call that has some of every class.
    fn mixed(
        &self,
        day: i64,
        half_hour: usize,
        context: Option<(&str, &str)>,
        input: u64,
    ) -> Option<[f64; 3]> {
        let input = input as f64;
        // Fractions that no two price lists are likely to agree on by chance.
        let usage = [
            (UsageKey::INPUT_TOKENS, input),
            (UsageKey::CACHE_READ_TOKENS, input * 0.2371),
            (UsageKey::CACHE_WRITE_TOKENS, input * 0.3119),
            (UsageKey::CACHE_WRITE_1H_TOKENS, input * 0.0713),
            (UsageKey::OUTPUT_TOKENS, OUTPUT),
            (UsageKey::OUTPUT_REASONING_TOKENS, OUTPUT * 0.1331),
        ];
        let price = self.price(day, half_hour, context, &usage)?;
        Some([price.input_price, price.output_price, price.total_price])
    }

    fn print(&self, day: i64, half_hour: usize) -> Option<Print> {
        Some(Print {
            short: self.mixed(day, half_hour, self.context, SHORT)?,
            long: self.mixed(day, half_hour, self.context, LONG)?,
            standard: match self.context {
                Some(_) => self.mixed(day, half_hour, None, SHORT)?,
                None => <[f64; 3]>::default(),
            },
        })
    }

    /// Returns the rates of a day on which the price depends on the hour.
    fn parts(&self, day: i64, tier: Tier) -> Day {
        let mut known: Vec<(Print, Option<Arc<Rates>>)> = Vec::new();
        let mut parts = [const { None }; HALF_HOURS];
        for (half_hour, part) in parts.iter_mut().enumerate() {
            let Some(print) = self.print(day, half_hour) else {
                continue;
            };
            let same = known.iter().find(|(other, _)| *other == print);
            *part = match same {
                Some((_, rates)) => rates.clone(),
                None => {
                    let rates = self.rates(day, half_hour, tier).map(Arc::new);
                    known.push((print, rates.clone()));
                    rates
                }
            };
        }
        Day::Parts(Arc::new(parts))
    }

    /// Reads the rates off.
    fn rates(&self, day: i64, half_hour: usize, tier: Tier) -> Option<Rates> {
        let none = self.price(day, half_hour, self.context, &[])?.total_price;
        let searches = [(UsageKey::WEB_SEARCHES, 1000.0)];
        let searches = self.price(day, half_hour, self.context, &searches)?;
        let mut rates = Rates {
            base: self.class_rates(day, half_hour, SHORT)?,
            above: Vec::new(),
            request_nanos: whole(none * 1e9)?,
            search_nanos: whole((searches.total_price - none) * 1e6)?,
            exact: tier != Tier::Other,
        };
        if self.context.is_some() {
            // A tier that the table does not know has the standard price.
            let standard = self.mixed(day, half_hour, None, SHORT)?;
            rates.exact = self.mixed(day, half_hour, self.context, SHORT)? != standard;
        }
        // Bounds are found by halving: what is below has the one price, what is above another.
        let relative = |input: u64| {
            let [price, output, _] = self.mixed(day, half_hour, self.context, input)?;
            Some([price / input as f64, output / OUTPUT])
        };
        let (mut low, end) = (SHORT, relative(LONG)?);
        while !is_same(relative(low)?, end) {
            let start = relative(low)?;
            let (mut below, mut above) = (low, LONG);
            while above - below > 1 {
                let middle = below + (above - below) / 2;
                if is_same(relative(middle)?, start) {
                    below = middle;
                } else {
                    above = middle;
                }
            }
            let behind = self.class_rates(day, half_hour, above)?;
            rates.above.push((below, behind));
            low = above;
        }
        Some(rates)
    }

    /// Reads off the rates of all classes for calls with so much input.
    fn class_rates(&self, day: i64, half_hour: usize, input: u64) -> Option<ClassRates> {
        let all = input as f64;
        let class = |part: UsageKey| {
            let usage = [(UsageKey::INPUT_TOKENS, all), (part, all)];
            let price = self.price(day, half_hour, self.context, &usage)?;
            whole(price.input_price / all * 1e15)
        };
        let one_hour = [
            (UsageKey::INPUT_TOKENS, all),
            (UsageKey::CACHE_WRITE_TOKENS, all),
            (UsageKey::CACHE_WRITE_1H_TOKENS, all),
        ];
        let one_hour = self.price(day, half_hour, self.context, &one_hour)?;
        let output = |reasoning: f64| {
            let usage = [
                (UsageKey::INPUT_TOKENS, all),
                (UsageKey::OUTPUT_TOKENS, OUTPUT),
                (UsageKey::OUTPUT_REASONING_TOKENS, reasoning),
            ];
            let price = self.price(day, half_hour, self.context, &usage)?;
            whole(price.output_price / OUTPUT * 1e15)
        };
        let mut rates = [None; CLASSES];
        rates[Class::Input as usize] = Some(class(UsageKey::OUTPUT_TOKENS)?);
        rates[Class::CacheRead as usize] = Some(class(UsageKey::CACHE_READ_TOKENS)?);
        rates[Class::CacheWrite as usize] = Some(class(UsageKey::CACHE_WRITE_TOKENS)?);
        rates[Class::CacheWrite1h as usize] = Some(whole(one_hour.input_price / all * 1e15)?);
        rates[Class::Output as usize] = Some(output(0.0)?);
        rates[Class::Reasoning as usize] = Some(output(OUTPUT)?);
        Some(rates)
    }
}

/// Returns the whole number that a price is, which its binary fraction misses by a hair.
fn whole(number: f64) -> Option<u64> {
    let whole = number.round();
    (0.0..1e18).contains(&whole).then_some(whole as u64)
}

fn is_same(one: [f64; 2], other: [f64; 2]) -> bool {
    let close = |one: f64, other: f64| (one - other).abs() <= 1e-9 * one.abs().max(other.abs());
    close(one[0], other[0]) && close(one[1], other[1])
}
