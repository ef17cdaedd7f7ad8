//! Says what goes on and on once a minute.
//!
//! A client whose broker is gone reports that twenty times a second.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the same thing is not said again.
const REST: Duration = Duration::from_secs(60);

/// The most different things that are remembered; their words are few.
const MAX_REMEMBERED: usize = 256;

/// What was said lately.
#[derive(Debug, Default)]
pub(crate) struct Sparing(Mutex<BTreeMap<String, Said>>);

#[derive(Clone, Copy, Debug)]
struct Said {
    at: Instant,
    /// How often it was kept back since.
    kept_back: u64,
}

impl Sparing {
    /// Returns how often this was kept back since it was said last, if it is to be said now.
    pub(crate) fn says(&self, what: &str, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = said.get_mut(what)
            && now.duration_since(before.at) < REST
        {
            before.kept_back += 1;
            return None;
        }
        if said.len() >= MAX_REMEMBERED {
            said.clear();
        }
        let now = Said {
            at: now,
            kept_back: 0,
        };
        let before = said.insert(what.to_owned(), now);
        Some(before.map_or(0, |before| before.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_a_minute_and_how_often_it_was_not() {
        let (sparing, start) = (Sparing::default(), Instant::now());
        let says = |what, millis| sparing.says(what, start + Duration::from_millis(millis));
        assert_eq!(says("down", 0), Some(0));
        for at in 1..1200 {
            assert_eq!(says("down", at * 50), None);
        }
        assert_eq!(says("slow", 100), Some(0));
        assert_eq!(says("down", 60_000), Some(1199));
        assert_eq!(says("down", 120_000), Some(0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (sparing, now) = (Sparing::default(), Instant::now());
        for number in 0..10_000 {
            assert_eq!(sparing.says(&number.to_string(), now), Some(0));
        }
        assert!(sparing.0.lock().unwrap().len() <= MAX_REMEMBERED);
    }
}
