//! One round of judging a key: every signal against what is expected of it.

use model::{Entity, Metric, Nanos, Window};

use crate::baseline::Prediction;
use crate::calibration::Rarity;
use crate::clock::{BUCKETS_A_DAY, MINUTES_A_BUCKET, start_of};
use crate::directory::KeyDirectory;
use crate::finding::{Finding, Round, Voice};
use crate::judge::{Expected, judge};
use crate::known::Trait;
use crate::open::OpenWindow;
use crate::pool::Class;
use crate::population::{Happening, Population};
use crate::signal::{
    DORMANCY_SHARE, Family, MODEL_SHARE, NEWBORN_SHARE, RULE_SHARE, Scale, Signal,
};
use crate::state::{NEWBORN_BUCKETS, State};
use crate::tail::neg_ln_sf_negative_binomial;
use crate::tally::Share;
use crate::windows::Channel;

/// Age in buckets from which a scale is judged: before, the key's own usage says too little.
pub(crate) fn judged_from(scale: Scale) -> i64 {
    BUCKETS_A_DAY
        * match scale {
            Scale::Minute | Scale::TenMinutes | Scale::Hour => 2,
            Scale::SixHours => 4,
            Scale::Day => 7,
        }
}

/// How often a day a key's usage legitimately rises to `f` times the usual and more is at least
/// this over `f`, whatever the key's own past says, where its callers are all familiar: launches
/// happen to steady keys too.
const RISES_OF_FAMILIAR: f64 = 0.03;
/// The same where nothing is known of the callers, for steady keys and, over a power of `f`, for
/// others. (Of 178 clients of a large provider, in a week 10 % set a new maximum of ten minutes
/// at 5 times the last week's or more, 5 % at 11 times, 1 % at 134 times.)
const RISES_OF_STEADY: f64 = 0.000_1;
const RISES_OF_BURSTING: f64 = 0.03;
const RISES_EXPONENT: f64 = 0.7;

/// The share of the budget that volume and spend have together.
const VOLUME_SHARE: f64 = 0.47;

/// Which part of the excess must come from strange networks, new models or clients for a rise
/// not to be the familiar callers' own.
const STRANGE_PART: f64 = 0.2;

/// Strange requests, and their ratio to what is expected, from which they are an exceedance.
const STRANGE_REQUESTS: u64 = 3;
const STRANGE_RATIO: f64 = 0.1;

/// A new key that does what one of three does says nothing.
const ORDINARY_BIRTH: f64 = 0.3;

/// From which factor on the requests of a new model are dearer, and the power by which that
/// is rare.
const ORDINARY_FACTOR: f64 = 1.5;
const DEARER_EXPONENT: f64 = 1.5;

/// Requests of an hour from which their mean cost is judged and learned.
pub(crate) const UNIT_COST_REQUESTS: u64 = 10;

/// What it says beside a strange network that its client is new too, and that the familiar
/// callers go on beside it: how seldom that is so when a service moves.
const WITH_NEW_CLIENT: f64 = 0.2;
const BESIDE_THE_FAMILIAR: f64 = 0.3;

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case<'a> {
    pub(crate) slot: usize,
    pub(crate) bucket: i64,
    /// The newest minute; of a closed bucket its last one.
    pub(crate) minute: i64,
    /// Whether the bucket is still open: only what can but grow is judged then.
    pub(crate) early: bool,
    pub(crate) open: &'a OpenWindow,
    pub(crate) prediction: &'a Prediction,
    pub(crate) entity: &'a Entity,
    pub(crate) directory: &'a KeyDirectory,
}

/// Who is behind a rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callers {
    Familiar,
    Unknown,
    Strange,
}

/// How much of a case's usage is new to the key.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Newness {
    /// Requests of the bucket and of the hour from new networks.
    pub(crate) strange_bucket: u64,
    strange_hour: u64,
    /// Requests of the bucket with new clients and on new models.
    new_client: u64,
    new_model: u64,
}

