//! The hours of the week and of the day in which a key is known to peak: weekly jobs, daily
//! ones, those of every second day.

use std::collections::HashMap;

use columns::SnapshotError;
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::clock::hour_of_week;

/// Hours of the week remembered for each key.
const PEAKS_A_KEY: usize = 24;
/// What a peak may exceed the remembered one by.
const HEADROOM: f32 = 1.2;
/// What is kept of a peak from week to week.
const WEEKLY_DECAY: f32 = 0.9;
/// In how many weeks a peak must have been seen before it is expected.
const WEEKS_TO_BELIEVE: u8 = 2;
const HOURS_A_WEEK: i64 = 168;
/// What is kept of an hour of the day from day to day, and the evidence (decayed days with a
/// peak) from which a peak is expected.
const DAILY_DECAY: f32 = 0.8;
const DAYS_TO_BELIEVE: f32 = 1.25;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Peak {
    hour_of_week: u8,
    weeks: u8,
    last_week: i32,
    /// Requests an hour over the level.
    ratio: f32,
}

/// A peak at an hour of the day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Daily {
    last_day: i32,
    /// Decayed days with a peak, up to the last one.
    days: f32,
    ratio: f32,
}

/// What one key has shown.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct OfKey {
    weekly: Vec<Peak>,
    daily: Vec<(u8, Daily)>,
}

/// The peaks of the few keys that have any.
#[derive(Clone, Default)]
pub(crate) struct Peaks {
    by_slot: HashMap<u32, OfKey>,
}

