//! A thief with patience, who lets every baseline get used to it.

use model::{Timestamp, Window};

use super::{Abuse, Plan, Room, is_busy, same_model_plan};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;

/// 5 % on top, twice as much every day to day and a half, up to 30 times, for 5 to 9 days.
pub(crate) struct PatientRamp;

const FIRST: f64 = 0.05;
const MOST: f64 = 30.0;

/// Returns the share of the owner's mean that is on top after so many hours.
fn on_top(hours: f64, doubling_hours: f64) -> f64 {
    (FIRST * (hours / doubling_hours).exp2()).min(MOST)
}

impl Abuse for PatientRamp {
    fn name(&self) -> &'static str {
        "patient_ramp"
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        is_busy(victim, time, 2.0)
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let hours = chance::between(rng, 5.0, 9.0) * 24.0;
        let doubling_hours = chance::log_between(rng, 24.0, 36.0);
        let window = room.place(clock::hours(hours), rng);
        let mean = victim.mean_per_hour(window.start);
        let mut batches = Vec::new();
        let mut start = window.start;
        while start < window.end {
            let end = start.plus(Timestamp::HOUR).min(window.end);
            let since = (start.millis() - window.start.millis()) as f64;
            let level = on_top(since / Timestamp::HOUR as f64, doubling_hours);
            let grain = victim.key.grain;
            grain.pour(mean * level, Window { start, end }, rng, &mut batches);
            start = end;
        }
        let intensity = (
            on_top(hours, doubling_hours),
            "times_mean_on_top_at_the_end",
        );
        same_model_plan(victim, window, intensity, batches, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abuse::tests::{check, extent, extent_hours, requests};
    use crate::kinds::Service;

    #[test]
    fn it_doubles_every_day_or_so_from_a_twentieth_on() {
        assert_eq!(on_top(0.0, 24.0), 0.05);
        assert!((on_top(48.0, 24.0) - 0.2).abs() < 1e-12);
        assert_eq!(on_top(1e4, 24.0), 30.0);
        check(&PatientRamp, &Service, |victim, plan| {
            // A small owner's first days may bring nothing at all.
            let days = extent_hours(plan) / 24.0;
            assert!((3.5..9.1).contains(&days), "{days}");
            let window = extent(plan);
            let last_day = window.end.plus(-Timestamp::DAY);
            let after = |from: Timestamp| {
                let since = plan.batches.partition_point(|batch| batch.time < from);
                requests(&plan.batches[since..])
            };
            let mean = victim.mean_per_hour(window.start);
            let expected = plan.intensity * mean * 24.0 * 0.78;
            let share = after(last_day) / expected;
            assert!((0.6..1.5).contains(&share), "{share}");
            // In a doubling time the second half is as much as all before it, plus 5 %.
            assert!(after(window.start) > 1.5 * after(last_day));
        });
    }
}
