//! What keys do as a population: how often one is born, returns after long, shows something
//! new, and how busy its busiest hour is.
//!
//! As in [`crate::pool`] sums are whole numbers and take effect with the next day.

use serde::{Deserialize, Serialize};

use crate::tail::neg_ln_sf_normal;

/// Things that happen to a key once in a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(usize)]
pub(crate) enum Happening {
    /// A key without a history appears.
    Birth,
    /// A key returns after a silence that is long for it.
    Return,
    /// A model that the key never used makes a tenth of its requests.
    NewModel,
    /// The inventory's rules are broken.
    BrokenRule,
}

const HAPPENINGS: usize = 4;

impl Happening {
    pub(crate) const ALL: [Happening; HAPPENINGS] = [
        Happening::Birth,
        Happening::Return,
        Happening::NewModel,
        Happening::BrokenRule,
    ];

    /// Returns what is believed of its rate by key-day before any was seen.
    const fn prior(self) -> f64 {
        match self {
            Self::Birth => 0.003,
            Self::Return => 0.002,
            Self::NewModel => 0.01,
            Self::BrokenRule => 0.000_3,
        }
    }
}

/// The weight of the priors, in key-days and in keys.
const PRIOR_DAYS: f64 = 1000.0;
const PRIOR_KEYS: f64 = 20.0;
const DAILY_DECAY: f64 = 0.975_5;
const FIXED: f64 = 65_536.0;

/// The busiest hour of a young key: means and deviations of the logarithms of requests and of
/// dollars that are believed before any was seen.
const BUSIEST_REQUESTS: (f64, f64) = (3.4, 1.7);
const BUSIEST_DOLLARS: (f64, f64) = (-1.6, 2.2);
const LEAST_DEVIATION: f64 = 1.2;

/// The first hours of a key that returns after long: mean and deviation of the logarithm of
/// its requests.
const RETURNING_REQUESTS: (f64, f64) = (1.4, 1.3);

/// A sum of logarithms, of their squares, and their number.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Sums {
    count: f64,
    sum: f64,
    square: f64,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Today {
    count: i64,
    sum: i64,
    square: i64,
}

/// Rates by key-day, and the sizes of busiest hours, over all keys of a partition.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Population {
    day: i64,
    days: f64,
    happened: [f64; HAPPENINGS],
    busiest: [Sums; 2],
    days_today: u64,
    happened_today: [u64; HAPPENINGS],
    busiest_today: [Today; 2],
    rates: [f64; HAPPENINGS],
    sizes: [(f64, f64); 2],
}

impl Population {
    pub(crate) fn new() -> Self {
        let mut population = Self {
            day: i64::MIN,
            days: 0.0,
            happened: [0.0; HAPPENINGS],
            busiest: Default::default(),
            days_today: 0,
            happened_today: [0; HAPPENINGS],
            busiest_today: Default::default(),
            rates: [0.0; HAPPENINGS],
            sizes: [(0.0, 0.0); 2],
        };
        population.put_in_force();
        population
    }

    /// Returns how often a day it happens to a key.
    pub(crate) fn rate(&self, happening: Happening) -> f64 {
        self.rates[happening as usize]
    }

    /// Returns the chance that a young key's busiest hour holds as much in requests or dollars.
    pub(crate) fn busiest_chance(&self, requests: f64, dollars: f64) -> f64 {
        let chance = |value: f64, (mean, deviation): (f64, f64)| {
            let z = (value.max(1e-6).ln() - mean) / deviation;
            (-neg_ln_sf_normal(z.max(-5.0))).exp()
        };
        let least = chance(requests, self.sizes[0]).min(chance(dollars, self.sizes[1]));
        (2.0 * least).min(1.0)
    }

    /// Returns the chance that a returning key makes as many requests in its first hours.
    pub(crate) fn returning_chance(requests: f64) -> f64 {
        let (mean, deviation) = RETURNING_REQUESTS;
        let z = (requests.max(1e-6).ln() - mean) / deviation;
        (-neg_ln_sf_normal(z.max(-5.0))).exp()
    }

    pub(crate) fn add_days(&mut self, days: i64) {
        self.days_today += days.unsigned_abs();
    }

    pub(crate) fn add(&mut self, happening: Happening) {
        self.happened_today[happening as usize] += 1;
    }

    /// Adds the busiest hour of a key's first day.
    pub(crate) fn add_busiest(&mut self, requests: u64, dollars: f64) {
        for (today, value) in self
            .busiest_today
            .iter_mut()
            .zip([requests as f64, dollars])
        {
            if value <= 0.0 {
                continue;
            }
            let ln = value.ln();
            today.count += 1;
            today.sum += (ln * FIXED) as i64;
            today.square += (ln * ln * FIXED) as i64;
        }
    }

    /// Begins a day of event time.
    pub(crate) fn begin_day(&mut self, day: i64) {
        if day <= self.day {
            return;
        }
        self.day = day;
        self.days = self.days * DAILY_DECAY + self.days_today as f64;
        for (happened, today) in self.happened.iter_mut().zip(self.happened_today) {
            *happened = *happened * DAILY_DECAY + today as f64;
        }
        for (sums, today) in self.busiest.iter_mut().zip(self.busiest_today) {
            // What young keys do is not forgotten: there are few of them.
            sums.count += today.count as f64;
            sums.sum += today.sum as f64 / FIXED;
            sums.square += today.square as f64 / FIXED;
        }
        self.days_today = 0;
        self.happened_today = [0; HAPPENINGS];
        self.busiest_today = Default::default();
        self.put_in_force();
    }

    fn put_in_force(&mut self) {
        for happening in Happening::ALL {
            let at = happening as usize;
            let prior = happening.prior();
            self.rates[at] = (self.happened[at] + PRIOR_DAYS * prior) / (self.days + PRIOR_DAYS);
        }
        for (at, (mean, deviation)) in [BUSIEST_REQUESTS, BUSIEST_DOLLARS].into_iter().enumerate() {
            let sums = self.busiest[at];
            let count = sums.count + PRIOR_KEYS;
            let drawn = (sums.sum + PRIOR_KEYS * mean) / count;
            let square = (sums.square + PRIOR_KEYS * (deviation * deviation + mean * mean)) / count;
            let variance = (square - drawn * drawn).max(0.0);
            self.sizes[at] = (drawn, variance.sqrt().max(LEAST_DEVIATION));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_drawn_to_what_is_seen() {
        let mut population = Population::new();
        let before = population.rate(Happening::NewModel);
        population.begin_day(1);
        population.add_days(9000);
        population.begin_day(2);
        assert!(population.rate(Happening::NewModel) < before / 5.0);
    }

    #[test]
    fn a_busier_first_hour_is_rarer() {
        let mut population = Population::new();
        population.begin_day(1);
        (0..200).for_each(|_| population.add_busiest(30, 0.1));
        population.begin_day(2);
        let usual = population.busiest_chance(30.0, 0.1);
        let much = population.busiest_chance(3000.0, 100.0);
        assert!(usual > 0.5 && much < 1e-3, "{usual} {much}");
    }
}
