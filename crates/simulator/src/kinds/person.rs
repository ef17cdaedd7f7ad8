//! People: a few sessions on working days, rarely in the evening or at a weekend.

use model::Window;
use rand::RngExt;

use super::{Kind, Rhythm, Setting, Sketch};
use crate::address::AddressBook;
use crate::batch::{Batch, Grain};
use crate::chance::{self, Rng};
use crate::clock::{self, Zone};

/// A person who uses a key by hand or from an editor.
pub(crate) struct Person;

impl Kind for Person {
    fn name(&self) -> &'static str {
        "person"
    }

    fn count(&self) -> u32 {
        60
    }

    fn sketch(&self, setting: &Setting, rng: &mut Rng) -> Sketch {
        let zone = Zone::draw(rng);
        Sketch {
            zone,
            grain: Grain::Single,
            office_hours: true,
            environment: "dev",
            personal: true,
            long_lived: false,
            book: AddressBook::person(rng, setting.span),
            rhythm: Box::new(Sessions {
                zone,
                per_day: chance::between(rng, 38.0, 80.0),
                sessions: chance::between(rng, 3.0, 5.0),
                evenings: chance::between(rng, 0.01, 0.1),
                weekends: chance::between(rng, 0.0, 0.08),
            }),
        }
    }
}

/// Working days in sessions.
struct Sessions {
    zone: Zone,
    per_day: f64,
    sessions: f64,
    /// The chance of a session in the evening.
    evenings: f64,
    /// The chance of work on a day of the weekend.
    weekends: f64,
}

impl Sessions {
    fn day(&self, day: i64, rng: &mut Rng, out: &mut Vec<Batch>) {
        let count = 1 + chance::poisson(rng, self.sessions - 1.0).min(7);
        let mut hours: Vec<(f64, f64)> = (0..count)
            .map(|_| (chance::between(rng, 8.5, 17.7), 18.5))
            .collect();
        if chance::happens(rng, self.evenings) {
            hours.push((chance::between(rng, 19.5, 22.0), 23.5));
        }
        // The day's total is drawn first and then dealt to the sessions, so that a day with
        // many of them is not a day with many requests.
        let total = (self.per_day * chance::log_normal(rng, 1.0, 0.3)).clamp(30.0, 90.0);
        let weights: Vec<f64> = hours.iter().map(|_| chance::gamma(rng, 1.0, 4.0)).collect();
        let sum: f64 = weights.iter().sum();
        for ((start, latest), weight) in hours.into_iter().zip(weights) {
            let end = (start + chance::between(rng, 0.2, 1.4)).min(latest);
            let window = Window {
                start: self.zone.at(day, start),
                end: self.zone.at(day, end),
            };
            let requests = (total * weight / sum).round() as u32;
            Grain::Single.scatter(requests, window, rng, out);
        }
    }
}

impl Rhythm for Sessions {
    fn batches(&self, span: Window, grain: Grain, rng: &mut Rng) -> Vec<Batch> {
        let mut out = Vec::new();
        for day in self.zone.day(span.start)..=self.zone.day(span.end) {
            // Now and then a working day is a holiday.
            let chance_of_work = if clock::day_is_weekend(day) {
                self.weekends
            } else {
                0.96
            };
            if rng.random::<f64>() < chance_of_work {
                self.day(day, rng, &mut out);
            }
        }
        grain.settle(out, span)
    }
}
