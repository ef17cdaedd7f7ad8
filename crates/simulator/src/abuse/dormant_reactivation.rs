//! A key that nobody uses is used.

use model::{Timestamp, Window};

use super::{Abuse, Plan, Room, same_model_plan};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;
use crate::prices::Model;

/// 20 to 600 requests an hour for 6 to 48 hours.
pub(crate) struct DormantReactivation;

impl Abuse for DormantReactivation {
    fn name(&self) -> &'static str {
        "dormant_reactivation"
    }

    fn suits(&self, victim: &Actor, _: Timestamp) -> bool {
        // Unused since its first week, and by its owner to the end.
        victim.count(Window {
            start: victim.exists.start.plus(7 * Timestamp::DAY),
            end: victim.exists.end,
        }) == 0.0
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let per_hour = chance::log_between(rng, 20.0, 600.0);
        let hours = chance::log_between(rng, 6.0, 48.0);
        let window = room.place(clock::hours(hours), rng);
        let mut batches = Vec::new();
        let mut start = window.start;
        while start < window.end {
            let end = start.plus(30 * Timestamp::MINUTE).min(window.end);
            let rate = chance::gamma(rng, per_hour, 8.0);
            let grain = victim.key.grain;
            grain.pour(rate, Window { start, end }, rng, &mut batches);
            start = end;
        }
        let intensity = (per_hour, "requests_per_hour");
        let mut plan = same_model_plan(victim, window, intensity, batches, rng)?;
        if chance::happens(rng, 0.5) {
            plan.caller.model = Model::dearest_of(victim.key.names.provider);
        }
        Some(plan)
    }
}
