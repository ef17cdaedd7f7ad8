//! How the hours of a day compare with each other: the shape of a key's usage.
//!
//! Counts of keys that burst say little of an hour: a person makes forty requests at ten o'clock on
//! one day and none on the next. Whether they make any at all says much sooner that they sleep at
//! night. So a profile is drawn to the chances that each hour has any usage, as far as the counts
//! do not inform; and those chances to that of all hours together, as far as days are few.

use columns::SnapshotError;

use crate::archive::Archive;
use crate::brief::{Brief, Chance};
use crate::clock::{DAY_BINS, clocks_moved, day_bin};
use crate::grid::Grid;

/// Information, in hours of certainty, of the shape that every profile is drawn to.
const PRIOR: f32 = 2.0;
/// How many used hours it takes for an hour of the day to be believed as much as all hours
/// together: a key that is used once a week shows after months when it is not used.
const PRIOR_USED: f32 = 0.5;
/// The smallest weight of one day's hour, where an hour says much: a memory of a week.
const LEAST_WEIGHT: f32 = 0.13;
/// The same for whether an hour has any usage: a memory of four weeks of working days.
const LEAST_USED_WEIGHT: f32 = 0.05;
/// The chance that is believed of every hour before anything was seen.
const FIRST_USED: f32 = 0.5;
/// No hour is held to be emptier or fuller than this.
const RATIOS: std::ops::RangeInclusive<f32> = 0.01..=100.0;
const HOURS_A_DAY: usize = DAY_BINS / 2;

/// The columns of profiles: for each hour of a working day and of a weekend day the ratio of
/// that hour to the mean hour, and the chance that it has any usage; and the share of hours
/// with any usage.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profiles {
    ratio: Grid<Brief>,
    used: Grid<Chance>,
    activity: Grid<f32>,
}

/// How much one hour's count of a key says of its shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footing {
    /// Working days and weekend days since the key was first seen.
    pub(crate) days: [f32; 2],
    /// Requests of the mean hour.
    pub(crate) level: f32,
    /// Of the counts of hours: variance = mean + dispersion × mean².
    pub(crate) dispersion: f32,
}

impl Footing {
    /// Returns the information of a count: with dispersion φ and mean m, m / (1 + φ m).
    fn information(&self) -> f32 {
        (self.level / (1.0 + self.dispersion.max(0.05) * self.level)).max(1e-3)
    }

    fn age_days(&self) -> f32 {
        self.days[0] + self.days[1]
    }

    /// Returns the weight of the shape that ratios of a kind of day are drawn to.
    fn drawn(&self, day: usize) -> f32 {
        let prior = 1.0 + PRIOR / self.information();
        prior / (self.days[day] + prior)
    }
}

impl Profiles {
    pub(crate) fn new() -> Self {
        Self {
            ratio: Grid::new(DAY_BINS),
            used: Grid::new(DAY_BINS),
            activity: Grid::new(1),
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            ratio,
            used,
            activity,
        } = self;
        archive.grid("ratio", ratio)?;
        archive.grid("used", used)?;
        archive.grid("activity", activity)
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize) {
        self.ratio.begin(slot, Brief::from(1.0));
        self.used.begin(slot, Chance::from(FIRST_USED));
        self.activity.begin(slot, FIRST_USED);
    }

    /// Returns the mean hour of working days and of weekends, and the share of active hours:
    /// after weeks of silence, which make all hours small alike, there is no more to a shape.
    pub(crate) fn keep(&self, slot: usize) -> [Brief; 3] {
        let (working_day, weekend) = self.ratio.row(slot).split_at(HOURS_A_DAY);
        let mean = |ratios: &[Brief]| {
            let sum: f32 = ratios.iter().map(|ratio| ratio.get()).sum();
            Brief::from(sum / ratios.len() as f32)
        };
        let activity = Brief::from(self.activity.get(slot));
        [mean(working_day), mean(weekend), activity]
    }

    /// Takes a kept shape for a key's own.
    pub(crate) fn warm(&mut self, slot: usize, kept: &[Brief; 3]) {
        let (working_day, weekend) = self.ratio.row_mut(slot).split_at_mut(HOURS_A_DAY);
        working_day.fill(kept[0]);
        weekend.fill(kept[1]);
        let activity = kept[2].get();
        self.used.row_mut(slot).fill(Chance::from(activity));
        self.activity.set(slot, activity);
    }

    /// Takes over what another key has learned.
    pub(crate) fn copy(&mut self, from: usize, to: usize) {
        let ratios = self.ratio.row(from).to_vec();
        self.ratio.row_mut(to).copy_from_slice(&ratios);
        let used = self.used.row(from).to_vec();
        self.used.row_mut(to).copy_from_slice(&used);
        self.activity.set(to, self.activity.get(from));
    }

