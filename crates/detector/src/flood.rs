//! Floods: many ids on one account that nobody has heard of.
//!
//! Somebody makes ids up to hide among them or to exhaust the memory; or holds a key that makes
//! keys. Ids are counted by account and bucket and not kept, so that it costs the same whether
//! there are a hundred or a thousand million of them. An account that is itself new has no history
//! to be compared with: its ids are counted with those of all such accounts. The count is that of
//! first sights: an id that was forgotten meanwhile counts again, and of more ids in a bucket than
//! the sketch has cells some are not told apart.

use std::collections::BTreeMap;

use columns::SnapshotError;
use model::{
    Alert, AlertId, Detector, Entity, EntityLevel, Evidence, IncidentId, Metric, Nanos,
    SeriesPoint, Severity, Timestamp, Window,
};
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::clock::{BUCKET_MILLIS, BUCKETS_AN_HOUR, ends_hour, hour_of, start_of};
use crate::config::DetectorConfig;
use crate::episode::{ACCEPTED_AFTER_BUCKETS, CALM_BUCKETS, SAME_EPISODE_BUCKETS, score};
use crate::explain::frequency;
use crate::judge::Expected;
use crate::tail::neg_ln_sf_negative_binomial;

/// New ids in an hour from which they may be a flood: fewer are made by hand.
const LEAST_IDS: u64 = 50;
/// From which number on people are told at once.
const MANY_IDS: u64 = 1000;
/// New ids an hour and their dispersion, before an account was seen for long, and how many
/// hours of evidence that is worth. Keys are made in batches, so the dispersion is large.
const PRIOR_MEAN: f64 = 1.0;
const PRIOR_DISPERSION: f64 = 10.0;
const PRIOR_HOURS: f64 = 24.0;
/// Evidence halves in 14 days.
const HOURLY_DECAY: f64 = 0.997_939_2;
/// The part of the budget by key-day that an account may spend by day on floods.
const FLOOD_SHARE: f64 = 0.2;
/// Hours of a day, each judged six times: their chances overlap.
const LOOKS_A_DAY: f64 = 72.0;
/// Hours of the chart.
const SERIES_HOURS: usize = 24;

/// What came in one bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    ids: u64,
    cost_nanos: u64,
}

/// What an account has shown, decayed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Account {
    /// The open buckets, and the closed ones of the last hour.
    seen: BTreeMap<i64, Seen>,
    hours: f64,
    ids: f64,
    /// Sums of (count - mean)² - count and of mean².
    excess: f64,
    squares: f64,
    series: Vec<SeriesPoint>,
    flood: Option<Flood>,
}

/// One episode.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Flood {
    first_bucket: i64,
    last_exceedance: i64,
    /// The hour with the most ids.
    worst: Judged,
    ids: u64,
    cost_nanos: u64,
    ended: bool,
    revision: u32,
    told: Option<Told>,
}

/// What the last revision told.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Told {
    severity: Severity,
    ids: u64,
    ended: bool,
}

/// An hour that was judged.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Judged {
    bucket: i64,
    ids: u64,
    expected: Expected,
    neg_ln_p: f64,
    episodes_per_day: f64,
}

/// The accounts that have shown new ids of late.
#[derive(Clone, Default)]
pub(crate) struct Floods {
    accounts: BTreeMap<Entity, Account>,
}

impl Floods {
    /// Counts ids that were never seen before, and what they cost, in a bucket that is not closed.
    pub(crate) fn count(&mut self, account: Entity, bucket: i64, ids: u64, cost_nanos: u64) {
        let account = self.accounts.entry(account).or_default();
        let seen = account.seen.entry(bucket).or_default();
        seen.ids += ids;
        seen.cost_nanos = seen.cost_nanos.saturating_add(cost_nanos);
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self { accounts } = self;
        archive.map("accounts", accounts)
    }

    /// Moves an id to an earlier bucket: of its first rows the later had come first.
    pub(crate) fn recount(&mut self, account: &Entity, from: i64, to: i64) {
        let Some(account) = self.accounts.get_mut(account) else {
            return;
        };
        if let Some(seen) = account.seen.get_mut(&from).filter(|seen| seen.ids > 0) {
            seen.ids -= 1;
            account.seen.entry(to).or_default().ids += 1;
        }
    }

