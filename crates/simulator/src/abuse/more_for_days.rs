//! Somewhat more of the same for days.

use model::Timestamp;

use super::{Abuse, Plan, Room, is_busy, same_model_plan, spread};
use crate::chance::{self, Rng};
use crate::key::Actor;

/// A total of so many times for so many days, even or along the owner's daily curve.
pub(crate) struct MoreForDays {
    name: &'static str,
    times: f64,
    days: i64,
}

impl MoreForDays {
    /// Twice for 3 days.
    pub(crate) const DOUBLE: Self = Self {
        name: "double_3d",
        times: 2.0,
        days: 3,
    };

    /// One and a half times for 3 days.
    pub(crate) const HALF: Self = Self {
        name: "half_more_3d",
        times: 1.5,
        days: 3,
    };

    /// 1.3 times for 5 days.
    pub(crate) const THIRD: Self = Self {
        name: "third_more_5d",
        times: 1.3,
        days: 5,
    };
}

impl Abuse for MoreForDays {
    fn name(&self) -> &'static str {
        self.name
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        is_busy(victim, time, 1.5)
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let window = room.place(self.days * Timestamp::DAY, rng);
        let total = victim.count(window) * (self.times - 1.0);
        let along_curve = chance::happens(rng, 0.5);
        let batches = spread(victim, window, total, along_curve, rng);
        let intensity = (self.times, "times_total_requests");
        same_model_plan(victim, window, intensity, batches, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abuse::tests::{check, extent_hours, requests};
    use crate::kinds::{HourlyService, Kind, Service};

    fn check_total(abuse: &MoreForDays, kind: &'static dyn Kind) {
        check(abuse, kind, |victim, plan| {
            let days = abuse.days as f64;
            let long = extent_hours(plan) / 24.0;
            // Along the curve, the first and the last night may be empty.
            assert!((days - 0.7..days + 0.1).contains(&long), "{long}");
            let window = crate::abuse::tests::extent(plan);
            let owner = victim.count(window);
            let times = (owner + requests(&plan.batches)) / owner;
            let tolerance = 0.1 * (abuse.times - 1.0) + 5.0 / owner.sqrt();
            assert!((times - abuse.times).abs() < tolerance, "{times}");
            assert_eq!(plan.caller.model, victim.owner.model);
        });
    }

    #[test]
    fn totals_are_those_of_the_names() {
        for abuse in [MoreForDays::DOUBLE, MoreForDays::HALF, MoreForDays::THIRD] {
            check_total(&abuse, &Service);
        }
        check_total(&MoreForDays::DOUBLE, &HourlyService);
    }
}
