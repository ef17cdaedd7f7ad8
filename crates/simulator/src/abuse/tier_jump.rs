//! The owner's requests go to a dearer model: a program of the owner's was taken over.

use std::ops::RangeInclusive;

use model::Timestamp;

use super::expensive_model_shift::{dear_model, part};
use super::{Abuse, Plan, Room, is_busy, same_model_plan};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;

/// Cost per request five times for 6 to 24 hours; rate, addresses and client as before.
pub(crate) struct TierJump;

const TIMES: f64 = 5.0;

/// So close to 1 that it is the price that does it.
const STRETCH: RangeInclusive<f64> = 0.55..=1.7;

impl Abuse for TierJump {
    fn name(&self) -> &'static str {
        "tier_jump"
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        // Requests at all hours, or a shift of hours may meet none of them.
        is_busy(victim, time, 3.0) && victim.active_hours(time) > 0.3
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let share = chance::between(rng, 0.9, 1.0);
        let hours = chance::log_between(rng, 6.0, 24.0);
        let window = room.place(clock::hours(hours), rng);
        let (model, stretch) = dear_model(victim, window.start, (TIMES, share), STRETCH)?;
        let (moved, left) = part(victim, window, share, rng);
        let intensity = (TIMES, "times_cost_per_request");
        let mut plan = same_model_plan(victim, window, intensity, moved, rng)?;
        plan.caller = victim.owner.clone();
        plan.caller.model = model;
        plan.caller.second = None;
        plan.caller.tokens = victim.owner.tokens.scaled(stretch);
        plan.owner_left = Some(left);
        Some(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abuse::tests::{check, extent, requests};
    use crate::kinds::Service;

    #[test]
    fn five_times_the_cost_of_the_same_requests_from_the_same_place() {
        check(&TierJump, &Service, |victim, plan| {
            let left = plan.owner_left.as_ref().unwrap();
            let all = requests(&victim.batches);
            assert_eq!(requests(left) + requests(&plan.batches), all);
            let start = extent(plan).start;
            let discount = victim.key.discount_permille;
            let cost = |caller: &crate::caller::Caller| {
                let (input, output) = caller.tokens.means(start);
                caller.model.mean_cost(input, output, discount)
            };
            let times = cost(&plan.caller) / cost(&victim.owner);
            assert!((4.9..5.6).contains(&times), "{times}");
            assert_ne!(plan.caller.model, victim.owner.model);
            assert_eq!(plan.caller.book.cidrs(), victim.owner.book.cidrs());
        });
    }
}
