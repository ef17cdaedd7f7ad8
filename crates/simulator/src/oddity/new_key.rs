//! A key is made, and used from the first hour on: the control to abuse from birth.

use model::{Timestamp, Window};

use super::{Oddity, Spell};
use crate::chance::Rng;
use crate::key::Actor;

/// The first day of every key that is made in the scored span and not abused.
pub(crate) struct NewKey;

impl Oddity for NewKey {
    fn name(&self) -> &'static str {
        "new_key"
    }

    fn count(&self) -> u32 {
        40
    }

    fn suits(&self, actor: &Actor, time: Timestamp) -> bool {
        actor.exists.start > time
    }

    fn apply(&self, actor: &mut Actor, _: u32, scored: Window, _: &mut Rng) -> Vec<Spell> {
        let start = actor.exists.start;
        let end = start.plus(Timestamp::DAY).min(scored.end);
        vec![Spell {
            window: Window { start, end },
            announcement: None,
        }]
    }
}
