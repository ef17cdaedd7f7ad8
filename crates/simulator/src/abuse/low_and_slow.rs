//! A thief who stays under the owner's own ups and downs.

use model::Timestamp;

use super::{Abuse, Plan, Room, same_model_plan, spread};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;

/// A total of 1.4 to 1.5 times for 4 to 6 days, even or along the owner's daily curve.
pub(crate) struct LowAndSlow;

impl Abuse for LowAndSlow {
    fn name(&self) -> &'static str {
        "low_and_slow"
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        victim.mean_per_hour(time) > 1.2
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let times = chance::between(rng, 1.4, 1.5);
        let window = room.place(clock::hours(chance::between(rng, 96.0, 144.0)), rng);
        let total = victim.count(window) * (times - 1.0);
        let along_curve = chance::happens(rng, 0.5);
        let batches = spread(victim, window, total, along_curve, rng);
        let intensity = (times, "times_total_requests");
        same_model_plan(victim, window, intensity, batches, rng)
    }
}
