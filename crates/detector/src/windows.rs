//! Counts by bucket: a ring of ten-minute buckets and a ring of hours for each key and metric.

use model::{Metric, Timestamp, Window};

use crate::grid::Grid;

/// The width of a bucket, the window that is judged while it is open.
pub(crate) const BUCKET_MILLIS: i64 = 10 * Timestamp::MINUTE;
/// Buckets kept: late rows of an hour still find theirs.
pub(crate) const BUCKETS: i64 = 8;
/// Hours kept: a day, the one that is open, and one for late rows.
pub(crate) const HOURS: i64 = 26;
/// Buckets in an hour.
pub(crate) const BUCKETS_AN_HOUR: i64 = Timestamp::HOUR / BUCKET_MILLIS;

/// How many metrics alerts are raised on: those of [`Metric`].
pub(crate) const VOLUMES: usize = Metric::ALL.len();
/// The column of requests from networks that are new to the key: evidence beside the volumes.
pub(crate) const NOVELTY: usize = VOLUMES;
/// How many columns of counts there are.
pub(crate) const METRICS: usize = VOLUMES + 1;

/// How long a judged window is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scale {
    TenMinutes,
    Hour,
    SixHours,
    Day,
}

/// How many scales there are.
pub(crate) const SCALES: usize = 4;

impl Scale {
    pub(crate) const ALL: [Scale; SCALES] =
        [Scale::TenMinutes, Scale::Hour, Scale::SixHours, Scale::Day];

    /// Returns the scales that are judged while the bucket is open.
    pub(crate) const EARLY: [Scale; 2] = [Scale::TenMinutes, Scale::Hour];

    /// Returns the window of this scale that ends with `bucket`, or with its hour.
    pub(crate) fn window(self, bucket: i64) -> Window {
        let (end, width) = match self {
            Self::TenMinutes => ((bucket + 1) * BUCKET_MILLIS, BUCKET_MILLIS),
            Self::Hour => ((bucket + 1) * BUCKET_MILLIS, Timestamp::HOUR),
            Self::SixHours => (hour_end(bucket), 6 * Timestamp::HOUR),
            Self::Day => (hour_end(bucket), Timestamp::DAY),
        };
        Window {
            start: Timestamp::from_millis(end - width),
            end: Timestamp::from_millis(end),
        }
    }

    /// Returns how long a cluster of exceedances lasts after its last one, in buckets.
    pub(crate) const fn cluster_gap_buckets(self) -> i64 {
        match self {
            Self::TenMinutes => 7,
            Self::Hour => 14,
            Self::SixHours | Self::Day => 72,
        }
    }

    /// Returns the nominal rarity from which a window is an exceedance: what an ordinary key
    /// reaches every few days, given how many such windows a day has.
    pub(crate) const fn threshold(self) -> f64 {
        match self {
            Self::TenMinutes => 5.0,
            Self::Hour => 4.5,
            Self::SixHours => 3.0,
            Self::Day => 2.5,
        }
    }

    /// Returns how many clusters of exceedances a day are believed of an unknown key.
    pub(crate) const fn prior_clusters_a_day(self) -> f64 {
        match self {
            Self::TenMinutes | Self::Hour => 0.3,
            Self::SixHours => 0.2,
            Self::Day => 0.1,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::TenMinutes => "10 minutes",
            Self::Hour => "hour",
            Self::SixHours => "6 hours",
            Self::Day => "24 hours",
        }
    }
}

fn hour_end(bucket: i64) -> i64 {
    (bucket.div_euclid(BUCKETS_AN_HOUR) + 1) * Timestamp::HOUR
}

/// Returns the bucket that holds a moment.
pub(crate) fn bucket_of(millis: i64) -> i64 {
    millis.div_euclid(BUCKET_MILLIS)
}

/// The rings. Tokens and nano-dollars are whole numbers, so that sums do not depend on order.
pub(crate) struct Windows {
    /// The newest bucket that each key has been seen in.
    head: Grid<i64>,
    buckets: [Grid<u64>; METRICS],
    hours: [Grid<u64>; METRICS],
}

impl Windows {
    pub(crate) fn new() -> Self {
        Self {
            head: Grid::new(1),
            buckets: [(); METRICS].map(|()| Grid::new(BUCKETS as usize)),
            hours: [(); METRICS].map(|()| Grid::new(HOURS as usize)),
        }
    }

    pub(crate) fn grow(&mut self, bucket: i64) {
        self.head.grow();
        let slot = self.head.rows() - 1;
        self.head.row_mut(slot)[0] = bucket;
        self.buckets.iter_mut().for_each(Grid::grow);
        self.hours.iter_mut().for_each(Grid::grow);
    }

    pub(crate) fn head(&self, slot: usize) -> i64 {
        self.head.row(slot)[0]
    }

    /// Makes `bucket` the newest of a key; what falls out of the rings is cleared.
    pub(crate) fn advance(&mut self, slot: usize, bucket: i64) {
        let head = self.head(slot);
        if bucket <= head {
            return;
        }
        let (hour, head_hour) = (
            bucket.div_euclid(BUCKETS_AN_HOUR),
            head.div_euclid(BUCKETS_AN_HOUR),
        );
        for metric in 0..METRICS {
            clear(
                self.buckets[metric].row_mut(slot),
                head + 1,
                bucket,
                BUCKETS,
            );
            clear(self.hours[metric].row_mut(slot), head_hour + 1, hour, HOURS);
        }
        self.head.row_mut(slot)[0] = bucket;
    }

