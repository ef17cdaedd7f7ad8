//! One night on a key that rests at night.

use model::{Timestamp, Window};

use super::{Abuse, Plan, Room, same_model_plan};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;

/// The owner's daytime mean for six hours of one night.
pub(crate) struct OffHoursNight;

const HOURS: f64 = 6.0;

impl Abuse for OffHoursNight {
    fn name(&self) -> &'static str {
        "off_hours_6h"
    }

    fn suits(&self, victim: &Actor, time: Timestamp) -> bool {
        victim.office_hours && victim.is_in_use(time) && victim.daytime_per_hour(time) > 2.0
    }

    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan> {
        let zone = victim.zone;
        // The first night that begins in the room, after a moment drawn in it.
        let moment = room.place(clock::hours(48.0), rng).start;
        let evening = chance::between(rng, 20.5, 24.9);
        let tonight = zone.at(zone.day(moment), evening);
        let start = if tonight < moment {
            zone.at(zone.day(moment) + 1, evening)
        } else {
            tonight
        };
        let window = Window {
            start,
            end: start.plus(clock::hours(HOURS)),
        };
        let per_hour = victim.daytime_per_hour(start);
        let mut batches = Vec::new();
        let grain = victim.key.grain;
        grain.pour(per_hour, window, rng, &mut batches);
        let intensity = (1.0, "times_daytime_requests");
        same_model_plan(victim, window, intensity, batches, rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abuse::off_hours_only::is_off_hours;
    use crate::abuse::tests::{check, extent, extent_hours, requests};
    use crate::kinds::{Person, Service};

    #[test]
    fn it_is_as_busy_as_the_day_and_lasts_one_night() {
        let assert = |victim: &Actor, plan: &Plan| {
            let hours = extent_hours(plan);
            assert!((3.0..6.4).contains(&hours), "{hours}");
            let expected = victim.daytime_per_hour(extent(plan).start) * HOURS;
            let times = requests(&plan.batches) / expected;
            assert!((1.0 - times).abs() < 5.0 / expected.sqrt(), "{times}");
            for batch in &plan.batches {
                let sent = batch.time.plus(-victim.key.grain.millis());
                assert!(is_off_hours(victim.zone, sent), "{sent}");
            }
        };
        check(&OffHoursNight, &Person, assert);
        check(&OffHoursNight, &Service, assert);
    }
}
