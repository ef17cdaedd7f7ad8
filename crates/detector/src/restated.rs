//! Roll-ups that are sent again with larger amounts: buckets of provider reports are, as long as
//! they are open.

use std::collections::HashMap;

use columns::SnapshotError;
use model::Timestamp;
use twox_hash::XxHash3_128;

use crate::archive::Archive;
use crate::windows::Amounts;

/// Roll-ups are remembered by half days of their end, and for two of these.
const GENERATION_MILLIS: i64 = 12 * Timestamp::HOUR;
/// Roll-ups that one generation remembers at most; each is some 40 bytes.
const MAX_ROLL_UPS: usize = 1 << 17;

/// The amounts that roll-ups of the last half days have been counted with, by their id.
#[derive(Clone, Default)]
pub(crate) struct Restated {
    newest: i64,
    generations: [HashMap<u128, Amounts>; 2],
}

impl Restated {
    /// Returns what a roll-up adds to what its id has been counted with; nothing where it says
    /// less than before, because windows only grow.
    pub(crate) fn difference(&mut self, parts: [&str; 3], end: i64, amounts: Amounts) -> Amounts {
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        let id = XxHash3_128::oneshot(&bytes);
        let generation = end.div_euclid(GENERATION_MILLIS);
        if generation > self.newest {
            let [newest, older] = &mut self.generations;
            std::mem::swap(newest, older);
            newest.clear();
            if generation > self.newest + 1 {
                older.clear();
            }
            self.newest = generation;
        }
        let [newest, older] = &mut self.generations;
        let before = newest.get(&id).or(older.get(&id)).copied();
        let before = before.unwrap_or_default();
        let counted = Amounts {
            requests: before.requests.max(amounts.requests),
            tokens: before.tokens.max(amounts.tokens),
            cost_nanos: before.cost_nanos.max(amounts.cost_nanos),
        };
        let generation = if generation == self.newest {
            newest
        } else {
            older
        };
        if generation.len() >= MAX_ROLL_UPS {
            generation.clear();
        }
        generation.insert(id, counted);
        Amounts {
            requests: counted.requests - before.requests,
            tokens: counted.tokens - before.tokens,
            cost_nanos: counted.cost_nanos - before.cost_nanos,
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            newest,
            generations,
        } = self;
        archive.value("newest", newest)?;
        archive.map("newer", &mut generations[0])?;
        archive.map("older", &mut generations[1])
    }

    pub(crate) fn bytes(&self) -> usize {
        let roll_ups: usize = self.generations.iter().map(HashMap::capacity).sum();
        roll_ups * size_of::<(u128, Amounts)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_difference_counts() {
        let mut restated = Restated::default();
        let mut add = |id, requests| {
            let amounts = Amounts {
                requests,
                tokens: 10 * requests,
                cost_nanos: 0,
            };
            let end = 1_777_896_000_000;
            restated
                .difference(["openai", "acme", id], end, amounts)
                .requests
        };
        assert_eq!([add("a", 5), add("a", 9), add("b", 4)], [5, 4, 4]);
        assert_eq!([add("a", 7), add("a", 10)], [0, 1]);
    }
}
