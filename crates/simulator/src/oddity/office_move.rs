//! The people of an account move to another office.

use model::{Timestamp, Window};

use super::{Oddity, Scope, Spell, announce_account};
use crate::address::Network;
use crate::chance::{self, Rng};
use crate::key::Actor;

/// One new network for everybody from one moment on; every second one is announced.
pub(crate) struct OfficeMove;

impl Oddity for OfficeMove {
    fn name(&self) -> &'static str {
        "office_move"
    }

    fn count(&self) -> u32 {
        4
    }

    fn scope(&self) -> Scope {
        Scope::Account
    }

    fn suits(&self, actor: &Actor, time: Timestamp) -> bool {
        actor.office_hours && actor.owner.book.has_office() && actor.is_in_use(time)
    }

    fn apply(&self, actor: &mut Actor, nth: u32, scored: Window, rng: &mut Rng) -> Vec<Spell> {
        let latest = (scored.width_millis() - 4 * Timestamp::DAY).max(0) as f64;
        let start = scored.start.plus(chance::between(rng, 0.0, latest) as i64);
        let start = start.floor_to(Timestamp::HOUR);
        let office = Network::office(rng);
        actor.owner.book.move_office(start, office, rng);
        let details = [("cidr", serde_json::json!(office.cidr()))];
        vec![Spell {
            window: Window {
                start,
                end: start.plus(3 * Timestamp::DAY),
            },
            announcement: nth
                .is_multiple_of(2)
                .then(|| announce_account(actor, start, "cidr_added", &details)),
        }]
    }
}
