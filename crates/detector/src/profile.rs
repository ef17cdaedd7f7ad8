//! How the hours of a day compare with each other: the shape of a key's usage.

use columns::SnapshotError;

use crate::archive::Archive;
use crate::brief::Brief;
use crate::clock::{DAY_BINS, clocks_moved, day_bin};
use crate::grid::Grid;

/// Information, in hours of certainty, of the flat profile that every profile is drawn to.
const PRIOR: f32 = 2.0;
/// The smallest weight of one day's hour, where an hour says much: a memory of a week.
const LEAST_WEIGHT: f32 = 0.13;

/// The columns of profiles: for each hour of a working day and of a weekend day the ratio of
/// that hour to the mean hour; and the share of hours with any usage.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profiles {
    ratio: Grid<f32>,
    activity: Grid<f32>,
}

impl Profiles {
    pub(crate) fn new() -> Self {
        Self {
            ratio: Grid::new(DAY_BINS),
            activity: Grid::new(1),
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self { ratio, activity } = self;
        archive.grid("ratio", ratio)?;
        archive.grid("activity", activity)
    }

    /// Begins a key in a slot that is new or was given back.
    pub(crate) fn begin(&mut self, slot: usize) {
        self.ratio.begin(slot, 1.0);
        self.activity.begin(slot, 0.5);
    }

    /// Returns the mean hour of working days and of weekends, and the share of active hours:
    /// after weeks of silence, which make all hours small alike, there is no more to a shape.
    pub(crate) fn keep(&self, slot: usize) -> [Brief; 3] {
        let (working_day, weekend) = self.ratio.row(slot).split_at(DAY_BINS / 2);
        let mean = |ratios: &[f32]| ratios.iter().sum::<f32>() / ratios.len() as f32;
        [mean(working_day), mean(weekend), self.activity.get(slot)].map(Brief::from)
    }

    /// Takes a kept shape for a key's own.
    pub(crate) fn warm(&mut self, slot: usize, kept: &[Brief; 3]) {
        let (working_day, weekend) = self.ratio.row_mut(slot).split_at_mut(DAY_BINS / 2);
        working_day.fill(kept[0].get());
        weekend.fill(kept[1].get());
        self.activity.set(slot, kept[2].get());
    }

    /// Takes over what another key has learned.
    pub(crate) fn copy(&mut self, from: usize, to: usize) {
        let row = self.ratio.row(from).to_vec();
        self.ratio.row_mut(to).copy_from_slice(&row);
        self.activity.set(to, self.activity.get(from));
    }

    /// Returns how an hour since the epoch compares with the mean hour. In the week after
    /// people's clocks were changed the hour may still keep its old time or already its new
    /// one: the busier of the two counts.
    pub(crate) fn ratio(&self, slot: usize, hour: i64) -> f32 {
        let ratios = self.ratio.row(slot);
        let ratio = ratios[day_bin(hour)];
        match clocks_moved(hour) {
            0 => ratio,
            moved => ratio.max(ratios[day_bin(hour + moved)]),
        }
    }

    /// Returns the same for a day's hours from `first` on.
    pub(crate) fn ratios<const N: usize>(&self, slot: usize, first: i64) -> [f32; N] {
        let ratios = self.ratio.row(slot);
        let moved = clocks_moved(first + N as i64 - 1);
        std::array::from_fn(|at| {
            let hour = first + at as i64;
            let ratio = ratios[day_bin(hour)];
            match moved {
                0 => ratio,
                moved => ratio.max(ratios[day_bin(hour + moved)]),
            }
        })
    }

    /// Returns the share of the recent hours in which the key was used.
    pub(crate) fn activity(&self, slot: usize) -> f32 {
        self.activity.get(slot)
    }

    /// Learns one whole hour: `count` requests where the mean hour has `level`, on a key that
    /// is `age_days` old and whose hours have this `dispersion`.
    ///
    /// An hour counts as much as it informs: with dispersion φ and mean m, the information of
    /// a count is m / (1 + φ m).
    pub(crate) fn learn(
        &mut self,
        slot: usize,
        hour: i64,
        (count, level): (f32, f32),
        (age_days, dispersion): (f32, f32),
        weight: f32,
    ) {
        let bin = day_bin(hour);
        let information = (level / (1.0 + dispersion.max(0.05) * level)).max(1e-3);
        let days_a_week = if bin < 24 { 5.0 } else { 2.0 };
        let seen = age_days * days_a_week / 7.0;
        let least = LEAST_WEIGHT * information.min(1.0);
        let share = (1.0 / (seen + 1.0 + PRIOR / information)).max(least) * weight;
        let ratio = &mut self.ratio.row_mut(slot)[bin];
        *ratio = (*ratio + share * (count / level.max(1e-6) - *ratio)).clamp(0.01, 100.0);
        // A memory of a week.
        let share = (1.0 / (age_days * 24.0 + 24.0)).max(1.0 / 168.0);
        let activity = self.activity.get(slot);
        let active = if count > 0.0 { 1.0 } else { 0.0 };
        self.activity
            .set(slot, activity + share * (active - activity));
    }

    pub(crate) fn bytes(&self) -> usize {
        self.ratio.bytes() + self.activity.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn office_hours_are_learned_and_nights_are_quiet() {
        let mut profiles = Profiles::new();
        profiles.begin(0);
        for hour in 0..(21 * 24) {
            let busy = (9..17).contains(&(hour % 24));
            let count = if busy { 30.0 } else { 0.0 };
            profiles.learn(0, hour, (count, 10.0), (hour as f32 / 24.0, 0.1), 1.0);
        }
        assert!(profiles.ratio(0, 21 * 24 + 12) > 2.4);
        assert!(profiles.ratio(0, 21 * 24 + 3) < 0.2);
        assert!((profiles.activity(0) - 1.0 / 3.0).abs() < 0.1);
    }

    #[test]
    fn a_request_a_week_teaches_hardly_any_shape() {
        let mut profiles = Profiles::new();
        profiles.begin(0);
        for hour in 0..(21 * 24) {
            let count = if hour % 168 == 5 { 1.0 } else { 0.0 };
            profiles.learn(
                0,
                hour,
                (count, 1.0 / 168.0),
                (hour as f32 / 24.0, 0.3),
                1.0,
            );
        }
        assert!(profiles.ratio(0, 5) < 3.0, "{}", profiles.ratio(0, 5));
        assert!(profiles.ratio(0, 12) > 0.5, "{}", profiles.ratio(0, 12));
    }
}