impl Peaks {
    /// Learns that a closed bucket ran at `ratio` times the level.
    pub(crate) fn learn(&mut self, slot: usize, hour: i64, ratio: f32) {
        let week = (hour + 72).div_euclid(HOURS_A_WEEK) as i32;
        let of_week = hour_of_week(hour) as u8;
        let of_key = self.by_slot.entry(slot as u32).or_default();
        learn_daily(&mut of_key.daily, hour, ratio);
        let peaks = &mut of_key.weekly;
        match peaks.iter_mut().find(|peak| peak.hour_of_week == of_week) {
            Some(peak) if peak.last_week == week => peak.ratio = peak.ratio.max(ratio),
            Some(peak) => {
                peak.ratio = (peak.ratio * WEEKLY_DECAY).max(ratio);
                peak.weeks = peak.weeks.saturating_add(1);
                peak.last_week = week;
            }
            None => {
                if peaks.len() >= PEAKS_A_KEY {
                    let least = (0..peaks.len())
                        .min_by_key(|&at| (peaks[at].weeks, peaks[at].last_week, at));
                    peaks.swap_remove(least.unwrap_or(0));
                }
                peaks.push(Peak {
                    hour_of_week: of_week,
                    weeks: 1,
                    last_week: week,
                    ratio,
                });
            }
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self { by_slot } = self;
        archive.map("by_slot", by_slot)
    }

    /// Returns the ratio to the level that is expected of an hour, 0 where no peak is known;
    /// a job may come an hour early or late.
    pub(crate) fn ratio(&self, slot: usize, hour: i64) -> f32 {
        let Some(of_key) = self.by_slot.get(&(slot as u32)) else {
            return 0.0;
        };
        let daily = daily_ratio(&of_key.daily, hour);
        let peaks = &of_key.weekly;
        let week = (hour + 72).div_euclid(HOURS_A_WEEK) as i32;
        let near = |peak: &Peak| {
            let apart =
                (i64::from(peak.hour_of_week) - hour_of_week(hour) as i64).rem_euclid(HOURS_A_WEEK);
            apart <= 1 || apart == HOURS_A_WEEK - 1
        };
        peaks
            .iter()
            .filter(|peak| near(peak) && peak.weeks >= WEEKS_TO_BELIEVE)
            .filter(|peak| {
                let last = i64::from(peak.last_week) * HOURS_A_WEEK + i64::from(peak.hour_of_week);
                hour_index(week, hour) - last > HOURS_A_WEEK / 2
            })
            .map(|peak| {
                let weeks = (week - peak.last_week - 1).clamp(0, 60);
                HEADROOM * peak.ratio * WEEKLY_DECAY.powi(weeks)
            })
            .fold(daily, f32::max)
    }

    /// Raises the ratios of the hours from `first` on to those of known peaks.
    pub(crate) fn raise(&self, slot: usize, first: i64, ratios: &mut [f32]) {
        if !self.by_slot.contains_key(&(slot as u32)) {
            return;
        }
        for (hour, ratio) in (first..).zip(ratios) {
            *ratio = ratio.max(self.ratio(slot, hour));
        }
    }

    /// Forgets a key.
    pub(crate) fn forget(&mut self, slot: usize) {
        self.by_slot.remove(&(slot as u32));
    }

    /// Takes over what another key has shown.
    pub(crate) fn copy(&mut self, from: usize, to: usize) {
        if let Some(peaks) = self.by_slot.get(&(from as u32)).cloned() {
            self.by_slot.insert(to as u32, peaks);
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let of_key = |of_key: &OfKey| {
            of_key.weekly.capacity() * size_of::<Peak>()
                + of_key.daily.capacity() * size_of::<(u8, Daily)>()
        };
        self.by_slot.values().map(of_key).sum::<usize>() + self.by_slot.len() * 80
    }
}

/// Returns the hour as it is counted for peaks: weeks since the epoch and hour of the week.
fn hour_index(week: i32, hour: i64) -> i64 {
    i64::from(week) * HOURS_A_WEEK + hour_of_week(hour) as i64
}

fn learn_daily(daily: &mut Vec<(u8, Daily)>, hour: i64, ratio: f32) {
    let (day, of_day) = (hour.div_euclid(24) as i32, hour.rem_euclid(24) as u8);
    let at = match daily.iter().position(|(known, _)| *known == of_day) {
        Some(at) => at,
        None => {
            daily.push((of_day, Daily::default()));
            daily.len() - 1
        }
    };
    let peak = &mut daily[at].1;
    if peak.last_day == day {
        peak.ratio = peak.ratio.max(ratio);
        return;
    }
    let decay = DAILY_DECAY.powi((day - peak.last_day).clamp(0, 60));
    *peak = Daily {
        last_day: day,
        days: peak.days * decay + 1.0,
        ratio: (peak.ratio * decay.max(DAILY_DECAY * DAILY_DECAY)).max(ratio),
    };
}

fn daily_ratio(daily: &[(u8, Daily)], hour: i64) -> f32 {
    let (day, of_day) = (hour.div_euclid(24) as i32, hour.rem_euclid(24));
    daily
        .iter()
        .filter(|(known, peak)| {
            let apart = (i64::from(*known) - of_day).rem_euclid(24);
            let last = i64::from(peak.last_day) * 24 + i64::from(*known);
            // The peak of a moment ago explains nothing.
            (apart <= 1 || apart == 23) && i64::from(day) * 24 + of_day - last > 12
        })
        .map(|(_, peak)| {
            let decay = DAILY_DECAY.powi((day - peak.last_day).clamp(0, 60));
            let believed = peak.days * decay >= DAYS_TO_BELIEVE;
            if believed { HEADROOM * peak.ratio } else { 0.0 }
        })
        .fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_every_second_day_is_expected_and_a_stray_peak_is_not() {
        let mut peaks = Peaks::default();
        let first = 168 * 100 + 30;
        peaks.learn(0, first, 40.0);
        assert_eq!(peaks.ratio(0, first + 24), 0.0);
        peaks.learn(0, first + 48, 40.0);
        peaks.learn(0, first + 96, 40.0);
        assert!(peaks.ratio(0, first + 144) > 40.0);
        assert_eq!(peaks.ratio(0, first + 144 + 6), 0.0);
    }

    #[test]
    fn a_weekly_job_is_expected_from_its_third_time_on() {
        let mut peaks = Peaks::default();
        let first = 168 * 100 + 30;
        peaks.learn(0, first, 40.0);
        assert_eq!(peaks.ratio(0, first + 168), 0.0);
        peaks.learn(0, first + 168, 30.0);
        let expected = peaks.ratio(0, first + 2 * 168);
        assert!((40.0..50.0).contains(&expected), "{expected}");
        assert!(peaks.ratio(0, first + 2 * 168 + 1) > 0.0, "an hour late");
        assert_eq!(peaks.ratio(0, first + 2 * 168 + 2), 0.0);
    }
}
