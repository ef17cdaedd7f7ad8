//! What is usual for a key: level, profile of the week, dispersion; learned bucket by bucket.
//!
//! A window is expected to hold `level × profile(hour of week)`. Two experts say so: the slow
//! one learned over ten days, the fast one over the last hour. Learning stops short of the
//! judged window by two buckets, so that no window explains itself and the prediction does not
//! depend on the order in which rows of neighbouring buckets arrived. Sources of the formulas
//! are named beside them; the starting point was Gamma-Poisson shrinkage (DuMouchel 1999).

use model::Timestamp;

use crate::grid::Grid;
use crate::windows::{BUCKET_MILLIS, BUCKETS_AN_HOUR, METRICS, NOVELTY, SCALES, Scale};

/// Buckets a day and a week.
const BUCKETS_A_DAY: i64 = 24 * BUCKETS_AN_HOUR;
const HOURS_A_WEEK: usize = 168;
/// Hours of the day, for weekdays and for weekends.
const DAY_TYPE_HOURS: usize = 48;

/// Half-lives: the slow level 10 days, the fast one 45 minutes, spread 7 days.
const SLOW_HALF_LIFE_BUCKETS: f64 = 10.0 * BUCKETS_A_DAY as f64;
const FAST_DECAY: f32 = 0.857_244; // 0.5^(10/45)
const SPREAD_HALF_LIFE_BUCKETS: f32 = 7.0 * BUCKETS_A_DAY as f32;
/// A profile bin of the week keeps this much a week, a bin of the day this much a day.
const WEEK_DECAY: f32 = 0.8;
const DAY_DECAY: f32 = 0.87;

/// Dispersion before anything is known, and how many buckets of evidence that is worth.
const PRIOR_DISPERSION: f32 = 0.3;
const PRIOR_WEIGHT: f32 = 20.0;
/// Deviation of the logarithm before anything is known.
const PRIOR_SD_LN: f32 = 0.5;
/// Information (in buckets of certainty) of the flat profile that every profile is drawn to.
const PROFILE_PRIOR: f32 = 2.0;

/// What is expected of the windows that end with one bucket, in units of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Prediction {
    /// The bucket this is for.
    pub(crate) bucket: i64,
    /// The slow expert's mean for each scale.
    pub(crate) slow: [f32; SCALES],
    /// The fast expert's mean for the early scales; 0 where it has none.
    pub(crate) fast: [f32; SCALES],
    /// Dispersion for each scale: variance = mean + dispersion × mean².
    pub(crate) dispersion: [f32; SCALES],
    /// Deviation of the logarithm for each scale.
    pub(crate) sd_ln: [f32; SCALES],
    /// How much of the metric one unit is.
    pub(crate) unit: f32,
    /// Hours of usage the level rests on.
    pub(crate) exposure_hours: f32,
}

/// The columns of what is learned.
pub(crate) struct Baseline {
    /// The last bucket learned, and the first one seen.
    learned: Grid<i64>,
    born: Grid<i64>,
    /// Decayed sums of counts and of hours at profile 1.
    slow: [Grid<f32>; METRICS],
    fast: [Grid<f32>; METRICS],
    /// Decayed sums of the metric and of requests: what one request is.
    unit: [Grid<f64>; METRICS],
    /// Dispersion (sum, weight) and squared log residual (sum, weight) for each scale.
    dispersion: [Grid<f32>; METRICS],
    residual: [Grid<f32>; METRICS],
    /// Profile of requests by hour of week and by hour of day type: (count, exposure) pairs.
    week: Grid<f32>,
    day: Grid<f32>,
    /// Two predictions a metric, for even and odd buckets.
    predictions: [Grid<Prediction>; METRICS],
}

/// What a closed bucket teaches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lesson {
    pub(crate) bucket: i64,
    /// The sum of each metric over the window of each scale that ends with the bucket.
    pub(crate) sums: [[u64; SCALES]; METRICS],
    /// 1, or less while an alarm is open: an attack does not become the baseline.
    pub(crate) weight: f32,
}

