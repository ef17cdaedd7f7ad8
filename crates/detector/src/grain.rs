//! How coarse a key's feed is: single calls, or roll-ups of so many minutes.

use columns::SnapshotError;
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::clock::MINUTES_A_BUCKET;
use crate::grid::Grid;

/// A mask with every minute of the hour: single calls.
const EVERY_MINUTE: u64 = (1 << 60) - 1;

/// The columns of grains: for each key the minutes of the hour in which its roll-ups end, and
/// the last span it declared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grains {
    minutes: Grid<u64>,
    span_minutes: Grid<u16>,
}

/// All that is known of a key's feed, as in [`Grains`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Feed {
    minutes: u64,
    span_minutes: u16,
}

/// What one bucket shows of a key's feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Marks {
    /// The minutes after the bucket's start in which roll-ups end, or [`SINGLE_CALLS`].
    minutes: u16,
    span_minutes: u16,
}

const SINGLE_CALLS: u16 = u16::MAX;

impl Marks {
    /// Notes a row whose time or span ends at `end_millis`, within the bucket or with it, and
    /// the length of its span.
    pub(crate) fn note(&mut self, bucket: i64, end_millis: i64, span_millis: Option<i64>) {
        match span_millis {
            Some(span) => {
                let minutes = (span / 60_000).clamp(1, 10_080) as u16;
                self.span_minutes = self.span_minutes.max(minutes);
            }
            // Roll-ups end with a minute; calls happen at any moment.
            None if end_millis % 60_000 == 0 => {
                let minute = end_millis / 60_000 - bucket * MINUTES_A_BUCKET;
                self.minutes |= 1 << minute.clamp(0, MINUTES_A_BUCKET);
            }
            None => self.minutes = SINGLE_CALLS,
        }
    }

    /// Returns it as bits, for a column.
    pub(crate) fn bits(self) -> u32 {
        u32::from(self.minutes) << 16 | u32::from(self.span_minutes)
    }

    /// Makes it of its bits.
    pub(crate) fn of_bits(bits: u32) -> Self {
        Self {
            minutes: (bits >> 16) as u16,
            span_minutes: bits as u16,
        }
    }

    /// Returns the same by the minutes of the hour.
    fn minutes_of_hour(self, bucket: i64) -> u64 {
        if self.minutes == SINGLE_CALLS {
            return EVERY_MINUTE;
        }
        (0..=MINUTES_A_BUCKET)
            .filter(|minute| self.minutes & (1 << minute) != 0)
            .map(|minute| 1 << (bucket * MINUTES_A_BUCKET + minute).rem_euclid(60))
            .fold(0, |minutes, minute: u64| minutes | minute)
    }
}

impl Grains {
    pub(crate) fn new() -> Self {
        Self {
            minutes: Grid::new(1),
            span_minutes: Grid::new(1),
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            minutes,
            span_minutes,
        } = self;
        archive.grid("minutes", minutes)?;
        archive.grid("span_minutes", span_minutes)
    }

    /// Takes over the feed of another key.
    pub(crate) fn copy(&mut self, from: usize, to: usize) {
        self.minutes.set(to, self.minutes.get(from));
        self.span_minutes.set(to, self.span_minutes.get(from));
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize) {
        self.minutes.begin(slot, 0);
        self.span_minutes.begin(slot, 0);
    }

    /// Returns all that is known of a key's feed.
    pub(crate) fn keep(&self, slot: usize) -> Feed {
        Feed {
            minutes: self.minutes.get(slot),
            span_minutes: self.span_minutes.get(slot),
        }
    }

    /// Gives a key that was begun with nothing what was kept of its feed.
    pub(crate) fn warm(&mut self, slot: usize, feed: Feed) {
        self.minutes.set(slot, feed.minutes);
        self.span_minutes.set(slot, feed.span_minutes);
    }

    /// Learns the marks of a closed bucket.
    pub(crate) fn learn(&mut self, slot: usize, bucket: i64, marks: Marks) {
        let minutes = self.minutes.get(slot) | marks.minutes_of_hour(bucket);
        self.minutes.set(slot, minutes);
        // The last span counts: one odd row must not make a feed coarse for good.
        if marks.span_minutes > 0 {
            self.span_minutes.set(slot, marks.span_minutes);
        }
    }

    /// Returns the minutes that one delivery of the key's feed covers: 1 for single calls.
    pub(crate) fn minutes(&self, slot: usize) -> i64 {
        let span = i64::from(self.span_minutes.get(slot));
        let minutes = self.minutes.get(slot);
        if minutes == EVERY_MINUTE {
            // Single calls, whatever sums stand beside them.
            return 1;
        }
        if minutes == 0 {
            return span.max(1);
        }
        // The greatest common divisor of the hour and every minute with an end.
        let grain = (0..60)
            .filter(|minute| minutes & (1 << minute) != 0)
            .fold(60, gcd);
        grain.max(span)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.minutes.bytes() + self.span_minutes.bytes()
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::BUCKET_MILLIS;

    fn grain(ends: &[(i64, Option<i64>)]) -> i64 {
        let mut grains = Grains::new();
        grains.begin(0);
        for &(end, span) in ends {
            let (bucket, mut marks) = ((end - 1) / BUCKET_MILLIS, Marks::default());
            marks.note(bucket, end, span);
            grains.learn(0, bucket, marks);
        }
        grains.minutes(0)
    }

    #[test]
    fn the_grain_is_what_all_ends_share() {
        const MINUTE: i64 = 60_000;
        assert_eq!(grain(&[]), 1);
        assert_eq!(grain(&[(12 * MINUTE + 345, None)]), 1);
        assert_eq!(grain(&[(10 * MINUTE, None), (40 * MINUTE, None)]), 10);
        assert_eq!(grain(&[(10 * MINUTE, None), (45 * MINUTE, None)]), 5);
        assert_eq!(grain(&[(60 * MINUTE, None)]), 60);
        assert_eq!(grain(&[(60 * MINUTE, Some(24 * 60 * MINUTE))]), 1440);
        assert_eq!(grain(&[(10 * MINUTE, None), (11 * MINUTE, None)]), 1);
    }
}
