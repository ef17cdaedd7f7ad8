//! The labels of several seeds as if they were of one run, so that one evaluation pools them.

use std::collections::BTreeSet;

use simulator::{Labels, ScoredAlert};

use crate::Failure;

/// Labels whose keys and groups begin with their seed.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    labels: Option<Labels>,
}

impl Pool {
    /// Adds the labels of one seed.
    ///
    /// # Errors
    /// When they are not scored over the same span as the others.
    pub(crate) fn add(&mut self, labels: Labels) -> Result<(), Failure> {
        let labels = under_seed(labels);
        let Some(pooled) = &mut self.labels else {
            self.labels = Some(labels);
            return Ok(());
        };
        if pooled.scored != labels.scored {
            return Err("the seeds are scored over different spans and cannot be pooled".into());
        }
        pooled.abuses.extend(labels.abuses);
        pooled.oddities.extend(labels.oddities);
        pooled.keys.extend(labels.keys);
        Ok(())
    }

    /// Returns all labels, or `None` before there are any.
    pub(crate) fn labels(&self) -> Option<&Labels> {
        self.labels.as_ref()
    }
}

/// Returns the name of a key, or of a group of abuses, among those of all seeds.
pub(crate) fn pooled_key(seed: u64, key: &str) -> String {
    format!("{seed}/{key}")
}

fn under_seed(mut labels: Labels) -> Labels {
    let seed = labels.seed;
    for abuse in &mut labels.abuses {
        let group = abuse.group.take();
        abuse.group = group.map(|group| pooled_key(seed, &group));
    }
    let abuses = labels.abuses.iter_mut().map(|abuse| &mut abuse.key);
    let oddities = labels.oddities.iter_mut().map(|oddity| &mut oddity.key);
    let keys = labels.keys.iter_mut().map(|key| &mut key.key);
    abuses
        .chain(oddities)
        .chain(keys)
        .for_each(|key| *key = pooled_key(seed, key));
    labels
}

/// Returns the labels of some keys only.
pub(crate) fn of_keys(labels: &Labels, keys: &BTreeSet<String>) -> Labels {
    let mut labels = labels.clone();
    labels.abuses.retain(|abuse| keys.contains(&abuse.key));
    labels.oddities.retain(|oddity| keys.contains(&oddity.key));
    labels.keys.retain(|key| keys.contains(&key.key));
    labels
}

/// Returns the alerts on some keys only; of one on several keys, its part on those.
pub(crate) fn on_keys(alerts: &[ScoredAlert], keys: &BTreeSet<String>) -> Vec<ScoredAlert> {
    let part = |alert: &ScoredAlert| {
        let mut alert = alert.clone();
        alert.key_ids.retain(|key| keys.contains(key));
        (!alert.key_ids.is_empty()).then_some(alert)
    };
    alerts.iter().filter_map(part).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use model::{Timestamp, Window};
    use simulator::KeyLabel;

    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_775_433_600_000);

    /// Returns labels of keys that are never abused, over 35 days of which 14 are scored.
    pub(crate) fn labels(keys: &[&str]) -> Labels {
        let end = START.plus(35 * Timestamp::DAY);
        let key = |key: &&str| KeyLabel {
            key: (*key).into(),
            account: "quietharbor".into(),
            class: "service".into(),
            exists: Window { start: START, end },
        };
        Labels {
            version: Labels::VERSION.into(),
            scenario: "test".into(),
            seed: 7,
            scored: Window {
                start: START.plus(21 * Timestamp::DAY),
                end,
            },
            abuses: Vec::new(),
            oddities: Vec::new(),
            keys: keys.iter().map(key).collect(),
        }
    }

    /// Returns an alert on a key, some days after the start.
    pub(crate) fn alert(key: &str, days: f64) -> ScoredAlert {
        ScoredAlert {
            key_ids: vec![key.into()],
            account: "quietharbor".into(),
            raised_at: START.plus((days * Timestamp::DAY as f64) as i64),
        }
    }

    #[test]
    fn the_same_key_of_two_seeds_is_two_keys() {
        let mut pool = Pool::default();
        let mut other = labels(&["key_1"]);
        pool.add(labels(&["key_1"])).unwrap();
        other.seed = 8;
        pool.add(other).unwrap();
        let pooled = pool.labels().unwrap();
        let keys: Vec<_> = pooled.keys.iter().map(|key| key.key.as_str()).collect();
        assert_eq!(keys, ["7/key_1", "8/key_1"]);
        let report = simulator::evaluate(pooled, std::iter::once(alert("8/key_1", 25.0)));
        assert_eq!(report.false_alerts.count, 1);
        assert!((report.false_alerts.key_days - 28.0).abs() < 1e-9);
    }

    #[test]
    fn other_spans_are_refused() {
        let mut pool = Pool::default();
        pool.add(labels(&["key_1"])).unwrap();
        let mut other = labels(&["key_1"]);
        other.scored.start = other.scored.start.plus(1);
        assert!(pool.add(other).is_err());
    }

    #[test]
    fn some_keys_are_taken_apart() {
        let keys = BTreeSet::from(["b".to_owned()]);
        assert_eq!(of_keys(&labels(&["a", "b"]), &keys).keys.len(), 1);
        let alerts = [alert("a", 22.0), alert("b", 23.0)];
        assert_eq!(on_keys(&alerts, &keys), alerts[1..]);
    }
}
