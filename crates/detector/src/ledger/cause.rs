//! Alerts that were told already, as what explains others: one cause, one alert.

use std::collections::BTreeMap;

use model::{Alert, AlertId, Entity, EntityLevel, Metric, Timestamp};
use serde::{Deserialize, Serialize};

use super::line::Payer;
use super::telling::subject;
use crate::clock::BUCKET_MILLIS;

/// The part of an excess that a told alert must have to explain it.
pub(super) const EXPLAINS: f64 = 0.5;
/// For how long an alert that has ended is remembered.
const REMEMBERED: i64 = 70 * Timestamp::DAY;

/// Moments are taken for the bucket around them: what has just begun has no length.
fn whole_buckets(from: i64, until: i64) -> (i64, i64) {
    let from = from.div_euclid(BUCKET_MILLIS) * BUCKET_MILLIS;
    (from, until.max(from + 1) + BUCKET_MILLIS - 1)
}

/// What is said in place of the alert on a key that was erased.
const ERASED: &str = "an alert on a key that was erased since";

/// What names an alert that explains another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Explanation {
    pub(super) words: String,
    /// The key that the words name, and when its alert began.
    key: Option<(Entity, Timestamp)>,
}

impl Explanation {
    fn of(alert: &Alert) -> Self {
        if alert.entity_level == EntityLevel::Key {
            let key = alert.key_hint.as_deref().unwrap_or(&alert.key_id);
            return Self {
                words: format!("the alert on key {key}"),
                key: Some((alert.entity(), alert.first_seen)),
            };
        }
        let level = alert.entity_level.as_str();
        let name = alert.project.as_deref().unwrap_or(&alert.account);
        Self {
            words: format!("the alert on usage without a key of {level} {name}"),
            key: None,
        }
    }

    /// Names the alert on another ledger.
    pub(super) fn by_ledger(payer: &Payer) -> Self {
        Self {
            words: format!("the alert on {}", subject(payer)),
            key: None,
        }
    }

    /// Takes the name of an erased key out, if the alert is on it and began up to a moment.
    pub(super) fn forget(&mut self, erased: &Entity, until: Timestamp) {
        let is_of_key = |(key, began): &mut (Entity, Timestamp)| *key == *erased && *began <= until;
        if self.key.take_if(is_of_key).is_some() {
            ERASED.clone_into(&mut self.words);
        }
    }
}

/// One told alert on live usage, as far as it explains others.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cause {
    explanation: Explanation,
    level: EntityLevel,
    provider: String,
    account: String,
    project: Option<String>,
    from: i64,
    until: i64,
    is_open: bool,
    usd: f64,
    metric: Metric,
    excess: f64,
}

/// What is to be explained.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effect<'a> {
    pub(super) provider: &'a str,
    /// Empty for all accounts.
    pub(super) account: &'a str,
    /// Empty for all projects.
    pub(super) project: &'a str,
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) usd: f64,
    /// The excess in another metric, where no money is known.
    pub(super) counted: Option<(Metric, f64)>,
}

/// The alerts that were told of keys, and of usage without one.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Causes {
    by_alert: BTreeMap<AlertId, Cause>,
}

impl Causes {
    /// Takes a new alert, or a new revision of one.
    pub(super) fn hear(&mut self, id: AlertId, cause: Cause) {
        self.by_alert.insert(id, cause);
    }

    /// Takes the name of an erased key out of alerts that began up to a moment. What was used
    /// still explains what is billed.
    pub(super) fn forget(&mut self, key: &Entity, until: Timestamp) {
        for cause in self.by_alert.values_mut() {
            cause.forget(key, until);
        }
    }

    /// Returns the alert that explains most of an effect, if those on what it is made of explain
    /// at least half of it together.
    pub(super) fn explain(&self, effect: &Effect<'_>, below: EntityLevel) -> Option<Explanation> {
        let causes: Vec<(&Cause, f64)> = self
            .by_alert
            .values()
            .filter(|cause| cause.level < below && cause.is_part_of(effect))
            .map(|cause| (cause, cause.share(effect)))
            .collect();
        let share: f64 = causes.iter().map(|(_, share)| share).sum();
        if share < EXPLAINS {
            return None;
        }
        let (largest, _) = causes.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(largest.explanation.clone())
    }

    pub(super) fn sweep(&mut self, now: i64) {
        self.by_alert
            .retain(|_, cause| now - cause.until < REMEMBERED);
    }
}

impl Cause {
    /// Keeps of an alert what explains others.
    pub(super) fn of(alert: &Alert) -> Self {
        Self {
            explanation: Explanation::of(alert),
            level: alert.entity_level,
            provider: alert.provider.clone(),
            account: alert.account.clone(),
            project: alert.project.clone(),
            from: alert.first_seen.millis(),
            until: alert.raised_at.max(alert.window_end).millis(),
            is_open: !alert.ended,
            usd: alert.cost_so_far_usd.to_usd(),
            metric: alert.metric,
            excess: (alert.observed - alert.expected).max(0.0),
        }
    }

    /// Takes the name of an erased key out, if the alert is on it and began up to a moment.
    pub(super) fn forget(&mut self, key: &Entity, until: Timestamp) {
        self.explanation.forget(key, until);
    }

    fn is_part_of(&self, effect: &Effect<'_>) -> bool {
        // A key whose project is not known may be of any.
        let fits = |own: &str, wanted: &str| wanted.is_empty() || own == wanted;
        let project = self.project.as_deref();
        self.provider == effect.provider
            && fits(&self.account, effect.account)
            && project.is_none_or(|project| fits(project, effect.project))
            && self.from < effect.until
            && (self.is_open || effect.from < self.until)
    }

    /// Returns the part of an effect that it explains.
    fn share(&self, effect: &Effect<'_>) -> f64 {
        let (from, until) = whole_buckets(self.from, self.until);
        let (effect_from, effect_until) = whole_buckets(effect.from, effect.until);
        // What is still going on goes on through the effect.
        let end = match self.is_open {
            true => until.max(effect_until),
            false => until,
        };
        let overlap = end.min(effect_until) - from.max(effect_from);
        let part = (overlap as f64 / (until - from) as f64).clamp(0.0, 1.0);
        if effect.usd > 0.0 && self.usd > 0.0 {
            return part * self.usd / effect.usd;
        }
        match effect.counted {
            Some((metric, excess)) if metric == self.metric && excess > 0.0 => {
                part * self.excess / excess
            }
            _ => 0.0,
        }
    }
}
