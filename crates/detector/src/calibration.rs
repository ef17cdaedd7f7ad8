//! How often a key does something as bad as this: peaks over a threshold, in episodes a day.
//!
//! Exceedances of the nominal rarity over [`Signal::threshold`] are de-clustered; their number
//! and mean excess, drawn to those of keys that burst alike, give the expected episodes a day as
//! bad or worse (Pickands 1975; Davison and Smith 1990). This is what an alert's budget is spent
//! in.

use std::collections::BTreeMap;

use columns::SnapshotError;
use columns::arrow::array::types::UInt16Type;
use serde::{Deserialize, Serialize};

use crate::archive::{Archive, Lanes};
use crate::brief::{Brief, Fixed};
use crate::clock::day_of;
use crate::grid::Grid;
use crate::pool::{Class, Pool};
use crate::signal::{SIGNALS, SIZED, Signal};
use crate::tail::student_sf;

/// The evidence that a class's tail is worth, in days and clusters.
const PRIOR_DAYS: f64 = 3.0;
const PRIOR_CLUSTERS: f64 = 5.0;
const SMALLEST_EXCESS: f64 = 0.7;
/// Evidence halves in 21 days.
const HALF_LIFE_DAYS: f64 = 21.0;
/// From so many clusters on, their own sizes say how rare a larger one is.
const CLUSTERS_TO_KNOW_SIZES: f64 = 6.0;
/// From so many on, a burst of a usual size is usual, whatever its nominal rarity.
const CLUSTERS_TO_KNOW_USUAL: f64 = 2.0;
/// The variance of sizes before any was seen, and how many sizes that is worth.
const PRIOR_VARIANCE: f64 = 0.2;
const PRIOR_SIZES: f64 = 4.0;
/// The excess that a cluster under an alarm is counted with at most, in means of its class: a
/// heavy tail is learned, a theft is not.
const ALARMED_EXCESS: f32 = 3.0;

/// The decayed statistics of the clusters of one signal of one key.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Tail {
    clusters: Brief,
    excess: Brief,
}

/// How large they were: mean and variance of the logarithm of peak over level.
///
/// Moments and not sums: of sums of squares in few digits the difference would be noise.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sizes {
    mean: Fixed,
    variance: Fixed,
}

impl Sizes {
    /// Learns a size; `clusters` were learned before, as far as they still count (Welford 1962).
    fn learn(&mut self, size: f32, clusters: f32, salt: u64) {
        let (mean, variance) = (self.mean.get(), self.variance.get());
        let from_mean = size - mean;
        let new_mean = mean + from_mean / (clusters + 1.0);
        let scatter = variance * clusters + from_mean * (size - new_mean);
        self.mean = Fixed::near(new_mean, salt);
        self.variance = Fixed::near(scatter / (clusters + 1.0), salt);
    }

    /// Returns the chance of a size and more, by Student's t.
    fn chance(self, size: f64, clusters: f64) -> f64 {
        let scatter = f64::from(self.variance.get()) * clusters;
        let variance = (scatter + PRIOR_SIZES * PRIOR_VARIANCE) / (clusters + PRIOR_SIZES);
        let from_mean = size - f64::from(self.mean.get());
        let z = from_mean / (variance * (1.0 + 1.0 / clusters)).sqrt();
        student_sf(z, clusters + 3.0)
    }
}

/// A cluster that has not ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Running {
    peak: f32,
    size: f32,
    last_bucket: i64,
    alarmed: bool,
}

/// How rare a window is, in both ways in which a key's own past is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rarity {
    /// The negative natural logarithm of the chance to see this much or more.
    pub(crate) nominal: f64,
    /// The logarithm of count over the slow level's expectation: how large a burst is.
    pub(crate) size: f64,
}

/// The columns of the tails, and the decayed days each key has been watched.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Calibration {
    tails: Grid<Tail>,
    sizes: Grid<Sizes>,
    days: Grid<f32>,
    /// The day up to which each key's days are counted.
    counted_to: Grid<i32>,
    running: BTreeMap<(u32, u8), Running>,
}

