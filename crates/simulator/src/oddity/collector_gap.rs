//! The collector of one provider loses half an hour.

use model::{Timestamp, Window};

use super::{Oddity, Scope, Spell};
use crate::chance::{self, Rng};
use crate::key::Actor;

/// No event of any key of the provider for 30 minutes; they never arrive.
pub(crate) struct CollectorGap;

const MILLIS: i64 = 30 * Timestamp::MINUTE;

impl Oddity for CollectorGap {
    fn name(&self) -> &'static str {
        "collector_gap"
    }

    fn count(&self) -> u32 {
        1
    }

    fn scope(&self) -> Scope {
        Scope::Provider
    }

    fn suits(&self, actor: &Actor, time: Timestamp) -> bool {
        actor.is_in_use(time)
    }

    fn apply(&self, actor: &mut Actor, _: u32, scored: Window, rng: &mut Rng) -> Vec<Spell> {
        let latest = (scored.width_millis() - 2 * MILLIS).max(0) as f64;
        let start = scored.start.plus(chance::between(rng, 0.0, latest) as i64);
        let window = Window {
            start,
            end: start.plus(MILLIS),
        };
        actor.lost.push(window);
        vec![Spell {
            window,
            announcement: None,
        }]
    }
}
