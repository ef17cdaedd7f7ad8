//! Keys of continuous integration: a few minutes of tests for each build.

use model::Window;
use rand::RngExt;

use super::{Kind, Rhythm, Setting, Sketch};
use crate::address::AddressBook;
use crate::batch::{Batch, Grain};
use crate::chance::{self, Rng};
use crate::clock::{self, Zone};

/// A key that builds use.
pub(crate) struct Ci;

impl Kind for Ci {
    fn name(&self) -> &'static str {
        "ci"
    }

    fn count(&self) -> u32 {
        25
    }

    fn sketch(&self, setting: &Setting, rng: &mut Rng) -> Sketch {
        let zone = Zone::draw(rng);
        Sketch {
            zone,
            grain: Grain::Single,
            office_hours: false,
            environment: "ci",
            personal: false,
            long_lived: false,
            book: AddressBook::runners(rng, setting.span),
            rhythm: Box::new(Builds {
                zone,
                per_day: chance::log_between(rng, 2.0, 12.0),
                requests: chance::log_between(rng, 8.0, 40.0),
                weekends: chance::between(rng, 0.0, 0.05),
            }),
        }
    }
}

/// Builds on working days.
struct Builds {
    zone: Zone,
    per_day: f64,
    /// The median requests of a build.
    requests: f64,
    /// The builds of a day of the weekend against those of a working day.
    weekends: f64,
}

impl Rhythm for Builds {
    fn batches(&self, span: Window, grain: Grain, rng: &mut Rng) -> Vec<Batch> {
        let mut out = Vec::new();
        for day in self.zone.day(span.start)..=self.zone.day(span.end) {
            let factor = if clock::day_is_weekend(day) {
                self.weekends
            } else {
                1.0
            };
            for _ in 0..chance::poisson(rng, self.per_day * factor) {
                // Two draws make the middle of the day the busiest.
                let middle = (rng.random::<f64>() + rng.random::<f64>()) / 2.0;
                let hour = 8.0 + 12.0 * middle;
                let requests = self.requests * chance::normal(rng, 0.0, 0.35).exp();
                let start = self.zone.at(day, hour);
                let end = start.plus(clock::hours(chance::between(rng, 1.0, 8.0) / 60.0));
                let requests = requests.round().clamp(5.0, 60.0) as u32;
                grain.scatter(requests, Window { start, end }, rng, &mut out);
            }
        }
        grain.settle(out, span)
    }
}
