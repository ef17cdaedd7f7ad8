//! The same number of requests, but most of them on a dear model.

use std::ops::RangeInclusive;

use model::{Timestamp, Window};

use super::{Abuse, Plan, Room, same_model_plan};
use crate::batch::Batch;
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;
use crate::prices::Model;

/// Cost per request 10 to 30 times for 6 to 48 hours, in half of the cases from the owner's
/// own addresses.
pub(crate) struct ExpensiveModelShift;

/// How much longer or shorter the moved requests may be to meet the intended cost.
const STRETCH: RangeInclusive<f64> = 0.4..=2.5;

impl Abuse for ExpensiveModelShift {
    fn name(&self) -> &'static str {
        "expensive_model_shift"
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        victim.mean_per_hour(time) > 0.8
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let times = chance::between(rng, 10.0, 30.0);
        let share = chance::between(rng, 0.7, 0.95);
        let hours = chance::log_between(rng, 6.0, 48.0);
        let window = room.place(clock::hours(hours), rng);
        let (model, stretch) = dear_model(victim, window.start, (times, share), STRETCH)?;
        let (moved, left) = part(victim, window, share, rng);
        let intensity = (times, "times_cost_per_request");
        let mut plan = same_model_plan(victim, window, intensity, moved, rng)?;
        plan.caller.model = model;
        plan.caller.tokens = victim.owner.tokens.scaled(stretch);
        if chance::happens(rng, 0.5) {
            // From inside: a script or a tool of the owner's that was taken over.
            plan.caller.book = victim.owner.book.clone();
            plan.caller.clients = victim.owner.clients.clone();
        }
        plan.owner_left = Some(left);
        Some(plan)
    }
}

/// Parts the owner's requests: about `share` of those in `window`, and all others.
pub(super) fn part(
    victim: &Actor,
    window: Window,
    share: f64,
    rng: &mut Rng,
) -> (Vec<Batch>, Vec<Batch>) {
    let grain = victim.key.grain;
    let reported = grain.widened(window);
    let (mut moved, mut left) = (Vec::new(), Vec::new());
    for batch in &victim.batches {
        let requests = if reported.contains(batch.time) {
            chance::binomial(rng, batch.requests, share)
        } else {
            0
        };
        let part = |requests| Batch { requests, ..*batch };
        moved.push(part(requests));
        left.push(part(batch.requests - requests));
    }
    moved.retain(|batch| batch.requests > 0);
    (moved, grain.settle(left, victim.exists))
}

/// Returns the dearer model, and the stretch of its requests, with which `share` of the
/// requests bring the mean cost to `times` the owner's; none where no model can.
pub(super) fn dear_model(
    victim: &Actor,
    time: Timestamp,
    (times, share): (f64, f64),
    stretches: RangeInclusive<f64>,
) -> Option<(&'static Model, f64)> {
    let (input, output) = victim.owner.tokens.means(time);
    let discount = victim.key.discount_permille;
    let own = victim.owner.model.mean_cost(input, output, discount);
    let wanted = (times - (1.0 - share)) / share;
    Model::of(victim.key.names.provider)
        .map(|model| {
            (
                model,
                wanted * own / model.mean_cost(input, output, discount),
            )
        })
        .filter(|(model, stretch)| *model != victim.owner.model && stretches.contains(stretch))
        .min_by(|(_, a), (_, b)| a.ln().abs().total_cmp(&b.ln().abs()))
}