impl Calibration {
    pub(crate) fn new() -> Self {
        Self {
            tails: Grid::new(SIGNALS),
            sizes: Grid::new(SIZED),
            days: Grid::new(1),
            counted_to: Grid::new(1),
            running: BTreeMap::new(),
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            tails,
            sizes,
            days,
            counted_to,
            running,
        } = self;
        archive.grid("tails", tails)?;
        archive.grid("sizes", sizes)?;
        archive.grid("days", days)?;
        archive.grid("counted_to", counted_to)?;
        archive.map("running", running)
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize, bucket: i64) {
        self.tails.begin(slot, Tail::default());
        self.sizes.begin(slot, Sizes::default());
        self.days.begin(slot, 0.0);
        self.counted_to.begin(slot, day_of(bucket) as i32);
        self.forget(slot);
    }

    /// Forgets what runs of a key.
    pub(crate) fn forget(&mut self, slot: usize) {
        let key = slot as u32;
        while let Some((&at, _)) = self.running.range((key, 0)..=(key, u8::MAX)).next() {
            self.running.remove(&at);
        }
    }

    /// Returns the days that say how seldom the key bursts; none where it has ever burst, so
    /// that it is taken for one of its class.
    pub(crate) fn keep(&self, slot: usize) -> f32 {
        let never = |tail: &Tail| tail.clusters.get() == 0.0;
        match self.tails.row(slot).iter().all(never) {
            true => self.days.get(slot),
            false => 0.0,
        }
    }

    /// Takes days for watched.
    pub(crate) fn warm(&mut self, slot: usize, days: f32) {
        self.days.set(slot, days);
    }

    /// Takes over what another key has shown.
    pub(crate) fn copy(&mut self, from: usize, to: usize) {
        let row = self.tails.row(from).to_vec();
        self.tails.row_mut(to).copy_from_slice(&row);
        let row = self.sizes.row(from).to_vec();
        self.sizes.row_mut(to).copy_from_slice(&row);
        self.days.set(to, self.days.get(from));
    }

    /// Returns the decayed days that a key has been watched.
    pub(crate) fn days(&self, slot: usize) -> f64 {
        f64::from(self.days.get(slot))
    }

    /// Lets time pass for a key: evidence fades, days add up, clusters end.
    pub(crate) fn pass(&mut self, slot: usize, bucket: i64, class: Class, pool: &mut Pool) {
        self.end_clusters(slot, bucket, class, pool);
        let (day, counted_to) = (day_of(bucket), i64::from(self.counted_to.get(slot)));
        if day <= counted_to {
            return;
        }
        let days = (day - counted_to) as f32;
        pool.add_days(class, day - counted_to);
        let decay = 0.5f32.powf(days / HALF_LIFE_DAYS as f32);
        self.days.set(slot, self.days.get(slot) * decay + days);
        self.counted_to.set(slot, day as i32);
        for tail in self.tails.row_mut(slot) {
            for sum in [&mut tail.clusters, &mut tail.excess] {
                *sum = Brief::from(sum.get() * decay);
            }
        }
    }

    fn end_clusters(&mut self, slot: usize, bucket: i64, class: Class, pool: &mut Pool) {
        let key = slot as u32;
        let range = (key, 0)..=(key, u8::MAX);
        let ended: Vec<(u8, Running)> = self
            .running
            .range(range)
            .filter(|((_, at), running)| {
                let gap = Signal::ALL[usize::from(*at)].cluster_gap_buckets();
                bucket - running.last_bucket > gap
            })
            .map(|((_, at), running)| (*at, *running))
            .collect();
        for (at, running) in ended {
            self.running.remove(&(key, at));
            let signal = Signal::ALL[usize::from(at)];
            let mut excess = (running.peak - signal.threshold() as f32).max(0.0);
            let mut size = running.size;
            if running.alarmed {
                let most = ALARMED_EXCESS * pool.tail(class, signal).1 as f32;
                if excess > most {
                    size *= most / excess;
                    excess = most;
                }
            }
            pool.add_cluster(class, signal, f64::from(excess));
            let tail = &mut self.tails.row_mut(slot)[usize::from(at)];
            let before = tail.clusters.get();
            let salt = running.last_bucket as u64;
            tail.clusters = tail.clusters.plus(1.0, salt);
            tail.excess = tail.excess.plus(excess, salt);
            let Some(place) = signal.size_place() else {
                continue;
            };
            self.sizes.row_mut(slot)[place].learn(size, before, salt);
        }
    }

