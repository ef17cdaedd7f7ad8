//! Volume and spend: how much, against what is expected of the key and who is behind it.

use super::{Case, Newness, judged_from, scale_of};
use crate::baseline::Prediction;
use crate::calibration::Rarity;
use crate::clock::{BUCKETS_A_DAY, MINUTES_A_BUCKET};
use crate::finding::{Finding, OVERLAP, Round, Voice};
use crate::judge::{Expected, judge};
use crate::signal::{Scale, Signal};
use crate::state::State;
use crate::windows::Channel;

/// How often a day a key's usage legitimately rises to `f` times the usual and more is at least
/// this over the square of `f`, whatever the key's own past says, where its callers are all
/// familiar: launches happen to steady keys too, and the same machines seldom make a hundred
/// times as much.
const RISES_OF_FAMILIAR: f64 = 1.5;
/// The same where nothing is known of the callers: for steady keys, and for others to `f` times
/// the most they have made before, over a power of `f`. (Of 178 clients of a large provider, in
/// a week 10 % set a new maximum of ten minutes at 5 times the last week's or more, 5 % at
/// 11 times, 1 % at 134 times.)
const RISES_OF_STEADY: f64 = 0.000_1;
const RISES_OF_BURSTING: f64 = 0.03;
const RISES_EXPONENT: f64 = 0.7;

/// The part of the budget that rises of volume and spend may take by themselves: a rise alone is
/// an alert where such rises are less frequent than this part of what is stated.
const RISES_PART: f64 = 0.66;

/// Which part of the excess must come from strange networks, new models or clients for a rise
/// not to be the familiar callers' own.
const STRANGE_PART: f64 = 0.2;

/// Who is behind a rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Callers {
    Familiar,
    Unknown,
    Strange,
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

impl State {
    pub(super) fn judge_counts(&self, case: &Case<'_>, newness: &Newness, round: &mut Round) {
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
    pub(super) fn judge_marginal(&self, case: &Case<'_>, newness: &Newness, round: &mut Round) {
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

    pub(super) fn judge_slow_theft(&self, case: &Case<'_>, newness: &Newness, round: &mut Round) {
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
        let (callers, beside_others) = self.callers(case, newness, (observed, expected));
        let rises = |callers| rises(callers, case.prediction, signal, (observed, expected));
        let alone = rises(callers) * signal.share() * OVERLAP / RISES_PART;
        let together = rises(beside_others);
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
        let callers = if self.strangers(case, newness) as f64 >= STRANGE_PART * hour_excess
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
}

/// Returns the least episodes a day of a rise to `observed` requests where `expected` were, by
/// who is behind it and how the key bursts.
fn rises(
    callers: Callers,
    prediction: &Prediction,
    signal: Signal,
    (observed, expected): (f64, f64),
) -> f64 {
    let factor = (observed / expected.max(0.5)).max(1.0);
    match callers {
        Callers::Familiar => RISES_OF_FAMILIAR / (factor * factor),
        Callers::Unknown if prediction.class.is_steady() => RISES_OF_STEADY / factor,
        Callers::Unknown => {
            let record = observed / prediction.highest_in(signal.scale()).max(1.0);
            RISES_OF_BURSTING * rises_over(record)
        }
        Callers::Strange => 0.0,
    }
}

/// Returns the part of rises that go to `record` times the most before and beyond, where
/// nothing is known of the callers.
pub(super) fn rises_over(record: f64) -> f64 {
    record.max(1.0).powf(-RISES_EXPONENT)
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
