//! Counts: a ring of minutes, a ring of ten-minute buckets and a ring of hours for each key.

use crate::clock::{BUCKETS_AN_HOUR, MINUTES_A_BUCKET, bucket_of, hour_of, last_of_hour};
use crate::grid::Grid;

/// Minutes kept: the bucket that is being closed, the ten minutes before it, and what may be
/// open beyond it.
const MINUTES: i64 = 32;
/// Buckets kept: late rows of an hour still find theirs, and the hour of a bucket that is
/// learned two buckets late is whole.
const BUCKETS: i64 = 10;
/// Hours kept: a day, the one that is open, and one for late rows.
const HOURS: i64 = 26;

/// Money in the ring of hours is counted in ten micro-dollars, so that 32 bits hold 42,949
/// dollars an hour; the rings of buckets have it in nano-dollars.
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Amounts {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) cost_nanos: u64,
}

/// The rings. Everything is counted in whole numbers, so that sums do not depend on order.
#[derive(Debug, PartialEq)]
pub(crate) struct Windows {
    /// The newest minute that each key has been seen in.
    head: Grid<i32>,
    minutes: Grid<u32>,
    requests: Grid<u32>,
    tokens: Grid<u32>,
    strange: Grid<u32>,
    cost: Grid<u64>,
    hour_requests: Grid<u32>,
    hour_cost: Grid<u32>,
}

impl Windows {
    pub(crate) fn new() -> Self {
        Self {
            head: Grid::new(1),
            minutes: Grid::new(MINUTES as usize),
            requests: Grid::new(BUCKETS as usize),
            tokens: Grid::new(BUCKETS as usize),
            strange: Grid::new(BUCKETS as usize),
            cost: Grid::new(BUCKETS as usize),
            hour_requests: Grid::new(HOURS as usize),
            hour_cost: Grid::new(HOURS as usize),
        }
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize, minute: i64) {
        self.head.begin(slot, minute as i32);
        self.minutes.begin(slot, 0);
        self.requests.begin(slot, 0);
        self.tokens.begin(slot, 0);
        self.strange.begin(slot, 0);
        self.cost.begin(slot, 0);
        self.hour_requests.begin(slot, 0);
        self.hour_cost.begin(slot, 0);
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
        clear(self.minutes.row_mut(slot), head, minute, MINUTES);
        let (from, to) = (bucket_of(head), bucket_of(minute));
        clear(self.requests.row_mut(slot), from, to, BUCKETS);
        clear(self.tokens.row_mut(slot), from, to, BUCKETS);
        clear(self.strange.row_mut(slot), from, to, BUCKETS);
        clear(self.cost.row_mut(slot), from, to, BUCKETS);
        let (from, to) = (hour_of(from), hour_of(to));
        clear(self.hour_requests.row_mut(slot), from, to, HOURS);
        clear(self.hour_cost.row_mut(slot), from, to, HOURS);
        self.head.set(slot, minute as i32);
    }

    /// Adds to a bucket that the ring still holds; returns whether it does.
    pub(crate) fn add(&mut self, slot: usize, minute: i64, amounts: Amounts) -> bool {
        let head = self.head(slot);
        let bucket = bucket_of(minute);
        if minute > head || bucket <= bucket_of(head) - BUCKETS {
            return false;
        }
        if minute > head - MINUTES {
            add(
                &mut self.minutes.row_mut(slot)[ring(minute, MINUTES)],
                amounts.requests,
            );
        }
        let at = ring(bucket, BUCKETS);
        add(&mut self.requests.row_mut(slot)[at], amounts.requests);
        add(&mut self.tokens.row_mut(slot)[at], amounts.tokens);
        let cost = &mut self.cost.row_mut(slot)[at];
        *cost = cost.saturating_add(amounts.cost_nanos);
        let at = ring(hour_of(bucket), HOURS);
        add(&mut self.hour_requests.row_mut(slot)[at], amounts.requests);
        let units = (amounts.cost_nanos + NANOS_AN_HOUR_UNIT / 2) / NANOS_AN_HOUR_UNIT;
        add(&mut self.hour_cost.row_mut(slot)[at], units);
        true
    }

