//! Sparse keys: a few requests a day, or a few a week.

use model::Window;
use rand::RngExt;

use super::{Kind, Rhythm, Setting, Sketch};
use crate::address::AddressBook;
use crate::batch::{Batch, Grain};
use crate::chance::{self, Rng};
use crate::clock::{self, Zone};

/// A key with 0.4 to 6 requests a day.
pub(crate) struct Sparse;

impl Kind for Sparse {
    fn name(&self) -> &'static str {
        "sparse"
    }

    fn count(&self) -> u32 {
        40
    }

    fn sketch(&self, setting: &Setting, rng: &mut Rng) -> Sketch {
        let zone = Zone::draw(rng);
        Sketch {
            zone,
            grain: Grain::Single,
            office_hours: false,
            environment: chance::pick(rng, &["prod", "staging", "dev"]),
            personal: false,
            long_lived: false,
            book: AddressBook::service(rng, setting.span, setting.pinned),
            rhythm: Box::new(NowAndThen {
                zone,
                per_day: chance::log_between(rng, 0.4, 6.0),
                daytime: chance::between(rng, 0.5, 1.0),
            }),
        }
    }
}

/// Single requests, mostly by day.
struct NowAndThen {
    zone: Zone,
    per_day: f64,
    /// The share of requests between 8 and 20 o'clock.
    daytime: f64,
}

impl Rhythm for NowAndThen {
    fn batches(&self, span: Window, grain: Grain, rng: &mut Rng) -> Vec<Batch> {
        let mut out = Vec::new();
        for day in self.zone.day(span.start)..=self.zone.day(span.end) {
            let factor = if clock::day_is_weekend(day) {
                0.6
            } else {
                1.16
            };
            for _ in 0..chance::poisson(rng, self.per_day * factor) {
                let by_day = rng.random::<f64>() < self.daytime;
                let hour = if by_day {
                    chance::between(rng, 8.0, 20.0)
                } else {
                    chance::between(rng, 0.0, 24.0)
                };
                out.push(Batch {
                    time: grain.stamp(self.zone.at(day, hour)),
                    requests: 1,
                });
            }
        }
        grain.settle(out, span)
    }
}