    /// Closes a bucket: judges the hour that ends with it, and learns it if it ends an hour of
    /// the clock.
    pub(crate) fn close(
        &mut self,
        bucket: i64,
        config: &DetectorConfig,
        raised_at: Timestamp,
    ) -> Vec<Alert> {
        let budget = FLOOD_SHARE * config.alpha();
        let mut alerts = Vec::new();
        for (entity, account) in &mut self.accounts {
            let judged = account.judge(bucket);
            let is_flood = judged.ids >= LEAST_IDS && judged.episodes_per_day < budget;
            account.book(bucket, is_flood.then_some(judged));
            if ends_hour(bucket) {
                account.learn(&judged);
            }
            let Some(flood) = &mut account.flood else {
                continue;
            };
            alerts.extend(flood.tell(entity, config, &account.series, raised_at));
        }
        if ends_hour(bucket) {
            self.accounts
                .retain(|_, account| account.is_of_interest(bucket));
        }
        alerts
    }

    /// Returns whether ids that an account shows in a closed bucket are part of a flood.
    pub(crate) fn is_flood(&self, account: &Entity, bucket: i64) -> bool {
        let flood = self.accounts.get(account).and_then(|of| of.flood.as_ref());
        flood.is_some_and(|flood| !flood.ended && flood.first_bucket <= bucket)
    }

    pub(crate) fn bytes(&self) -> usize {
        let of = |account: &Account| {
            account.seen.len() * 32 + account.series.capacity() * size_of::<SeriesPoint>()
        };
        let accounts = self.accounts.values();
        accounts.map(of).sum::<usize>()
            + self.accounts.len() * (size_of::<(Entity, Account)>() + 100)
    }
}

impl Account {
    fn mean(&self) -> f64 {
        (self.ids + PRIOR_HOURS * PRIOR_MEAN) / (self.hours + PRIOR_HOURS)
    }

    /// Judges the hour that ends with a bucket against those before it.
    fn judge(&self, bucket: i64) -> Judged {
        let hour = self.seen.range(bucket - BUCKETS_AN_HOUR + 1..=bucket);
        let ids = hour.map(|(_, seen)| seen.ids).sum();
        let mean = self.mean();
        let prior = PRIOR_HOURS * PRIOR_MEAN * PRIOR_MEAN;
        let dispersion =
            ((self.excess + prior * PRIOR_DISPERSION) / (self.squares + prior)).clamp(0.01, 60.0);
        let neg_ln_p = match ids {
            0 => 0.0,
            ids => neg_ln_sf_negative_binomial(ids as f64, mean, dispersion),
        };
        Judged {
            bucket,
            ids,
            expected: Expected {
                slow: mean as f32,
                dispersion: dispersion as f32,
                ..Expected::default()
            },
            neg_ln_p,
            episodes_per_day: LOOKS_A_DAY * (-neg_ln_p).exp(),
        }
    }

    /// Takes a closed bucket into the flood, begins one, or ends it.
    fn book(&mut self, bucket: i64, judged: Option<Judged>) {
        if let Some(judged) = judged {
            let is_same = |flood: &Flood| bucket - flood.last_exceedance <= SAME_EPISODE_BUCKETS;
            if self.flood.as_ref().is_some_and(is_same) {
                if let Some(flood) = &mut self.flood {
                    flood.last_exceedance = bucket;
                    flood.ended = false;
                    if judged.neg_ln_p > flood.worst.neg_ln_p {
                        flood.worst = judged;
                    }
                }
            } else {
                self.flood = Some(Flood {
                    first_bucket: bucket,
                    last_exceedance: bucket,
                    worst: judged,
                    ids: 0,
                    cost_nanos: 0,
                    ended: false,
                    revision: 0,
                    told: None,
                });
            }
        }
        let seen = self.seen.get(&bucket).copied().unwrap_or_default();
        if let Some(flood) = self.flood.as_mut().filter(|flood| !flood.ended) {
            flood.ids += seen.ids;
            flood.cost_nanos = flood.cost_nanos.saturating_add(seen.cost_nanos);
            flood.ended = bucket - flood.last_exceedance >= CALM_BUCKETS;
        }
        self.seen.retain(|&at, _| at > bucket - BUCKETS_AN_HOUR);
    }

