//! What keys that burst alike have in common: the tails of classes, and the governor.
//!
//! Sums are whole numbers (fixed point), so that they do not depend on the order in which keys
//! are closed. What a day has taught takes effect with the next day of event time.

use serde::{Deserialize, Serialize};

use crate::signal::{SIGNALS, Signal};

/// How a key bursts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Class(u8);

/// How many classes there are: sparse keys, and seven ranges of log residuals.
pub(crate) const CLASSES: usize = 8;

/// The upper ends of the ranges of the deviation of the log residual of ten minutes.
const RANGES: [f32; CLASSES - 2] = [0.25, 0.32, 0.4, 0.55, 0.8, 1.2];

impl Class {
    /// Returns the class of a key with this share of active hours and log residual.
    pub(crate) fn of(activity: f32, sd_ln: f32) -> Self {
        if activity < 0.08 {
            return Self(0);
        }
        Self(1 + RANGES.iter().filter(|&&end| sd_ln > end).count() as u8)
    }

    fn at(self) -> usize {
        usize::from(self.0)
    }

    /// Returns whether keys of the class keep to what is expected of them.
    pub(crate) fn is_steady(self) -> bool {
        (1..=4).contains(&self.0)
    }

    /// Returns the class in words.
    pub(crate) fn words(self) -> &'static str {
        match self.0 {
            0 => "rarely used",
            1 | 2 => "steady",
            3 | 4 => "moving",
            5 => "bursting",
            _ => "wild",
        }
    }
}

/// The weight of what is believed before any key was seen, in key-days and clusters.
const PRIOR_DAYS: f64 = 60.0;
const PRIOR_CLUSTERS: f64 = 15.0;
/// The mean excess of a class is believed to be at most this.
const LARGEST_EXCESS: f64 = 40.0;
/// What one cluster adds to the excess of its class at most.
const LARGEST_ADDED: f64 = 40.0;
/// Evidence halves in 28 days.
const DAILY_DECAY: f64 = 0.975_5;
const FIXED: f64 = 65_536.0;

/// The governor compares expected and seen episodes at this multiple of the budget, where a few
/// thefts are few among many.
pub(crate) const GOVERNED_AT: f64 = 20.0;
/// How much the governor may change what is asked of a class of keys.
const GOVERNOR: std::ops::RangeInclusive<f64> = 0.2..=2.0;
/// The evidence, in expected episodes, that the governor starts with.
const GOVERNOR_PRIOR: f64 = 8.0;

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Sums {
    clusters: f64,
    excess: f64,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Today {
    clusters: u64,
    excess: u64,
}

/// Statistics over all keys of a partition.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Pool {
    day: i64,
    sums: [[Sums; SIGNALS]; CLASSES],
    days: [f64; CLASSES],
    seen: [f64; CLASSES],
    today: [[Today; SIGNALS]; CLASSES],
    days_today: [u64; CLASSES],
    seen_today: [u64; CLASSES],
    /// What is in force: rate and mean excess of each tail, and the governor's factor.
    tails: [[(f64, f64); SIGNALS]; CLASSES],
    factors: [f64; CLASSES],
}

impl Pool {
    pub(crate) fn new() -> Self {
        let mut pool = Self {
            day: i64::MIN,
            sums: Default::default(),
            days: [0.0; CLASSES],
            seen: [0.0; CLASSES],
            today: Default::default(),
            days_today: [0; CLASSES],
            seen_today: [0; CLASSES],
            tails: [[(0.0, 0.0); SIGNALS]; CLASSES],
            factors: [1.0; CLASSES],
        };
        pool.put_in_force(0.0);
        pool
    }

    /// Returns clusters a key-day and their mean excess of a signal in a class.
    pub(crate) fn tail(&self, class: Class, signal: Signal) -> (f64, f64) {
        self.tails[class.at()][signal as usize]
    }

    /// Returns the factor that the governor puts on the budget of a class.
    pub(crate) fn factor(&self, class: Class) -> f64 {
        self.factors[class.at()]
    }