    /// Sets the requests from new networks of a bucket, once it is closed.
    pub(crate) fn set_strange(&mut self, slot: usize, bucket: i64, requests: u64) {
        if self.holds(slot, bucket) {
            self.strange.row_mut(slot)[ring(bucket, BUCKETS)] =
                u32::try_from(requests).unwrap_or(u32::MAX);
        }
    }

    /// Takes back what came from new networks: they are the key's own now.
    pub(crate) fn clear_strange(&mut self, slot: usize) {
        self.strange.row_mut(slot).fill(0);
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
        u64::from(self.minutes.row(slot)[ring(minute, MINUTES)])
    }

    /// Returns the requests of the ten minutes that end with `minute`.
    pub(crate) fn ten_minutes(&self, slot: usize, minute: i64) -> u64 {
        (minute - MINUTES_A_BUCKET + 1..=minute)
            .map(|minute| self.minute(slot, minute))
            .sum()
    }

    /// Returns the count of one bucket; one that the ring does not hold counts as empty.
    pub(crate) fn bucket(&self, slot: usize, channel: Channel, bucket: i64) -> u64 {
        if !self.holds(slot, bucket) {
            return 0;
        }
        let at = ring(bucket, BUCKETS);
        match channel {
            Channel::Requests => u64::from(self.requests.row(slot)[at]),
            Channel::Tokens => u64::from(self.tokens.row(slot)[at]),
            Channel::Strange => u64::from(self.strange.row(slot)[at]),
            Channel::Cost => self.cost.row(slot)[at],
        }
    }

    /// Returns the sum of the six buckets that end with `bucket`.
    pub(crate) fn hour_ending(&self, slot: usize, channel: Channel, bucket: i64) -> u64 {
        self.buckets(slot, channel, bucket, BUCKETS_AN_HOUR)
    }

    /// Returns the sum of the `count` buckets that end with `bucket`.
    fn buckets(&self, slot: usize, channel: Channel, bucket: i64, count: i64) -> u64 {
        let head = self.head_bucket(slot);
        let held = (bucket - count + 1).max(head - BUCKETS + 1)..=bucket.min(head);
        let sum = |cells: &[u32]| -> u64 {
            held.clone()
                .map(|bucket| u64::from(cells[ring(bucket, BUCKETS)]))
                .sum()
        };
        match channel {
            Channel::Requests => sum(self.requests.row(slot)),
            Channel::Tokens => sum(self.tokens.row(slot)),
            Channel::Strange => sum(self.strange.row(slot)),
            Channel::Cost => {
                let cells = self.cost.row(slot);
                held.map(|bucket| cells[ring(bucket, BUCKETS)])
                    .fold(0, u64::saturating_add)
            }
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
        let held = (hour - hours + 1).max(head - HOURS + 1)..hour.min(head + 1);
        let sum =
            |cells: &[u32]| -> u64 { held.map(|hour| u64::from(cells[ring(hour, HOURS)])).sum() };
        let before = match channel {
            Channel::Requests => sum(self.hour_requests.row(slot)),
            Channel::Cost => sum(self.hour_cost.row(slot)) * NANOS_AN_HOUR_UNIT,
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
        let at = ring(hour, HOURS);
        match channel {
            Channel::Requests => u64::from(self.hour_requests.row(slot)[at]),
            Channel::Cost => u64::from(self.hour_cost.row(slot)[at]) * NANOS_AN_HOUR_UNIT,
            Channel::Tokens | Channel::Strange => 0,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let words = [
            &self.minutes,
            &self.requests,
            &self.tokens,
            &self.strange,
            &self.hour_requests,
            &self.hour_cost,
        ];
        self.head.bytes() + self.cost.bytes() + words.iter().map(|grid| grid.bytes()).sum::<usize>()
    }
}

fn add(cell: &mut u32, amount: u64) {
    *cell = cell.saturating_add(u32::try_from(amount).unwrap_or(u32::MAX));
}

fn ring(index: i64, length: i64) -> usize {
    index.rem_euclid(length) as usize
}

/// Clears the cells after `head` up to and with `newest`.
fn clear<T: Default>(cells: &mut [T], head: i64, newest: i64, length: i64) {
    for index in (newest - length + 1).max(head + 1)..=newest {
        cells[ring(index, length)] = T::default();
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
