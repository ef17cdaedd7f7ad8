//! One round of judging a key: every signal against what is expected of it.

mod callers;
mod price;
mod rare;
mod volume;

use model::{Entity, Metric, Nanos};

use crate::baseline::Prediction;
use crate::calibration::Rarity;
use crate::clock::{BUCKETS_A_DAY, start_of};
use crate::directory::KeyDirectory;
use crate::finding::Round;
use crate::known::Trait;
use crate::open::OpenWindow;
use crate::signal::{Scale, Signal};
use crate::state::State;
use crate::tally::Share;
use crate::windows::Channel;

pub(crate) use price::UNIT_COST_REQUESTS;
pub(crate) use volume::invert;

/// Age in buckets from which a scale is judged: before, the key's own usage says too little.
pub(crate) fn judged_from(scale: Scale) -> i64 {
    BUCKETS_A_DAY
        * match scale {
            Scale::Minute | Scale::TenMinutes | Scale::Hour => 2,
            Scale::SixHours => 4,
            Scale::Day => 7,
        }
}

/// How many times a day a key is called from new networks where that is nothing unusual.
const USUAL_STRANGERS: f64 = 0.5;

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
        self.judge_price(case, &newness, &mut round);
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

    /// Returns the requests of the hour from new networks, for a key that is seldom called from
    /// any; 0 for one that is called from everywhere, where they say nothing of who calls.
    fn strangers(&self, case: &Case<'_>, newness: &Newness) -> u64 {
        let is_usual = [Signal::Strange10m, Signal::Strange1h]
            .iter()
            .any(|&signal| {
                let (prior, _) = self.pool.tail(case.prediction.class, signal);
                self.calibration.clusters_per_day(case.slot, signal, prior) > USUAL_STRANGERS
            });
        if is_usual { 0 } else { newness.strange_hour }
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

    fn episodes(&self, case: &Case<'_>, signal: Signal, rarity: Rarity) -> f64 {
        let prior = self.pool.tail(case.prediction.class, signal);
        self.calibration
            .episodes_per_day(case.slot, signal, rarity, prior)
    }
}

/// Returns how many of the counted unit make one of the metric's own: nano-dollars a dollar.
pub(crate) fn scale_of(metric: Metric) -> f64 {
    match metric {
        Metric::Cost => Nanos::USD as f64,
        Metric::Requests | Metric::Tokens => 1.0,
    }
}
