//! Few requests that fill the model's window: counting requests sees nothing.

use model::Timestamp;
use rand::RngExt;

use super::{Abuse, Plan, Room, is_busy, is_prompt, same_model_plan};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;

/// 10 to 60 requests of about 200,000 to 400,000 input tokens each, within 10 to 30 minutes.
pub(crate) struct HugePrompts;

impl Abuse for HugePrompts {
    fn name(&self) -> &'static str {
        "huge_prompts"
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        is_prompt(victim) && is_busy(victim, time, 0.05)
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let requests = rng.random_range(10..=60);
        let hours = chance::between(rng, 10.0, 30.0) / 60.0;
        let input = chance::between(rng, 250_000.0, 330_000.0);
        let output = chance::log_between(rng, 200.0, 4000.0);
        let window = room.place(clock::hours(hours), rng);
        let mut batches = Vec::new();
        let grain = victim.key.grain;
        grain.scatter(requests, window, rng, &mut batches);
        let intensity = (input, "input_tokens_per_request");
        let mut plan = same_model_plan(victim, window, intensity, batches, rng)?;
        plan.caller.tokens = plan.caller.tokens.about(input, output);
        Some(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abuse::tests::{check, extent_hours, requests};
    use crate::kinds::{Person, Service};

    #[test]
    fn few_requests_and_each_of_them_is_huge() {
        let assert = |victim: &Actor, plan: &Plan| {
            assert!((10.0..=60.0).contains(&requests(&plan.batches)));
            assert!(extent_hours(plan) < 0.5 + 1.0 / 6.0 + 0.01);
            let mut rng = chance::stream(1, "test", "huge", victim.key.uid.into());
            for _ in 0..100 {
                let time = plan.batches[0].time;
                let (input, _) = plan.caller.tokens.sum(1, time, &mut rng);
                assert!((150_000..500_000).contains(&input), "{input}");
            }
            assert_eq!(plan.caller.model, victim.owner.model);
        };
        check(&HugePrompts, &Service, assert);
        check(&HugePrompts, &Person, assert);
    }
}