impl Baseline {
    pub(crate) fn new() -> Self {
        let pairs = |count: usize| [(); METRICS].map(|()| Grid::new(2 * count));
        Self {
            learned: Grid::new(1),
            born: Grid::new(1),
            slow: pairs(1),
            fast: pairs(1),
            unit: [(); METRICS].map(|()| Grid::new(2)),
            dispersion: pairs(SCALES),
            residual: pairs(SCALES),
            week: Grid::new(2 * HOURS_A_WEEK),
            day: Grid::new(2 * DAY_TYPE_HOURS),
            predictions: [(); METRICS].map(|()| Grid::new(2)),
        }
    }

    pub(crate) fn grow(&mut self, bucket: i64) {
        self.learned.grow();
        self.born.grow();
        let slot = self.learned.rows() - 1;
        self.learned.row_mut(slot)[0] = bucket - 1;
        self.born.row_mut(slot)[0] = bucket;
        for metric in 0..METRICS {
            self.slow[metric].grow();
            self.fast[metric].grow();
            self.unit[metric].grow();
            self.dispersion[metric].grow();
            self.residual[metric].grow();
            self.predictions[metric].grow();
        }
        self.week.grow();
        self.day.grow();
    }

    pub(crate) fn learned(&self, slot: usize) -> i64 {
        self.learned.row(slot)[0]
    }

    /// Returns how long ago, in buckets, the key was first seen.
    pub(crate) fn age_buckets(&self, slot: usize, bucket: i64) -> i64 {
        bucket - self.born.row(slot)[0]
    }

    /// Returns the prediction for a bucket, if it is still kept.
    pub(crate) fn prediction(&self, slot: usize, metric: usize, bucket: i64) -> Option<Prediction> {
        let kept = self.predictions[metric].row(slot)[(bucket & 1) as usize];
        (kept.bucket == bucket).then_some(kept)
    }

    /// Makes and keeps the predictions for a bucket.
    pub(crate) fn predict(&mut self, slot: usize, bucket: i64) {
        let mut exposure = [0f32; SCALES];
        for scale in Scale::ALL {
            exposure[scale as usize] = self.exposure(slot, scale, bucket);
        }
        for metric in 0..METRICS {
            let level = self.level(slot, metric);
            let fast = self.fast[metric].row(slot);
            // The fast level is drawn to the slow one by half an hour of evidence.
            let fast_level = (fast[0] + 0.5 * level) / (fast[1] + 0.5);
            let exposure_hours = self.slow[metric].row(slot)[1];
            let mut prediction = Prediction {
                bucket,
                unit: self.unit_of(slot, metric),
                exposure_hours,
                ..Prediction::default()
            };
            for scale in Scale::ALL {
                let at = scale as usize;
                prediction.slow[at] = level * exposure[at];
                if Scale::EARLY.contains(&scale) {
                    prediction.fast[at] = fast_level * exposure[at];
                }
                let [sum, weight] = pair(self.dispersion[metric].row(slot), at);
                let learned = (sum + PRIOR_DISPERSION * PRIOR_WEIGHT) / (weight + PRIOR_WEIGHT);
                // A level that rests on few counts is itself uncertain.
                let counted = self.slow[metric].row(slot)[0];
                prediction.dispersion[at] = learned.clamp(0.003, 60.0) + 1.0 / (counted + 1.0);
                let [sum, weight] = pair(self.residual[metric].row(slot), at);
                let variance =
                    (sum + PRIOR_SD_LN * PRIOR_SD_LN * PRIOR_WEIGHT) / (weight + PRIOR_WEIGHT);
                prediction.sd_ln[at] = variance.sqrt().max(0.05);
            }
            self.predictions[metric].row_mut(slot)[(bucket & 1) as usize] = prediction;
        }
    }

    /// Returns what is expected of one whole hour, in the metric's own unit.
    pub(crate) fn expected_hour(&self, slot: usize, metric: usize, hour: i64) -> f64 {
        let requests = self.level(slot, metric) * self.profile(slot, hour);
        f64::from(requests) * f64::from(self.unit_of(slot, metric))
    }