    /// Returns how an hour since the epoch compares with the mean hour. In the week after
    /// people's clocks were changed the hour may still keep its old time or already its new
    /// one: the busier of the two counts.
    pub(crate) fn ratio(&self, slot: usize, hour: i64, footing: &Footing) -> f32 {
        let [ratio] = self.ratios(slot, hour, footing);
        ratio
    }

    /// Returns the same for `N` hours from `first` on.
    pub(crate) fn ratios<const N: usize>(
        &self,
        slot: usize,
        first: i64,
        footing: &Footing,
    ) -> [f32; N] {
        let shape = self.shape(slot, footing);
        let moved = clocks_moved(first + N as i64 - 1);
        std::array::from_fn(|at| {
            let hour = first + at as i64;
            let ratio = shape.ratio(day_bin(hour));
            match moved {
                0 => ratio,
                moved => ratio.max(shape.ratio(day_bin(hour + moved))),
            }
        })
    }

    fn shape(&self, slot: usize, footing: &Footing) -> Shape<'_> {
        let used = self.used.row(slot);
        let days = footing.days.map(|days| days.min(1.0 / LEAST_USED_WEIGHT));
        let means = [&used[..HOURS_A_DAY], &used[HOURS_A_DAY..]].map(|used| {
            let sum: f32 = used.iter().map(|used| used.get()).sum();
            sum / HOURS_A_DAY as f32
        });
        let of_all = match days[0] + days[1] {
            0.0 => self.activity.get(slot),
            all => (days[0] * means[0] + days[1] * means[1]) / all,
        };
        let of_all = of_all.max(1e-4);
        let own = days.map(|days| days / (days + PRIOR_USED / of_all));
        let of_day = |day: usize| own[day] * means[day] + (1.0 - own[day]) * of_all;
        let mean_used = (5.0 * of_day(0) + 2.0 * of_day(1)) / 7.0;
        Shape {
            ratios: self.ratio.row(slot),
            used,
            own,
            of_all,
            mean_used,
            drawn: [footing.drawn(0), footing.drawn(1)],
        }
    }

    /// Returns the share of the recent hours in which the key was used.
    pub(crate) fn activity(&self, slot: usize) -> f32 {
        self.activity.get(slot)
    }

    /// Learns one whole hour with `count` requests: it counts as much as it informs.
    pub(crate) fn learn(
        &mut self,
        slot: usize,
        hour: i64,
        count: f32,
        footing: &Footing,
        weight: f32,
    ) {
        let (bin, salt) = (day_bin(hour), hour.unsigned_abs());
        let share = 1.0 / (footing.days[bin / HOURS_A_DAY] + 1.0);
        let least = LEAST_WEIGHT * footing.information().min(1.0);
        let ratio = &mut self.ratio.row_mut(slot)[bin];
        let seen = count / footing.level.max(1e-6);
        let learned = ratio.get() + share.max(least) * weight * (seen - ratio.get());
        let learned = learned.clamp(*RATIOS.start(), *RATIOS.end());
        *ratio = Brief::near(learned, salt);
        let active = if count > 0.0 { 1.0 } else { 0.0 };
        let used = &mut self.used.row_mut(slot)[bin];
        let share = share.max(LEAST_USED_WEIGHT) * weight;
        *used = Chance::near(used.get() + share * (active - used.get()), salt);
        // A memory of a week.
        let share = (1.0 / (footing.age_days() * 24.0 + 24.0)).max(1.0 / 168.0);
        let activity = self.activity.get(slot);
        self.activity
            .set(slot, activity + share * (active - activity));
    }

    pub(crate) fn bytes(&self) -> usize {
        self.ratio.bytes() + self.used.bytes() + self.activity.bytes()
    }
}

/// The profile of one key.
struct Shape<'a> {
    ratios: &'a [Brief],
    used: &'a [Chance],
    /// The weight of what each hour shows by itself of whether it is used, on working days and on
    /// weekends; the rest is that of all hours together.
    own: [f32; 2],
    of_all: f32,
    mean_used: f32,
    /// The weight of all that in place of the counts, on working days and on weekends.
    drawn: [f32; 2],
}

