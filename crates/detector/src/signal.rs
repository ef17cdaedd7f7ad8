//! What a key is judged by: each signal is one statistic at one time scale.

use model::{Metric, Timestamp, Window};
use serde::{Deserialize, Serialize};

use crate::clock::{BUCKET_MILLIS, last_of_hour};
use crate::windows::Channel;

/// How long a judged window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scale {
    Minute,
    TenMinutes,
    Hour,
    SixHours,
    Day,
}

impl Scale {
    /// Returns the window of this scale that ends with `minute` of `bucket`, or with its hour.
    pub(crate) fn window(self, bucket: i64, minute: i64) -> Window {
        let minute_end = (minute + 1) * Timestamp::MINUTE;
        let bucket_end = (bucket + 1) * BUCKET_MILLIS;
        let hour_end = (last_of_hour(bucket) + 1) * BUCKET_MILLIS;
        let (end, width) = match self {
            Self::Minute => (minute_end, Timestamp::MINUTE),
            Self::TenMinutes => (minute_end, BUCKET_MILLIS),
            Self::Hour => (bucket_end, Timestamp::HOUR),
            Self::SixHours => (hour_end, 6 * Timestamp::HOUR),
            Self::Day => (hour_end, Timestamp::DAY),
        };
        Window {
            start: Timestamp::from_millis(end - width),
            end: Timestamp::from_millis(end),
        }
    }

    /// Returns the scale as a person says it.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Minute => "a minute",
            Self::TenMinutes => "10 minutes",
            Self::Hour => "an hour",
            Self::SixHours => "6 hours",
            Self::Day => "24 hours",
        }
    }

    pub(crate) const fn minutes(self) -> i64 {
        match self {
            Self::Minute => 1,
            Self::TenMinutes => 10,
            Self::Hour => 60,
            Self::SixHours => 360,
            Self::Day => 1440,
        }
    }
}

/// A group of signals that see the same thing in different ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Family {
    /// How many requests.
    Volume,
    /// How many dollars and tokens.
    Spend,
    /// What one request costs.
    Price,
    /// From where it is called, and with which client.
    Caller,
    /// With which model.
    Model,
    /// What fails, and what is only listed.
    Probing,
    /// A key that was silent for long.
    Dormancy,
    /// A key without a history.
    Newborn,
    /// What the inventory forbids.
    Rule,
}

impl Family {
    /// Returns the stable word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Volume => "volume",
            Self::Spend => "spend",
            Self::Price => "price",
            Self::Caller => "caller",
            Self::Model => "model",
            Self::Probing => "probing",
            Self::Dormancy => "dormancy",
            Self::Newborn => "newborn",
            Self::Rule => "rule",
        }
    }
}

/// One statistic with a tail of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(usize)]
pub(crate) enum Signal {
    Requests1m,
    Requests10m,
    Requests1h,
    Requests6h,
    Requests24h,
    Tokens10m,
    Tokens1h,
    Cost10m,
    Cost1h,
    Cost24h,
    /// Requests from networks new to the key, against all that are expected.
    Strange10m,
    Strange1h,
    /// Ten minutes against the key's own last seven days, bursts included.
    Marginal,
    /// Cumulated evidence of a somewhat higher level, over days.
    SlowTheft,
    /// Mean cost of a request over an hour.
    UnitCost,
    /// The dearest single request.
    SingleRequest,
    /// Failed and listing requests in ten minutes.
    Probing,
    /// What the families say together.
    Joint,
}

/// How many signals there are, and how many of them are counts with a prediction.
pub(crate) const SIGNALS: usize = 18;
pub(crate) const COUNTS: usize = 10;
/// Of how many signals the sizes of clusters are known.
pub(crate) const SIZED: usize = COUNTS + 1;

impl Signal {
    pub(crate) const ALL: [Signal; SIGNALS] = [
        Signal::Requests1m,
        Signal::Requests10m,
        Signal::Requests1h,
        Signal::Requests6h,
        Signal::Requests24h,
        Signal::Tokens10m,
        Signal::Tokens1h,
        Signal::Cost10m,
        Signal::Cost1h,
        Signal::Cost24h,
        Signal::Strange10m,
        Signal::Strange1h,
        Signal::Marginal,
        Signal::SlowTheft,
        Signal::UnitCost,
        Signal::SingleRequest,
        Signal::Probing,
        Signal::Joint,
    ];

    /// Returns the signals that are counts against a prediction.
    pub(crate) fn counts() -> impl Iterator<Item = Signal> {
        Self::ALL.into_iter().take(COUNTS)
    }

    pub(crate) const fn channel(self) -> Channel {
        match self {
            Self::Tokens10m | Self::Tokens1h => Channel::Tokens,
            Self::Cost10m | Self::Cost1h | Self::Cost24h | Self::UnitCost | Self::SingleRequest => {
                Channel::Cost
            }
            Self::Strange10m | Self::Strange1h => Channel::Strange,
            _ => Channel::Requests,
        }
    }

