//! What is usual for a key, learned bucket by bucket; and what it expects of the next.
//!
//! A window is expected to hold `level × profile`. Learning stops short of the judged window by
//! two buckets, so that no window explains itself and the expectation does not depend on the
//! order in which rows of neighbouring buckets arrived.

use columns::SnapshotError;
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::brief::Brief;
use crate::clock::{
    BUCKETS_A_DAY, BUCKETS_AN_HOUR, MINUTES_A_BUCKET, days_between, ends_hour, hour_of,
};
use crate::directory::Announced;
use crate::grain::{Feed, Grains};
use crate::grid::Grid;
use crate::highest::Highest;
use crate::judge::Expected;
use crate::judging::UNIT_COST_REQUESTS;
use crate::lessons::TallyLesson;
use crate::level::{Held, Levels};
use crate::moments::Moments;
use crate::peaks::Peaks;
use crate::pool::Class;
use crate::profile::{Footing, Profiles};
use crate::signal::{COUNTS, Scale, Signal};
use crate::spread::{BriefSpreads, Spreads};
use crate::windows::{Channel, Windows};

/// Seven days of buckets: the memory of the marginal mean.
const MARGINAL_MEMORY: f32 = 7.0 * BUCKETS_A_DAY as f32;
/// How many buckets or requests the cost of a request is remembered over.
const COST_MEMORY: f32 = 500.0;
/// The share of probing requests before any were seen, and its weight in requests.
const PROBING_SHARE: f32 = 0.02;
const PROBING_MEMORY: f32 = 2000.0;

/// Hours of a day, and the current one.
const DAY_HOURS: usize = 25;

/// What is expected of the windows that end with one bucket.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Prediction {
    counts: [Expected; COUNTS],
    /// Requests an hour, and dollars an hour in requests, at profile 1.
    levels: [f32; 2],
    /// How each hour of the last day, the current one last, compares with the mean hour.
    ratios: [f32; DAY_HOURS],
    hour: i64,
    /// How much of tokens and nano-dollars one request is.
    units: [f32; 3],
    /// Mean, deviation and evidence of the requests of ten minutes.
    pub(crate) marginal: (f32, f32, f32),
    /// The same of the logarithm of the mean and of the dearest cost of a request.
    pub(crate) unit_cost: (f32, f32, f32),
    pub(crate) dearest: (f32, f32, f32),
    /// The share of requests that probe.
    pub(crate) probing_share: f32,
    /// The most requests that the key has made in ten minutes and in an hour.
    highest: [f32; 2],
    /// Minutes that one delivery of the feed covers.
    pub(crate) grain: i64,
    pub(crate) age_buckets: i64,
    pub(crate) class: Class,
    pub(crate) announced: Announced,
}

impl Prediction {
    pub(crate) fn count(&self, signal: Signal) -> &Expected {
        &self.counts[signal as usize]
    }

    /// Returns requests an hour at profile 1.
    pub(crate) fn level(&self) -> f64 {
        f64::from(self.levels[0])
    }

    /// Returns what was expected of a whole hour of the last day, in the channel's own unit.
    pub(crate) fn expected_hour(&self, channel: Channel, hour: i64) -> f64 {
        let ago = (self.hour - hour).clamp(0, DAY_HOURS as i64 - 1) as usize;
        let level = match channel {
            Channel::Cost => self.levels[1],
            _ => self.levels[0],
        };
        f64::from(level * self.ratios[DAY_HOURS - 1 - ago]) * self.unit(channel)
    }

    /// Returns the most requests that the key has made in a window of a scale; of longer ones
    /// than an hour no more is known than that busy hours do not all follow each other.
    pub(crate) fn highest_in(&self, scale: Scale) -> f64 {
        let [ten_minutes, hour] = self.highest.map(f64::from);
        match scale {
            Scale::Minute | Scale::TenMinutes => ten_minutes,
            Scale::Hour => hour,
            Scale::SixHours => hour * 6f64.sqrt(),
            Scale::Day => hour * 24f64.sqrt(),
        }
    }

