//! Counts: a ring of minutes, a ring of ten-minute buckets and a ring of hours for each key.

use std::collections::BTreeMap;

use columns::SnapshotError;
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::clock::{BUCKETS_AN_HOUR, MINUTES_A_BUCKET, bucket_of, hour_of, last_of_hour};
use crate::grid::Grid;
use crate::ring::Ring;

/// Minutes kept: the bucket that is being closed, the ten minutes before it, and what may be
/// open beyond it.
const MINUTES: i64 = 32;
/// Buckets kept: late rows of an hour still find theirs, and the hour of a bucket that is
/// learned two buckets late is whole.
const BUCKETS: i64 = 10;
/// Hours kept: a day, the one that is open, and one for late rows.
const HOURS: i64 = 26;

/// Money in the ring of hours is counted in ten micro-dollars, up to 42,949 dollars an hour; the
/// ring of buckets has it in nano-dollars.
const NANOS_AN_HOUR_UNIT: u64 = 10_000;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub(crate) enum Channel {
    Requests,
    Tokens,
    /// Nano-dollars.
    Cost,
    /// Requests from networks that are new to the key.
    Strange,
}

/// What one row adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Amounts {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) cost_nanos: u64,
}

/// The rings. Everything is counted in whole numbers, so that sums do not depend on order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Windows {
    /// The newest minute that each key has been seen in.
    head: Grid<i32>,
    minutes: Ring<u8, u32, { MINUTES as usize }>,
    requests: Ring<u8, u32, { BUCKETS as usize }>,
    tokens: Ring<u16, u32, { BUCKETS as usize }>,
    cost: Ring<u32, u64, { BUCKETS as usize }>,
    hour_requests: Ring<u8, u32, { HOURS as usize }>,
    hour_cost: Ring<u16, u32, { HOURS as usize }>,
    /// Requests from new networks, of the few closed buckets that had any.
    strange: BTreeMap<(u32, i64), u32>,
}

impl Windows {
    pub(crate) fn new() -> Self {
        Self {
            head: Grid::new(1),
            minutes: Ring::new(),
            requests: Ring::new(),
            tokens: Ring::new(),
            cost: Ring::new(),
            hour_requests: Ring::new(),
            hour_cost: Ring::new(),
            strange: BTreeMap::new(),
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            head,
            minutes,
            requests,
            tokens,
            cost,
            hour_requests,
            hour_cost,
            strange,
        } = self;
        archive.grid("head", head)?;
        archive.part("minutes", |archive| minutes.archive(archive))?;
        archive.part("requests", |archive| requests.archive(archive))?;
        archive.part("tokens", |archive| tokens.archive(archive))?;
        archive.part("cost", |archive| cost.archive(archive))?;
        archive.part("hour_requests", |archive| hour_requests.archive(archive))?;
        archive.part("hour_cost", |archive| hour_cost.archive(archive))?;
        archive.map("strange", strange)
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize, minute: i64) {
        self.head.begin(slot, minute as i32);
        self.minutes.begin(slot);
        self.requests.begin(slot);
        self.tokens.begin(slot);
        self.cost.begin(slot);
        self.hour_requests.begin(slot);
        self.hour_cost.begin(slot);
        self.clear_strange(slot);
    }

    /// Forgets what a key has counted.
    pub(crate) fn forget(&mut self, slot: usize) {
        self.begin(slot, self.head(slot));
    }

    /// Returns the newest minute of a key.
    fn head(&self, slot: usize) -> i64 {
        i64::from(self.head.get(slot))
    }

    /// Returns the newest bucket of a key.
    pub(crate) fn head_bucket(&self, slot: usize) -> i64 {
        bucket_of(self.head(slot))
    }

    /// Makes `minute` the newest of a key; what falls out of the rings is cleared.
    pub(crate) fn advance(&mut self, slot: usize, minute: i64) {
        let head = self.head(slot);
        if minute <= head {
            return;
        }
        self.head.set(slot, minute as i32);
        self.minutes.clear(slot, head, minute);
        let (from, to) = (bucket_of(head), bucket_of(minute));
        if from == to {
            return;
        }
        self.requests.clear(slot, from, to);
        self.tokens.clear(slot, from, to);
        self.cost.clear(slot, from, to);
        let (from, to) = (hour_of(from), hour_of(to));
        self.hour_requests.clear(slot, from, to);
        self.hour_cost.clear(slot, from, to);
    }

