//! A key that was busy once, and then silent, is busy again.

use model::{Timestamp, Window};

use super::{Abuse, Plan, Room, same_model_plan};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;

/// The former rate of the key's busy hours, once to ten times and at least 20 an hour, for
/// two hours after at least ten days of silence.
pub(crate) struct DormantReturn;

impl Abuse for DormantReturn {
    fn name(&self) -> &'static str {
        "dormant_return"
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        let silent = Window {
            start: time.plus(-10 * Timestamp::DAY),
            end: victim.exists.end,
        };
        victim.count(silent) == 0.0 && victim.mean_per_hour(time) > 0.0
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let window = room.place(clock::hours(2.0), rng);
        let former = former_per_hour(victim, window.start);
        let per_hour = (former * chance::log_between(rng, 1.0, 10.0)).max(20.0);
        let mut batches = Vec::new();
        let grain = victim.key.grain;
        grain.pour(per_hour, window, rng, &mut batches);
        let intensity = (per_hour / former, "times_former_rate");
        same_model_plan(victim, window, intensity, batches, rng)
    }
}

/// Returns the mean of the hours before `time` in which the owner sent anything.
fn former_per_hour(victim: &Actor, time: Timestamp) -> f64 {
    victim.mean_per_hour(time) / victim.active_hours(time)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abuse::tests::{actor, check, extent_hours, requests, room};
    use crate::kinds::{Dormant, Retired, Service};

    #[test]
    fn a_silent_key_comes_back_at_its_old_rate_or_more() {
        let assert = |victim: &Actor, plan: &Plan| {
            let former = former_per_hour(victim, room().starts.start);
            let expected = (former * plan.intensity * 2.0).max(40.0);
            let times = requests(&plan.batches) / expected;
            assert!((1.0 - times).abs() < 5.0 / expected.sqrt(), "{times}");
            assert!((1.4..2.2).contains(&extent_hours(plan)));
        };
        check(&DormantReturn, &Retired, assert);
        check(&DormantReturn, &Dormant, assert);
        check(&DormantReturn, &Retired, |_, plan| {
            assert!(plan.intensity <= 10.0, "{}", plan.intensity);
        });
        let busy = actor(&Service, 0);
        assert!(!DormantReturn.suits(&busy, room().starts.start));
    }
}