    pub(crate) const fn scale(self) -> Scale {
        match self {
            Self::Requests1m => Scale::Minute,
            Self::Requests10m
            | Self::Tokens10m
            | Self::Cost10m
            | Self::Strange10m
            | Self::Marginal
            | Self::SingleRequest
            | Self::Probing => Scale::TenMinutes,
            Self::Requests1h
            | Self::Tokens1h
            | Self::Cost1h
            | Self::Strange1h
            | Self::UnitCost
            | Self::Joint => Scale::Hour,
            Self::Requests6h | Self::SlowTheft => Scale::SixHours,
            Self::Requests24h | Self::Cost24h => Scale::Day,
        }
    }

    pub(crate) const fn family(self) -> Family {
        match self {
            Self::Tokens10m | Self::Tokens1h | Self::Cost10m | Self::Cost1h | Self::Cost24h => {
                Family::Spend
            }
            Self::UnitCost | Self::SingleRequest => Family::Price,
            Self::Strange10m | Self::Strange1h => Family::Caller,
            Self::Probing => Family::Probing,
            _ => Family::Volume,
        }
    }

    /// Returns the metric that an alert on this signal shows.
    pub(crate) const fn metric(self) -> Metric {
        match self.channel() {
            Channel::Tokens => Metric::Tokens,
            Channel::Cost => Metric::Cost,
            Channel::Requests | Channel::Strange => Metric::Requests,
        }
    }

    /// Returns whether the window is judged while it is open.
    pub(crate) fn is_early(self) -> bool {
        self.scale() <= Scale::Hour && self != Self::Joint
    }

    /// Returns the nominal rarity from which a window is an exceedance: what an ordinary key
    /// reaches every few days, given how many such windows a day has.
    pub(crate) const fn threshold(self) -> f64 {
        match self.scale() {
            Scale::Minute => 7.0,
            Scale::TenMinutes => 5.0,
            Scale::Hour => 4.5,
            Scale::SixHours => 3.0,
            Scale::Day => 2.5,
        }
    }

    /// Returns the place of the sizes of its clusters among those of [`SIZED`] signals. Of the
    /// others the nominal rarity is itself a logarithm of size, and its exponential tail says
    /// all there is to say of sizes.
    pub(crate) const fn size_place(self) -> Option<usize> {
        match self {
            Self::Strange10m
            | Self::Strange1h
            | Self::UnitCost
            | Self::SingleRequest
            | Self::Marginal
            | Self::SlowTheft
            | Self::Joint => None,
            Self::Probing => Some(COUNTS),
            count => Some(count as usize),
        }
    }

    /// Returns how long a cluster of exceedances lasts after its last one, in buckets.
    pub(crate) const fn cluster_gap_buckets(self) -> i64 {
        match self.scale() {
            Scale::Minute | Scale::TenMinutes => 7,
            Scale::Hour => 14,
            Scale::SixHours | Scale::Day => 72,
        }
    }

    /// Returns the clusters a day and their mean excess that are believed of a class of keys
    /// that nothing is known of yet.
    pub(crate) const fn prior(self) -> (f64, f64) {
        match self {
            Self::Joint => (0.015, 1.5),
            Self::Requests6h => (0.2, 1.5),
            Self::Requests24h | Self::Cost24h => (0.1, 1.5),
            Self::SlowTheft => (0.05, 1.5),
            Self::Strange10m | Self::Strange1h => (0.03, 3.0),
            Self::UnitCost => (0.1, 2.0),
            Self::SingleRequest => (0.2, 2.0),
            Self::Probing => (0.05, 3.0),
            _ => (0.3, 2.0),
        }
    }

    /// Returns the part of the budget that this signal may spend alone. The parts of all
    /// signals and of dormancy, newborn keys and rules add up to 1.
    pub(crate) const fn share(self) -> f64 {
        match self {
            Self::Requests1m => 0.05,
            Self::Requests10m | Self::Requests1h => 0.06,
            Self::Requests6h | Self::Requests24h | Self::Marginal | Self::SlowTheft => 0.05,
            Self::Tokens10m | Self::Tokens1h => 0.015,
            Self::Cost10m | Self::Cost1h | Self::Cost24h => 0.04,
            Self::UnitCost => 0.04,
            Self::SingleRequest => 0.01,
            Self::Strange10m | Self::Strange1h => 0.005,
            Self::Probing => 0.01,
            Self::Joint => 0.20,
        }
    }
}

/// The parts of the budget of what has no tail by key.
pub(crate) const DORMANCY_SHARE: f64 = 0.06;
pub(crate) const NEWBORN_SHARE: f64 = 0.04;
pub(crate) const RULE_SHARE: f64 = 0.08;
pub(crate) const MODEL_SHARE: f64 = 0.03;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_spent_once() {
        let signals: f64 = Signal::ALL.iter().map(|signal| signal.share()).sum();
        let all = signals + DORMANCY_SHARE + NEWBORN_SHARE + RULE_SHARE + MODEL_SHARE;
        assert!((all - 1.0).abs() < 0.02, "{all}");
    }

    #[test]
    fn signals_stand_in_their_order() {
        for (at, signal) in Signal::ALL.into_iter().enumerate() {
            assert_eq!(signal as usize, at);
        }
        let places = Signal::ALL.into_iter().filter_map(Signal::size_place);
        assert!(places.eq(0..SIZED));
    }
}
