//! A new version of a service: longer requests, another client version, the same rate.

use model::{Timestamp, Window};

use super::{Oddity, Spell};
use crate::chance::{self, Rng};
use crate::key::Actor;

/// 1.6 times the tokens from one moment on.
pub(crate) struct Deploy;

const TIMES: f64 = 1.6;

impl Oddity for Deploy {
    fn name(&self) -> &'static str {
        "deploy"
    }

    fn count(&self) -> u32 {
        6
    }

    fn suits(&self, actor: &Actor, time: Timestamp) -> bool {
        actor.is_in_use(time) && actor.is_production() && actor.mean_per_hour(time) > 4.0
    }

    fn apply(&self, actor: &mut Actor, _: u32, scored: Window, rng: &mut Rng) -> Vec<Spell> {
        let latest = (scored.width_millis() - 4 * Timestamp::DAY).max(0) as f64;
        let start = scored.start.plus(chance::between(rng, 0.0, latest) as i64);
        actor.owner.tokens.deploy(start, TIMES);
        actor.owner.clients.upgrade(start, rng);
        vec![Spell {
            window: Window {
                start,
                end: start.plus(3 * Timestamp::DAY),
            },
            announcement: None,
        }]
    }
}
