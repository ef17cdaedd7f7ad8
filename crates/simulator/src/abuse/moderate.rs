//! A second user of about twice the owner's size, on the same model.

use model::Timestamp;

use super::{Abuse, Plan, Room, same_model_plan, spread};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;

/// A total of 2.8 to 3.2 times for 1 to 3 days.
pub(crate) struct Moderate;

impl Abuse for Moderate {
    fn name(&self) -> &'static str {
        "moderate"
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        victim.mean_per_hour(time) > 0.8
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let times = chance::between(rng, 2.8, 3.2);
        let window = room.place(clock::hours(chance::between(rng, 24.0, 72.0)), rng);
        let total = victim.count(window) * (times - 1.0);
        let along_curve = chance::happens(rng, 0.5);
        let batches = spread(victim, window, total, along_curve, rng);
        let intensity = (times, "times_total_requests");
        same_model_plan(victim, window, intensity, batches, rng)
    }
}
