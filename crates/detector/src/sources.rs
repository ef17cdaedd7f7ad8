//! Gaps of a whole source: when every key of a provider is silent, data is missing.

use std::collections::{BTreeMap, BTreeSet};

use columns::SnapshotError;
use serde::{Deserialize, Serialize};

use crate::archive::Archive;

/// How many keys a provider must have in an ordinary bucket for their common silence to be a
/// gap: with five, chance leaves all of them silent less than once in a hundred.
const LEAST_KEYS: f64 = 5.0;
const SHARE: f64 = 0.02;
/// Buckets remembered as gaps: a week; a longer one is a source that is gone.
const GAPS: usize = 1008;

#[derive(Clone, Default, Serialize, Deserialize)]
struct Source {
    /// Keys in an ordinary bucket.
    keys: f64,
    gaps: BTreeSet<i64>,
}

/// The providers that have been seen.
#[derive(Clone, Default)]
pub(crate) struct Sources {
    by_provider: BTreeMap<Box<str>, Source>,
}

impl Sources {
    /// Closes a bucket in which `active` keys of each provider were seen.
    pub(crate) fn close(&mut self, bucket: i64, active: &BTreeMap<&str, u32>) {
        for provider in active.keys() {
            if !self.by_provider.contains_key(*provider) {
                self.by_provider
                    .insert((*provider).into(), Source::default());
            }
        }
        for (provider, source) in &mut self.by_provider {
            let keys = f64::from(active.get(&**provider).copied().unwrap_or(0));
            if keys == 0.0 && source.keys >= LEAST_KEYS {
                source.gaps.insert(bucket);
                if source.gaps.len() > GAPS {
                    source.gaps.pop_first();
                }
            } else {
                source.keys += SHARE * (keys - source.keys);
            }
        }
        // A provider without keys is like one that was never seen.
        self.by_provider
            .retain(|_, source| source.keys > 1e-3 || !source.gaps.is_empty());
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self { by_provider } = self;
        archive.map("by_provider", by_provider)
    }

    /// Returns whether a closed bucket is missing data for the keys of a provider.
    pub(crate) fn is_gap(&self, provider: &str, bucket: i64) -> bool {
        self.by_provider
            .get(provider)
            .is_some_and(|source| source.gaps.contains(&bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_silence_is_a_gap_and_that_of_few_keys_is_none() {
        let mut sources = Sources::default();
        for bucket in 0..500 {
            sources.close(bucket, &BTreeMap::from([("many", 20), ("few", 1)]));
        }
        sources.close(500, &BTreeMap::new());
        sources.close(501, &BTreeMap::from([("many", 3)]));
        assert!(sources.is_gap("many", 500) && !sources.is_gap("many", 501));
        assert!(!sources.is_gap("few", 500) && !sources.is_gap("none", 500));
    }
}
