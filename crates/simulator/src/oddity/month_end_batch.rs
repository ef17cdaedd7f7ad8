//! The books are closed on the last day of the month.

use model::{Timestamp, Window};

use super::{Oddity, Spell, announce_key};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;

/// About 20 times the mean for one to three hours. A run of five weeks has seen no month end
/// before: every second one is announced, and the others have run in the middle of the month.
pub(crate) struct MonthEndBatch;

impl Oddity for MonthEndBatch {
    fn name(&self) -> &'static str {
        "month_end_batch"
    }

    fn count(&self) -> u32 {
        4
    }

    fn suits(&self, actor: &Actor, time: Timestamp) -> bool {
        let is_old = actor.exists.start.plus(21 * Timestamp::DAY) <= time;
        is_old && actor.is_production() && actor.mean_per_hour(time) > 2.0
    }

    fn apply(&self, actor: &mut Actor, nth: u32, _: Window, rng: &mut Rng) -> Vec<Spell> {
        let per_hour = actor.mean_per_hour(actor.exists.end) * 20.0;
        let length = chance::between(rng, 1.0, 3.0);
        let hour = chance::between(rng, 0.0, 19.0).round();
        let is_announced = nth.is_multiple_of(2);
        let zone = actor.zone;
        let mut batches = std::mem::take(&mut actor.batches);
        let mut spells = Vec::new();
        for day in zone.day(actor.exists.start)..=zone.day(actor.exists.end) {
            let is_last = clock::day_of_month(day + 1) == 1;
            let is_middle = clock::day_of_month(day) == 15;
            let start = zone.at(day, hour);
            let end = start.plus(clock::hours(length * chance::between(rng, 0.95, 1.05)));
            let window = Window { start, end };
            let takes_place = is_last || (is_middle && !is_announced);
            if !takes_place || start < actor.exists.start || end > actor.exists.end {
                continue;
            }
            let rate = per_hour * chance::between(rng, 0.92, 1.08);
            actor.key.grain.pour(rate, window, rng, &mut batches);
            let details = [
                ("factor", serde_json::json!(20)),
                ("until", serde_json::json!(end)),
                ("note", serde_json::json!("month-end closing")),
            ];
            spells.push(Spell {
                window,
                announcement: is_announced
                    .then(|| announce_key(actor, start, "planned_activity", &details)),
            });
        }
        actor.batches = actor.key.grain.settle(batches, actor.exists);
        spells
    }
}