impl State {
    /// Judges every signal of a case.
    pub(crate) fn judge(&self, case: &Case<'_>) -> Round {
        let mut round = Round::default();
        let newness = self.newness(case);
        self.judge_counts(case, &newness, &mut round);
        self.judge_marginal(case, &newness, &mut round);
        self.judge_strange(case, &newness, &mut round);
        self.judge_price(case, &mut round);
        self.judge_probing(case, &mut round);
        self.judge_dormancy(case, &mut round);
        self.judge_newborn(case, &mut round);
        self.judge_rules(case, &mut round);
        if !case.early {
            self.judge_models(case, &newness, &mut round);
            self.judge_slow_theft(case, &newness, &mut round);
        }
        round
    }

    pub(crate) fn newness(&self, case: &Case<'_>) -> Newness {
        let (slot, bucket) = (case.slot, case.bucket);
        let new = |trait_: Trait| -> u64 {
            let shares = case.open.tally.shares(trait_).iter();
            shares
                .filter(|share| self.is_news(case, trait_, share))
                .map(|share| share.requests)
                .fold(
                    case.open.tally.new_beyond[trait_ as usize],
                    u64::saturating_add,
                )
        };
        let strange_bucket = new(Trait::Network);
        let before = (bucket - 5..bucket)
            .map(|bucket| self.windows.bucket(slot, Channel::Strange, bucket))
            .sum::<u64>();
        Newness {
            strange_bucket,
            strange_hour: before.saturating_add(strange_bucket),
            new_client: new(Trait::Client),
            new_model: new(Trait::Model),
        }
    }

    /// Returns whether a value is new to the key and was not announced.
    pub(crate) fn is_news(&self, case: &Case<'_>, trait_: Trait, share: &Share) -> bool {
        self.known
            .is_new(case.slot, trait_, share.trait_hash, case.bucket)
            && !(case.directory.has_changes(case.entity)
                && case.directory.announced_value(
                    case.entity,
                    start_of(case.bucket + 1),
                    &share.text,
                ))
    }

    /// Returns who is behind a rise of a window to `observed` requests where `expected` were:
    /// for what the rise says alone, and for what it says beside other evidence.
    ///
    /// Shares may fall again while a bucket is open, so early on a rise alone counts as that of
    /// familiar callers.
    fn callers(
        &self,
        case: &Case<'_>,
        newness: &Newness,
        (observed, expected): (f64, f64),
    ) -> (Callers, Callers) {
        let tally = &case.open.tally;
        let excess_part = (observed - expected).max(1.0) / observed.max(1.0);
        let requests = (tally.requests as f64).max(1.0);
        let hour = self
            .windows
            .hour_ending(case.slot, Channel::Requests, case.bucket) as f64;
        let hour_excess = (excess_part * hour).max(1.0);
        let new = newness.new_client.max(newness.new_model) as f64;
        let callers = if newness.strange_hour as f64 >= STRANGE_PART * hour_excess
            || new >= STRANGE_PART * excess_part * requests
        {
            Callers::Strange
        } else if (tally.with_address as f64) < 0.9 * requests {
            Callers::Unknown
        } else {
            Callers::Familiar
        };
        let alone = match (case.early, tally.with_address) {
            (false, _) => callers,
            (true, 0) => Callers::Unknown,
            (true, _) => Callers::Familiar,
        };
        (alone, callers)
    }

    /// Returns the least episodes a day of a rise by a factor, by who is behind it and how the
    /// key bursts.
    fn rises(callers: Callers, class: Class, factor: f64) -> f64 {
        let factor = factor.max(1.0);
        match callers {
            Callers::Familiar => RISES_OF_FAMILIAR / factor,
            Callers::Unknown if class.is_steady() => RISES_OF_STEADY / factor,
            Callers::Unknown => RISES_OF_BURSTING * factor.powf(-RISES_EXPONENT),
            Callers::Strange => 0.0,
        }
    }

    fn episodes(&self, case: &Case<'_>, signal: Signal, rarity: Rarity) -> f64 {
        let prior = self.pool.tail(case.prediction.class, signal);
        self.calibration
            .episodes_per_day(case.slot, signal, rarity, prior)
    }