    /// Learns a closed bucket.
    pub(crate) fn learn(&mut self, slot: usize, lesson: &Lesson) {
        let hour = lesson.bucket.div_euclid(BUCKETS_AN_HOUR);
        let profile = self.profile(slot, hour);
        let weight = lesson.weight;
        for metric in 0..METRICS {
            let unit = self.learn_unit(slot, metric, lesson);
            self.learn_spread(slot, metric, lesson, unit);
            let count = lesson.sums[metric][Scale::TenMinutes as usize] as f32 / unit;
            let hours = profile / BUCKETS_AN_HOUR as f32;
            let slow_decay = (0.5f64.powf(1.0 / SLOW_HALF_LIFE_BUCKETS)) as f32;
            let slow = self.slow[metric].row_mut(slot);
            slow[0] = slow[0] * slow_decay + weight * count;
            slow[1] = slow[1] * slow_decay + weight * hours;
            let fast = self.fast[metric].row_mut(slot);
            fast[0] = fast[0] * FAST_DECAY + weight * count;
            fast[1] = fast[1] * FAST_DECAY + weight * hours;
        }
        if lesson.bucket.rem_euclid(BUCKETS_AN_HOUR) == BUCKETS_AN_HOUR - 1 {
            self.learn_profile(
                slot,
                hour,
                lesson.sums[0][Scale::Hour as usize] as f32,
                weight,
            );
        }
        self.learned.row_mut(slot)[0] = lesson.bucket;
    }

    /// Learns that nothing happened from the last learned bucket up to and without `until`:
    /// nearly the same as learning each empty bucket, an hour at a time. Spread is not learned
    /// from silence: a long holiday must not make a key look wild.
    pub(crate) fn learn_silence(&mut self, slot: usize, until: i64) {
        let mut bucket = self.learned(slot) + 1;
        while bucket < until {
            let hour = bucket.div_euclid(BUCKETS_AN_HOUR);
            let next = ((hour + 1) * BUCKETS_AN_HOUR).min(until);
            let buckets = (next - bucket) as f32;
            let hours = self.profile(slot, hour) * buckets / BUCKETS_AN_HOUR as f32;
            let slow_decay = 0.5f64.powf(f64::from(buckets) / SLOW_HALF_LIFE_BUCKETS) as f32;
            let fast_decay = FAST_DECAY.powf(buckets);
            for metric in 0..METRICS {
                let slow = self.slow[metric].row_mut(slot);
                slow[0] *= slow_decay;
                slow[1] = slow[1] * slow_decay + hours;
                let fast = self.fast[metric].row_mut(slot);
                fast[0] *= fast_decay;
                fast[1] = fast[1] * fast_decay + hours;
            }
            if next == (hour + 1) * BUCKETS_AN_HOUR {
                self.learn_profile(slot, hour, 0.0, 1.0);
            }
            bucket = next;
        }
        self.learned.row_mut(slot)[0] = self.learned(slot).max(until - 1);
    }

    /// Returns requests (or their equivalents) an hour at profile 1; half a request is believed
    /// of a key before it has been seen for an hour.
    fn level(&self, slot: usize, metric: usize) -> f32 {
        let slow = self.slow[metric].row(slot);
        (slow[0] + 0.05) / (slow[1] + 0.1)
    }

    /// Returns how much of the metric one request is: the unit in which dispersion makes sense
    /// for sums of tokens and money too.
    fn unit_of(&self, slot: usize, metric: usize) -> f32 {
        let unit = self.unit[metric].row(slot);
        if unit[1] > 0.0 && unit[0] > 0.0 {
            (unit[0] / unit[1]) as f32
        } else {
            1.0
        }
    }

    fn learn_unit(&mut self, slot: usize, metric: usize, lesson: &Lesson) -> f32 {
        if metric != 0 && metric != NOVELTY {
            let at = Scale::TenMinutes as usize;
            let (value, requests) = (lesson.sums[metric][at], lesson.sums[0][at]);
            let weight = f64::from(lesson.weight);
            if value > 0 {
                let unit = self.unit[metric].row_mut(slot);
                // A memory of some five hundred requests.
                let decay = 0.5f64.powf(requests.max(1) as f64 / 500.0).max(0.5);
                unit[0] = unit[0] * decay + weight * value as f64;
                unit[1] = unit[1] * decay + weight * requests.max(1) as f64;
            }
        }
        self.unit_of(slot, metric)
    }

