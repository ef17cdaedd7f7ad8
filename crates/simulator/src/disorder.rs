//! The order of arrival: what comes late, and what comes twice.

use model::Timestamp;
use rand::RngExt;

use crate::chance::{self, Rng};
use crate::event::SimulatedEvent;

/// A share of the events, and the range of their lateness in milliseconds.
const LATE: [(f64, i64, i64); 3] = [
    (0.01, 1, Timestamp::MINUTE),
    (0.003, 2 * Timestamp::MINUTE, 30 * Timestamp::MINUTE),
    (0.0003, Timestamp::HOUR, 8 * Timestamp::HOUR),
];

/// The share of exact duplicates, and how long after the first they may come.
const DUPLICATES: f64 = 0.003;
const DUPLICATE_MILLIS: u32 = 5 * 60 * 1000;

/// Makes some of `events` late and adds duplicates at the end.
pub(crate) fn disturb(events: &mut Vec<SimulatedEvent>, rng: &mut Rng) {
    let mut duplicates = Vec::new();
    for event in events.iter_mut() {
        let mut left = rng.random::<f64>();
        let late = LATE.iter().find(|(share, _, _)| {
            left -= share;
            left < 0.0
        });
        if let Some(&(_, least, most)) = late {
            event.late_millis = rng.random_range(least..=most) as u32;
        }
        if chance::happens(rng, DUPLICATES) {
            let mut duplicate = event.clone();
            duplicate.late_millis += rng.random_range(0..=DUPLICATE_MILLIS);
            duplicates.push(duplicate);
        }
    }
    events.append(&mut duplicates);
}

/// Sorts events by arrival; equal arrivals by id, which does not depend on the key's place.
pub(crate) fn sort_by_arrival(events: &mut [SimulatedEvent]) {
    events.sort_unstable_by_key(|event| (event.arrival(), event.time, event.id));
}
