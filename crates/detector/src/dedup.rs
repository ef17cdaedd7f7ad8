//! Repeats of an event within the horizon.

use std::collections::HashSet;

use columns::SnapshotError;
use model::{CountField, FlagField, TextField, Timestamp, UsageRow};
use twox_hash::XxHash3_128;

use crate::archive::Archive;

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
#[derive(Clone, Default)]
pub struct Dedup {
    /// The newest generation last, each with the index of its six hours.
    generations: Vec<(i64, HashSet<u128>)>,
    scratch: Vec<u8>,
    repeats: u64,
    forgotten_early: u64,
}

impl Dedup {
    /// Returns whether a row was seen within the horizon, and remembers it.
    ///
    /// What is restated is no repeat: a billing line, a sum or a roll-up with a span of the same
    /// id and other amounts replaces what it said before, and of the rows that history then has
    /// the newest by `known_at` counts.
    pub fn is_repeat_row(&mut self, row: &UsageRow<'_>) -> bool {
        let part = |field: TextField| row.text(field).unwrap_or_default();
        let (provider, account) = (part(TextField::Provider), part(TextField::Account));
        let may_be_restated = row.text(TextField::Kind) == Some("cost")
            || row.flag(FlagField::Aggregate) == Some(true)
            || row.time_start.is_some()
            || row.time_end.is_some();
        if !may_be_restated {
            return self.is_repeat(provider, account, part(TextField::Id), row.time);
        }
        let amounts = [
            CountField::Requests,
            CountField::InputTokens,
            CountField::OutputTokens,
        ]
        .map(|field| row.count(field));
        let id = format!(
            "{}\u{1f}{amounts:?}{:?}",
            part(TextField::Id),
            row.cost.map(|cost| cost.get())
        );
        self.is_repeat(provider, account, &id, row.time)
    }

    /// Carries everything into a snapshot or out of one.
    ///
    /// # Errors
    /// When the disk fails, or a snapshot is damaged or of other state.
    pub fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            generations,
            scratch: _,
            repeats,
            forgotten_early,
        } = self;
        archive.value("repeats", repeats)?;
        archive.value("forgotten_early", forgotten_early)?;
        let mut indices: Vec<i64> = generations.iter().map(|(index, _)| *index).collect();
        archive.value("generations", &mut indices)?;
        if archive.is_reading() {
            let empty = |index| (index, HashSet::new());
            *generations = indices.into_iter().map(empty).collect();
        }
        for (_, ids) in generations {
            archive.set("ids", ids)?;
        }
        Ok(())
    }

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
    fn a_restated_line_is_no_repeat_and_a_call_is_known_by_its_id_alone() {
        let mut dedup = Dedup::default();
        let mut row = UsageRow::at(Timestamp::parse("2026-05-04T12:00:00Z").unwrap());
        row.set_text(TextField::Id, "line_1");
        row.set_text(TextField::Kind, "cost");
        for (usd, is_repeat) in [(4.0, false), (5.0, false), (5.0, true)] {
            row.cost = Some(model::Nanos::from_usd(usd));
            assert_eq!(dedup.is_repeat_row(&row), is_repeat, "{usd}");
        }
        row.set_text(TextField::Kind, "usage");
        for (usd, is_repeat) in [(4.0, false), (5.0, true)] {
            row.cost = Some(model::Nanos::from_usd(usd));
            assert_eq!(dedup.is_repeat_row(&row), is_repeat, "{usd}");
        }
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