    /// Returns how much of a channel one request is.
    pub(crate) fn unit(&self, channel: Channel) -> f64 {
        match channel {
            Channel::Strange => 1.0,
            channel => f64::from(self.units[channel as usize]),
        }
    }
}

/// What a closed bucket teaches.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Lesson {
    pub(crate) bucket: i64,
    /// 1, or less while an alarm is open: an attack does not become the baseline.
    pub(crate) weight: f32,
    /// 1, or less while evidence of slow theft is gathering.
    pub(crate) trust: f32,
}

/// What is kept of what was learned of a key that is not used any more.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BriefBaseline {
    learned: i32,
    born: i32,
    used: i32,
    feed: Feed,
    spreads: BriefSpreads,
    levels: [Brief; 8],
    profile: [Brief; 3],
    highest: [Brief; 2],
    marginal: [Brief; 3],
    unit_cost: [Brief; 3],
    dearest: [Brief; 3],
    probing: Brief,
}

impl BriefBaseline {
    /// Returns the bucket in which the key was first seen.
    pub(crate) fn born(&self) -> i64 {
        i64::from(self.born)
    }
}

/// The columns of what is learned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Baseline {
    /// The last bucket learned, and the first one seen.
    learned: Grid<i32>,
    born: Grid<i32>,
    /// The last bucket with usage among those learned.
    used: Grid<i32>,
    pub(crate) levels: Levels,
    pub(crate) profiles: Profiles,
    spreads: Spreads,
    grains: Grains,
    highest: Highest,
    marginal: Moments,
    unit_cost: Moments,
    dearest: Moments,
    probing: Grid<f32>,
}

impl Baseline {
    pub(crate) fn new() -> Self {
        Self {
            learned: Grid::new(1),
            born: Grid::new(1),
            used: Grid::new(1),
            levels: Levels::new(),
            profiles: Profiles::new(),
            spreads: Spreads::new(),
            grains: Grains::new(),
            highest: Highest::new(),
            marginal: Moments::new(1.0, MARGINAL_MEMORY),
            unit_cost: Moments::new(0.5, COST_MEMORY),
            dearest: Moments::new(0.8, COST_MEMORY),
            probing: Grid::new(1),
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            learned,
            born,
            used,
            levels,
            profiles,
            spreads,
            grains,
            highest,
            marginal,
            unit_cost,
            dearest,
            probing,
        } = self;
        archive.grid("learned", learned)?;
        archive.grid("born", born)?;
        archive.grid("used", used)?;
        archive.part("levels", |archive| levels.archive(archive))?;
        archive.part("profiles", |archive| profiles.archive(archive))?;
        archive.part("spreads", |archive| spreads.archive(archive))?;
        archive.part("grains", |archive| grains.archive(archive))?;
        archive.part("highest", |archive| highest.archive(archive))?;
        archive.part("marginal", |archive| marginal.archive(archive))?;
        archive.part("unit_cost", |archive| unit_cost.archive(archive))?;
        archive.part("dearest", |archive| dearest.archive(archive))?;
        archive.grid("probing", probing)
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize, bucket: i64) {
        self.learned.begin(slot, (bucket - 1) as i32);
        self.born.begin(slot, bucket as i32);
        self.used.begin(slot, (bucket - 1) as i32);
        self.levels.begin(slot);
        self.profiles.begin(slot);
        self.spreads.begin(slot);
        self.grains.begin(slot);
        self.highest.begin(slot);
        self.marginal.begin(slot);
        self.unit_cost.begin(slot);
        self.dearest.begin(slot);
        self.probing.begin(slot, PROBING_SHARE);
    }

