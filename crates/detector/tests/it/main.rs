//! What the detector promises whatever the order, the cut or the key.

mod allocated;
mod bound;
mod families;
mod hostile;
mod ledgers;
mod snapshot;
mod support;

use std::sync::Arc;

use detector::{DetectorConfig, KeyDirectory, PartitionDetector};
use model::{Alert, Inventory, KeyEntry, Severity, Timestamp};
use proptest::prelude::*;

use support::{Call, batch, start, steady_weeks};

const KEY: &str = "key_1";

fn detector() -> PartitionDetector {
    let entry = KeyEntry {
        key: KEY.into(),
        vendors: vec!["storehouse".into()],
        owner: Some("checkout".into()),
        ..KeyEntry::default()
    };
    let inventory = Inventory {
        keys: vec![entry],
        changes: vec![],
    };
    PartitionDetector::new(
        DetectorConfig::default(),
        Arc::new(KeyDirectory::new(&inventory)),
    )
}

fn run(calls: &[Call], cut: usize) -> Vec<Alert> {
    let mut detector = detector();
    let mut alerts: Vec<Alert> = Vec::new();
    for calls in calls.chunks(cut) {
        detector.observe(&batch(calls), &mut alerts);
    }
    detector.finish(&mut alerts);
    alerts
}

/// Three steady weeks, then `factor` times as much for two hours from `address`.
fn with_spike(factor: u64, address: &'static str) -> Vec<Call> {
    let mut calls = steady_weeks(KEY, 3);
    let spike = start().plus(21 * Timestamp::DAY + 4 * Timestamp::HOUR);
    for minute in 0..120 {
        let mut call = Call::at(spike.plus(minute * Timestamp::MINUTE), KEY);
        call.requests = factor;
        call.cost_usd = 0.05 * factor as f64;
        call.address = address;
        calls.push(call);
    }
    calls.sort_by_key(|call| call.time);
    calls
}

#[test]
fn a_steady_key_raises_nothing() {
    assert_eq!(run(&steady_weeks(KEY, 5), 1000).len(), 0);
}

#[test]
fn a_spike_is_told_once_with_evidence_and_money() {
    let alerts = run(&with_spike(200, "203.0.113.9"), 1000);
    let first = &alerts[0];
    assert!(
        alerts.iter().all(|alert| alert.alert_id == first.alert_id),
        "one episode, one alert"
    );
    let revisions: Vec<u32> = alerts.iter().map(|alert| alert.revision).collect();
    assert_eq!(revisions, (0..alerts.len() as u32).collect::<Vec<_>>());
    let spike = start().plus(21 * Timestamp::DAY + 4 * Timestamp::HOUR);
    assert!(
        first.raised_at.millis() - spike.millis() <= 3 * Timestamp::MINUTE,
        "{first:?}"
    );
    assert!(first.raised_at >= spike, "never earlier than its data");
    assert_eq!(first.stored_with, ["storehouse"]);
    assert_eq!(first.owner.as_deref(), Some("checkout"));
    assert!(
        first
            .top_contributors
            .iter()
            .any(|c| c.value == "203.0.113.9" && c.first_seen)
    );
    let last = alerts.last().unwrap();
    assert!(last.ended);
    assert_eq!(last.severity, Severity::Critical);
    let spent = 120.0 * 0.05 * 200.0;
    let told = last.cost_so_far_usd.to_usd();
    assert!((told / spent - 1.0).abs() < 0.05, "{told} of {spent}");
    assert!(last.observed > last.expected_high && last.expected_high > last.expected);
}

#[test]
fn a_second_spike_the_next_week_is_another_alert() {
    let mut calls = with_spike(200, "203.0.113.9");
    let again = start().plus(28 * Timestamp::DAY + 9 * Timestamp::HOUR);
    calls.retain(|call| call.time < again);
    calls.extend(steady_weeks(KEY, 5).into_iter().filter(|call| {
        call.time >= start().plus(21 * Timestamp::DAY) && call.time < again.plus(Timestamp::DAY)
    }));
    for minute in 0..60 {
        let mut call = Call::at(again.plus(minute * Timestamp::MINUTE), KEY);
        call.requests = 2000;
        calls.push(call);
    }
    calls.sort_by_key(|call| call.time);
    let alerts = run(&calls, 1000);
    let mut ids: Vec<_> = alerts.iter().map(|alert| alert.alert_id.clone()).collect();
    ids.dedup();
    assert_eq!(
        ids.len(),
        2,
        "the first spike does not blind the key for the second"
    );
}

#[test]
fn a_row_from_the_future_of_its_partition_does_not_hide_what_follows() {
    let mut calls = with_spike(200, "203.0.113.9");
    let other = Call::at(
        start().plus(21 * Timestamp::DAY + 4 * Timestamp::HOUR),
        "key_other",
    );
    calls.push(other);
    calls.sort_by_key(|call| call.time);
    assert!(!run(&calls, 100).is_empty());
}

/// What must be equal whatever the interleaving: the last closed telling of each alert.
fn closed(alerts: &[Alert]) -> Vec<String> {
    let mut last: Vec<&Alert> = Vec::new();
    for alert in alerts {
        last.retain(|known| known.alert_id != alert.alert_id);
        last.push(alert);
    }
    let text = |alert: &&Alert| {
        let mut alert = (*alert).clone();
        // How often it was told depends on when it was first noticed.
        alert.revision = 0;
        serde_json::to_string(&alert).expect("an alert is JSON")
    };
    last.iter().map(text).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_cut_of_the_rows_gives_the_same_alerts(cut in 1usize..5000, factor in 20u64..400) {
        let calls = with_spike(factor, "203.0.113.9");
        prop_assert_eq!(run(&calls, cut), run(&calls, usize::MAX));
    }

    #[test]
    fn any_order_within_the_lateness_gives_the_same_alerts_once_closed(
        seed in any::<u64>(),
        factor in 20u64..400,
    ) {
        let calls = with_spike(factor, "203.0.113.9");
        let mut shuffled: Vec<(i64, usize)> = calls
            .iter()
            .enumerate()
            .map(|(at, call)| {
                // Each row is late by up to 100 seconds of the 120 that are allowed.
                let mixed = (at as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
                (call.time.millis() + (mixed % 100_000) as i64, at)
            })
            .collect();
        shuffled.sort_unstable();
        let shuffled: Vec<Call> = shuffled.iter().map(|&(_, at)| calls[at].clone()).collect();
        prop_assert_eq!(closed(&run(&shuffled, 777)), closed(&run(&calls, 777)));
    }
}
