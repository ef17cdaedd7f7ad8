//! What was produced, by its content, so that what did not change is not produced again.

use std::collections::BTreeMap;
use std::fmt::Write;

use model::Timestamp;
use twox_hash::XxHash64;

/// Entries that a position keeps, the newest; some 45 bytes each.
const MAX_STORED: usize = 2_000;

/// How far a feed was read, and what of its end was produced.
///
/// As text it is `1 <next> <time>:<tag>:<digest> …`, numbers in hexadecimal.
#[derive(Debug)]
pub(super) struct Seen {
    /// Everything before it was produced; milliseconds. `None` before the first reading.
    pub(super) next: Option<i64>,
    /// Digests of contents by time and tag.
    entries: BTreeMap<(i64, u64), u64>,
    max_entries: usize,
}

/// The identity and the content of a record, as numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) time: i64,
    tag: u64,
    digest: u64,
}

impl Mark {
    /// Marks what stands at `time` under `tag` with `content`.
    pub(super) fn new(time: i64, tag: &str, content: &[u8]) -> Self {
        Self {
            time,
            tag: XxHash64::oneshot(0, tag.as_bytes()),
            digest: XxHash64::oneshot(0, content),
        }
    }
}

impl Seen {
    /// Reads a position. One that is not understood is none: everything is read again, with the
    /// same ids.
    pub(super) fn read(text: Option<&str>, max_entries: usize) -> Self {
        let mut seen = Self {
            next: None,
            entries: BTreeMap::new(),
            max_entries: max_entries.max(1),
        };
        let mut words = text.unwrap_or_default().split(' ');
        if words.next() != Some("1") {
            return seen;
        }
        let next = words.next().and_then(|word| word.parse::<i64>().ok());
        seen.next = next.filter(|next| Timestamp::from_millis(*next).in_range().is_ok());
        if seen.next.is_some() {
            for word in words {
                let mut parts = word.split(':');
                let mut part = || u64::from_str_radix(parts.next()?, 16).ok();
                if let (Some(time), Some(tag), Some(digest)) = (part(), part(), part()) {
                    seen.entries.insert((time.cast_signed(), tag), digest);
                }
            }
        }
        seen
    }

    /// Writes the position.
    pub(super) fn text(&self) -> Option<String> {
        let mut text = format!("1 {}", self.next?);
        for ((time, tag), digest) in self.entries.iter().rev().take(MAX_STORED) {
            write!(text, " {time:x}:{tag:x}:{digest:x}").ok()?;
        }
        Some(text)
    }

    /// Returns whether it was produced with the same content.
    pub(super) fn has(&self, mark: Mark) -> bool {
        self.entries.get(&(mark.time, mark.tag)) == Some(&mark.digest)
    }

    /// Remembers what was produced; beyond the bound the oldest is forgotten.
    pub(super) fn insert(&mut self, mark: Mark) {
        self.entries.insert((mark.time, mark.tag), mark.digest);
        while self.entries.len() > self.max_entries {
            self.entries.pop_first();
        }
    }

    /// Forgets what will not be read again.
    pub(super) fn forget_before(&mut self, time: i64) {
        self.entries = self.entries.split_off(&(time, 0));
    }

    /// Moves on, never back.
    pub(super) fn advance(&mut self, next: i64) {
        self.next = Some(self.next.map_or(next, |before| before.max(next)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_777_896_000_000;

    #[test]
    fn a_position_comes_back_as_it_was() {
        let mut seen = Seen::read(None, 10);
        assert_eq!(seen.text(), None);
        let mark = Mark::new(NOON, "key_1", b"one");
        seen.insert(mark);
        seen.advance(NOON + 60_000);
        seen.advance(NOON);
        let again = Seen::read(seen.text().as_deref(), 10);
        assert_eq!(again.next, Some(NOON + 60_000));
        assert!(again.has(mark));
        assert!(!again.has(Mark::new(NOON, "key_1", b"two")));
        assert!(!again.has(Mark::new(NOON, "key_2", b"one")));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes_first() {
        let mut seen = Seen::read(None, 3);
        let marks: Vec<_> = (0..5).map(|n| Mark::new(NOON + n, "k", b"c")).collect();
        for mark in marks.iter().rev() {
            seen.insert(*mark);
        }
        let kept: Vec<_> = marks.iter().map(|mark| seen.has(*mark)).collect();
        assert_eq!(kept, [false, false, true, true, true]);
        seen.forget_before(NOON + 4);
        assert!(!seen.has(marks[3]) && seen.has(marks[4]));
    }

    #[test]
    fn a_position_that_is_not_understood_is_none() {
        for text in ["", "2 1777896000000", "1", "1 soon", "1 7", "1 -1 a:b:c"] {
            assert_eq!(Seen::read(Some(text), 3).next, None, "{text}");
        }
        let seen = Seen::read(Some("1 1777896000000 zz:1:2 1:2 :: 5:6:7"), 3);
        assert_eq!((seen.next, seen.entries.len()), (Some(NOON), 1));
    }
}