impl Shape<'_> {
    /// Returns the ratio of a bin.
    fn ratio(&self, bin: usize) -> f32 {
        let (day, hour) = (bin / HOURS_A_DAY, bin % HOURS_A_DAY);
        let used = |hour: usize| self.used[day * HOURS_A_DAY + hour % HOURS_A_DAY].get();
        // People come and go an hour earlier or later.
        let around = 0.5 * used(hour) + 0.25 * (used(hour + 1) + used(hour + HOURS_A_DAY - 1));
        let (own, drawn) = (self.own[day], self.drawn[day]);
        let shape = (own * around + (1.0 - own) * self.of_all) / self.mean_used;
        let ratio = (1.0 - drawn) * self.ratios[bin].get() + drawn * shape;
        ratio.clamp(*RATIOS.start(), *RATIOS.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footing(hour: i64, level: f32, dispersion: f32) -> Footing {
        Footing {
            days: [5.0, 2.0].map(|days| (hour / 24) as f32 * days / 7.0),
            level,
            dispersion,
        }
    }

    #[test]
    fn office_hours_are_learned_and_nights_are_quiet() {
        let mut profiles = Profiles::new();
        profiles.begin(0);
        let end = 21 * 24;
        for hour in 0..end {
            let busy = (9..17).contains(&(hour % 24));
            let count = if busy { 30.0 } else { 0.0 };
            profiles.learn(0, hour, count, &footing(hour, 10.0, 0.1), 1.0);
        }
        let ratio = |hour| profiles.ratio(0, end + hour, &footing(end, 10.0, 0.1));
        assert!(ratio(12) > 2.4, "{}", ratio(12));
        assert!(ratio(3) < 0.2, "{}", ratio(3));
        assert!((profiles.activity(0) - 1.0 / 3.0).abs() < 0.1);
    }

    #[test]
    fn wild_counts_by_day_and_none_by_night_are_a_shape_too() {
        let mut profiles = Profiles::new();
        profiles.begin(0);
        let end = 21 * 24;
        for hour in 0..end {
            // Every third hour of a working day, and much in one of them.
            let (day, of_day) = (hour / 24, hour % 24);
            let is_used = (9..18).contains(&of_day) && (hour + day) % 3 == 0;
            let count = match (is_used, day % 4) {
                (true, 0) => 60.0,
                (true, _) => 4.0,
                _ => 0.0,
            };
            profiles.learn(0, hour, count, &footing(hour, 2.0, 30.0), 1.0);
        }
        let ratio = |hour| profiles.ratio(0, end + hour, &footing(end, 2.0, 30.0));
        assert!(ratio(13) > 1.5, "{}", ratio(13));
        assert!(ratio(3) < 0.35, "{}", ratio(3));
    }

    #[test]
    fn a_request_a_week_makes_its_hour_likelier_and_no_more() {
        let mut profiles = Profiles::new();
        profiles.begin(0);
        let end = 21 * 24;
        for hour in 0..end {
            let count = if hour % 168 == 5 { 1.0 } else { 0.0 };
            profiles.learn(0, hour, count, &footing(hour, 1.0 / 168.0, 0.3), 1.0);
        }
        let ratio = |hour| profiles.ratio(0, end + hour, &footing(end, 1.0 / 168.0, 0.3));
        assert!((1.5..8.0).contains(&ratio(5)), "{}", ratio(5));
        assert!((0.3..1.0).contains(&ratio(12)), "{}", ratio(12));
    }

    /// A key that is used once in `every` hours, at any of them, for `days` from a Monday on.
    fn seldom(days: i64, every: u64) -> (Profiles, Footing) {
        let mut profiles = Profiles::new();
        profiles.begin(0);
        let monday = 4 * 24;
        let footing = |hour: i64| {
            let passed = (hour - monday) / 24;
            let weekend = passed / 7 * 2 + (passed % 7 - 5).max(0);
            Footing {
                days: [(passed - weekend) as f32, weekend as f32],
                level: 1.0 / every as f32,
                dispersion: 5.0,
            }
        };
        let end = monday + 24 * days;
        for hour in monday..end {
            let mixed = (hour as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
            let count = if mixed.is_multiple_of(every) {
                1.0
            } else {
                0.0
            };
            profiles.learn(0, hour, count, &footing(hour), 1.0);
        }
        (profiles, footing(end))
    }

    #[test]
    fn a_key_that_is_seldom_used_has_weekends_like_working_days() {
        for (days, every) in [(3, 4), (20, 50), (60, 200), (200, 500)] {
            let (profiles, footing) = seldom(days, every);
            let of_week: [f32; 168] = profiles.ratios(0, 4 * 24, &footing);
            let (working_days, weekend) = of_week.split_at(120);
            let mean = |ratios: &[f32]| ratios.iter().sum::<f32>() / ratios.len() as f32;
            let (working_day, weekend) = (mean(working_days), mean(weekend));
            assert!(
                (0.6..1.5).contains(&working_day) && (0.5..1.8).contains(&weekend),
                "{days} days, one in {every}: {working_day} {weekend}"
            );
        }
    }

    #[test]
    fn a_key_that_wakes_has_a_flat_day() {
        let (profiles, footing) = seldom(30, 4);
        let mut woken = Profiles::new();
        woken.begin(0);
        woken.warm(0, &profiles.keep(0));
        let ratios: [f32; 168] = woken.ratios(0, 4 * 24, &footing);
        assert!(
            ratios.iter().all(|ratio| (0.5..2.0).contains(ratio)),
            "{ratios:?}"
        );
    }
}
