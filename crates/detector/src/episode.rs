//! One alert an episode: when a key's alarm opens, grows, and ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Contributor, Nanos, SeriesPoint, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clock::{BUCKET_MILLIS, BUCKETS_A_DAY, BUCKETS_AN_HOUR, hour_of};
use crate::config::DetectorConfig;
use crate::finding::{Finding, Round};
use crate::known::{Known, Trait};
use crate::signal::{Family, Signal};
use crate::tally::Tally;

/// Calm buckets after which an episode has ended: an hour.
pub(crate) const CALM_BUCKETS: i64 = BUCKETS_AN_HOUR;
/// Buckets after the last exceedance within which a new one belongs to the same episode: a day.
pub(crate) const SAME_EPISODE_BUCKETS: i64 = BUCKETS_A_DAY;
/// An episode is calm when everything is this much more frequent than an alert may be.
pub(crate) const CALM_FACTOR: f64 = 30.0;
/// After so long an open alarm the key's new level is taken for its own: three days.
pub(crate) const ACCEPTED_AFTER_BUCKETS: i64 = 3 * BUCKETS_A_DAY;
/// Different values of one dimension that an episode tells apart.
const VALUES: usize = 128;

/// What was rare in an episode, by what it was: the rarest of each.
pub(crate) type Fired = BTreeMap<(Family, Option<Signal>), Finding>;

/// The alarm of one key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Episode {
    /// The first bucket of the episode. Its hour is, with the entity, the episode's identity.
    pub(crate) first_bucket: i64,
    /// The last bucket with an exceedance, and the last that was not calm.
    pub(crate) last_exceedance: i64,
    pub(crate) last_unrest: i64,
    /// The finding that is told, and the rate of false alerts at which it begins to be one.
    pub(crate) worst: Finding,
    pub(crate) alert_rate: f64,
    pub(crate) fired: Fired,
    pub(crate) revision: u32,
    pub(crate) ended: bool,
    /// The buckets in which the alarm was open last: from, and to where it has ended.
    active_from: i64,
    ended_at: Option<i64>,
    /// The bucket from which on the key's new level waits to be accepted.
    waits_from: i64,
    /// When a person took it for the key's new normal.
    pub(crate) accepted_at: Option<Timestamp>,
    /// The highest severity that closed windows have shown.
    pub(crate) closed_severity: Severity,
    /// Money above the expected in the buckets closed since the episode began.
    pub(crate) closed_excess: Nanos,
    /// Money above the expected in each of the last closed hour's buckets, the newest last.
    recent_excess: Vec<Nanos>,
    /// Requests above the expected since the episode began.
    pub(crate) excess_requests: f64,
    /// What the last revision told.
    pub(crate) told: Option<Told>,
    pub(crate) series: Vec<SeriesPoint>,
    values: Values,
}

/// What a revision told; another is made when this changes enough to matter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) severity: Severity,
    pub(crate) cost: Nanos,
    pub(crate) families: usize,
    pub(crate) closed: bool,
    pub(crate) ended: bool,
}

/// Requests by dimension and value, and whether the value was unknown to the key.
type Values = BTreeMap<(Trait, Arc<str>), (u64, bool)>;

impl Episode {
    pub(crate) fn open(bucket: i64, worst: Finding, alert_rate: f64) -> Self {
        Self {
            first_bucket: bucket,
            last_exceedance: bucket,
            last_unrest: bucket,
            worst,
            alert_rate,
            fired: Fired::new(),
            revision: 0,
            ended: false,
            active_from: bucket,
            ended_at: None,
            waits_from: bucket,
            accepted_at: None,
            closed_severity: Severity::Info,
            closed_excess: Nanos::default(),
            recent_excess: Vec::new(),
            excess_requests: 0.0,
            told: None,
            series: Vec::new(),
            values: Values::new(),
        }
    }

    /// Returns the start of the hour that identifies the episode.
    pub(crate) fn identity(&self) -> Timestamp {
        Timestamp::from_millis(hour_of(self.first_bucket) * Timestamp::HOUR)
    }

    /// Takes one more bucket that is beyond the budget.
    pub(crate) fn exceed(&mut self, bucket: i64, worst: &Finding, alert_rate: f64) {
        self.last_exceedance = self.last_exceedance.max(bucket);
        self.last_unrest = self.last_unrest.max(bucket);
        if self.ended {
            self.ended = false;
            self.active_from = bucket;
            self.ended_at = None;
        }
        if alert_rate <= self.alert_rate {
            self.worst = worst.clone();
            self.alert_rate = alert_rate;
        }
    }

    /// Keeps the rarest finding of each kind.
    pub(crate) fn note(&mut self, round: &Round) {
        for finding in &round.findings {
            let kind = (finding.family, finding.signal);
            match self.fired.get_mut(&kind) {
                Some(known) if known.episodes_per_day <= finding.episodes_per_day => {}
                Some(known) => *known = finding.clone(),
                None => {
                    self.fired.insert(kind, finding.clone());
                }
            }
        }
    }

    /// Returns how many families have spoken.
    pub(crate) fn families(&self) -> usize {
        let mut families: Vec<Family> = self.fired.keys().map(|(family, _)| *family).collect();
        families.dedup();
        families.len()
    }

