//! The kinds of keys. A new one is a file here and a line in [`ALL`], or in a scenario.

mod ci;
mod dormant;
mod high_volume;
mod hourly_service;
mod job;
mod person;
mod retired;
mod service;
mod sparse;

use model::Window;

use crate::address::AddressBook;
use crate::batch::{Batch, Grain};
use crate::chance::Rng;
use crate::clock::Zone;

pub(crate) use ci::Ci;
pub(crate) use dormant::Dormant;
pub(crate) use high_volume::HighVolume;
pub(crate) use hourly_service::HourlyService;
pub(crate) use job::Job;
pub(crate) use person::Person;
pub(crate) use retired::Retired;
pub(crate) use service::Service;
pub(crate) use sparse::Sparse;

/// Every kind of a full run, in the order of the inventory.
pub(crate) const ALL: [&dyn Kind; 7] =
    [&HighVolume, &Service, &Person, &Job, &Ci, &Sparse, &Dormant];

/// A kind of key.
pub(crate) trait Kind: Sync {
    /// Returns the class in the labels, which also names the kind's random streams.
    fn name(&self) -> &'static str;

    /// Returns how many there are in a full run.
    fn count(&self) -> u32;

    /// Draws one key.
    fn sketch(&self, setting: &Setting, rng: &mut Rng) -> Sketch;
}

/// What a kind is told about the key it draws.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// The whole run.
    pub(crate) span: Window,
    /// The number of the key in its kind.
    pub(crate) number: u64,
    /// Whether the key allows only the addresses it begins with.
    pub(crate) pinned: bool,
}

/// One key as its kind draws it.
pub(crate) struct Sketch {
    pub(crate) zone: Zone,
    pub(crate) grain: Grain,
    pub(crate) office_hours: bool,
    pub(crate) environment: &'static str,
    /// Whether a person owns it, not a team.
    pub(crate) personal: bool,
    /// Whether it must be older than the run.
    pub(crate) long_lived: bool,
    pub(crate) book: AddressBook,
    pub(crate) rhythm: Box<dyn Rhythm>,
}

/// When an owner sends requests.
pub(crate) trait Rhythm {
    /// Draws all requests in `span`, sorted by time.
    fn batches(&self, span: Window, grain: Grain, rng: &mut Rng) -> Vec<Batch>;
}

#[cfg(test)]
mod tests {
    use model::Timestamp;

    use super::*;
    use crate::chance;

    /// Returns the requests a day of each of `keys` keys of a kind over four weeks.
    fn per_day(kind: &dyn Kind, keys: u64) -> Vec<f64> {
        let start = Timestamp::parse("2026-04-06T00:00:00Z").unwrap();
        let end = start.plus(28 * Timestamp::DAY);
        let span = Window { start, end };
        let daily = |number| {
            let mut rng = chance::stream(11, "test", kind.name(), number);
            let setting = Setting {
                span,
                number,
                pinned: false,
            };
            let sketch = kind.sketch(&setting, &mut rng);
            let batches = sketch.rhythm.batches(span, sketch.grain, &mut rng);
            assert!(batches.is_sorted_by_key(|batch| batch.time));
            assert!(batches.iter().all(|b| b.time >= start && b.time <= end));
            batches.iter().map(|b| f64::from(b.requests)).sum::<f64>() / 28.0
        };
        (0..keys).map(daily).collect()
    }

    fn check(kind: &dyn Kind, keys: u64, mean_between: std::ops::Range<f64>) {
        let daily = per_day(kind, keys);
        let mean = daily.iter().sum::<f64>() / keys as f64;
        assert!(mean_between.contains(&mean), "{}: {mean}", kind.name());
    }

    #[test]
    fn volumes_are_those_of_the_specification() {
        check(&HighVolume, 4, 12.0 * 1440.0 * 0.7..300.0 * 1440.0);
        check(&Person, 20, 15.0..70.0);
        check(&Ci, 10, 20.0..500.0);
        check(&Sparse, 20, 0.4..6.0);
        check(&Dormant, 20, 0.0..1.0);
        let mut services = per_day(&Service, 15);
        services.sort_by(f64::total_cmp);
        assert!(
            (15.0..110.0).contains(&(services[7] / 24.0)),
            "{services:?}"
        );
    }

    #[test]
    fn an_hourly_service_is_one_whose_collector_tells_hours() {
        check(&HourlyService, 15, 200.0..4000.0);
        let start = Timestamp::parse("2026-04-06T00:00:00Z").unwrap();
        let setting = Setting {
            span: Window {
                start,
                end: start.plus(7 * Timestamp::DAY),
            },
            number: 0,
            pinned: false,
        };
        let mut rng = chance::stream(11, "test", "hourly", 0);
        let sketch = HourlyService.sketch(&setting, &mut rng);
        let batches = sketch.rhythm.batches(setting.span, sketch.grain, &mut rng);
        let is_hour = |batch: &Batch| batch.time.millis() % Timestamp::HOUR == 0;
        assert!(batches.iter().all(is_hour));
        assert!(batches.len() <= 7 * 24);
    }

    #[test]
    fn a_retired_key_is_busy_for_days_and_then_silent() {
        check(&Retired, 15, 100.0..1000.0);
        let start = Timestamp::parse("2026-04-06T00:00:00Z").unwrap();
        let end = start.plus(28 * Timestamp::DAY);
        let span = Window { start, end };
        for number in 0..8 {
            let mut rng = chance::stream(11, "test", "retired", number);
            let setting = Setting {
                span,
                number,
                pinned: false,
            };
            let sketch = Retired.sketch(&setting, &mut rng);
            let batches = sketch.rhythm.batches(span, sketch.grain, &mut rng);
            let last = batches.last().unwrap().time;
            assert!(last > start.plus(2 * Timestamp::DAY), "{last}");
            assert!(last < start.plus(11 * Timestamp::DAY), "{last}");
        }
    }

    #[test]
    fn a_person_sends_30_to_90_requests_on_a_working_day() {
        let start = Timestamp::parse("2026-04-06T00:00:00Z").unwrap();
        let end = start.plus(28 * Timestamp::DAY);
        let span = Window { start, end };
        let mut rng = chance::stream(11, "test", "person", 99);
        let setting = Setting {
            span,
            number: 0,
            pinned: false,
        };
        let sketch = Person.sketch(&setting, &mut rng);
        let batches = sketch.rhythm.batches(span, sketch.grain, &mut rng);
        let day = |batch: &Batch| sketch.zone.day(batch.time);
        // The first and the last day are cut by the run, rounding may take a few.
        let days: Vec<_> = batches.chunk_by(|a, b| day(a) == day(b)).collect();
        assert!((17..=28).contains(&days.len()), "{}", days.len());
        for requests in &days[1..days.len() - 1] {
            assert!((26..=94).contains(&requests.len()), "{}", requests.len());
        }
    }

    #[test]
    fn names_are_distinct_and_the_full_run_has_about_260() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), ALL.len());
        let keys: u32 = ALL.iter().map(|kind| kind.count()).sum();
        assert!((250..=270).contains(&keys), "{keys}");
    }
}