    fn learn_spread(&mut self, slot: usize, metric: usize, lesson: &Lesson, unit: f32) {
        let decay = 0.5f32.powf(1.0 / SPREAD_HALF_LIFE_BUCKETS);
        let level = self.level(slot, metric);
        for scale in Scale::ALL {
            let at = scale as usize;
            let mean = (level * self.exposure(slot, scale, lesson.bucket)).max(1e-6);
            let count = lesson.sums[metric][at] as f32 / unit;
            // Windows with hardly anything expected say nothing about dispersion.
            let weight = lesson.weight * (mean / (1.0 + mean)).powi(2);
            let excess = ((count - mean).powi(2) - mean) / (mean * mean);
            let cells = self.dispersion[metric].row_mut(slot);
            // Clipped, so that one burst does not make the key blind.
            cells[2 * at] = cells[2 * at] * decay + weight * excess.clamp(-1.0, 25.0);
            cells[2 * at + 1] = cells[2 * at + 1] * decay + weight;
            // Only what lies above counts: the tests are one-sided, and idle hours would make
            // the upper side look wild. For a symmetric spread the mean square is the same.
            let residual = ((count + 1.0) / (mean + 1.0)).ln().min(3.0);
            if residual <= 0.0 {
                continue;
            }
            let cells = self.residual[metric].row_mut(slot);
            cells[2 * at] = cells[2 * at] * decay + lesson.weight * residual * residual;
            cells[2 * at + 1] = cells[2 * at + 1] * decay + lesson.weight;
        }
    }

    /// Learns the profile from one whole hour. An hour counts as much as it informs: with
    /// dispersion φ and mean m, the information of a count is m / (1 + φ m).
    fn learn_profile(&mut self, slot: usize, hour: i64, count: f32, weight: f32) {
        let level = self.level(slot, 0);
        let [sum, seen] = pair(self.dispersion[0].row(slot), Scale::Hour as usize);
        let dispersion =
            ((sum + PRIOR_DISPERSION * PRIOR_WEIGHT) / (seen + PRIOR_WEIGHT)).max(0.05);
        let scale = weight / (1.0 + dispersion * level);
        let (week_bin, day_bin) = bins(hour);
        let learn = |cells: &mut [f32], bin: usize, decay: f32| {
            cells[2 * bin] = cells[2 * bin] * decay + count * scale;
            cells[2 * bin + 1] = cells[2 * bin + 1] * decay + level * scale;
        };
        learn(self.week.row_mut(slot), week_bin, WEEK_DECAY);
        learn(self.day.row_mut(slot), day_bin, DAY_DECAY);
    }

    /// Returns how the hour compares with the mean hour: the week's bin drawn to the day's bin,
    /// which is drawn to 1.
    fn profile(&self, slot: usize, hour: i64) -> f32 {
        let (week_bin, day_bin) = bins(hour);
        let [count, exposure] = pair(self.day.row(slot), day_bin);
        let day = (count + PROFILE_PRIOR) / (exposure + PROFILE_PRIOR);
        let [count, exposure] = pair(self.week.row(slot), week_bin);
        let week = (count + PROFILE_PRIOR * day) / (exposure + PROFILE_PRIOR);
        week.clamp(0.01, 100.0)
    }

