//! A key is replaced by a new one, as every key should be from time to time.

use model::{Timestamp, Window};

use super::{Oddity, Spell, announce_key};
use crate::batch::Batch;
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;

/// Within some hours the usage moves to a new key; the inventory says which one it replaces
/// in every second case.
pub(crate) struct KeyRotation;

impl Oddity for KeyRotation {
    fn name(&self) -> &'static str {
        "key_rotation"
    }

    fn count(&self) -> u32 {
        6
    }

    fn suits(&self, actor: &Actor, time: Timestamp) -> bool {
        actor.is_in_use(time) && actor.mean_per_hour(time) > 1.0
    }

    fn apply(&self, actor: &mut Actor, nth: u32, scored: Window, rng: &mut Rng) -> Vec<Spell> {
        let latest = (scored.width_millis() - 4 * Timestamp::DAY).max(0) as f64;
        let created = scored.start.plus(chance::between(rng, 0.0, latest) as i64);
        let created = created.floor_to(Timestamp::HOUR);
        let first_use = created.plus(Timestamp::HOUR);
        let over = clock::hours(chance::between(rng, 0.5, 8.0)) as f64;
        let mut next = actor.next_key(created, rng);
        let mut left = Vec::with_capacity(actor.batches.len());
        for batch in std::mem::take(&mut actor.batches) {
            let since = batch.time.millis() - actor.key.grain.millis() - first_use.millis();
            let share = (since as f64 / over).clamp(0.0, 1.0);
            let moved = chance::binomial(rng, batch.requests, share);
            for (requests, batches) in [
                (batch.requests - moved, &mut left),
                (moved, &mut next.batches),
            ] {
                if requests > 0 {
                    batches.push(Batch { requests, ..batch });
                }
            }
        }
        actor.batches = left;
        let is_announced = nth.is_multiple_of(2);
        if is_announced {
            next.entry.replaces = Some(actor.entry.key.clone());
        }
        let details = [("replaced_by", serde_json::json!(next.entry.key))];
        let announcement =
            is_announced.then(|| announce_key(actor, created, "key_rotated", &details));
        actor.successor = Some(Box::new(next));
        vec![Spell {
            window: Window {
                start: created,
                end: created.plus(3 * Timestamp::DAY),
            },
            announcement,
        }]
    }
}