    /// Learns an hour of the clock. A flood teaches nothing until it has lasted for three days.
    fn learn(&mut self, hour: &Judged) {
        self.chart(hour);
        let is_flood = self.flood.as_ref().is_some_and(|flood| {
            !flood.ended && hour.bucket - flood.first_bucket < ACCEPTED_AFTER_BUCKETS
        });
        if is_flood {
            return;
        }
        let (count, mean) = (hour.ids as f64, self.mean());
        for (sum, seen) in [
            (&mut self.hours, 1.0),
            (&mut self.ids, count),
            (&mut self.excess, (count - mean).powi(2) - count),
            (&mut self.squares, mean * mean),
        ] {
            *sum = *sum * HOURLY_DECAY + seen;
        }
    }

    fn chart(&mut self, hour: &Judged) {
        let end = start_of(hour.bucket + 1);
        let (low, high) = hour.expected.band();
        self.series.push(SeriesPoint {
            start: end.plus(-Timestamp::HOUR),
            end,
            observed: hour.ids as f64,
            expected: hour.expected.mean(),
            low,
            high,
        });
        let surplus = self.series.len().saturating_sub(SERIES_HOURS);
        self.series.drain(..surplus);
    }

    /// Returns whether there is still anything to know of it.
    fn is_of_interest(&self, bucket: i64) -> bool {
        let is_recent = |flood: &Flood| bucket - flood.last_exceedance <= SAME_EPISODE_BUCKETS;
        !self.seen.is_empty() || self.ids > 0.5 || self.flood.as_ref().is_some_and(is_recent)
    }
}

impl Flood {
    fn severity(&self, config: &DetectorConfig, usd: f64) -> Severity {
        if usd >= 10.0 * config.page_from_usd {
            Severity::High
        } else if self.ids >= MANY_IDS || usd >= config.page_from_usd {
            Severity::Medium
        } else {
            Severity::Low
        }
    }

    /// Makes a revision if there is something new to tell: a higher severity, ten times the ids,
    /// the end.
    fn tell(
        &mut self,
        entity: &Entity,
        config: &DetectorConfig,
        series: &[SeriesPoint],
        raised_at: Timestamp,
    ) -> Option<Alert> {
        let cost = Nanos::new(i64::try_from(self.cost_nanos).unwrap_or(i64::MAX));
        let mut severity = self.severity(config, cost.to_usd());
        if let Some(told) = self.told {
            severity = severity.max(told.severity);
            let has_grown = self.ids / 10 >= told.ids.max(1);
            if severity == told.severity && self.ended == told.ended && !has_grown {
                return None;
            }
            self.revision += 1;
        }
        self.told = Some(Told {
            severity,
            ids: self.ids,
            ended: self.ended,
        });
        let hour = Timestamp::from_millis(hour_of(self.first_bucket) * Timestamp::HOUR);
        let worst = &self.worst;
        let window_end = start_of(worst.bucket + 1);
        let window = Window {
            start: window_end.plus(-Timestamp::HOUR),
            end: window_end,
        };
        let (low, high) = worst.expected.band();
        let hours = (raised_at.millis() - start_of(self.first_bucket).millis()).max(BUCKET_MILLIS)
            as f64
            / Timestamp::HOUR as f64;
        let level = if entity.account.is_empty() {
            EntityLevel::Provider
        } else {
            EntityLevel::Account
        };
        Some(Alert {
            alert_id: AlertId::compute_without_key(
                level,
                &["flood", &entity.provider, &entity.account],
                hour,
            ),
            revision: self.revision,
            raised_at,
            key_id: String::new(),
            key_hint: None,
            account: entity.account.clone(),
            project: None,
            provider: entity.provider.clone(),
            entity_level: level,
            service: None,
            vendor: None,
            stored_with: Vec::new(),
            owner: None,
            detector: Detector::Flood,
            severity,
            score: score(FLOOD_SHARE * config.alpha(), worst.episodes_per_day),
            p_value: (-worst.neg_ln_p).exp(),
            neg_log_p: worst.neg_ln_p,
            episodes_per_day: worst.episodes_per_day,
            // The first request of each.
            metric: Metric::Requests,
            window_start: window.start,
            window_end: window.end,
            observed: worst.ids as f64,
            expected: worst.expected.mean(),
            expected_low: low,
            expected_high: high,
            evidence: self.evidence(entity),
            top_contributors: Vec::new(),
            incident_id: IncidentId::compute(&entity.account, hour),
            first_seen: start_of(self.first_bucket),
            cost_so_far_usd: cost,
            burn_usd_per_hour: if self.ended {
                0.0
            } else {
                cost.to_usd() / hours
            },
            // Account manipulation: additional cloud credentials.
            attack_techniques: vec!["T1098.001".to_owned()],
            ended: self.ended,
            series: series.to_vec(),
        })
    }

