//! What partitions show together does not depend on which of them is read faster.

use std::collections::VecDeque;

use casebook::AlertFilter;
use model::{Alert, Detector, Inventory, Records, Timestamp};
use serde_json::json;

use crate::snapshots::batches;
use crate::support::Setup;

const KEYS: u64 = 12;

/// Keys that one vendor stores, two of each account.
pub(crate) fn inventory() -> Inventory {
    let keys: Vec<_> = (0..KEYS)
        .map(|key| {
            let (key, account) = (format!("k{key:02}"), format!("a{}", key / 2));
            json!({"key": key, "account": account, "vendors": ["storehouse"]})
        })
        .collect();
    serde_json::from_value(json!({ "keys": keys })).unwrap()
}

/// Weeks of calls every few minutes; then a stranger adds some to most keys, too few for an alert
/// on any of them.
pub(crate) fn abused_together() -> Vec<Vec<u8>> {
    let start = Timestamp::parse("2026-03-02T00:00:00Z").unwrap();
    let then = start.plus(23 * Timestamp::DAY + 10 * Timestamp::HOUR);
    let end = then.plus(3 * Timestamp::HOUR);
    let mut calls = Vec::new();
    for key in 0..KEYS {
        let (mut time, mut step) = (start.plus(key as i64 * 7_000), key);
        while time < end {
            calls.push((time, key, "198.51.100.7"));
            step = step
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            time = time.plus(60_000 + (step >> 40) as i64 % 360_000);
        }
        if key < 10 {
            let extra = (0..8).map(|call| then.plus(call * 480_000 + key as i64 * 7_000));
            calls.extend(extra.map(|time| (time, key, "203.0.113.9")));
        }
    }
    calls.sort_unstable();
    let line = |(at, (time, key, address)): (usize, &(Timestamp, u64, &str))| {
        let event = json!({
            "id": at.to_string(), "time": time, "provider": "openai", "model": "gpt-5-mini",
            "account": format!("a{}", key / 2), "key": format!("k{key:02}"), "requests": 1,
            "input_tokens": 100, "output_tokens": 10, "cost_usd": 0.01, "source_ip": address,
        });
        serde_json::to_vec(&event).unwrap()
    };
    calls.iter().enumerate().map(line).collect()
}

/// Reads batches of a log that fills while it is read.
async fn alerts_of(batches: VecDeque<Records>) -> Vec<Alert> {
    let mut setup = Setup::new().await;
    setup.is_live = true;
    setup.inventory = inventory();
    setup.run(batches).await;
    setup.casebook.alerts(AlertFilter::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_read_more_slowly_is_waited_for() {
    let together = batches(&abused_together(), 500);
    // The first partition comes weeks after the others.
    let (late, early): (Vec<Records>, Vec<Records>) = together
        .iter()
        .cloned()
        .partition(|records| records.partition().number == 0);
    let apart: VecDeque<Records> = early.into_iter().chain(late).collect();

    let (one, other) = (alerts_of(together).await, alerts_of(apart).await);
    let of_campaigns = one
        .iter()
        .filter(|alert| alert.detector == Detector::Campaign);
    assert!(
        of_campaigns.count() >= 3,
        "the partitions show something together: {one:?}"
    );
    assert_eq!(one, other);
}
