//! Price: what a request costs, and with which models.

use model::{Metric, Nanos};

use super::{Case, Newness, judged_from};
use crate::calibration::Rarity;
use crate::finding::{Finding, OVERLAP, Round, Voice};
use crate::known::Trait;
use crate::population::Happening;
use crate::signal::{Family, MODEL_SHARE, Scale, Signal};
use crate::state::State;
use crate::windows::Channel;

/// Requests of an hour from which their mean cost is judged and learned.
pub(crate) const UNIT_COST_REQUESTS: u64 = 10;

/// How often a day the mean cost of a key's requests legitimately rises to `f` times the usual
/// and more is at least this over the cube of `f`, however quiet the key's own past: a new
/// prompt, longer documents or another model double it once in a few months, and seldom make it
/// ten times as much.
const SHIFTS: f64 = 0.1;
/// Which part of an hour's requests must come from strange networks for a shift not to be the
/// owner's.
const STRANGE_PART: f64 = 0.2;

/// From which factor on the requests of a new model are dearer, and the power by which that
/// is rare.
const ORDINARY_FACTOR: f64 = 1.5;
const DEARER_EXPONENT: f64 = 1.5;

/// The logarithm of what a request costs, against what is usual.
struct CostOfRequest {
    signal: Signal,
    value: f64,
    mean: f64,
    sd: f64,
    /// How rare that is. The price of requests has heavy tails (a very long prompt now and
    /// then), so this grows with the logarithm of the price and not with its square: the
    /// exponential tail by which it is calibrated is then a power law of the price.
    rarity: f64,
    least_factor: f64,
    requests: u64,
    /// How often a day that happens at least, whatever the key's own past says.
    shifts: f64,
}

impl State {
    /// What a request costs: on average, and the dearest.
    pub(super) fn judge_price(&self, case: &Case<'_>, newness: &Newness, round: &mut Round) {
        let prediction = case.prediction;
        if prediction.age_buckets < judged_from(Scale::Hour) || prediction.grain > 60 {
            return;
        }
        let (slot, bucket) = (case.slot, case.bucket);
        let requests = self.windows.hour_ending(slot, Channel::Requests, bucket);
        let cost = self.windows.hour_ending(slot, Channel::Cost, bucket);
        if cost == 0 {
            return;
        }
        round.has_data(Voice::Price);
        let (mean, sd, evidence) = prediction.unit_cost;
        // A mean may fall again while the bucket is open.
        if !case.early && requests >= UNIT_COST_REQUESTS && evidence >= 5.0 {
            let (mean, sd) = (f64::from(mean), f64::from(sd.max(0.1)));
            let value = (cost as f64 / requests as f64).ln();
            let z = (value - mean) / sd;
            let cost = CostOfRequest {
                signal: Signal::UnitCost,
                value,
                mean,
                sd,
                rarity: 2.5 * z,
                least_factor: 1.5,
                requests,
                shifts: match self.strangers(case, newness) as f64 >= STRANGE_PART * requests as f64
                {
                    true => 0.0,
                    false => SHIFTS / (value - mean).exp().powi(3),
                },
            };
            self.add_cost(case, round, &cost);
        }
        let (mean, sd, evidence) = prediction.dearest;
        let dearest = case.open.tally.dearest_nanos;
        if dearest > 0 && evidence >= 20.0 {
            let (value, mean) = ((dearest as f64).ln(), f64::from(mean));
            let cost = CostOfRequest {
                signal: Signal::SingleRequest,
                value,
                mean,
                sd: f64::from(sd.max(0.3)),
                rarity: 3.0 * (value - mean),
                least_factor: 3.0,
                requests: 1,
                shifts: 0.0,
            };
            self.add_cost(case, round, &cost);
        }
    }

    fn add_cost(&self, case: &Case<'_>, round: &mut Round, cost: &CostOfRequest) {
        let factor = (cost.value - cost.mean).exp();
        if factor < cost.least_factor {
            return;
        }
        let rarity = Rarity {
            nominal: cost.rarity,
            size: cost.value - cost.mean,
        };
        if rarity.nominal <= cost.signal.threshold() {
            return;
        }
        let episodes = self.episodes(case, cost.signal, rarity);
        let alone = cost.shifts * cost.signal.share() * OVERLAP;
        let dollars = |ln: f64| ln.exp() / Nanos::USD as f64;
        let what = match cost.signal {
            Signal::SingleRequest => "a single request costs",
            _ => "a request costs on average",
        };
        let finding = Finding {
            family: Family::Price,
            signal: Some(cost.signal),
            metric: Metric::Cost,
            window: cost.signal.scale().window(case.bucket, case.minute),
            observed: dollars(cost.value) * cost.requests as f64,
            expected: dollars(cost.mean) * cost.requests as f64,
            low: dollars(cost.mean - 2.576 * cost.sd) * cost.requests as f64,
            high: dollars(cost.mean + 2.576 * cost.sd) * cost.requests as f64,
            neg_ln_p: rarity.nominal,
            size: rarity.size,
            episodes_per_day: episodes.max(alone),
            share: cost.signal.share(),
            note: Some(format!(
                "{what} {:.4} dollars, {factor:.1} times the usual {:.4}",
                dollars(cost.value),
                dollars(cost.mean)
            )),
        };
        round.add(finding, episodes);
    }

    /// A model that the key never used, and how much more its requests cost.
    pub(super) fn judge_models(&self, case: &Case<'_>, newness: &Newness, round: &mut Round) {
        let requests = case.open.tally.requests.max(1);
        if newness.new_model < 3 || newness.new_model * 10 < requests {
            return;
        }
        let new = || {
            let shares = case.open.tally.shares(Trait::Model).iter();
            shares.filter(|share| self.is_news(case, Trait::Model, share))
        };
        let Some(largest) = new().max_by_key(|share| (share.requests, share.text.clone())) else {
            return;
        };
        let cost = new().map(|share| share.cost_nanos);
        let cost = cost.fold(0, u64::saturating_add);
        let usual = case.prediction.unit(Channel::Cost);
        let factor = cost as f64 / newness.new_model as f64 / usual.max(1.0);
        // Models are tried out all the time, rarely one that costs ten times as much.
        let dearer = (factor / ORDINARY_FACTOR).max(1.0).powf(-DEARER_EXPONENT);
        let episodes = self.population.rate(Happening::NewModel) * dearer;
        let what = if cost > 0 && factor >= ORDINARY_FACTOR {
            format!(", at {factor:.1} times the usual cost of a request")
        } else {
            String::new()
        };
        let finding = Finding {
            family: Family::Model,
            signal: None,
            metric: if cost > 0 {
                Metric::Cost
            } else {
                Metric::Requests
            },
            window: Scale::TenMinutes.window(case.bucket, case.minute),
            observed: if cost > 0 {
                cost as f64 / Nanos::USD as f64
            } else {
                newness.new_model as f64
            },
            expected: usual * newness.new_model as f64 / Nanos::USD as f64,
            low: 0.0,
            high: 0.0,
            neg_ln_p: -episodes.ln(),
            size: 0.0,
            episodes_per_day: episodes,
            share: MODEL_SHARE,
            note: Some(format!(
                "model {} is new to this key; new models make {:.0} % of its requests{what}",
                largest.text,
                100.0 * newness.new_model as f64 / requests as f64
            )),
        };
        round.add(finding, episodes);
    }
}