    fn evidence(&self, entity: &Entity) -> Vec<Evidence> {
        let worst = &self.worst;
        let whose = match (&*entity.provider, &*entity.account) {
            ("", "") => "of accounts that are themselves new",
            _ => "of this account",
        };
        let sentence = |text: String, neg_log_p| Evidence {
            family: "flood".to_owned(),
            text,
            neg_log_p,
        };
        vec![
            sentence(
                format!(
                    "{} key ids {whose} that were never seen before in an hour, expected {:.1}; {} so far",
                    worst.ids,
                    worst.expected.mean(),
                    self.ids
                ),
                Some(worst.neg_ln_p),
            ),
            sentence(
                format!(
                    "an account like this does this {}",
                    frequency(worst.episodes_per_day)
                ),
                None,
            ),
            sentence(
                "somebody makes keys, or makes them up; keys that are known are watched as before, of the new ones those that use most".to_owned(),
                None,
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::BUCKETS_A_DAY;

    fn account() -> Entity {
        Entity {
            provider: "openai".into(),
            account: "acme".into(),
            key: String::new(),
        }
    }

    /// Ids by bucket; returns all that is told.
    fn told(ids: impl Fn(i64) -> u64, buckets: i64) -> Vec<Alert> {
        let (mut floods, config) = (Floods::default(), DetectorConfig::default());
        let mut alerts = Vec::new();
        for bucket in 0..buckets {
            if ids(bucket) > 0 {
                floods.count(account(), bucket, ids(bucket), 1_000_000);
            }
            alerts.extend(floods.close(bucket, &config, start_of(bucket + 1)));
        }
        alerts
    }

    #[test]
    fn a_flood_is_one_alert_that_grows_and_ends() {
        let begin = 20 * BUCKETS_A_DAY + 3;
        let alerts = told(
            |bucket| match bucket - begin {
                0 => 80,
                1..20 => 50_000,
                _ => u64::from(bucket % 300 == 0),
            },
            24 * BUCKETS_A_DAY,
        );
        let ids: Vec<_> = alerts.iter().map(|alert| &alert.alert_id).collect();
        assert!(ids.iter().all(|id| *id == ids[0]), "{alerts:#?}");
        let revisions: Vec<u32> = alerts.iter().map(|alert| alert.revision).collect();
        assert_eq!(revisions, (0..alerts.len() as u32).collect::<Vec<_>>());
        assert_eq!(alerts[0].first_seen, start_of(begin));
        assert_eq!(alerts[0].severity, Severity::Low);
        let last = alerts.last().unwrap();
        assert!(last.ended && last.severity >= Severity::Medium);
        assert_eq!(last.observed, 300_000.0);
    }

    #[test]
    fn what_an_account_does_every_day_is_no_flood_and_ten_times_as_much_is_one() {
        let daily = |bucket: i64| if bucket % BUCKETS_A_DAY < 12 { 40 } else { 0 };
        let days = 40 * BUCKETS_A_DAY;
        let alerts = told(daily, days);
        let late = |alert: &&Alert| alert.raised_at > start_of(days / 2);
        assert_eq!(alerts.iter().filter(late).count(), 0);
        let tenfold = told(
            |bucket| daily(bucket) * if bucket > days - BUCKETS_A_DAY { 60 } else { 1 },
            days,
        );
        assert!(tenfold.iter().any(|alert| late(&alert)));
    }

    #[test]
    fn a_few_new_keys_are_none() {
        assert!(told(|bucket| u64::from(bucket % 7 == 0) * 4, 10 * BUCKETS_A_DAY).is_empty());
    }
}
