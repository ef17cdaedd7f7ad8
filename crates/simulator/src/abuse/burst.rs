//! Many requests at once for some minutes: the sizes that every detector is asked for.

use model::Timestamp;

use super::{Abuse, Plan, Room, is_busy, is_prompt, same_model_plan};
use crate::chance::{self, Rng};
use crate::key::Actor;
use crate::prices::Model;

/// So many times the owner's mean, nights included, on top of what the owner does.
pub(crate) struct Burst {
    name: &'static str,
    times: f64,
    minutes: i64,
    /// What the abuser sends at least, however little the owner does.
    least_per_hour: f64,
    /// How many requests an hour the owner must send.
    owner_per_hour: f64,
    comes: Comes,
}

/// Who a burst looks like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// The owner in every respect: volume is the only trace.
    AsTheOwner,
    /// A stranger, half of the time from the owner's addresses.
    FromEither,
    /// A stranger who wants another model.
    WithANewModel,
}

impl Burst {
    /// 100 times for 10 minutes.
    pub(crate) const HUNDRED: Self = Self {
        name: "burst_100x",
        times: 100.0,
        minutes: 10,
        least_per_hour: 60.0,
        owner_per_hour: 0.05,
        comes: Comes::FromEither,
    };

    /// 10 times for 30 minutes.
    pub(crate) const TEN: Self = Self {
        name: "burst_10x",
        times: 10.0,
        minutes: 30,
        least_per_hour: 60.0,
        owner_per_hour: 0.05,
        comes: Comes::FromEither,
    };

    /// 3 times for 30 minutes. Without a floor, which would make it more than 3 times, so
    /// only on keys where 3 times is something.
    pub(crate) const THREE: Self = Self {
        name: "burst_3x",
        times: 3.0,
        minutes: 30,
        least_per_hour: 0.0,
        owner_per_hour: 10.0,
        comes: Comes::AsTheOwner,
    };

    /// The same with a new network and a new model.
    pub(crate) const THREE_NEW_CALLER: Self = Self {
        name: "burst_3x_new_caller",
        comes: Comes::WithANewModel,
        ..Self::THREE
    };
}

impl Abuse for Burst {
    fn name(&self) -> &'static str {
        self.name
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        is_prompt(victim) && is_busy(victim, time, self.owner_per_hour)
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let window = room.place(self.minutes * Timestamp::MINUTE, rng);
        let mean = victim.mean_per_hour(window.start);
        let per_hour = (mean * (self.times - 1.0)).max(self.least_per_hour);
        let mut batches = Vec::new();
        let grain = victim.key.grain;
        grain.pour(per_hour, window, rng, &mut batches);
        let intensity = ((mean + per_hour) / mean, "times_mean_requests");
        let mut plan = same_model_plan(victim, window, intensity, batches, rng)?;
        match self.comes {
            Comes::AsTheOwner => plan.caller = victim.owner.clone(),
            Comes::FromEither if chance::happens(rng, 0.5) => {
                plan.caller.book = victim.owner.book.clone();
            }
            Comes::FromEither => {}
            Comes::WithANewModel => plan.caller.model = new_model(victim, rng)?,
        }
        Some(plan)
    }
}

/// Draws a model of the provider that the owner does not use.
fn new_model(victim: &Actor, rng: &mut Rng) -> Option<&'static Model> {
    let owner = &victim.owner;
    let second = owner.second.map(|(model, _)| model);
    let others: Vec<_> = Model::of(victim.key.names.provider)
        .filter(|model| *model != owner.model && Some(*model) != second)
        .collect();
    (!others.is_empty()).then(|| chance::pick(rng, &others))
}

#[cfg(test)]
mod tests {
    use model::Window;

    use super::*;
    use crate::abuse::tests::{check, requests};
    use crate::kinds::{HourlyService, Service, Sparse};

    /// Compares what the abuser sends with what the factor on the owner's mean says.
    fn check_size(burst: &Burst, assert: impl Fn(&Actor, &Plan)) {
        check(burst, &Service, |victim, plan| {
            let start = plan.batches[0].time;
            let mean = victim.mean_per_hour(start);
            let extra = mean * (plan.intensity - 1.0) * burst.minutes as f64 / 60.0;
            let share = requests(&plan.batches) / extra;
            let tolerance = 0.05 + 5.0 / extra.sqrt();
            assert!((1.0 - share).abs() < tolerance, "{}: {share}", burst.name);
            assert!(plan.intensity >= burst.times * 0.9, "{}", plan.intensity);
            let lasts = plan.batches.last().map(|last| last.time.millis());
            let grain = victim.key.grain.millis();
            let most = burst.minutes * Timestamp::MINUTE + grain;
            assert!(lasts.is_some_and(|last| last - start.millis() <= most));
            assert(victim, plan);
        });
    }

    #[test]
    fn bursts_are_as_large_and_as_long_as_they_promise() {
        check_size(&Burst::HUNDRED, |victim, plan| {
            assert_eq!(plan.caller.model, victim.owner.model);
        });
        check_size(&Burst::TEN, |_, _| {});
        check_size(&Burst::THREE, |victim, plan| {
            assert!(plan.intensity < 3.1, "{}", plan.intensity);
            assert_eq!(plan.caller.book.cidrs(), victim.owner.book.cidrs());
            assert_eq!(plan.caller.model, victim.owner.model);
        });
        check_size(&Burst::THREE_NEW_CALLER, |victim, plan| {
            assert_ne!(plan.caller.model, victim.owner.model);
            assert_ne!(plan.caller.book.cidrs(), victim.owner.book.cidrs());
        });
    }

    #[test]
    fn a_burst_on_a_sparse_key_is_at_least_one_a_minute() {
        check(&Burst::TEN, &Sparse, |_, plan| {
            assert!(requests(&plan.batches) >= 12.0);
            assert!(plan.intensity > 100.0);
        });
    }

    #[test]
    fn what_lasts_minutes_leaves_hourly_reports_alone() {
        let victim = crate::abuse::tests::actor(&HourlyService, 0);
        let all = Window {
            start: victim.exists.start,
            end: victim.exists.end,
        };
        assert!(victim.count(all) > 1000.0);
        assert!(!Burst::HUNDRED.suits(&victim, victim.exists.end));
    }
}