    /// Returns what is kept of a key that is not used.
    pub(crate) fn keep(&self, slot: usize) -> BriefBaseline {
        BriefBaseline {
            learned: self.learned.get(slot),
            born: self.born.get(slot),
            used: self.used.get(slot),
            levels: self.levels.keep(slot),
            profile: self.profiles.keep(slot),
            spreads: self.spreads.keep(slot),
            feed: self.grains.keep(slot),
            highest: self.highest.get(slot).map(Brief::from),
            marginal: self.marginal.keep(slot),
            unit_cost: self.unit_cost.keep(slot),
            dearest: self.dearest.keep(slot),
            probing: Brief::from(self.probing.get(slot)),
        }
    }

    /// Takes what was kept for a key's own.
    pub(crate) fn warm(&mut self, slot: usize, kept: &BriefBaseline) {
        self.learned.set(slot, kept.learned);
        self.born.set(slot, kept.born);
        self.used.set(slot, kept.used);
        self.levels.warm(slot, &kept.levels);
        self.profiles.warm(slot, &kept.profile);
        self.spreads.warm(slot, &kept.spreads);
        self.grains.warm(slot, kept.feed);
        self.highest.warm(slot, kept.highest.map(Brief::get));
        self.marginal.warm(slot, &kept.marginal);
        self.unit_cost.warm(slot, &kept.unit_cost);
        self.dearest.warm(slot, &kept.dearest);
        self.probing.set(slot, kept.probing.get());
    }

    /// Notes that a key was born no later than with a bucket.
    pub(crate) fn born_by(&mut self, slot: usize, bucket: i64) {
        let born = i64::from(self.born.get(slot));
        if bucket < born && self.learned(slot) == born - 1 {
            self.born.set(slot, bucket as i32);
            self.learned.set(slot, (bucket - 1) as i32);
            self.used.set(slot, (bucket - 1) as i32);
        }
    }

    /// Takes over what another key has learned: it was rotated into this one.
    pub(crate) fn copy(&mut self, from: usize, to: usize) {
        self.born.set(to, self.born.get(from));
        self.levels.copy(from, to);
        self.profiles.copy(from, to);
        self.spreads.copy(from, to);
        self.grains.copy(from, to);
        self.highest.copy(from, to);
        self.marginal.copy(from, to);
        self.unit_cost.copy(from, to);
        self.dearest.copy(from, to);
        self.probing.set(to, self.probing.get(from));
    }

    pub(crate) fn learned(&self, slot: usize) -> i64 {
        i64::from(self.learned.get(slot))
    }

    /// Returns how long ago, in buckets, the key was first seen.
    pub(crate) fn age_buckets(&self, slot: usize, bucket: i64) -> i64 {
        bucket - i64::from(self.born.get(slot))
    }

    /// Returns the minutes that one delivery of the key's feed covers.
    pub(crate) fn grain(&self, slot: usize) -> i64 {
        self.grains.minutes(slot)
    }

    /// Returns whether any of the key's usage had a cost.
    pub(crate) fn has_cost(&self, slot: usize) -> bool {
        self.dearest.get(slot).2 > 0.0
    }

    /// Returns how the key bursts.
    pub(crate) fn class(&self, slot: usize) -> Class {
        Class::of(
            self.profiles.activity(slot),
            self.spreads.sd_ln(slot, Signal::Requests10m),
        )
    }

