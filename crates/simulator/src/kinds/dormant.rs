//! Dormant keys: last used in the first days, or never.

use model::{Timestamp, Window};
use rand::RngExt;

use super::{Kind, Rhythm, Setting, Sketch};
use crate::address::AddressBook;
use crate::batch::{Batch, Grain};
use crate::chance::{self, Rng};
use crate::clock::{self, Zone};

/// A key that somebody forgot.
pub(crate) struct Dormant;

impl Kind for Dormant {
    fn name(&self) -> &'static str {
        "dormant"
    }

    fn count(&self) -> u32 {
        20
    }

    fn sketch(&self, setting: &Setting, rng: &mut Rng) -> Sketch {
        Sketch {
            zone: Zone::draw(rng),
            grain: Grain::Single,
            office_hours: false,
            environment: chance::pick(rng, &["prod", "staging", "dev"]),
            personal: false,
            long_lived: true,
            book: AddressBook::service(rng, setting.span, setting.pinned),
            rhythm: Box::new(LastUse {
                requests: if chance::happens(rng, 0.4) {
                    0
                } else {
                    rng.random_range(1..25)
                },
                hours: chance::between(rng, 2.0, 96.0),
            }),
        }
    }
}

/// A few requests at the beginning, then silence.
struct LastUse {
    requests: u32,
    hours: f64,
}

impl Rhythm for LastUse {
    fn batches(&self, span: Window, grain: Grain, rng: &mut Rng) -> Vec<Batch> {
        let hours = self.hours.max(1.0 / Timestamp::HOUR as f64);
        let end = span.start.plus(clock::hours(hours)).min(span.end);
        let mut out = Vec::new();
        let window = Window {
            start: span.start,
            end,
        };
        grain.scatter(self.requests, window, rng, &mut out);
        grain.settle(out, span)
    }
}
