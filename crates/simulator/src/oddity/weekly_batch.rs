//! A batch on the same weekday and hour of each week.

use model::{Timestamp, Window};
use rand::RngExt;

use super::{Oddity, Spell};
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;

/// 20 to 50 times the mean for 1.5 to 5 hours, every week from the first on.
pub(crate) struct WeeklyBatch;

impl Oddity for WeeklyBatch {
    fn name(&self) -> &'static str {
        "weekly_batch"
    }

    fn count(&self) -> u32 {
        6
    }

    fn suits(&self, actor: &Actor, time: Timestamp) -> bool {
        // It must have been there in every week before the scored ones, or it is news.
        let is_old = actor.exists.start.plus(21 * Timestamp::DAY) <= time;
        is_old && actor.is_production() && actor.mean_per_hour(time) > 2.0
    }

    fn apply(&self, actor: &mut Actor, _: u32, _: Window, rng: &mut Rng) -> Vec<Spell> {
        let per_hour = actor.mean_per_hour(actor.exists.end) * chance::between(rng, 22.0, 46.0);
        let length = chance::between(rng, 1.5, 4.8);
        let weekday = rng.random_range(0..7);
        let hour = chance::between(rng, 0.0, 22.0).round();
        let zone = actor.zone;
        let days = zone.day(actor.exists.start)..=zone.day(actor.exists.end);
        let mut batches = std::mem::take(&mut actor.batches);
        let mut spells = Vec::new();
        for day in days.filter(|day| clock::weekday(*day) == weekday) {
            // The scheduler is punctual to a few minutes, the work is not always as long.
            let start = zone
                .at(day, hour)
                .plus(clock::hours(chance::between(rng, 0.0, 0.1)));
            let end = start.plus(clock::hours(length * chance::between(rng, 0.95, 1.04)));
            let window = Window { start, end };
            if start < actor.exists.start || end > actor.exists.end {
                continue;
            }
            let rate = per_hour * chance::between(rng, 0.92, 1.08);
            actor.key.grain.pour(rate, window, rng, &mut batches);
            spells.push(Spell {
                window,
                announcement: None,
            });
        }
        actor.batches = actor.key.grain.settle(batches, actor.exists);
        spells
    }
}
