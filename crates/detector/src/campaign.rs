//! Many keys, one breach: what keys that share a vendor or a strange network show together,
//! though none of them would be an alert alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use columns::SnapshotError;
use model::{Alert, AlertId, Detector, Entity, Evidence, Timestamp};
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::clock::{BUCKET_MILLIS, BUCKETS_A_DAY, BUCKETS_AN_HOUR, bucket_of, minute_of};
use crate::config::DetectorConfig;
use crate::detector::ALLOWED_LATENESS_MILLIS;
use crate::directory::KeyDirectory;
use crate::explain::frequency;
use crate::tail::neg_ln_sf_negative_binomial;

/// Chances by key-day at which keys are counted.
const LEVELS: [f64; 4] = [0.3, 0.1, 0.03, 0.01];
/// Keys that a campaign has at least.
const LEAST_KEYS: usize = 3;
/// Keys of a group share load: variance of their number is mean + dispersion × mean².
const DISPERSION: f64 = 0.5;
/// Windows of an hour overlap, and evidence lasts: how much more often than once an hour and
/// key by chance it is seen.
const PERSISTENCE: f64 = 3.0;
/// The chance that two keys that meet new networks in the same hour meet the same one.
const SAME_NETWORK: f64 = 0.01;
/// From which chance on a key is attached to a campaign of its vendor.
const ATTACHED_BELOW: f64 = 0.1;
/// The part of the budget by key-day that a group may spend by day: one false campaign in a
/// thousand group-days at the default of five false alerts in a thousand key-days.
const GROUP_SHARE: f64 = 0.2;
/// How long the evidence of a key counts: an hour.
const WINDOW_BUCKETS: i64 = BUCKETS_AN_HOUR;

/// What one key shows in a closed bucket, short of an alert or not.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sign {
    /// The bucket, counted in ten minutes since the epoch.
    pub(crate) bucket: i64,
    /// The chance by key-day of what it shows.
    pub(crate) chance: f64,
    /// Hashes of the networks that are new to it.
    pub(crate) networks: Vec<u32>,
    /// Whether it is an alert by itself.
    pub(crate) is_alert: bool,
    /// What would be told of it.
    pub(crate) alert: Box<Alert>,
}

/// What was told of a key in a campaign.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Told {
    /// The last bucket in which it belonged to the group.
    last: i64,
    /// The alert, until it has ended.
    open: Option<Box<Alert>>,
}

/// What a group has in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bond {
    Vendor(String),
    Network(u32),
}

/// Joins the signs of all partitions.
///
/// A bucket is judged once every partition has closed it, so that the order in which partitions
/// are read does not show; who sees the partitions says when.
#[derive(Clone)]
pub struct Campaigns {
    config: DetectorConfig,
    directory: Arc<KeyDirectory>,
    /// The newest sign of each key.
    signs: BTreeMap<Entity, Sign>,
    /// Signs of buckets that are not judged yet.
    waiting: BTreeMap<i64, Vec<Sign>>,
    waiting_signs: usize,
    /// Keys that were told, each once a day, whatever bonds it has.
    told: BTreeMap<Entity, Told>,
    closed: Option<i64>,
    /// The time of the newest erasure that was carried out: each is once.
    erased: Option<Timestamp>,
}

/// How many signs wait at most; each is a few kilobytes.
const MOST_WAITING: usize = 20_000;

impl Campaigns {
    /// Makes an empty one.
    pub fn new(config: DetectorConfig, directory: Arc<KeyDirectory>) -> Self {
        Self {
            config,
            directory,
            signs: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_signs: 0,
            told: BTreeMap::new(),
            closed: None,
            erased: None,
        }
    }

