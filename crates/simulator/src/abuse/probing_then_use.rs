//! Whoever finds a key tries it out before using it.

use model::{Timestamp, Window};
use rand::RngExt;

use super::{Abuse, Plan, Room, is_busy, is_prompt, same_model_plan, settle};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;

/// 20 to 60 failed requests and lists of models within 10 minutes, then 5 to 20 times the
/// owner's mean for two hours, all from the same new addresses.
pub(crate) struct ProbingThenUse;

impl Abuse for ProbingThenUse {
    fn name(&self) -> &'static str {
        "probing_then_use"
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        is_prompt(victim) && is_busy(victim, time, 1.0)
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let probes = rng.random_range(20..=60);
        let times = chance::log_between(rng, 5.0, 20.0);
        let pause = chance::between(rng, 1.0, 20.0);
        let probing_millis = 10 * Timestamp::MINUTE;
        let use_millis = clock::hours(2.0);
        let millis = probing_millis + clock::hours(pause / 60.0) + use_millis;
        let window = room.place(millis, rng);
        let probing = Window {
            start: window.start,
            end: window.start.plus(probing_millis),
        };
        let using = Window {
            start: window.end.plus(-use_millis),
            end: window.end,
        };
        let grain = victim.key.grain;
        let (mut tried, mut batches) = (Vec::new(), Vec::new());
        grain.scatter(probes, probing, rng, &mut tried);
        let mean = victim.mean_per_hour(window.start);
        grain.pour(mean * (times - 1.0), using, rng, &mut batches);
        let intensity = (times, "times_mean_requests");
        let mut plan = same_model_plan(victim, using, intensity, batches, rng)?;
        plan.probes = settle(victim, probing, tried);
        Some(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abuse::tests::{check, requests};
    use crate::caller::Ids;
    use crate::kinds::{Person, Service};

    #[test]
    fn it_is_tried_out_first_and_then_used() {
        let assert = |victim: &Actor, plan: &Plan| {
            assert!((20.0..=60.0).contains(&requests(&plan.probes)));
            assert!(plan.probes[0].time < plan.batches[0].time);
            let mean = victim.mean_per_hour(plan.probes[0].time);
            let expected = mean * (plan.intensity - 1.0) * 2.0;
            let times = requests(&plan.batches) / expected;
            assert!((1.0 - times).abs() < 0.1 + 5.0 / expected.sqrt(), "{times}");
            let mut rng = chance::stream(1, "test", "probes", 0);
            let (mut ids, mut events) = (Ids::new(1), Vec::new());
            let (key, probes) = (&victim.key, &plan.probes);
            plan.caller
                .dress_probes(key, probes, &mut ids, &mut rng, &mut events);
            let count: u32 = events.iter().map(|event| event.requests).sum();
            assert_eq!(f64::from(count), requests(probes));
            let free = events.iter().all(|event| event.cost.get() == 0);
            let lists = events.iter().filter(|event| event.status == 200).count();
            assert!(free && lists > 0 && lists < events.len());
        };
        check(&ProbingThenUse, &Service, assert);
        check(&ProbingThenUse, &Person, assert);
    }
}
