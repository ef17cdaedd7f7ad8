//! Baselines that no snapshot has come back from the history.

use serde_json::Value;

use crate::kill_nine::assert_same_alerts;
use crate::support::{Broker, Encoded, Instance, four_keys, tools};

/// Weeks of keys, the spike of one of them apart.
fn usage() -> (Vec<Value>, Vec<Value>) {
    let is_before = |event: &Value| event["time"].as_str().unwrap() < "2026-03-20T18:00:00Z";
    four_keys().into_iter().partition(is_before)
}

fn produce(broker: &Broker, events: &[Value]) {
    let encoded = |event: &Value| Encoded {
        key: event["key"].as_str().map(str::to_owned),
        value: event.to_string().into_bytes(),
    };
    let records: Vec<Encoded> = events.iter().map(encoded).collect();
    broker.produce_encoded("usage", 2, &records);
}

#[test]
fn baselines_come_back_from_the_history() {
    let Some(tools) = tools("baselines_come_back_from_the_history") else {
        return;
    };
    let (weeks, spike) = usage();
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "");
    instance.run(["backfill"]).fails(1, &["usage"]);
    produce(&broker, &weeks);
    instance.run_until_end();
    instance
        .run(["backfill"])
        .fails(2, &["snapshot", "--replace"]);

    let snapshots = instance.data_dir().join("snapshots");
    std::fs::remove_dir_all(&snapshots).unwrap();
    let learned = instance.run(["backfill"]).good();
    let counted = format!("{} rows of 2 partitions learned, 4 keys", weeks.len());
    assert!(learned.contains(&counted), "{learned}");
    instance.run(["backfill", "--replace"]).good();

    produce(&broker, &spike);
    let stats = instance.run_until_end();
    assert_eq!(stats["events"], spike.len(), "the weeks are not read again");
    let undisturbed = Instance::new(&broker, "");
    undisturbed.run_until_end();
    let alerts = undisturbed.alerts();
    assert!(!alerts.is_empty(), "the spike is found");
    assert_same_alerts(&instance.alerts(), &alerts);
}
