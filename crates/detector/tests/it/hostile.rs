//! Input that nobody should send and somebody will.

use std::sync::Arc;

use detector::{DetectorConfig, KeyDirectory, PartitionDetector};
use model::{Alert, Inventory, Timestamp};

use crate::support::{Call, batch, start, steady_weeks};

const KEY: &str = "key_1";

fn run(calls: &[Call]) -> (Vec<Alert>, PartitionDetector) {
    let directory = Arc::new(KeyDirectory::new(&Inventory::default()));
    let mut detector = PartitionDetector::new(DetectorConfig::default(), directory);
    let mut alerts: Vec<Alert> = Vec::new();
    for calls in calls.chunks(500) {
        detector.observe(&batch(calls), &mut alerts);
    }
    detector.finish(&mut alerts);
    (alerts, detector)
}

#[test]
fn the_largest_amounts_overflow_nothing() {
    let mut calls = steady_weeks(KEY, 3);
    let end = calls.last().expect("there are some").time;
    for at in 0..200 {
        let mut call = Call::at(end.plus(at * 1000), KEY);
        call.cost_usd = 999_999_999.0;
        call.requests = i64::MAX as u64 / 2_000;
        calls.push(call);
    }
    let mut young = Call::at(end.plus(300_000), "key_young");
    young.cost_usd = 999_999_999.0;
    calls.extend(std::iter::repeat_n(young, 40));
    let (alerts, _) = run(&calls);
    assert!(alerts.iter().all(|alert| alert.score.is_finite()));
    assert!(alerts.iter().any(|alert| alert.key_id == KEY));
}

#[test]
fn one_row_of_the_far_future_ends_nothing() {
    let spike = start().plus(21 * Timestamp::DAY + 4 * Timestamp::HOUR);
    let mut calls = steady_weeks(KEY, 3);
    for minute in 0..60 {
        let mut call = Call::at(spike.plus(minute * Timestamp::MINUTE), KEY);
        call.requests = 900;
        call.cost_usd = 40.0;
        call.address = "203.0.113.9";
        calls.push(call);
    }
    let without = run(&calls).0.len();
    let ahead = Timestamp::parse("2099-12-31T00:00:00Z").expect("a constant");
    calls.insert(2000, Call::at(ahead, KEY));
    let (alerts, detector) = run(&calls);
    assert_eq!(alerts.len(), without);
    assert_eq!(detector.vitals().too_late, 1);
}

#[test]
fn a_stream_may_pause_for_a_week() {
    let mut calls = steady_weeks(KEY, 2);
    let mut later = steady_weeks(KEY, 1);
    for call in &mut later {
        call.time = call.time.plus(21 * Timestamp::DAY);
    }
    let count = later.len() as u64;
    calls.extend(later);
    let (_, detector) = run(&calls);
    let lost = detector.vitals().too_late;
    assert!(lost <= 1, "{lost} of {count} rows after the pause");
}

#[test]
fn thousands_of_addresses_hide_no_stranger() {
    let addresses: Vec<&'static str> = (0..200)
        .map(|at| &*format!("198.51.100.{at}").leak())
        .collect();
    let strangers: Vec<&'static str> = (0..250)
        .map(|at| &*format!("203.0.{at}.7").leak())
        .collect();
    let mut calls = steady_weeks(KEY, 3);
    for (at, call) in calls.iter_mut().enumerate() {
        call.address = addresses[at % addresses.len()];
    }
    let spike = start().plus(21 * Timestamp::DAY - 5 * Timestamp::HOUR);
    for at in 0..900 {
        let mut call = Call::at(spike.plus(at * 2000 + 7), KEY);
        call.address = strangers[at as usize % strangers.len()];
        calls.push(call);
    }
    calls.sort_by_key(|call| call.time);
    let (alerts, _) = run(&calls);
    let found = alerts.iter().find(|alert| alert.raised_at >= spike);
    let found = found.expect("hundreds of proxies are one stranger");
    assert!(
        found
            .evidence
            .iter()
            .any(|evidence| evidence.family == "caller")
    );
}
