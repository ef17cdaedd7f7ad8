//! One alert for a ledger and the periods that belong together.

use std::collections::BTreeMap;

use model::{Nanos, Severity};
use serde::{Deserialize, Serialize};

use super::cause::Explanation;
use super::grain::Grain;

/// A period beyond the budget.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Exceeding {
    pub(super) nanos: i64,
    pub(super) expected: f64,
    pub(super) band: (f64, f64),
    pub(super) neg_ln_p: f64,
    /// The rate of false alerts by entity-day at which it begins to be one.
    pub(super) alert_rate: f64,
    /// How many periods it was compared with, and the largest amount of them.
    pub(super) periods: usize,
    pub(super) most: i64,
    pub(super) scatter: f64,
}

impl Exceeding {
    pub(super) fn excess(&self) -> f64 {
        (self.nanos as f64 - self.expected).max(0.0)
    }
}

/// What a revision told; another is made when this changes enough to matter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) severity: Severity,
    pub(super) excess: f64,
    pub(super) ended: bool,
    pub(super) fallen: bool,
}

/// The alarm of one ledger.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Alarm {
    /// The first period that exceeded: with the payer its identity.
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) exceeding: BTreeMap<i64, Exceeding>,
    /// The worst period as it was last told, for when it is restated.
    pub(super) worst: Option<(i64, Exceeding)>,
    pub(super) told: Option<Told>,
    pub(super) revision: u32,
    pub(super) ended: bool,
    /// What explains it, if something else was told of the same cause.
    pub(super) explained: Option<Explanation>,
}

impl Alarm {
    pub(super) fn open(period: i64) -> Self {
        Self {
            first: period,
            last: period,
            exceeding: BTreeMap::new(),
            worst: None,
            told: None,
            revision: 0,
            ended: false,
            explained: None,
        }
    }

    /// Returns whether a period belongs to it.
    pub(super) fn covers(&self, period: i64, grain: Grain) -> bool {
        self.first - grain.gap() <= period && period <= self.last + grain.gap()
    }

    pub(super) fn exceed(&mut self, period: i64, exceeding: Exceeding) {
        self.exceeding.insert(period, exceeding);
        if self.told.is_none() {
            self.first = self.first.min(period);
        }
        self.last = self.last.max(period);
    }

    /// Returns the period that is rarest.
    pub(super) fn rarest(&self) -> Option<(i64, Exceeding)> {
        self.exceeding
            .iter()
            .map(|(period, exceeding)| (*period, *exceeding))
            .reduce(
                |rarest, next| match next.1.alert_rate < rarest.1.alert_rate {
                    true => next,
                    false => rarest,
                },
            )
    }

    /// Returns the nano-dollars above the expected since it began.
    pub(super) fn excess(&self) -> f64 {
        self.exceeding.values().map(Exceeding::excess).sum()
    }

    pub(super) fn cost(&self) -> Nanos {
        Nanos::new(self.excess().min(9e17) as i64)
    }

    pub(super) fn burn_usd_per_hour(&self, grain: Grain) -> f64 {
        let last = self.exceeding.last_key_value();
        match (self.ended, last) {
            (false, Some((_, last))) => last.excess() / Nanos::USD as f64 / (24.0 * grain.days()),
            _ => 0.0,
        }
    }
}