    /// Adds a finding about volume or spend: what it says alone is held against the rises that
    /// happen anyway.
    fn add_rise(&self, case: &Case<'_>, newness: &Newness, round: &mut Round, rise: Rise) {
        let Rise {
            signal,
            rarity,
            observed,
            expected,
            unit,
            band,
        } = rise;
        if rarity.nominal <= signal.threshold() {
            return;
        }
        let episodes = self.episodes(case, signal, rarity);
        let factor = observed / expected.max(0.5);
        let (callers, beside_others) = self.callers(case, newness, (observed, expected));
        let alone =
            Self::rises(callers, case.prediction.class, factor) * signal.share() / VOLUME_SHARE;
        let together = Self::rises(beside_others, case.prediction.class, factor);
        let natural = unit / scale_of(signal.metric());
        let finding = Finding {
            family: signal.family(),
            signal: Some(signal),
            metric: signal.metric(),
            window: match signal {
                // Gathered by blocks, shown by the last day.
                Signal::SlowTheft => Scale::Day,
                signal => signal.scale(),
            }
            .window(case.bucket, case.minute),
            observed: observed * natural,
            expected: expected * natural,
            low: band.0 * natural,
            high: band.1 * natural,
            neg_ln_p: rarity.nominal,
            size: rarity.size,
            episodes_per_day: episodes.max(alone),
            share: signal.share(),
            note: None,
        };
        round.add(finding, episodes.max(together));
    }

    fn judge_counts(&self, case: &Case<'_>, newness: &Newness, round: &mut Round) {
        round.has_data(Voice::Volume);
        if case.prediction.announced.any_volume {
            return;
        }
        for signal in Signal::counts() {
            let Some(observed) = self.observed(case, signal) else {
                continue;
            };
            let expected = case.prediction.count(signal);
            if observed <= expected.ordinary() {
                continue;
            }
            let rarity = judge(expected, signal, observed);
            let rise = Rise {
                signal,
                rarity,
                observed,
                expected: expected.mean(),
                unit: case.prediction.unit(signal.channel()),
                band: expected.band(),
            };
            self.add_rise(case, newness, round, rise);
        }
    }

    /// Returns what a window of a count holds, in requests or their equivalents; `None` where
    /// the signal is not judged.
    pub(crate) fn observed(&self, case: &Case<'_>, signal: Signal) -> Option<f64> {
        let (slot, bucket, prediction) = (case.slot, case.bucket, case.prediction);
        let (scale, channel) = (signal.scale(), signal.channel());
        if prediction.age_buckets < judged_from(scale)
            || scale.minutes() < prediction.grain
            || (case.early && !signal.is_early())
        {
            return None;
        }
        let unit = prediction.unit(channel);
        let hour = || self.windows.hour_ending(slot, Channel::Requests, bucket) as f64;
        let sum = match scale {
            Scale::Minute if case.early => self.windows.minute(slot, case.minute),
            Scale::Minute => (case.minute - MINUTES_A_BUCKET + 1..=case.minute)
                .map(|minute| self.windows.minute(slot, minute))
                .max()
                .unwrap_or(0),
            Scale::TenMinutes if channel != Channel::Requests => {
                self.windows.bucket(slot, channel, bucket)
            }
            Scale::TenMinutes if case.early => self.windows.ten_minutes(slot, case.minute),
            Scale::TenMinutes => (case.minute - MINUTES_A_BUCKET + 1..=case.minute)
                .map(|minute| self.windows.ten_minutes(slot, minute))
                .max()
                .unwrap_or(0),
            Scale::Hour => self.windows.hour_ending(slot, channel, bucket),
            // What is long over must not raise or hold an alarm through a long window.
            Scale::SixHours | Scale::Day
                if hour() <= prediction.count(Signal::Requests1h).mean()
                    && prediction.grain <= 60 =>
            {
                return None;
            }
            Scale::SixHours => self.windows.hours_until(slot, channel, bucket, 6),
            Scale::Day => self.windows.hours_until(slot, channel, bucket, 24),
        };
        (sum > 0).then(|| sum as f64 / unit)
    }

