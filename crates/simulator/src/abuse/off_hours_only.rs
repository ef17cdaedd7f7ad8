//! Abuse while the owner sleeps.

use model::{Timestamp, Window};

use super::{Abuse, Plan, Room, same_model_plan};
use crate::chance::{self, Rng};
use crate::clock::{self, Zone};
use crate::key::Actor;

/// Half to one and a half times the daytime rate, only at night and on weekends.
pub(crate) struct OffHoursOnly;

impl Abuse for OffHoursOnly {
    fn name(&self) -> &'static str {
        "off_hours_only"
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        victim.office_hours && victim.daytime_per_hour(time) > 1.0
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let times = chance::between(rng, 0.5, 1.5);
        let window = room.place(clock::hours(chance::between(rng, 72.0, 144.0)), rng);
        let per_hour = victim.daytime_per_hour(window.start) * times;
        let mut batches = Vec::new();
        // Quarters of an hour, so that an hour that begins at night does not end by day.
        let quarter = 15 * Timestamp::MINUTE;
        let mut start = window.start;
        while start < window.end {
            let end = start.floor_to(quarter).plus(quarter).min(window.end);
            if is_off_hours(victim.zone, start) {
                let part = Window { start, end };
                victim.key.grain.pour(per_hour, part, rng, &mut batches);
            }
            start = end;
        }
        let intensity = (times, "times_daytime_requests");
        same_model_plan(victim, window, intensity, batches, rng)
    }
}

/// Night is 20 to 7 o'clock; the owner's last evening hours are left alone.
pub(super) fn is_off_hours(zone: Zone, time: Timestamp) -> bool {
    zone.is_weekend(time) || !(7.0..20.0).contains(&zone.hour(time))
}
