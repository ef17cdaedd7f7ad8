//! Smash and grab: as much as the key gives, at once, mostly on a dear model.

use model::{Timestamp, Window};

use super::{Abuse, Plan, Room, same_model_plan};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;
use crate::prices::Model;

/// Many times the owner's mean within minutes.
pub(crate) struct Smash {
    /// The type in the labels.
    pub(crate) name: &'static str,
    /// The range of the factor on the owner's mean.
    pub(crate) times: (f64, f64),
    /// Requests an hour that the thief's scripts make at least, however little the owner does.
    pub(crate) least_per_hour: f64,
    /// The range of the duration in hours.
    pub(crate) hours: (f64, f64),
    /// The chance that it goes for the dearest model.
    pub(crate) dear: f64,
}

impl Smash {
    /// The kind of a full run.
    pub(crate) const FULL: Smash = Smash {
        name: "smash",
        times: (10.0, 50.0),
        least_per_hour: 0.0,
        hours: (2.0, 24.0),
        dear: 0.85,
    };
}

impl Abuse for Smash {
    fn name(&self) -> &'static str {
        self.name
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        victim.mean_per_hour(time) > 0.1
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let times = chance::log_between(rng, self.times.0, self.times.1);
        let hours = chance::log_between(rng, self.hours.0, self.hours.1);
        let window = room.place(clock::hours(hours), rng);
        let mean = victim.mean_per_hour(window.start);
        let per_hour = (mean * times).max(self.least_per_hour);
        let ramp = clock::hours(chance::between(rng, 1.0, 10.0) / 60.0);
        let ramped = window.start.plus(ramp).min(window.end);
        let mut batches = Vec::new();
        let grain = victim.key.grain;
        let rise = Window {
            start: window.start,
            end: ramped,
        };
        grain.pour(per_hour / 2.0, rise, rng, &mut batches);
        // The thief's scripts are not steady either: the rate changes every quarter.
        let mut start = ramped;
        while start < window.end {
            let end = start.plus(15 * Timestamp::MINUTE).min(window.end);
            let rate = chance::gamma(rng, per_hour, 12.0);
            grain.pour(rate, Window { start, end }, rng, &mut batches);
            start = end;
        }
        let intensity = (per_hour / mean, "times_mean_requests");
        let mut plan = same_model_plan(victim, window, intensity, batches, rng)?;
        let dear = Model::dearest_of(victim.key.names.provider);
        if chance::happens(rng, self.dear) && dear != victim.owner.model {
            let own_share = chance::between(rng, 0.0, 0.4);
            plan.caller.model = dear;
            plan.caller.second = Some((victim.owner.model, own_share));
        }
        Some(plan)
    }
}
