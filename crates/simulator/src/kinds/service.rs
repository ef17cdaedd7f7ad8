//! Ordinary services: a log-normal spread of volumes, a fifth of them in office hours.

use super::{Kind, Setting, Sketch};
use crate::address::AddressBook;
use crate::batch::Grain;
use crate::chance::{self, Rng};
use crate::clock::Zone;
use crate::curve::Curve;

/// A service with a median of 40 requests an hour.
pub(crate) struct Service;

impl Kind for Service {
    fn name(&self) -> &'static str {
        "service"
    }

    fn count(&self) -> u32 {
        70
    }

    fn sketch(&self, setting: &Setting, rng: &mut Rng) -> Sketch {
        let zone = Zone::draw(rng);
        let per_hour = (40.0 * chance::normal(rng, 0.0, 1.0).exp()).clamp(1.0, 2000.0);
        // Every fifth by number, not by chance, so that a small run has some too.
        let office_hours = setting.number % 5 == 2;
        let staging = chance::happens(rng, 0.12);
        Sketch {
            zone,
            grain: match per_hour {
                rate if rate > 70.0 => Grain::Rolled(5),
                rate if rate > 6.0 => Grain::Rolled(10),
                _ => Grain::Single,
            },
            office_hours,
            environment: if staging { "staging" } else { "prod" },
            personal: false,
            long_lived: false,
            book: AddressBook::service(rng, setting.span, setting.pinned),
            rhythm: Box::new(Curve::draw(rng, zone, per_hour, office_hours)),
        }
    }
}
