//! What had tokens and no price, so that somebody can see it and add one.

use std::sync::{Mutex, PoisonError};

use hashbrown::{Equivalent, HashMap};

/// How many models are counted one by one; those beyond are counted together.
const MAX_MODELS: usize = 512;

/// The name of what is counted together.
const OTHERS: &str = "(others)";

/// Tokens that no price list has a price for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpriced {
    /// The provider, in OpenTelemetry's spelling; empty if the events do not say. It and the model
    /// are `(others)` for all beyond the first 512.
    pub provider: String,
    /// The model; empty if the events do not say.
    pub model: String,
    /// How many events.
    pub events: u64,
    /// How many tokens, in and out.
    pub tokens: u64,
}

/// Counts by provider and model since the start.
#[derive(Debug, Default)]
pub(super) struct UnpricedCounts {
    /// A plain lock: it is held for one addition, and only by events without a price.
    counts: Mutex<HashMap<Key, Count>>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    provider: String,
    model: String,
}

#[derive(Debug, Default)]
struct Count {
    events: u64,
    tokens: u64,
}

#[derive(Hash)]
struct KeyRef<'a> {
    provider: &'a str,
    model: &'a str,
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.provider == key.provider && self.model == key.model
    }
}

impl UnpricedCounts {
    pub(super) fn count(&self, provider: &str, model: &str, tokens: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let add = |count: &mut Count| {
            count.events = count.events.saturating_add(1);
            count.tokens = count.tokens.saturating_add(tokens);
        };
        if let Some(count) = counts.get_mut(&KeyRef { provider, model }) {
            return add(count);
        }
        let (provider, model) = if counts.len() < MAX_MODELS {
            (provider, model)
        } else {
            (OTHERS, OTHERS)
        };
        let key = Key {
            provider: provider.to_owned(),
            model: model.to_owned(),
        };
        add(counts.entry(key).or_default());
    }

    pub(super) fn list(&self) -> Vec<Unpriced> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<_> = counts
            .iter()
            .map(|(key, count)| Unpriced {
                provider: key.provider.clone(),
                model: key.model.clone(),
                events: count.events,
                tokens: count.tokens,
            })
            .collect();
        drop(counts);
        list.sort_by(|one, other| {
            let names = |unpriced: &Unpriced| (unpriced.provider.clone(), unpriced.model.clone());
            let by_tokens = other.tokens.cmp(&one.tokens);
            by_tokens.then_with(|| names(one).cmp(&names(other)))
        });
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beyond_the_limit_are_counted_together() {
        let counts = UnpricedCounts::default();
        for number in 0..MAX_MODELS + 100 {
            counts.count("acme", &format!("model-{number}"), 10);
        }
        counts.count("acme", "model-7", 5);
        let list = counts.list();
        assert_eq!(list.len(), MAX_MODELS + 1);
        assert_eq!((list[0].model.as_str(), list[0].tokens), (OTHERS, 1000));
        assert_eq!((list[1].model.as_str(), list[1].events), ("model-7", 2));
    }
}
