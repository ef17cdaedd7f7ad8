//! Repeats of an event within the horizon.

use std::collections::HashSet;

use model::Timestamp;
use twox_hash::XxHash3_128;

/// The horizon in event time, and how many generations it is kept in.
const HORIZON_MILLIS: i64 = 24 * Timestamp::HOUR;
const GENERATIONS: i64 = 4;
const GENERATION_MILLIS: i64 = HORIZON_MILLIS / GENERATIONS;

/// Ids that one generation may hold: 16 bytes each, so some 100 MB for all at the worst.
const MAX_IDS_A_GENERATION: usize = 1 << 20;

/// Remembers the ids of the last 24 hours of event time, in bounded memory.
///
/// An id is kept as 128 bits of (provider, account, id): a false repeat among a thousand million
/// ids is less likely than one in 10^20. Generations of six hours are dropped whole.
#[derive(Default)]
pub struct Dedup {
    /// The newest generation last, each with the index of its six hours.
    generations: Vec<(i64, HashSet<u128>)>,
    scratch: Vec<u8>,
    repeats: u64,
    forgotten_early: u64,
}

impl Dedup {
    /// Returns whether the event was seen within the horizon, and remembers it.
    pub fn is_repeat(&mut self, provider: &str, account: &str, id: &str, time: Timestamp) -> bool {
        self.scratch.clear();
        for part in [provider, account, id] {
            self.scratch
                .extend_from_slice(&(part.len() as u64).to_le_bytes());
            self.scratch.extend_from_slice(part.as_bytes());
        }
        let hash = XxHash3_128::oneshot(&self.scratch);
        if self.generations.iter().any(|(_, ids)| ids.contains(&hash)) {
            self.repeats += 1;
            return true;
        }
        self.generation(time.millis().div_euclid(GENERATION_MILLIS))
            .insert(hash);
        false
    }

    /// Returns the number of repeats so far.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Returns how many ids had to be forgotten before their time, because there were too many.
    pub fn forgotten_early(&self) -> u64 {
        self.forgotten_early
    }

    fn generation(&mut self, index: i64) -> &mut HashSet<u128> {
        let newest = self
            .generations
            .last()
            .map_or(i64::MIN, |(newest, _)| *newest);
        if index > newest {
            self.generations.push((index, HashSet::new()));
            self.generations
                .retain(|(kept, _)| *kept > index - GENERATIONS - 1);
        }
        // A late event is remembered with the oldest generation that is not older than itself.
        let at = self.generations.iter().position(|(kept, _)| *kept >= index);
        let at = at.unwrap_or(self.generations.len() - 1);
        let (_, ids) = &mut self.generations[at];
        if ids.len() >= MAX_IDS_A_GENERATION {
            self.forgotten_early += ids.len() as u64;
            ids.clear();
        }
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_seen_within_the_horizon_and_not_long_after() {
        let mut dedup = Dedup::default();
        let start = Timestamp::parse("2026-05-04T12:00:00Z").unwrap();
        assert!(!dedup.is_repeat("openai", "acme", "evt_1", start));
        assert!(dedup.is_repeat("openai", "acme", "evt_1", start));
        assert!(
            !dedup.is_repeat("openai", "acm", "eevt_1", start),
            "parts do not run together"
        );
        assert!(!dedup.is_repeat("openai", "acme", "evt_2", start.plus(23 * Timestamp::HOUR)));
        assert!(dedup.is_repeat("openai", "acme", "evt_1", start.plus(23 * Timestamp::HOUR)));
        assert!(!dedup.is_repeat("openai", "acme", "evt_3", start.plus(60 * Timestamp::HOUR)));
        assert!(!dedup.is_repeat("openai", "acme", "evt_1", start.plus(60 * Timestamp::HOUR)));
        assert_eq!(dedup.repeats(), 2);
    }

    #[test]
    fn a_late_event_is_remembered_too() {
        let mut dedup = Dedup::default();
        let start = Timestamp::parse("2026-05-04T12:00:00Z").unwrap();
        dedup.is_repeat("p", "a", "new", start);
        let late = start.plus(-10 * Timestamp::HOUR);
        assert!(!dedup.is_repeat("p", "a", "late", late));
        assert!(dedup.is_repeat("p", "a", "late", late));
    }
}