    /// Adds to a bucket that the ring still holds; returns whether it does.
    pub(crate) fn add(&mut self, slot: usize, bucket: i64, values: [u64; METRICS]) -> bool {
        let head = self.head(slot);
        if bucket > head || bucket <= head - BUCKETS {
            return false;
        }
        let hour = bucket.div_euclid(BUCKETS_AN_HOUR);
        for (metric, value) in values.into_iter().enumerate() {
            let cell = &mut self.buckets[metric].row_mut(slot)[ring(bucket, BUCKETS)];
            *cell = cell.saturating_add(value);
            let cell = &mut self.hours[metric].row_mut(slot)[ring(hour, HOURS)];
            *cell = cell.saturating_add(value);
        }
        true
    }

    /// Returns the count of one bucket; one that the ring does not hold is empty or forgotten.
    pub(crate) fn bucket(&self, slot: usize, metric: usize, bucket: i64) -> u64 {
        let head = self.head(slot);
        if bucket > head || bucket <= head - BUCKETS {
            return 0;
        }
        self.buckets[metric].row(slot)[ring(bucket, BUCKETS)]
    }

    /// Returns the count of one hour.
    pub(crate) fn hour(&self, slot: usize, metric: usize, hour: i64) -> u64 {
        let head_hour = self.head(slot).div_euclid(BUCKETS_AN_HOUR);
        if hour > head_hour || hour <= head_hour - HOURS {
            return 0;
        }
        self.hours[metric].row(slot)[ring(hour, HOURS)]
    }

    /// Returns the count of the hour of `bucket` up to and with that bucket, whatever later
    /// buckets of the hour already hold.
    pub(crate) fn hour_so_far(&self, slot: usize, metric: usize, bucket: i64) -> u64 {
        let first = bucket.div_euclid(BUCKETS_AN_HOUR) * BUCKETS_AN_HOUR;
        (first..=bucket)
            .map(|bucket| self.bucket(slot, metric, bucket))
            .sum()
    }

    /// Returns the sum of the window of `scale` that ends with `bucket`.
    pub(crate) fn sum(&self, slot: usize, metric: usize, scale: Scale, bucket: i64) -> u64 {
        let hour = bucket.div_euclid(BUCKETS_AN_HOUR);
        let with_hours_before = |count: i64| {
            let before: u64 = (hour - count..hour)
                .map(|hour| self.hour(slot, metric, hour))
                .sum();
            before + self.hour_so_far(slot, metric, bucket)
        };
        match scale {
            Scale::TenMinutes => self.bucket(slot, metric, bucket),
            Scale::Hour => (bucket - 5..=bucket)
                .map(|bucket| self.bucket(slot, metric, bucket))
                .sum(),
            Scale::SixHours => with_hours_before(5),
            Scale::Day => with_hours_before(23),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let grids = self.buckets.iter().chain(&self.hours);
        self.head.bytes() + grids.map(Grid::bytes).sum::<usize>()
    }
}

fn ring(index: i64, length: i64) -> usize {
    index.rem_euclid(length) as usize
}

/// Clears the cells of `from..=to`, or all of them when the ring went round.
fn clear(cells: &mut [u64], from: i64, to: i64, length: i64) {
    if to - from + 1 >= length {
        cells.fill(0);
    } else {
        (from..=to).for_each(|index| cells[ring(index, length)] = 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_rows_and_old_buckets_are_forgotten() {
        let mut windows = Windows::new();
        windows.grow(1000);
        assert!(windows.add(0, 1000, [1, 10, 100, 0]));
        windows.advance(0, 1003);
        assert!(windows.add(0, 1003, [2, 20, 200, 0]));
        assert!(
            windows.add(0, 1001, [4, 40, 400, 0]),
            "a late row finds its bucket"
        );
        assert_eq!(windows.sum(0, 0, Scale::TenMinutes, 1003), 2);
        assert_eq!(windows.sum(0, 0, Scale::Hour, 1003), 7);
        assert_eq!(windows.sum(0, 2, Scale::Day, 1003), 700);
        windows.advance(0, 1009);
        assert!(!windows.add(0, 1001, [1, 1, 1, 0]), "too late for the ring");
        assert_eq!(windows.sum(0, 0, Scale::Hour, 1009), 0);
        assert_eq!(windows.sum(0, 0, Scale::SixHours, 1009), 7);
        windows.advance(0, 1003 + 6 * HOURS + 6);
        assert_eq!(windows.sum(0, 0, Scale::Day, windows.head(0)), 0);
    }

    #[test]
    fn long_windows_end_with_the_hour() {
        let window = Scale::SixHours.window(8);
        assert_eq!(window.end.millis(), 2 * Timestamp::HOUR);
        assert_eq!(window.width_millis(), 6 * Timestamp::HOUR);
        assert_eq!(Scale::Hour.window(8).end.millis(), 9 * BUCKET_MILLIS);
    }
}
