//! A new key is abused before it has a past: it was made by a thief, or leaked at once.

use model::{Timestamp, Window};

use super::{Abuse, Plan, Room, is_prompt, same_model_plan};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;
use crate::prices::Model;

/// 300 to 3000 requests an hour on the dearest model, from minutes after its birth on.
pub(crate) struct NewbornAbuse;

impl Abuse for NewbornAbuse {
    fn name(&self) -> &'static str {
        "newborn_abuse"
    }

    fn hits_new_keys(&self) -> bool {
        true
    }

    fn suits(&self, victim: &Actor, _: Timestamp) -> bool {
        is_prompt(victim)
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let per_hour = chance::log_between(rng, 300.0, 3000.0);
        let hours = chance::log_between(rng, 1.0, 6.0);
        let minutes = chance::between(rng, 1.0, 10.0);
        let start = victim.exists.start.plus(clock::hours(minutes / 60.0));
        let window = Window {
            start,
            end: start.plus(clock::hours(hours)),
        };
        if !room.starts.contains(start) || window.end > room.end {
            return None;
        }
        let mut batches = Vec::new();
        let grain = victim.key.grain;
        grain.pour(per_hour, window, rng, &mut batches);
        let intensity = (per_hour, "requests_per_hour");
        let mut plan = same_model_plan(victim, window, intensity, batches, rng)?;
        plan.caller.model = Model::dearest_of(victim.key.names.provider);
        Some(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abuse::tests::{born, check_on, extent_hours, requests};
    use crate::kinds::Service;
    use crate::prices::Tier;

    #[test]
    fn it_begins_with_the_key_on_a_dear_model() {
        let victims = (0..12).map(|number| born(&Service, number));
        check_on(&NewbornAbuse, victims, |victim, plan| {
            let after = plan.batches[0].time.millis() - victim.exists.start.millis();
            let latest = 12 * Timestamp::MINUTE + victim.key.grain.millis();
            assert!((0..latest).contains(&after), "{after}");
            let per_hour = requests(&plan.batches) / extent_hours(plan);
            let times = per_hour / plan.intensity;
            assert!((0.8..1.4).contains(&times), "{times}");
            assert_eq!(plan.caller.model.tier, Tier::Dear);
        });
    }
}
