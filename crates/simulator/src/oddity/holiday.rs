//! A day off for a whole account, programs included.

use model::{Timestamp, Window};
use rand::RngExt;

use super::{Oddity, Scope, Spell, announce_account};
use crate::chance::Rng;
use crate::clock::{self, Zone};
use crate::key::Actor;

/// A working day without a request, and then everybody is back; every second one is
/// announced.
pub(crate) struct Holiday;

impl Oddity for Holiday {
    fn name(&self) -> &'static str {
        "holiday"
    }

    fn count(&self) -> u32 {
        3
    }

    fn scope(&self) -> Scope {
        Scope::Account
    }

    fn suits(&self, actor: &Actor, time: Timestamp) -> bool {
        actor.is_in_use(time)
    }

    fn apply(&self, actor: &mut Actor, nth: u32, scored: Window, rng: &mut Rng) -> Vec<Spell> {
        // One clock for the account, wherever its people are.
        let zone = Zone::Eastern;
        let days: Vec<_> = (zone.day(scored.start) + 1..zone.day(scored.end) - 1)
            .filter(|day| !clock::day_is_weekend(*day))
            .collect();
        let Some(day) = days.get(rng.random_range(0..days.len().max(1))) else {
            return Vec::new();
        };
        let silent = Window {
            start: zone.at(*day, 0.0),
            end: zone.at(day + 1, 0.0),
        };
        let half = actor.key.grain.millis() / 2;
        let batches = &mut actor.batches;
        batches.retain(|batch| !silent.contains(batch.time.plus(-half)));
        let details = [("note", serde_json::json!("holiday"))];
        let announcement = nth
            .is_multiple_of(2)
            .then(|| announce_account(actor, silent.start, "planned_activity", &details));
        // It is the return that looks odd.
        let window = Window {
            start: silent.start,
            end: silent.end.plus(12 * Timestamp::HOUR).min(scored.end),
        };
        vec![Spell {
            window,
            announcement,
        }]
    }
}