    /// Returns what is expected of the windows that end with a bucket.
    pub(crate) fn predict(
        &self,
        slot: usize,
        bucket: i64,
        peaks: &Peaks,
        announced: Announced,
    ) -> Prediction {
        let mut counts = [Expected::default(); COUNTS];
        let ratios = self.ratios(slot, hour_of(bucket), Some(peaks));
        let hours = hours_by_scale(&ratios, bucket);
        let factor = announced.factor as f32;
        for signal in Signal::counts() {
            let channel = signal.channel();
            let hours = hours[signal.scale() as usize];
            let counted = self.levels.counted(slot, channel);
            counts[signal as usize] = Expected {
                slow: self.levels.slow(slot, channel) * hours * factor,
                fast: self.levels.fast(slot, channel) * hours * factor,
                // A level that rests on few counts is itself uncertain.
                dispersion: self.spreads.dispersion(slot, signal) + 1.0 / (counted + 1.0),
                sd_ln: self.spreads.sd_ln(slot, signal),
            };
        }
        Prediction {
            counts,
            levels: [Channel::Requests, Channel::Cost]
                .map(|channel| self.levels.slow(slot, channel) * factor),
            ratios,
            hour: hour_of(bucket),
            units: [
                1.0,
                self.levels.unit(slot, Channel::Tokens),
                self.levels.unit(slot, Channel::Cost),
            ],
            marginal: self.marginal.get(slot),
            unit_cost: self.unit_cost.get(slot),
            dearest: self.dearest.get(slot),
            probing_share: self.probing.get(slot),
            highest: self.highest.get(slot),
            grain: self.grains.minutes(slot),
            age_buckets: self.age_buckets(slot, bucket),
            class: self.class(slot),
            announced,
        }
    }

    /// Takes the hour that ends with a closed bucket for what is usual from now on.
    pub(crate) fn adopt(&mut self, slot: usize, bucket: i64, windows: &Windows) {
        let held: Held = [Channel::Requests, Channel::Tokens, Channel::Cost]
            .map(|channel| windows.hour_ending(slot, channel, bucket));
        let [requests, _, cost] = held;
        if requests == 0 {
            return;
        }
        let hours = self.ratio(slot, hour_of(bucket));
        self.levels.adopt(slot, &held, hours);
        let of_a_bucket = requests as f32 / BUCKETS_AN_HOUR as f32;
        self.marginal.adopt(slot, of_a_bucket);
        if cost > 0 {
            let of_a_request = (cost as f64 / requests as f64).ln() as f32;
            self.unit_cost.adopt(slot, of_a_request);
            let dearest = self.dearest.get(slot).0.max(of_a_request);
            self.dearest.adopt(slot, dearest);
        }
    }

    /// Learns a closed bucket.
    pub(crate) fn learn(&mut self, slot: usize, lesson: &Lesson, windows: &Windows) {
        let bucket = lesson.bucket;
        let held: Held = [Channel::Requests, Channel::Tokens, Channel::Cost]
            .map(|channel| windows.bucket(slot, channel, bucket));
        self.spreads.count(slot);
        let ratios = self.ratios(slot, hour_of(bucket), None);
        let hours = hours_by_scale(&ratios, bucket);
        for signal in Signal::counts() {
            let channel = signal.channel();
            let sum = closed_sum(windows, slot, signal, bucket);
            let mean = self.levels.slow(slot, channel) * hours[signal.scale() as usize];
            let count = sum as f32 / self.levels.unit(slot, channel);
            self.spreads
                .learn(slot, signal, (count, mean), lesson.weight);
        }
        self.marginal.learn(slot, held[0] as f32, lesson.weight);
        let requests = windows.hour_ending(slot, Channel::Requests, bucket);
        let is_alarmed = lesson.weight < 1.0;
        self.highest
            .learn(slot, [held[0] as f32, requests as f32], is_alarmed);
        let cost = windows.hour_ending(slot, Channel::Cost, bucket);
        if held[0] > 0 && cost > 0 && requests >= UNIT_COST_REQUESTS {
            let mean = cost as f64 / requests as f64;
            self.unit_cost.learn(slot, mean.ln() as f32, lesson.weight);
        }
        let hour = hour_of(bucket);
        let hours = self.ratio(slot, hour) / BUCKETS_AN_HOUR as f32;
        self.levels
            .learn(slot, &held, hours, lesson.weight, lesson.trust);
        if ends_hour(bucket) {
            let count = windows.hour_ending(slot, Channel::Requests, bucket);
            self.learn_hour(slot, hour, count as f32, lesson.weight);
        }
        self.learned.set(slot, bucket as i32);
    }