    /// Ends the alarm with a bucket.
    pub(crate) fn end(&mut self, bucket: i64) {
        self.ended = true;
        self.ended_at = Some(bucket);
    }

    /// Ends the alarm because a person took it for the key's new normal.
    pub(crate) fn accept(&mut self, at: Timestamp, bucket: i64) {
        self.accepted_at = Some(at);
        self.waits_from = bucket - ACCEPTED_AFTER_BUCKETS;
        if !self.ended {
            self.end(bucket);
        }
    }

    /// Returns whether an exceedance in a bucket belongs to it; beyond what was accepted begins
    /// another episode.
    pub(crate) fn goes_on(&self, bucket: i64) -> bool {
        self.accepted_at.is_none() && bucket - self.last_exceedance <= SAME_EPISODE_BUCKETS
    }

    /// Returns whether the alarm was open in a closed bucket and the level not yet accepted.
    /// What is learned of the bucket depends on this and not on when it is learned.
    pub(crate) fn quarantines(&self, bucket: i64) -> bool {
        self.active_from <= bucket
            && bucket - self.waits_from < ACCEPTED_AFTER_BUCKETS
            && self.ended_at.is_none_or(|ended| bucket < ended)
    }

    /// Books a closed bucket: money and requests above the expected, and what they were made of.
    pub(crate) fn close_bucket(&mut self, excess: Nanos, excess_requests: f64) {
        self.closed_excess += excess;
        self.excess_requests += excess_requests;
        self.recent_excess.push(excess);
        if self.recent_excess.len() > BUCKETS_AN_HOUR as usize {
            self.recent_excess.remove(0);
        }
    }

    /// Books what a bucket was made of; called before the key's known values learn it.
    pub(crate) fn book_values(&mut self, tally: &Tally, known: &Known, slot: usize) {
        book(&mut self.values, tally, known, slot);
    }

    /// Returns the values with the largest shares of the episode, of every dimension; an open
    /// bucket counts with what it holds.
    pub(crate) fn contributors(&self, open: Option<(&Tally, &Known, usize)>) -> Vec<Contributor> {
        let mut values = self.values.clone();
        if let Some((tally, known, slot)) = open {
            book(&mut values, tally, known, slot);
        }
        let mut contributors = Vec::new();
        for (dimension, name) in [
            (Trait::Model, "model"),
            (Trait::Network, "source_ip"),
            (Trait::Client, "user_agent"),
        ] {
            let of_dimension = || {
                values
                    .iter()
                    .filter(|((trait_, _), _)| *trait_ == dimension)
            };
            let total = of_dimension()
                .map(|(_, (requests, _))| *requests)
                .fold(0, u64::saturating_add);
            let mut largest: Vec<_> = of_dimension().collect();
            largest.sort_by_key(|((_, text), (requests, _))| {
                (std::cmp::Reverse(*requests), text.clone())
            });
            contributors.extend(largest.into_iter().take(3).map(
                |((_, text), (requests, first_seen))| Contributor {
                    dimension: name.to_owned(),
                    value: text.to_string(),
                    share: *requests as f64 / total.max(1) as f64,
                    first_seen: *first_seen,
                },
            ));
        }
        contributors
    }

    /// Returns the money above the expected an hour, by the closed buckets of the last hour and
    /// the open one.
    pub(crate) fn burn_usd_per_hour(&self, open_excess: Nanos, open_millis: i64) -> f64 {
        if self.ended {
            return 0.0;
        }
        let closed = self
            .recent_excess
            .iter()
            .fold(Nanos::default(), |sum, excess| sum + *excess);
        let millis = self.recent_excess.len() as i64 * BUCKET_MILLIS + open_millis;
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
        let requests = self.excess_requests + open_requests;
        severity_of(config, score, cost.to_usd(), requests, burn)
    }
}

/// Returns how much an alert asks of a person: money and requests above the expected, and
/// dollars an hour, decide whether it pages.
pub(crate) fn severity_of(
    config: &DetectorConfig,
    score: f64,
    usd: f64,
    requests: f64,
    burn: f64,
) -> Severity {
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

fn book(values: &mut Values, tally: &Tally, known: &Known, slot: usize) {
    for trait_ in Trait::ALL {
        for share in tally.shares(trait_) {
            let key = (trait_, share.text.clone());
            if let Some((requests, _)) = values.get_mut(&key) {
                *requests = requests.saturating_add(share.requests);
            } else if values.len() < VALUES * Trait::ALL.len() {
                let first_seen = known.is_unseen(slot, trait_, share.trait_hash);
                values.insert(key, (share.requests, first_seen));
            }
        }
    }
}

/// Returns the score of a rate of false alerts against the budget: 50 at the budget, 25 more
/// for each factor of ten, 100 at most.
pub(crate) fn score(alpha: f64, alert_rate: f64) -> f64 {
    (50.0 + 25.0 * (alpha / alert_rate.max(1e-300)).log10()).clamp(0.0, 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_fifty_at_the_budget_and_more_beyond() {
        assert_eq!(score(0.005, 0.005), 50.0);
        assert!((score(0.005, 0.0005) - 75.0).abs() < 1e-9);
        assert_eq!(score(0.005, 1e-200), 100.0);
        assert_eq!(score(0.005, 10.0), 0.0);
    }
}
