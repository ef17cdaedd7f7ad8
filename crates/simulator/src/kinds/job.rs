//! Scheduled jobs: on the minute, with sizes that vary.

use model::{Timestamp, Window};
use rand::RngExt;

use super::{Kind, Rhythm, Setting, Sketch};
use crate::address::AddressBook;
use crate::batch::{Batch, Grain};
use crate::chance::{self, Rng};
use crate::clock::{self, Zone};

/// A job that runs every 15 minutes, hourly, daily or every second day.
pub(crate) struct Job;

/// Hours between runs, and the range of the mean size of a run.
const SCHEDULES: [(f64, f64, f64); 4] = [
    (0.25, 3.0, 40.0),
    (1.0, 5.0, 120.0),
    (24.0, 40.0, 1500.0),
    (48.0, 60.0, 2000.0),
];

impl Kind for Job {
    fn name(&self) -> &'static str {
        "job"
    }

    fn count(&self) -> u32 {
        40
    }

    fn sketch(&self, setting: &Setting, rng: &mut Rng) -> Sketch {
        let zone = Zone::draw(rng);
        let (every_hours, low, high) = SCHEDULES[(setting.number % 4) as usize];
        let phase_hours = chance::between(rng, 0.0, every_hours);
        let size = chance::log_between(rng, low, high);
        Sketch {
            zone,
            grain: Grain::Rolled(1),
            office_hours: false,
            environment: "prod",
            personal: false,
            long_lived: false,
            book: AddressBook::service(rng, setting.span, setting.pinned),
            rhythm: Box::new(Schedule {
                every_millis: clock::hours(every_hours),
                phase_millis: clock::hours(phase_hours),
                size,
                variation: chance::between(rng, 0.1, 0.7),
                per_minute: chance::log_between(rng, 8.0, 80.0),
                skipped: chance::between(rng, 0.0, 0.02),
            }),
        }
    }
}

/// Runs at even distances.
struct Schedule {
    every_millis: i64,
    phase_millis: i64,
    /// The mean requests of a run.
    size: f64,
    /// The coefficient of variation of the size.
    variation: f64,
    /// How fast a run sends its requests.
    per_minute: f64,
    /// The chance that a run does not take place.
    skipped: f64,
}

impl Rhythm for Schedule {
    fn batches(&self, span: Window, grain: Grain, rng: &mut Rng) -> Vec<Batch> {
        let mut out = Vec::new();
        let mut due = span.start.plus(self.phase_millis);
        while due < span.end {
            let mean = chance::log_normal(rng, self.size, self.variation);
            let requests = chance::poisson(rng, mean).max(1);
            let lag = chance::between(rng, 0.0, 45.0 * Timestamp::SECOND as f64);
            if rng.random::<f64>() >= self.skipped {
                let start = due.plus(lag as i64);
                let minutes = f64::from(requests) / self.per_minute;
                let longest = self.every_millis as f64 * 0.6;
                let width = (minutes * Timestamp::MINUTE as f64).clamp(5_000.0, longest);
                let end = start.plus(width as i64);
                grain.scatter(requests, Window { start, end }, rng, &mut out);
            }
            due = due.plus(self.every_millis);
        }
        grain.settle(out, span)
    }
}