    /// Notes an exceedance of a closed window.
    pub(crate) fn note(&mut self, slot: usize, signal: Signal, bucket: i64, rarity: Rarity) {
        if rarity.nominal <= signal.threshold() {
            return;
        }
        let running = self
            .running
            .entry((slot as u32, signal as u8))
            .or_insert(Running {
                peak: 0.0,
                size: 0.0,
                last_bucket: bucket,
                alarmed: false,
            });
        running.peak = running.peak.max(rarity.nominal.min(1e6) as f32);
        running.size = running.size.max(rarity.size as f32);
        running.last_bucket = bucket;
    }

    /// Notes that the running clusters of a key have raised an alarm.
    pub(crate) fn note_alarm(&mut self, slot: usize) {
        let key = slot as u32;
        for (_, running) in self.running.range_mut((key, 0)..=(key, u8::MAX)) {
            running.alarmed = true;
        }
    }

    /// Returns the expected episodes a day with a window as rare as `rarity` or rarer, or as
    /// large, where the key's own bursts have taught their sizes.
    pub(crate) fn episodes_per_day(
        &self,
        slot: usize,
        signal: Signal,
        rarity: Rarity,
        (prior_rate, prior_excess): (f64, f64),
    ) -> f64 {
        if rarity.nominal <= signal.threshold() {
            // Below the threshold the question is not asked; an ordinary window is no episode.
            return (144.0 / signal.cluster_gap_buckets() as f64).max(1.0);
        }
        let tail = &self.tails.row(slot)[signal as usize];
        let clusters = f64::from(tail.clusters.get());
        let rate = self.clusters_per_day(slot, signal, prior_rate);
        let excess = ((f64::from(tail.excess.get()) + PRIOR_CLUSTERS * prior_excess)
            / (clusters + PRIOR_CLUSTERS))
            .max(SMALLEST_EXCESS);
        let by_rarity = rate * (-(rarity.nominal - signal.threshold()) / excess).exp();
        let place = signal.size_place();
        let Some(place) = place.filter(|_| clusters >= CLUSTERS_TO_KNOW_USUAL) else {
            return by_rarity.max(1e-300);
        };
        let chance = self.sizes.row(slot)[place].chance(rarity.size, clusters);
        let by_size = (rate * chance).max(1e-300);
        if clusters < CLUSTERS_TO_KNOW_SIZES {
            by_size.max(by_rarity)
        } else {
            by_size
        }
    }

    /// Returns how often a day a key exceeds a signal's threshold, drawn to keys like it.
    pub(crate) fn clusters_per_day(&self, slot: usize, signal: Signal, prior_rate: f64) -> f64 {
        let clusters = self.tails.row(slot)[signal as usize].clusters.get();
        (f64::from(clusters) + PRIOR_DAYS * prior_rate) / (self.days(slot) + PRIOR_DAYS)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.tails.bytes()
            + self.sizes.bytes()
            + self.days.bytes()
            + self.counted_to.bytes()
            + self.running.len() * (size_of::<((u32, u8), Running)>() + 8)
    }
}

impl Lanes for Tail {
    type Arrow = UInt16Type;

    const LANES: usize = 2;

    fn write(self, numbers: &mut Vec<u16>) {
        self.clusters.write(numbers);
        self.excess.write(numbers);
    }

    fn read(numbers: &[u16]) -> Self {
        Self {
            clusters: Brief::read(numbers),
            excess: Brief::read(&numbers[1..]),
        }
    }
}

impl Lanes for Sizes {
    type Arrow = UInt16Type;

    const LANES: usize = 2;

    fn write(self, numbers: &mut Vec<u16>) {
        self.mean.write(numbers);
        self.variance.write(numbers);
    }

