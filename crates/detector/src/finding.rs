//! One piece of evidence, and what several say of a key together.

use model::{Metric, Window};
use serde::{Deserialize, Serialize};

use crate::joint::truncated_product;
use crate::signal::{Family, Signal};

/// One piece of evidence about a key, in the metric's own unit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) family: Family,
    /// The signal, if it has a tail of its own.
    pub(crate) signal: Option<Signal>,
    pub(crate) metric: Metric,
    pub(crate) window: Window,
    pub(crate) observed: f64,
    pub(crate) expected: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// The negative natural logarithm of the nominal chance.
    pub(crate) neg_ln_p: f64,
    /// The logarithm of how large it is against what is expected.
    pub(crate) size: f64,
    /// Episodes as bad or worse that such a key has in a day.
    pub(crate) episodes_per_day: f64,
    /// The part of the budget that this evidence may spend alone; 0 where it never may.
    pub(crate) share: f64,
    /// What there is to say of it, where the figures do not say it all.
    pub(crate) note: Option<String>,
}

impl Finding {
    /// Returns the rate of false alerts, by key-day, at which this evidence alone begins to be
    /// an alert: what is compared with the budget.
    pub(crate) fn alert_rate(&self) -> f64 {
        if self.share > 0.0 {
            self.episodes_per_day / (self.share * OVERLAP)
        } else {
            f64::INFINITY
        }
    }
}

/// How much more than the whole budget the shares may spend: signals see the same episodes, and
/// what is held against the population (rises, shifts of price) spends less than its share, so
/// that fewer are told than the sum of what each would tell. Measured on simulated keys
/// (docs/detection.md).
pub(crate) const OVERLAP: f64 = 8.0;

/// Families that are counted as one when they speak together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Voice {
    /// How many requests. What they cost follows from that, and from their price.
    Volume,
    /// Price and model.
    Price,
    Caller,
    Probing,
    Dormancy,
    Rule,
}

/// How many voices there are.
pub(crate) const VOICES: usize = 6;

/// How many tests of volume are about independent.
const TESTS_OF_VOLUME: f64 = 4.0;

impl Voice {
    const fn of(family: Family) -> Option<Self> {
        Some(match family {
            Family::Volume => Self::Volume,
            Family::Price | Family::Model => Self::Price,
            Family::Caller => Self::Caller,
            Family::Probing => Self::Probing,
            Family::Dormancy => Self::Dormancy,
            Family::Rule => Self::Rule,
            Family::Spend | Family::Newborn => return None,
        })
    }
}

/// What the voices say: the chance of each, by key-day; `None` where there is no data.
pub(crate) type Chances = [Option<f64>; VOICES];

/// The findings of one round of judging.
#[derive(Clone, Debug, Default)]
pub(crate) struct Round {
    pub(crate) findings: Vec<Finding>,
    pub(crate) chances: Chances,
}

impl Round {
    /// Notes that a voice has data, with nothing to say so far.
    pub(crate) fn has_data(&mut self, voice: Voice) {
        self.chances[voice as usize].get_or_insert(1.0);
    }

    /// Adds a finding; `episodes_per_day` is what it says to the others, before anything that
    /// is held against it alone.
    pub(crate) fn add(&mut self, finding: Finding, episodes_per_day: f64) {
        // The dearest request is heavy-tailed: it speaks for itself or not at all.
        let is_alone = finding.signal == Some(Signal::SingleRequest);
        if let Some(voice) = Voice::of(finding.family).filter(|_| !is_alone) {
            let tests = match finding.family {
                Family::Volume => TESTS_OF_VOLUME,
                _ => 1.0,
            };
            let chance = (tests * episodes_per_day).min(1.0);
            let known = self.chances[voice as usize].get_or_insert(1.0);
            *known = known.min(chance);
        }
        self.findings.push(finding);
    }

    /// Returns the finding that is an alert at the lowest rate.
    pub(crate) fn worst(&self) -> Option<&Finding> {
        self.findings
            .iter()
            .min_by(|a, b| a.alert_rate().total_cmp(&b.alert_rate()))
    }

    /// Returns the finding that a joint alert is told by: what explains most at a glance, else
    /// the rarest that has a volume.
    pub(crate) fn speaker(&self) -> Option<&Finding> {
        let rank = |finding: &&Finding| {
            let order = match finding.family {
                Family::Rule | Family::Dormancy => 0,
                Family::Volume | Family::Spend => 1,
                _ => 2,
            };
            (order, finding.episodes_per_day)
        };
        self.findings
            .iter()
            .filter(|finding| finding.signal != Some(Signal::Joint))
            .min_by(|a, b| {
                rank(a)
                    .partial_cmp(&rank(b))
                    .unwrap_or(std::cmp::Ordering::Equal)
            })
    }
}

/// Returns the joint statistic of the voices: `-ln` of a nominal chance by key-day.
pub(crate) fn joint(chances: &Chances) -> f64 {
    let said: Vec<f64> = chances.iter().flatten().copied().collect();
    if said.iter().filter(|&&chance| chance <= 0.1).count() < 2 {
        // One voice alone is judged alone.
        return 0.0;
    }
    truncated_product(&said)
}
