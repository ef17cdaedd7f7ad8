//! One alert an episode: when a key's alarm opens, grows, and ends.

use model::{Nanos, SeriesPoint, Severity, Timestamp};

use crate::config::DetectorConfig;
use crate::windows::Scale;

/// Calm buckets after which an episode has ended: an hour.
pub(crate) const CALM_BUCKETS: i64 = 6;
/// Buckets after the last exceedance within which a new one belongs to the same episode: a day.
pub(crate) const SAME_EPISODE_BUCKETS: i64 = 144;
/// An episode is calm when everything is this much more frequent than an alert may be.
pub(crate) const CALM_FACTOR: f64 = 30.0;

/// The worst window of an episode, in the metric's own unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Worst {
    pub(crate) metric: usize,
    pub(crate) scale: Scale,
    pub(crate) bucket: i64,
    pub(crate) observed: f64,
    pub(crate) expected: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) rarity: f64,
    pub(crate) episodes_per_day: f64,
}

/// The alarm of one key.
#[derive(Clone, Debug)]
pub(crate) struct Episode {
    /// The first bucket of the episode: with the entity its identity.
    pub(crate) first_bucket: i64,
    /// The last bucket with an exceedance, and the last that was not calm.
    pub(crate) last_exceedance: i64,
    pub(crate) last_unrest: i64,
    pub(crate) worst: Worst,
    /// What fired, in the order of firing: metric and scale.
    pub(crate) fired: Vec<(usize, Scale, f64)>,
    pub(crate) revision: u32,
    pub(crate) ended: bool,
    /// The buckets in which the alarm was open last: from, and to where it has ended.
    active_from: i64,
    ended_at: Option<i64>,
    /// The highest severity that closed windows have shown.
    pub(crate) closed_severity: Severity,
    /// Money above the expected in the buckets closed since the episode began.
    pub(crate) closed_excess: Nanos,
    /// Money above the expected in each of the last closed hour's buckets, the newest last.
    pub(crate) recent_excess: Vec<Nanos>,
    /// Requests above the expected since the episode began.
    pub(crate) excess_requests: f64,
    /// What the last revision told.
    pub(crate) told: Option<Told>,
    pub(crate) series: Vec<SeriesPoint>,
    /// The rarest window of requests from networks new to the key.
    pub(crate) unfamiliar: Option<Worst>,
}

/// What a revision told; another is made when this changes enough to matter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) severity: Severity,
    pub(crate) cost: Nanos,
    pub(crate) closed: bool,
    pub(crate) ended: bool,
}

impl Episode {
    pub(crate) fn open(worst: Worst) -> Self {
        Self {
            first_bucket: worst.bucket,
            last_exceedance: worst.bucket,
            last_unrest: worst.bucket,
            worst,
            fired: vec![(worst.metric, worst.scale, worst.rarity)],
            revision: 0,
            ended: false,
            active_from: worst.bucket,
            ended_at: None,
            closed_severity: Severity::Info,
            closed_excess: Nanos::default(),
            recent_excess: Vec::new(),
            excess_requests: 0.0,
            told: None,
            series: Vec::new(),
            unfamiliar: None,
        }
    }

    /// Takes one more window that is beyond the budget.
    pub(crate) fn exceed(&mut self, worst: Worst) {
        self.last_exceedance = self.last_exceedance.max(worst.bucket);
        self.last_unrest = self.last_unrest.max(worst.bucket);
        if self.ended {
            self.ended = false;
            self.active_from = worst.bucket;
            self.ended_at = None;
        }
        let same_window = worst.metric == self.worst.metric
            && worst.scale == self.worst.scale
            && worst.bucket == self.worst.bucket;
        if same_window || worst.episodes_per_day < self.worst.episodes_per_day {
            self.worst = worst;
        }
        let fired = self
            .fired
            .iter_mut()
            .find(|(metric, scale, _)| (*metric, *scale) == (worst.metric, worst.scale));
        match fired {
            Some((_, _, rarity)) => *rarity = rarity.max(worst.rarity),
            None => self.fired.push((worst.metric, worst.scale, worst.rarity)),
        }
    }

    /// Ends the alarm with a bucket.
    pub(crate) fn end(&mut self, bucket: i64) {
        self.ended = true;
        self.ended_at = Some(bucket);
    }

    /// Returns whether the alarm was open in a closed bucket. What is learned of the bucket
    /// depends on this and not on when it is learned.
    pub(crate) fn active_in(&self, bucket: i64) -> bool {
        self.active_from <= bucket && self.ended_at.is_none_or(|ended| bucket < ended)
    }

    /// Keeps the rarest window of requests from new networks.
    pub(crate) fn note_unfamiliar(&mut self, unfamiliar: Worst) {
        let rarer = |known: Worst| unfamiliar.episodes_per_day < known.episodes_per_day;
        if self.unfamiliar.is_none_or(rarer) {
            self.unfamiliar = Some(unfamiliar);
        }
    }

    /// Adds the money and requests of a closed bucket above the expected.
    pub(crate) fn close_bucket(&mut self, excess: Nanos, excess_requests: f64) {
        self.closed_excess += excess;
        self.excess_requests += excess_requests;
        self.recent_excess.push(excess);
        if self.recent_excess.len() > 6 {
            self.recent_excess.remove(0);
        }
    }

    /// Returns the money above the expected an hour, by the closed buckets of the last hour and
    /// the open one.
    pub(crate) fn burn_usd_per_hour(&self, open_excess: Nanos, open_millis: i64) -> f64 {
        if self.ended {
            return 0.0;
        }
        let closed: Nanos = self
            .recent_excess
            .iter()
            .fold(Nanos::default(), |sum, n| sum + *n);
        let millis = self.recent_excess.len() as i64 * crate::windows::BUCKET_MILLIS + open_millis;
        // A minute at least, so that the first call of a burst is not an hour's worth.
        let hours = millis.max(Timestamp::MINUTE) as f64 / Timestamp::HOUR as f64;
        (closed + open_excess).to_usd() / hours
    }

    /// Returns how much the episode asks of a person.
    pub(crate) fn severity(
        &self,
        config: &DetectorConfig,
        score: f64,
        cost: Nanos,
        open_requests: f64,
        burn: f64,
    ) -> Severity {
        let usd = cost.to_usd();
        let requests = self.excess_requests + open_requests;
        if usd < config.page_from_usd && requests < config.note_from_requests {
            return Severity::Info;
        }
        if usd < config.page_from_usd {
            return Severity::Low;
        }
        let (tenfold, fortyfold) = (10.0 * config.page_from_usd, 40.0 * config.page_from_usd);
        if score >= 75.0 && (burn >= tenfold || usd >= fortyfold) {
            Severity::Critical
        } else if score >= 75.0 || burn >= tenfold {
            Severity::High
        } else {
            Severity::Medium
        }
    }
}

/// Returns the score of an episode frequency against the budget: 50 at the budget, 25 more for
/// each factor of ten, 100 at most.
pub(crate) fn score(alpha: f64, episodes_per_day: f64) -> f64 {
    (50.0 + 25.0 * (alpha / episodes_per_day.max(1e-300)).log10()).clamp(0.0, 100.0)
}