    pub(crate) fn add_days(&mut self, class: Class, days: i64) {
        self.days_today[class.at()] += days.unsigned_abs();
    }

    pub(crate) fn add_cluster(&mut self, class: Class, signal: Signal, excess: f64) {
        let today = &mut self.today[class.at()][signal as usize];
        today.clusters += 1;
        today.excess += (excess.clamp(0.0, LARGEST_ADDED) * FIXED) as u64;
    }

    /// Counts an episode that [`GOVERNED_AT`] times the budget would have told.
    pub(crate) fn add_governed(&mut self, class: Class) {
        self.seen_today[class.at()] += 1;
    }

    /// Begins a day of event time: what the days before have taught comes into force.
    pub(crate) fn begin_day(&mut self, day: i64, alpha: f64) {
        if day <= self.day {
            return;
        }
        // A pause of the stream teaches nothing and forgets nothing.
        self.day = day;
        for class in 0..CLASSES {
            self.days[class] = self.days[class] * DAILY_DECAY + self.days_today[class] as f64;
            self.seen[class] = self.seen[class] * DAILY_DECAY + self.seen_today[class] as f64;
            for signal in 0..SIGNALS {
                let today = self.today[class][signal];
                let sums = &mut self.sums[class][signal];
                sums.clusters = sums.clusters * DAILY_DECAY + today.clusters as f64;
                sums.excess = sums.excess * DAILY_DECAY + today.excess as f64 / FIXED;
            }
        }
        self.today = Default::default();
        self.days_today = [0; CLASSES];
        self.seen_today = [0; CLASSES];
        self.put_in_force(alpha);
    }

    fn put_in_force(&mut self, alpha: f64) {
        for class in 0..CLASSES {
            for signal in Signal::ALL {
                let sums = self.sums[class][signal as usize];
                let (rate, excess) = signal.prior();
                let rate = (sums.clusters + PRIOR_DAYS * rate) / (self.days[class] + PRIOR_DAYS);
                let excess =
                    (sums.excess + PRIOR_CLUSTERS * excess) / (sums.clusters + PRIOR_CLUSTERS);
                self.tails[class][signal as usize] = (rate, excess.min(LARGEST_EXCESS));
            }
            let expected = GOVERNED_AT * alpha * self.days[class];
            let ratio = (expected + GOVERNOR_PRIOR) / (self.seen[class] + GOVERNOR_PRIOR);
            self.factors[class] = ratio.clamp(*GOVERNOR.start(), *GOVERNOR.end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_follow_activity_and_burstiness() {
        assert_eq!(Class::of(0.01, 0.3).words(), "rarely used");
        assert_eq!(Class::of(0.9, 0.1).words(), "steady");
        assert_eq!(Class::of(0.9, 2.0).words(), "wild");
    }

    #[test]
    fn what_a_day_teaches_counts_from_the_next_day_on() {
        let mut pool = Pool::new();
        let class = Class::of(0.9, 0.1);
        let before = pool.tail(class, Signal::Cost1h);
        pool.begin_day(10, 0.005);
        pool.add_days(class, 500);
        assert_eq!(pool.tail(class, Signal::Cost1h), before);
        pool.begin_day(11, 0.005);
        let (rate, excess) = pool.tail(class, Signal::Cost1h);
        assert!(rate < before.0 / 4.0, "{rate}");
        assert_eq!(excess, before.1);
    }

    #[test]
    fn the_governor_asks_more_of_a_class_that_alarms_too_often() {
        let mut pool = Pool::new();
        let class = Class::of(0.9, 0.1);
        for day in 0..20 {
            pool.begin_day(day, 0.005);
            pool.add_days(class, 100);
            (0..40).for_each(|_| pool.add_governed(class));
        }
        pool.begin_day(20, 0.005);
        assert!(pool.factor(class) < 0.5, "{}", pool.factor(class));
    }
}