    /// Learns what the tally of a closed bucket shows beside its counts.
    pub(crate) fn learn_tally(
        &mut self,
        slot: usize,
        bucket: i64,
        lesson: &TallyLesson,
        weight: f32,
    ) {
        self.used.set(slot, bucket as i32);
        self.grains.learn(slot, bucket, lesson.marks);
        let requests = lesson.requests;
        if requests == 0.0 {
            return;
        }
        if lesson.dearest.is_finite() {
            self.dearest.learn(slot, lesson.dearest, weight);
        }
        let share = (requests / (requests + PROBING_MEMORY)).max(1.0 / 500.0) * weight;
        let probing = self.probing.get(slot);
        let seen = lesson.probes / requests;
        self.probing.set(slot, probing + share * (seen - probing));
    }

    /// Learns that nothing happened from the last learned bucket up to and without `until`,
    /// an hour at a time: nearly the same as learning each empty bucket. Spread is not learned
    /// from silence: a long holiday must not make a key look wild. Buckets that `is_gap` are
    /// missing data and teach nothing.
    pub(crate) fn learn_silence(&mut self, slot: usize, until: i64, is_gap: &dyn Fn(i64) -> bool) {
        let mut bucket = self.learned(slot) + 1;
        while bucket < until {
            let hour = hour_of(bucket);
            let next = ((hour + 1) * BUCKETS_AN_HOUR).min(until);
            let buckets = (bucket..next).filter(|&bucket| !is_gap(bucket)).count() as i64;
            if buckets > 0 {
                let share = buckets as f32 / BUCKETS_AN_HOUR as f32;
                let hours = self.ratio(slot, hour) * share;
                self.levels.learn_silence(slot, buckets, hours);
                self.marginal.learn_zeros(slot, buckets);
                self.highest.fade(slot, buckets);
            }
            if next == (hour + 1) * BUCKETS_AN_HOUR && buckets == BUCKETS_AN_HOUR {
                self.learn_hour(slot, hour, 0.0, 1.0);
            }
            bucket = next;
        }
        let learned = self.learned(slot).max(until - 1);
        self.learned.set(slot, learned as i32);
    }

    fn learn_hour(&mut self, slot: usize, hour: i64, count: f32, weight: f32) {
        let footing = self.footing(slot, hour);
        self.profiles.learn(slot, hour, count, &footing, weight);
    }

    /// Returns what the counts of a key's hours say of its shape, by an hour.
    fn footing(&self, slot: usize, hour: i64) -> Footing {
        let born = hour_of(i64::from(self.born.get(slot)));
        Footing {
            days: days_between(born, hour),
            level: self.levels.slow(slot, Channel::Requests),
            dispersion: self.spreads.dispersion(slot, Signal::Requests1h),
        }
    }

    /// Returns how an hour compares with the mean hour.
    fn ratio(&self, slot: usize, hour: i64) -> f32 {
        self.profiles.ratio(slot, hour, &self.footing(slot, hour))
    }

    /// Returns whether the key was used in the `buckets` before a bucket, by what is learned.
    pub(crate) fn was_used_before(&self, slot: usize, bucket: i64, buckets: i64) -> bool {
        bucket - i64::from(self.used.get(slot)) <= buckets
    }

    /// Returns how each hour of the last day, the given one last, compares with the mean hour;
    /// with the peaks of the key where they are given.
    fn ratios(&self, slot: usize, hour: i64, peaks: Option<&Peaks>) -> [f32; DAY_HOURS] {
        let first = hour - (DAY_HOURS as i64 - 1);
        let mut ratios = self.profiles.ratios(slot, first, &self.footing(slot, hour));
        if let Some(peaks) = peaks {
            peaks.raise(slot, first, &mut ratios);
        }
        ratios
    }

    pub(crate) fn bytes(&self) -> usize {
        self.learned.bytes()
            + self.born.bytes()
            + self.used.bytes()
            + self.levels.bytes()
            + self.profiles.bytes()
            + self.spreads.bytes()
            + self.grains.bytes()
            + self.highest.bytes()
            + self.marginal.bytes()
            + self.unit_cost.bytes()
            + self.dearest.bytes()
            + self.probing.bytes()
    }
}