    /// Carries everything but configuration and inventory into a snapshot or out of one.
    ///
    /// # Errors
    /// When the disk fails, or a snapshot is damaged or of other state.
    pub fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            config: _,
            directory: _,
            signs,
            waiting,
            waiting_signs,
            told,
            closed,
            erased,
        } = self;
        archive.map("signs", signs)?;
        archive.map("waiting", waiting)?;
        archive.value("waiting_signs", waiting_signs)?;
        archive.map("told", told)?;
        archive.value("closed", closed)?;
        archive.value("erased", erased)?;
        if archive.is_reading() {
            // What was written down before it was erased.
            self.forget_erased();
        }
        Ok(())
    }

    /// Takes another inventory; what is judged from now on follows it.
    pub fn set_directory(&mut self, directory: Arc<KeyDirectory>) {
        self.directory = directory;
        self.forget_erased();
    }

    /// Forgets the signs of keys whose history was erased, and what was told of them: the members
    /// of a campaign that are left are those that are named from now on.
    fn forget_erased(&mut self) {
        let (directory, done) = (self.directory.clone(), self.erased);
        for (entity, time) in directory.erased_after(done) {
            self.erased = self.erased.max(Some(time));
            let last = bucket_of(minute_of(time.millis()));
            let is_erased = |sign: &Sign| {
                let of = &sign.alert;
                sign.bucket <= last
                    && of.key_id == entity.key
                    && of.account == entity.account
                    && of.provider == entity.provider
            };
            if self.signs.get(&entity).is_some_and(is_erased) {
                self.signs.remove(&entity);
            }
            for signs in self.waiting.values_mut() {
                signs.retain(|sign| !is_erased(sign));
            }
            if self.told.get(&entity).is_some_and(|told| told.last <= last) {
                self.told.remove(&entity);
            }
        }
        self.waiting.retain(|_, signs| !signs.is_empty());
        self.waiting_signs = self.waiting.values().map(Vec::len).sum();
    }

    /// Takes signs of one partition.
    pub fn take(&mut self, signs: Vec<Sign>) {
        for sign in signs {
            // What comes after its bucket was judged counts with the next one.
            let bucket = self
                .closed
                .map_or(sign.bucket, |closed| sign.bucket.max(closed + 1));
            self.waiting.entry(bucket).or_default().push(sign);
            self.waiting_signs += 1;
        }
    }

    /// Judges the oldest buckets, where too much waits: a partition is waited for no longer. While
    /// the log is caught up with, in which partitions are read one after another, they are dropped
    /// instead: half of a bucket says nothing, and nobody is told of campaigns so long ago.
    pub fn relieve(&mut self, is_live: bool) -> Vec<Alert> {
        let mut alerts = Vec::new();
        while self.waiting_signs > MOST_WAITING {
            let Some((&bucket, signs)) = self.waiting.first_key_value() else {
                break;
            };
            if is_live {
                alerts.extend(self.close_before(bucket + 1));
            } else {
                self.waiting_signs -= signs.len();
                self.waiting.remove(&bucket);
            }
        }
        alerts
    }

    /// Judges every bucket before this one, of which no more signs are waited for.
    pub fn close_before(&mut self, until: i64) -> Vec<Alert> {
        let mut alerts = Vec::new();
        while let Some((&bucket, _)) = self.waiting.first_key_value() {
            if bucket >= until {
                break;
            }
            let signs = self.waiting.remove(&bucket).unwrap_or_default();
            self.waiting_signs -= signs.len();
            alerts.extend(self.judge(bucket, signs));
            self.closed = Some(bucket);
        }
        alerts
    }

    fn judge(&mut self, bucket: i64, signs: Vec<Sign>) -> Vec<Alert> {
        self.signs
            .retain(|_, sign| bucket - sign.bucket < WINDOW_BUCKETS);
        self.told
            .retain(|_, told| bucket - told.last <= BUCKETS_A_DAY);
        for sign in signs {
            let entity = sign.alert.entity();
            match self.signs.get_mut(&entity) {
                Some(known) if known.chance < sign.chance => {
                    known.is_alert |= sign.is_alert;
                    known.networks.extend(sign.networks);
                }
                _ => {
                    self.signs.insert(entity, sign);
                }
            }
        }
        let mut alerts = self.end(bucket);
        for (bond, members) in self.groups() {
            let Some(rate) = self.group_rate(&bond, &members) else {
                continue;
            };
            if rate < GROUP_SHARE * self.config.alpha() {
                alerts.extend(self.tell(bucket, &bond, &members, rate));
            }
        }
        alerts
    }

    /// Returns the groups of keys that show anything now.
    fn groups(&self) -> BTreeMap<Bond, Vec<Entity>> {
        let mut groups: BTreeMap<Bond, Vec<Entity>> = BTreeMap::new();
        for (entity, sign) in &self.signs {
            let vendors = sign.alert.stored_with.iter().cloned().map(Bond::Vendor);
            let networks: BTreeSet<u32> = sign.networks.iter().copied().collect();
            for bond in vendors.chain(networks.into_iter().map(Bond::Network)) {
                groups.entry(bond).or_default().push(entity.clone());
            }
        }
        groups.retain(|_, members| members.len() >= LEAST_KEYS);
        groups
    }

    /// Returns how often a day a group like this shows as much by chance.
    fn group_rate(&self, bond: &Bond, members: &[Entity]) -> Option<f64> {
        let rarity = match bond {
            Bond::Vendor(vendor) => {
                let size = self.directory.stored_with(vendor) as f64;
                let at = |level: f64| {
                    let count = members
                        .iter()
                        .filter(|&key| self.signs[key].chance <= level)
                        .count();
                    let mean = size * level / 24.0 * PERSISTENCE;
                    match count {
                        count if count < LEAST_KEYS => 0.0,
                        count => neg_ln_sf_negative_binomial(count as f64, mean, DISPERSION),
                    }
                };
                let rarest = LEVELS.map(at).into_iter().fold(0.0, f64::max);
                rarest - (LEVELS.len() as f64).ln()
            }
            Bond::Network(_) => {
                // A tenant that moves its services takes all of its keys along.
                let accounts: BTreeSet<&str> =
                    members.iter().map(|key| key.account.as_str()).collect();
                if accounts.len() < 2 {
                    return None;
                }
                let strange = self
                    .signs
                    .values()
                    .filter(|sign| !sign.networks.is_empty())
                    .count();
                let mean = SAME_NETWORK * strange as f64;
                neg_ln_sf_negative_binomial(members.len() as f64 - 1.0, mean, DISPERSION)
            }
        };
        Some(24.0 * (-rarity).exp())
    }

    /// Tells the keys of a group that were not told yet, those with the most evidence first.
    fn tell(&mut self, bucket: i64, bond: &Bond, members: &[Entity], rate: f64) -> Vec<Alert> {
        let mut keys: Vec<&Entity> = members
            .iter()
            .filter(|&key| {
                matches!(bond, Bond::Network(_)) || self.signs[key].chance <= ATTACHED_BELOW
            })
            .collect();
        keys.sort_by(|a, b| self.signs[*a].chance.total_cmp(&self.signs[*b].chance));
        let shared = self.shared(members);
        let sentence = match bond {
            Bond::Vendor(vendor) => format!(
                "{} of {} keys stored with {vendor} show something unusual within the same hour{shared}; a group like this does this {}",
                members.len(),
                self.directory.stored_with(vendor),
                frequency(rate)
            ),
            Bond::Network(_) => format!(
                "{} keys of different accounts are called from the same network within an hour, and it is new to each of them{shared}; a group like this does this {}",
                members.len(),
                frequency(rate)
            ),
        };
        let raised_at = raised_at(bucket);
        let mut alerts = Vec::new();
        for key in keys {
            let sign = &self.signs[key];
            if let Some(told) = self.told.get_mut(key) {
                told.last = bucket;
                continue;
            }
            if sign.is_alert {
                continue;
            }
            let mut alert = (*sign.alert).clone();
            // The key may still become an alert of its own in the same hour.
            let member = Entity {
                key: format!("{} in a campaign", key.key),
                ..key.clone()
            };
            alert.alert_id = AlertId::compute(&member, alert.first_seen);
            alert.detector = Detector::Campaign;
            alert.raised_at = raised_at.max(alert.raised_at);
            if let Bond::Vendor(vendor) = bond {
                alert.vendor = Some(vendor.clone());
            }
            let chance = format!(
                "by itself a key like this does this {}",
                frequency(sign.chance)
            );
            alert
                .evidence
                .insert(0, evidence(sentence.clone(), Some(-rate.ln())));
            alert.evidence.insert(1, evidence(chance, None));
            alert.episodes_per_day = rate;
            alert.score = crate::episode::score(GROUP_SHARE * self.config.alpha(), rate);
            let told = Told {
                last: bucket,
                open: Some(Box::new(alert.clone())),
            };
            self.told.insert(key.clone(), told);
            alerts.push(alert);
        }
        alerts
    }

    /// Tells the end of those that have shown nothing with their group for an hour.
    fn end(&mut self, bucket: i64) -> Vec<Alert> {
        let mut alerts = Vec::new();
        for told in self.told.values_mut() {
            if bucket - told.last < WINDOW_BUCKETS {
                continue;
            }
            if let Some(mut alert) = told.open.take() {
                alert.revision += 1;
                alert.ended = true;
                alert.burn_usd_per_hour = 0.0;
                alert.raised_at = raised_at(bucket);
                alerts.push(*alert);
            }
        }
        alerts
    }

    /// Says what else most of the keys share.
    fn shared(&self, members: &[Entity]) -> String {
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for key in members {
            for contributor in &self.signs[key].alert.top_contributors {
                if contributor.first_seen {
                    let shared = (contributor.dimension.as_str(), contributor.value.as_str());
                    *counts.entry(shared).or_default() += 1;
                }
            }
        }
        let most = counts
            .into_iter()
            .filter(|(_, count)| 2 * count >= members.len() && *count >= LEAST_KEYS)
            .max_by_key(|((dimension, value), count)| (*count, *dimension, *value));
        match most {
            Some((("source_ip", value), count)) => format!(", {count} of them from {value}"),
            Some((("user_agent", value), count)) => format!(", {count} of them with {value}"),
            Some(((_, value), count)) => format!(", {count} of them on {value}"),
            None => String::new(),
        }
    }
}

/// Returns the event time at which a bucket is closed.
fn raised_at(bucket: i64) -> Timestamp {
    Timestamp::from_millis((bucket + 1) * BUCKET_MILLIS + ALLOWED_LATENESS_MILLIS)
}

fn evidence(text: String, neg_log_p: Option<f64>) -> Evidence {
    Evidence {
        family: "campaign".to_owned(),
        text,
        neg_log_p,
    }
}