    fn read(numbers: &[u16]) -> Self {
        Self {
            mean: Fixed::read(numbers),
            variance: Fixed::read(&numbers[1..]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::BUCKETS_A_DAY;

    const SIGNAL: Signal = Signal::Requests10m;

    fn rarity(nominal: f64, size: f64) -> Rarity {
        Rarity { nominal, size }
    }

    fn watched(days: i64, bursts: bool) -> (Calibration, Pool) {
        let (mut calibration, mut pool) = (Calibration::new(), Pool::new());
        calibration.begin(0, 0);
        for day in 0..days {
            let bucket = day * BUCKETS_A_DAY + 1;
            calibration.pass(0, bucket, Class::default(), &mut pool);
            if bursts {
                calibration.note(0, SIGNAL, bucket, rarity(30.0, 3.0));
            }
            calibration.pass(0, bucket + 60, Class::default(), &mut pool);
        }
        (calibration, pool)
    }

    #[test]
    fn rarer_windows_are_rarer_episodes() {
        let (calibration, pool) = watched(30, false);
        let at = |nominal| {
            let prior = pool.tail(Class::default(), SIGNAL);
            calibration.episodes_per_day(0, SIGNAL, rarity(nominal, 1.0), prior)
        };
        assert!(at(6.0) > at(10.0) && at(10.0) > at(40.0));
        assert!(at(40.0) < 1e-6);
    }

    #[test]
    fn a_key_that_bursts_every_day_is_believed_to_do_so_again() {
        let (calibration, pool) = watched(28, true);
        let prior = pool.tail(Class::default(), SIGNAL);
        let at =
            |nominal, size| calibration.episodes_per_day(0, SIGNAL, rarity(nominal, size), prior);
        let (usual, tenfold) = (at(30.0, 3.0), at(300.0, 3.0 + 10f64.ln()));
        assert!(usual > 0.2, "{usual}");
        assert!(tenfold < 0.005, "{tenfold}");
    }

    /// Lets a key burst twelve times a day for 120 days, and returns what is known of the sizes.
    fn sizes_after(size: impl Fn(i64) -> f64) -> (f32, f32, f32) {
        let (mut calibration, mut pool) = (Calibration::new(), Pool::new());
        calibration.begin(0, 0);
        for at in 0..(120 * 12) {
            let bucket = at * BUCKETS_A_DAY / 12;
            calibration.pass(0, bucket, Class::default(), &mut pool);
            calibration.note(0, SIGNAL, bucket, rarity(30.0, size(at)));
        }
        let clusters = calibration.tails.row(0)[SIGNAL as usize].clusters.get();
        let sizes = calibration.sizes.row(0)[SIGNAL.size_place().unwrap()];
        (clusters, sizes.mean.get(), sizes.variance.get())
    }

    #[test]
    fn sizes_of_many_clusters_a_day_are_known() {
        let expected = 12.0 / (1.0 - 0.5f32.powf(1.0 / 21.0));
        // Of a sine the variance is half of the square.
        for swing in [0.07, 0.2, 0.6, 2.0] {
            let (clusters, mean, variance) =
                sizes_after(|at| 3.0 + swing * (at as f64 * 1.7).sin());
            assert!(
                (clusters / expected - 1.0).abs() < 0.1,
                "{clusters} {expected}"
            );
            let wanted = (swing * swing / 2.0) as f32;
            let slack = 0.008 + 0.1 * wanted;
            assert!((mean - 3.0).abs() < 0.05, "{swing}: {mean}");
            assert!(
                (variance - wanted).abs() < slack,
                "{swing}: {variance} {wanted}"
            );
        }
    }

    #[test]
    fn sizes_follow_a_key_that_changes() {
        // Larger by a tenth for the second half of the time: three half-lives.
        let (_, mean, variance) = sizes_after(|at| if at < 60 * 12 { 3.0 } else { 3.1 });
        assert!((3.07..3.1).contains(&mean), "{mean}");
        assert!(variance < 0.01, "{variance}");
    }

    #[test]
    fn a_cluster_under_an_alarm_does_not_teach_its_full_size() {
        let (mut calibration, mut pool) = watched(10, false);
        let bucket = 10 * BUCKETS_A_DAY;
        calibration.note(0, SIGNAL, bucket, rarity(500.0, 4.0));
        calibration.note_alarm(0);
        calibration.pass(0, bucket + 200, Class::default(), &mut pool);
        let prior = pool.tail(Class::default(), SIGNAL);
        let again = calibration.episodes_per_day(0, SIGNAL, rarity(300.0, 4.0), prior);
        assert!(again < 1e-9, "{again}");
    }
}
