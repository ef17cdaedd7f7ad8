//! Keys of services that were switched off early in the run; nobody deleted the keys.

use model::{Timestamp, Window};

use super::{Kind, Rhythm, Setting, Sketch};
use crate::address::AddressBook;
use crate::batch::{Batch, Grain};
use crate::chance::{self, Rng};
use crate::clock::Zone;
use crate::curve::Curve;

/// A service of the first three to ten days.
pub(crate) struct Retired;

impl Kind for Retired {
    fn name(&self) -> &'static str {
        "retired"
    }

    fn count(&self) -> u32 {
        8
    }

    fn sketch(&self, setting: &Setting, rng: &mut Rng) -> Sketch {
        let zone = Zone::draw(rng);
        let per_hour = chance::log_between(rng, 15.0, 150.0);
        let days = chance::between(rng, 3.0, 10.0);
        Sketch {
            zone,
            grain: Grain::Rolled(5),
            office_hours: false,
            environment: "staging",
            personal: false,
            long_lived: true,
            book: AddressBook::service(rng, setting.span, setting.pinned),
            rhythm: Box::new(Until {
                curve: Curve::draw(rng, zone, per_hour, false),
                millis: (days * Timestamp::DAY as f64) as i64,
            }),
        }
    }
}

/// A curve that ends.
struct Until {
    curve: Curve,
    millis: i64,
}

impl Rhythm for Until {
    fn batches(&self, span: Window, grain: Grain, rng: &mut Rng) -> Vec<Batch> {
        let end = span.start.plus(self.millis).min(span.end);
        let start = span.start;
        self.curve.batches(Window { start, end }, grain, rng)
    }
}