    /// Ten minutes against the mean and deviation of the last seven days, bursts included.
    fn judge_marginal(&self, case: &Case<'_>, newness: &Newness, round: &mut Round) {
        let (mean, sd, evidence) = case.prediction.marginal;
        let signal = Signal::Marginal;
        if f64::from(evidence) < 2.0 * BUCKETS_A_DAY as f64
            || case.prediction.grain > 10
            || case.prediction.announced.any_volume
        {
            return;
        }
        let factor = case.prediction.announced.factor;
        let observed = self
            .windows
            .bucket(case.slot, Channel::Requests, case.bucket) as f64
            / factor;
        let sd = f64::from(sd * sd + mean + 0.25).sqrt();
        let z = (observed - f64::from(mean)) / sd;
        if z <= 0.0 {
            return;
        }
        let expected = case.prediction.count(Signal::Requests10m);
        let rise = Rise {
            signal,
            rarity: Rarity {
                nominal: 3.0 * (1.0 + z / 2.0).ln(),
                size: z.ln().max(-3.0),
            },
            observed: observed * factor,
            expected: expected.mean(),
            unit: 1.0,
            band: expected.band(),
        };
        self.add_rise(case, newness, round, rise);
    }

    fn judge_slow_theft(&self, case: &Case<'_>, newness: &Newness, round: &mut Round) {
        let evidence = self.thefts.evidence(case.slot);
        let signal = Signal::SlowTheft;
        if evidence <= signal.threshold() || case.prediction.announced.factor > 1.0 {
            return;
        }
        let hour = self
            .windows
            .hour_ending(case.slot, Channel::Requests, case.bucket) as f64;
        if hour <= case.prediction.count(Signal::Requests1h).mean() {
            // What is long over must not raise or hold an alarm.
            return;
        }
        let expected = case.prediction.count(Signal::Requests24h);
        let observed =
            self.windows
                .hours_until(case.slot, Channel::Requests, case.bucket, 24) as f64;
        if observed <= expected.mean() {
            return;
        }
        let rise = Rise {
            signal,
            rarity: Rarity {
                nominal: evidence,
                size: evidence.ln(),
            },
            observed,
            expected: expected.mean(),
            unit: 1.0,
            band: expected.band(),
        };
        self.add_rise(case, newness, round, rise);
    }

    /// Requests from networks that are new to the key, against all that are expected.
    fn judge_strange(&self, case: &Case<'_>, newness: &Newness, round: &mut Round) {
        if case.open.tally.with_address == 0
            || case.prediction.age_buckets < judged_from(Scale::Hour)
        {
            return;
        }
        round.has_data(Voice::Caller);
        for (signal, count, requests, slack) in [
            (
                Signal::Strange10m,
                newness.strange_bucket,
                Signal::Requests10m,
                2.0,
            ),
            (
                Signal::Strange1h,
                newness.strange_hour,
                Signal::Requests1h,
                3.0,
            ),
        ] {
            if case.prediction.grain > signal.scale().minutes() {
                continue;
            }
            let expected = case.prediction.count(requests).mean();
            let ratio = count as f64 / (expected + slack);
            if count < STRANGE_REQUESTS || ratio < STRANGE_RATIO {
                continue;
            }
            let rarity = strange_rarity(signal, ratio);
            let episodes = self.episodes(case, signal, rarity);
            let hour = self
                .windows
                .hour_ending(case.slot, Channel::Requests, case.bucket);
            let familiar = hour.saturating_sub(newness.strange_hour) as f64;
            let expected_hour = case.prediction.count(Signal::Requests1h).mean();
            let mut said = episodes;
            let new_client = !case.early
                && newness.new_client as f64 >= 0.5 * newness.strange_bucket.max(1) as f64;
            if new_client {
                said *= WITH_NEW_CLIENT;
            }
            if expected_hour >= 5.0 && familiar >= 0.6 * expected_hour {
                said *= BESIDE_THE_FAMILIAR;
            }
            let share =
                100.0 * newness.strange_bucket as f64 / case.open.tally.requests.max(1) as f64;
            let finding = Finding {
                family: Family::Caller,
                signal: Some(signal),
                metric: Metric::Requests,
                window: signal.scale().window(case.bucket, case.minute),
                observed: count as f64,
                expected: 0.0,
                low: 0.0,
                high: 0.0,
                neg_ln_p: rarity.nominal,
                size: rarity.size,
                episodes_per_day: said,
                share: signal.share(),
                note: Some(format!(
                    "{count} requests in {} come from networks that are new to this key ({share:.0} % of the last ten minutes){}",
                    signal.scale().words(),
                    if new_client {
                        ", with a client that is new to it"
                    } else {
                        ""
                    },
                )),
            };
            round.add(finding, said);
        }
    }

