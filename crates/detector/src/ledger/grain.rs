//! Periods of billing: hours or days.

use model::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{day_bin, hour_of_week};

/// Longer spans are no periods: an invoice of a month says nothing of its days.
const LONGEST_SPAN: i64 = 36 * Timestamp::HOUR;
/// From this span on a line is one of a day.
const DAY_SPAN: i64 = 20 * Timestamp::HOUR;

/// How long a period is. Lines of hours and lines of days are different ledgers, so that a feed
/// that changes its grain mixes nothing up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(usize)]
pub(crate) enum Grain {
    Hour,
    Day,
}

impl Grain {
    pub(crate) const ALL: [Grain; 2] = [Grain::Hour, Grain::Day];

    /// Returns the grain of a line with this start and span; `None` for one that is coarser.
    /// Without a span a line of midnight is one of the day that begins there.
    pub(crate) fn of(start: i64, span: Option<i64>) -> Option<Self> {
        match span {
            Some(span) if span > LONGEST_SPAN => None,
            Some(span) if span >= DAY_SPAN => Some(Self::Day),
            Some(_) => Some(Self::Hour),
            None if start.rem_euclid(Timestamp::DAY) == 0 => Some(Self::Day),
            None => Some(Self::Hour),
        }
    }

    pub(crate) const fn millis(self) -> i64 {
        match self {
            Self::Hour => Timestamp::HOUR,
            Self::Day => Timestamp::DAY,
        }
    }

    pub(crate) fn days(self) -> f64 {
        self.millis() as f64 / Timestamp::DAY as f64
    }

    pub(crate) fn period(self, millis: i64) -> i64 {
        millis.div_euclid(self.millis())
    }

    pub(crate) fn start(self, period: i64) -> Timestamp {
        Timestamp::from_millis(period * self.millis())
    }

    /// Returns how many periods a ledger remembers: two weeks of hours; ten weeks of days, so
    /// that two ends of months are among them.
    pub(crate) const fn memory(self) -> i64 {
        match self {
            Self::Hour => 14 * 24,
            Self::Day => 70,
        }
    }

    /// Returns how many periods before the judged one say nothing yet: their lines may still be
    /// on their way, so what is expected would depend on who came first.
    pub(crate) const fn lag(self) -> i64 {
        match self {
            Self::Hour => 24,
            Self::Day => 2,
        }
    }

    /// Returns after how many periods one is learned from: whoever learns from amounts that are
    /// not all there believes that there are no large ones.
    pub(crate) const fn settled_after(self) -> i64 {
        match self {
            Self::Hour => 72,
            Self::Day => 7,
        }
    }

    /// Returns after how many periods without an exceedance the next one is another episode.
    pub(crate) const fn gap(self) -> i64 {
        match self {
            Self::Hour => 24,
            Self::Day => 2,
        }
    }

    /// Returns for how many periods an open alarm keeps what it sees from becoming usual.
    pub(crate) const fn quarantine(self) -> i64 {
        match self {
            Self::Hour => 72,
            Self::Day => 3,
        }
    }

    /// Returns the bin of the season that a period falls into.
    pub(crate) fn bin(self, period: i64) -> usize {
        match self {
            Self::Hour => day_bin(period),
            Self::Day => hour_of_week(period * 24) / 24,
        }
    }

    /// Returns the word for one period and for more.
    pub(crate) const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Hour => ("hour", "hours"),
            Self::Day => ("day", "days"),
        }
    }
}