    /// Adds to a bucket that the ring still holds; returns whether it does.
    pub(crate) fn add(&mut self, slot: usize, minute: i64, amounts: Amounts) -> bool {
        let head = self.head(slot);
        let bucket = bucket_of(minute);
        if minute > head || bucket <= bucket_of(head) - BUCKETS {
            return false;
        }
        if minute > head - MINUTES {
            self.minutes.add(slot, minute, amounts.requests);
        }
        self.requests.add(slot, bucket, amounts.requests);
        self.tokens.add(slot, bucket, amounts.tokens);
        self.cost.add(slot, bucket, amounts.cost_nanos);
        let hour = hour_of(bucket);
        self.hour_requests.add(slot, hour, amounts.requests);
        let units = (amounts.cost_nanos + NANOS_AN_HOUR_UNIT / 2) / NANOS_AN_HOUR_UNIT;
        self.hour_cost.add(slot, hour, units);
        true
    }

    /// Sets the requests from new networks of a bucket, once it is closed.
    pub(crate) fn set_strange(&mut self, slot: usize, bucket: i64, requests: u64) {
        if requests > 0 && self.holds(slot, bucket) {
            let requests = u32::try_from(requests).unwrap_or(u32::MAX);
            self.strange.insert((slot as u32, bucket), requests);
        }
    }

    /// Takes back what came from new networks: they are the key's own now.
    pub(crate) fn clear_strange(&mut self, slot: usize) {
        let of_key = (slot as u32, i64::MIN)..=(slot as u32, i64::MAX);
        while let Some((&at, _)) = self.strange.range(of_key.clone()).next() {
            self.strange.remove(&at);
        }
    }

    /// Forgets what no window that is still to be closed can hold.
    pub(crate) fn sweep(&mut self, bucket: i64) {
        self.strange.retain(|&(_, of), _| of > bucket - BUCKETS);
    }

    fn holds(&self, slot: usize, bucket: i64) -> bool {
        let head = self.head_bucket(slot);
        bucket <= head && bucket > head - BUCKETS
    }

    /// Returns the requests of one minute; one that the ring does not hold counts as empty.
    pub(crate) fn minute(&self, slot: usize, minute: i64) -> u64 {
        let head = self.head(slot);
        if minute > head || minute <= head - MINUTES {
            return 0;
        }
        self.minutes.get(slot, minute)
    }

    /// Returns the requests of the ten minutes that end with `minute`.
    pub(crate) fn ten_minutes(&self, slot: usize, minute: i64) -> u64 {
        let head = self.head(slot);
        let first = (minute - MINUTES_A_BUCKET + 1).max(head - MINUTES + 1);
        self.minutes.sum(slot, first, minute.min(head) + 1)
    }

    /// Returns the count of one bucket; one that the ring does not hold counts as empty.
    pub(crate) fn bucket(&self, slot: usize, channel: Channel, bucket: i64) -> u64 {
        if !self.holds(slot, bucket) {
            return 0;
        }
        match channel {
            Channel::Requests => self.requests.get(slot, bucket),
            Channel::Tokens => self.tokens.get(slot, bucket),
            Channel::Cost => self.cost.get(slot, bucket),
            Channel::Strange => {
                let strange = self.strange.get(&(slot as u32, bucket));
                u64::from(strange.copied().unwrap_or(0))
            }
        }
    }

    /// Returns the sum of the six buckets that end with `bucket`.
    pub(crate) fn hour_ending(&self, slot: usize, channel: Channel, bucket: i64) -> u64 {
        self.buckets(slot, channel, bucket, BUCKETS_AN_HOUR)
    }

    /// Returns the sum of the `count` buckets that end with `bucket`.
    fn buckets(&self, slot: usize, channel: Channel, bucket: i64, count: i64) -> u64 {
        let head = self.head_bucket(slot);
        let (first, end) = (
            (bucket - count + 1).max(head - BUCKETS + 1),
            bucket.min(head) + 1,
        );
        match channel {
            Channel::Requests => self.requests.sum(slot, first, end),
            Channel::Tokens => self.tokens.sum(slot, first, end),
            Channel::Cost => self.cost.sum(slot, first, end),
            Channel::Strange => self
                .strange
                .range((slot as u32, first)..(slot as u32, end.max(first)))
                .map(|(_, &requests)| u64::from(requests))
                .sum(),
        }
    }