    /// What a request costs: on average, and the dearest.
    fn judge_price(&self, case: &Case<'_>, round: &mut Round) {
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
            episodes_per_day: episodes,
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
    fn judge_models(&self, case: &Case<'_>, newness: &Newness, round: &mut Round) {
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

    /// Calls that are refused or only list what there is: somebody tries a key out.
    fn judge_probing(&self, case: &Case<'_>, round: &mut Round) {
        round.has_data(Voice::Probing);
        let (probes, requests) = (case.open.tally.probes, case.open.tally.requests);
        if probes < 5
            || case.prediction.grain > 10
            || case.prediction.age_buckets < judged_from(Scale::TenMinutes)
        {
            return;
        }
        // What is usual of the key's usual volume, not of the volume that is judged.
        let usual = case
            .prediction
            .count(Signal::Requests10m)
            .mean()
            .min(requests as f64);
        let mean = f64::from(case.prediction.probing_share) * usual + 0.3;
        let rarity = Rarity {
            nominal: neg_ln_sf_negative_binomial(probes as f64, mean, 1.0),
            size: (probes as f64 / mean).ln(),
        };
        let signal = Signal::Probing;
        if rarity.nominal <= signal.threshold() {
            return;
        }
        let episodes = self.episodes(case, signal, rarity);
        let finding = Finding {
            family: Family::Probing,
            signal: Some(signal),
            metric: Metric::Requests,
            window: Scale::TenMinutes.window(case.bucket, case.minute),
            observed: probes as f64,
            expected: mean,
            low: 0.0,
            high: 3.0 * mean + 3.0,
            neg_ln_p: rarity.nominal,
            size: rarity.size,
            episodes_per_day: episodes,
            share: signal.share(),
            note: Some(format!(
                "{probes} of {requests} requests in ten minutes were refused or only listed models, {mean:.1} are usual"
            )),
        };
        round.add(finding, episodes);
    }

    fn judge_dormancy(&self, case: &Case<'_>, round: &mut Round) {
        let Some(returning) = self.returning(case.slot, case.bucket) else {
            return;
        };
        if case.open.tally.requests == 0 {
            return;
        }
        let requests = self
            .windows
            .hours_until(case.slot, Channel::Requests, case.bucket, 7);
        let rate = self.population.rate(Happening::Return);
        let episodes = rate * Population::returning_chance(requests as f64);
        let days = returning.silent_hours / 24;
        let finding = Finding {
            family: Family::Dormancy,
            signal: None,
            metric: Metric::Requests,
            window: Window {
                start: start_of(returning.bucket),
                end: start_of(case.bucket + 1),
            },
            observed: requests as f64,
            expected: 0.0,
            low: 0.0,
            high: 0.0,
            neg_ln_p: -episodes.ln(),
            size: 0.0,
            episodes_per_day: episodes,
            share: DORMANCY_SHARE,
            note: Some(format!(
                "the key was silent for {days} days and has made {requests} requests since it returned"
            )),
        };
        round.add(finding, episodes);
    }

    fn judge_newborn(&self, case: &Case<'_>, round: &mut Round) {
        let Some(newborn) = self.newborns.get(&(case.slot as u32)) else {
            return;
        };
        if !newborn.is_birth || case.bucket - newborn.bucket >= NEWBORN_BUCKETS {
            return;
        }
        let (slot, bucket) = (case.slot, case.bucket);
        let requests = self.windows.hour_ending(slot, Channel::Requests, bucket);
        let cost = self.windows.hour_ending(slot, Channel::Cost, bucket);
        let dollars = cost as f64 / Nanos::USD as f64;
        let chance = self.population.busiest_chance(requests as f64, dollars);
        if case.open.tally.requests == 0 || chance > ORDINARY_BIRTH {
            return;
        }
        let episodes = self.population.rate(Happening::Birth) * chance;
        let finding = Finding {
            family: Family::Newborn,
            signal: None,
            metric: if cost > 0 {
                Metric::Cost
            } else {
                Metric::Requests
            },
            window: Scale::Hour.window(bucket, case.minute),
            observed: if cost > 0 { dollars } else { requests as f64 },
            expected: 0.0,
            low: 0.0,
            high: 0.0,
            neg_ln_p: -episodes.max(1e-300).ln(),
            size: 0.0,
            episodes_per_day: episodes.max(1e-300),
            share: NEWBORN_SHARE,
            note: Some(format!(
                "the key was first seen {} hours ago and makes {requests} requests for {dollars:.2} dollars an hour; one new key in {:.0} does as much",
                (bucket - newborn.bucket) / 6,
                1.0 / chance.max(1e-9)
            )),
        };
        round.add(finding, episodes);
    }

    /// What the inventory forbids.
    fn judge_rules(&self, case: &Case<'_>, round: &mut Round) {
        let at = start_of(case.bucket + 1);
        if !case.directory.has_rules(case.entity, at) {
            return;
        }
        round.has_data(Voice::Rule);
        let Some((rule, breaking)) = case.open.tally.broken_rule() else {
            return;
        };
        // One stray call is a slip of configuration more often than a theft.
        let few = if breaking < 3 { 5.0 } else { 1.0 };
        let episodes = self.population.rate(Happening::BrokenRule) * few;
        let finding = Finding {
            family: Family::Rule,
            signal: None,
            metric: Metric::Requests,
            window: Scale::TenMinutes.window(case.bucket, case.minute),
            observed: breaking as f64,
            expected: 0.0,
            low: 0.0,
            high: 0.0,
            neg_ln_p: -episodes.ln(),
            size: 0.0,
            episodes_per_day: episodes,
            share: RULE_SHARE,
            note: Some(rule.to_string()),
        };
        round.add(finding, episodes);
    }
}

/// A rise of volume or spend, in requests or their equivalents.
struct Rise {
    signal: Signal,
    rarity: Rarity,
    observed: f64,
    expected: f64,
    unit: f64,
    band: (f64, f64),
}

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
}

/// Returns how rare it is that strange networks make `ratio` times the expected requests: a
/// statistic that grows with the logarithm of the ratio, so that the exponential tail by which
/// it is calibrated is a power law of the ratio.
pub(crate) fn strange_rarity(signal: Signal, ratio: f64) -> Rarity {
    let above = (ratio / 0.3).ln().max(0.0);
    Rarity {
        nominal: signal.threshold() + 0.01 + 4.0 * above,
        size: ratio.max(0.01).ln(),
    }
}

/// Returns how many of the counted unit make one of the metric's own: nano-dollars a dollar.
pub(crate) fn scale_of(metric: Metric) -> f64 {
    match metric {
        Metric::Cost => Nanos::USD as f64,
        Metric::Requests | Metric::Tokens => 1.0,
    }
}

/// Returns the smallest count, above `from`, whose judgement alone would be an alert at
/// `episodes` a day; the search ends at 64 times `from`.
pub(crate) fn invert(
    expected: &Expected,
    signal: Signal,
    from: f64,
    episodes_of: &dyn Fn(Rarity) -> f64,
    episodes: f64,
) -> f64 {
    let is_alert = |count: f64| episodes_of(judge(expected, signal, count)) < episodes;
    let (mut low, mut high) = (from, 64.0 * from.max(1.0));
    if !is_alert(high) {
        return high;
    }
    while high - low > (0.02 * low).max(0.5) {
        let middle = f64::midpoint(low, high);
        if is_alert(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}