/// Returns the hours at profile 1 in the windows of every scale that end with `bucket`, given
/// the ratios of its day's hours.
fn hours_by_scale(ratios: &[f32; DAY_HOURS], bucket: i64) -> [f32; 5] {
    let last = |count: usize| -> f32 { ratios[DAY_HOURS - count..].iter().sum() };
    let (this, before) = (ratios[DAY_HOURS - 1], ratios[DAY_HOURS - 2]);
    let of_this_hour = (bucket.rem_euclid(BUCKETS_AN_HOUR) + 1) as f32;
    let of_last_hour = BUCKETS_AN_HOUR as f32 - of_this_hour;
    let hour = (this * of_this_hour + before * of_last_hour) / BUCKETS_AN_HOUR as f32;
    [
        this / 60.0,
        this / BUCKETS_AN_HOUR as f32,
        hour,
        last(6),
        last(24),
    ]
}

/// Returns the sum of a closed window of a signal that is a count. Of the minutes one of the
/// ten stands for all: it is their spread that is learned, not that of the busiest.
fn closed_sum(windows: &Windows, slot: usize, signal: Signal, bucket: i64) -> u64 {
    let channel = signal.channel();
    match signal.scale() {
        Scale::Minute => {
            let first = bucket * MINUTES_A_BUCKET;
            windows.minute(slot, first + bucket.rem_euclid(MINUTES_A_BUCKET))
        }
        Scale::TenMinutes => windows.bucket(slot, channel, bucket),
        Scale::Hour => windows.hour_ending(slot, channel, bucket),
        Scale::SixHours => windows.hours_until(slot, channel, bucket, 6),
        Scale::Day => windows.hours_until(slot, channel, bucket, 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::windows::Amounts;

    /// A key with ten requests in each bucket, all in its first minute.
    fn steady(buckets: i64) -> (Baseline, Windows) {
        let (mut baseline, mut windows) = (Baseline::new(), Windows::new());
        baseline.begin(0, 0);
        windows.begin(0, 0);
        for bucket in 0..buckets {
            let minute = bucket * MINUTES_A_BUCKET;
            windows.advance(0, minute);
            let amounts = Amounts {
                requests: 10,
                tokens: 8000,
                cost_nanos: 1_000_000,
            };
            windows.add(0, minute, amounts);
            let lesson = Lesson {
                bucket,
                weight: 1.0,
                trust: 1.0,
            };
            baseline.learn(0, &lesson, &windows);
        }
        (baseline, windows)
    }

    #[test]
    fn a_steady_key_is_expected_to_stay_as_it_is() {
        let buckets = 14 * BUCKETS_A_DAY;
        let (baseline, _) = steady(buckets);
        let peaks = Peaks::default();
        let prediction = baseline.predict(0, buckets + 1, &peaks, Announced::default());
        let slow = |signal| prediction.count(signal).slow;
        assert!((slow(Signal::Requests10m) - 10.0).abs() < 0.5);
        assert!((slow(Signal::Cost1h) - 60.0).abs() < 3.0);
        assert!((slow(Signal::Requests24h) - 1440.0).abs() < 50.0);
        assert!(prediction.count(Signal::Requests10m).dispersion < 0.05);
        assert!((prediction.unit(Channel::Cost) - 100_000.0).abs() < 100.0);
    }

    #[test]
    fn a_gap_of_the_source_is_no_silence() {
        let (mut told, _) = steady(1000);
        let (mut silent, _) = steady(1000);
        told.learn_silence(0, 2000, &|_| true);
        silent.learn_silence(0, 2000, &|_| false);
        let level = |baseline: &Baseline| baseline.levels.slow(0, Channel::Requests);
        assert!((level(&told) - 60.0).abs() < 1.0);
        assert!(level(&silent) < 50.0);
    }
}