    /// Returns the hours at profile 1 in the window of `scale` that ends with `bucket`.
    fn exposure(&self, slot: usize, scale: Scale, bucket: i64) -> f32 {
        let hour = bucket.div_euclid(BUCKETS_AN_HOUR);
        let hours = |count: i64| {
            (hour - count + 1..=hour)
                .map(|h| self.profile(slot, h))
                .sum()
        };
        match scale {
            Scale::TenMinutes => self.profile(slot, hour) / BUCKETS_AN_HOUR as f32,
            Scale::Hour => {
                let of_this_hour = (bucket.rem_euclid(BUCKETS_AN_HOUR) + 1) as f32;
                let of_last_hour = BUCKETS_AN_HOUR as f32 - of_this_hour;
                (self.profile(slot, hour) * of_this_hour
                    + self.profile(slot, hour - 1) * of_last_hour)
                    / BUCKETS_AN_HOUR as f32
            }
            Scale::SixHours => hours(6),
            Scale::Day => hours(24),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let wide = [&self.slow, &self.fast, &self.dispersion, &self.residual];
        self.learned.bytes()
            + self.born.bytes()
            + wide
                .iter()
                .flat_map(|grids| grids.iter())
                .map(Grid::bytes)
                .sum::<usize>()
            + self.unit.iter().map(Grid::bytes).sum::<usize>()
            + self.predictions.iter().map(Grid::bytes).sum::<usize>()
            + self.week.bytes()
            + self.day.bytes()
    }
}

fn pair(cells: &[f32], at: usize) -> [f32; 2] {
    [cells[2 * at], cells[2 * at + 1]]
}

/// Returns the bins of an hour since the epoch: hour of week (Monday 0), hour of day type.
fn bins(hour: i64) -> (usize, usize) {
    // 1970-01-01 was a Thursday.
    let week_bin = (hour + 72).rem_euclid(HOURS_A_WEEK as i64) as usize;
    let weekend = week_bin >= 5 * 24;
    (week_bin, week_bin % 24 + if weekend { 24 } else { 0 })
}

const _: () = assert!(BUCKET_MILLIS * BUCKETS_AN_HOUR == Timestamp::HOUR);

#[cfg(test)]
mod tests {
    use super::*;

    fn lesson(bucket: i64, ten_minutes: u64, hour: u64) -> Lesson {
        let sums = [[ten_minutes, hour, 6 * hour, 24 * hour]; METRICS];
        Lesson {
            bucket,
            sums,
            weight: 1.0,
        }
    }

    #[test]
    fn a_steady_key_is_expected_to_stay_as_it_is() {
        let mut baseline = Baseline::new();
        baseline.grow(0);
        for bucket in 0..(14 * BUCKETS_A_DAY) {
            baseline.learn(0, &lesson(bucket, 10, 60));
        }
        let bucket = 14 * BUCKETS_A_DAY + 2;
        baseline.predict(0, bucket);
        let prediction = baseline.prediction(0, 0, bucket).unwrap();
        assert!((prediction.slow[0] - 10.0).abs() < 0.5, "{prediction:?}");
        assert!((prediction.fast[1] - 60.0).abs() < 3.0, "{prediction:?}");
        assert!((prediction.slow[3] - 1440.0).abs() < 50.0, "{prediction:?}");
        assert!(prediction.dispersion[0] < 0.05, "{prediction:?}");
    }

    #[test]
    fn office_hours_are_learned() {
        let mut baseline = Baseline::new();
        baseline.grow(0);
        for bucket in 0..(21 * BUCKETS_A_DAY) {
            let hour = bucket.div_euclid(BUCKETS_AN_HOUR).rem_euclid(24);
            let count = if (9..17).contains(&hour) { 20 } else { 0 };
            baseline.learn(0, &lesson(bucket, count, 6 * count));
        }
        let noon = baseline.expected_hour(0, 0, 21 * 24 + 12);
        let night = baseline.expected_hour(0, 0, 21 * 24 + 3);
        assert!((90.0..150.0).contains(&noon), "{noon}");
        assert!(night < 12.0, "{night}");
    }

    #[test]
    fn silence_is_learned_as_empty_buckets_are() {
        let (mut one, mut two) = (Baseline::new(), Baseline::new());
        for baseline in [&mut one, &mut two] {
            baseline.grow(0);
            for bucket in 0..300 {
                baseline.learn(0, &lesson(bucket, 10, 60));
            }
        }
        for bucket in 300..900 {
            one.learn(0, &lesson(bucket, 0, 0));
        }
        two.learn_silence(0, 900);
        let (one, two) = (one.level(0, 0), two.level(0, 0));
        assert!((one / two - 1.0).abs() < 0.2, "{one} {two}");
    }

    #[test]
    fn monday_is_the_first_day_of_the_week() {
        let monday = Timestamp::parse("2026-05-04T00:00:00Z").unwrap().millis() / Timestamp::HOUR;
        assert_eq!(bins(monday), (0, 0));
        assert_eq!(bins(monday + 5 * 24 + 3), (123, 27));
    }
}
