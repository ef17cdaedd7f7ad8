//! Services that never rest: 12 to 300 requests a minute, in the spread of a Pareto tail.

use rand::RngExt;

use super::{Kind, Setting, Sketch};
use crate::address::AddressBook;
use crate::batch::Grain;
use crate::chance::Rng;
use crate::clock::Zone;
use crate::curve::Curve;

/// A high-volume service, rolled up per minute.
pub(crate) struct HighVolume;

impl Kind for HighVolume {
    fn name(&self) -> &'static str {
        "high_volume"
    }

    fn count(&self) -> u32 {
        8
    }

    fn sketch(&self, setting: &Setting, rng: &mut Rng) -> Sketch {
        let zone = Zone::draw(rng);
        let tail = (1.0 - rng.random::<f64>()).powf(-1.0 / 1.6);
        let per_minute = (12.0 * tail).min(300.0);
        Sketch {
            zone,
            grain: Grain::Rolled(1),
            office_hours: false,
            environment: "prod",
            personal: false,
            long_lived: false,
            book: AddressBook::service(rng, setting.span, setting.pinned),
            rhythm: Box::new(Curve::draw(rng, zone, per_minute * 60.0, false)),
        }
    }
}