    /// Returns requests, or nano-dollars, of the clock hours that end with that of `bucket`,
    /// the last one counted up to and with `bucket`, whatever later buckets already hold.
    pub(crate) fn hours_until(
        &self,
        slot: usize,
        channel: Channel,
        bucket: i64,
        hours: i64,
    ) -> u64 {
        let (hour, head) = (hour_of(bucket), hour_of(self.head_bucket(slot)));
        let (first, end) = ((hour - hours + 1).max(head - HOURS + 1), hour.min(head + 1));
        let before = match channel {
            Channel::Requests => self.hour_requests.sum(slot, first, end),
            Channel::Cost => self.hour_cost.sum(slot, first, end) * NANOS_AN_HOUR_UNIT,
            Channel::Tokens | Channel::Strange => 0,
        };
        before.saturating_add(self.hour_so_far(slot, channel, bucket))
    }

    /// Returns the count of the hour of `bucket` up to and with that bucket.
    pub(crate) fn hour_so_far(&self, slot: usize, channel: Channel, bucket: i64) -> u64 {
        let first = last_of_hour(bucket) + 1 - BUCKETS_AN_HOUR;
        self.buckets(slot, channel, bucket, bucket - first + 1)
    }

    /// Returns requests, or nano-dollars, of one clock hour.
    pub(crate) fn hour(&self, slot: usize, channel: Channel, hour: i64) -> u64 {
        let head = hour_of(self.head_bucket(slot));
        if hour > head || hour <= head - HOURS {
            return 0;
        }
        match channel {
            Channel::Requests => self.hour_requests.get(slot, hour),
            Channel::Cost => self.hour_cost.get(slot, hour) * NANOS_AN_HOUR_UNIT,
            Channel::Tokens | Channel::Strange => 0,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.head.bytes()
            + self.minutes.bytes()
            + self.requests.bytes()
            + self.tokens.bytes()
            + self.cost.bytes()
            + self.hour_requests.bytes()
            + self.hour_cost.bytes()
            + self.strange.len() * 2 * size_of::<((u32, i64), u32)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_000_000 * 60;

    fn amounts(requests: u64) -> Amounts {
        Amounts {
            requests,
            tokens: 10 * requests,
            cost_nanos: 1_000_000 * requests,
        }
    }

    fn windows() -> Windows {
        let mut windows = Windows::new();
        windows.begin(0, START);
        windows
    }

    #[test]
    fn sums_are_those_of_the_rows_and_old_buckets_are_forgotten() {
        let mut windows = windows();
        for minute in START..START + 120 {
            windows.advance(0, minute);
            assert!(windows.add(0, minute, amounts(2)));
        }
        let last = bucket_of(START + 119);
        assert_eq!(windows.bucket(0, Channel::Requests, last), 20);
        assert_eq!(windows.hour_ending(0, Channel::Cost, last), 120_000_000);
        assert_eq!(windows.hours_until(0, Channel::Requests, last, 2), 240);
        assert_eq!(windows.hours_until(0, Channel::Cost, last, 2), 240_000_000);
        assert_eq!(windows.ten_minutes(0, START + 119), 20);
        assert_eq!(windows.bucket(0, Channel::Requests, last - BUCKETS), 0);
        assert!(!windows.add(0, START, amounts(1)), "too late for the ring");
    }

    #[test]
    fn a_late_row_finds_its_bucket_and_not_a_newer_minute() {
        let mut windows = windows();
        windows.advance(0, START + 50);
        assert!(windows.add(0, START + 3, amounts(5)));
        assert_eq!(windows.minute(0, START + 35), 0);
        assert_eq!(
            windows.bucket(0, Channel::Requests, bucket_of(START + 3)),
            5
        );
    }

    #[test]
    fn an_hour_counts_up_to_the_bucket_asked_for() {
        let mut windows = windows();
        windows.advance(0, START + 59);
        windows.add(0, START + 5, amounts(1));
        windows.add(0, START + 55, amounts(1));
        let first = bucket_of(START);
        assert_eq!(windows.hour_so_far(0, Channel::Requests, first), 1);
        assert_eq!(windows.hour_so_far(0, Channel::Requests, first + 5), 2);
    }

    #[test]
    fn money_of_an_hour_may_be_large() {
        let mut windows = windows();
        let dollar = 1_000_000_000;
        windows.add(
            0,
            START,
            Amounts {
                requests: 1,
                tokens: 0,
                cost_nanos: 20_000 * dollar,
            },
        );
        assert_eq!(
            windows.hour(0, Channel::Cost, hour_of(bucket_of(START))),
            20_000 * dollar
        );
    }
}
