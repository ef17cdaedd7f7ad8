//! Producers with transactions: only what was committed is read, and the end is found behind it.

use serde_json::Value;

use crate::support::{Broker, Instance, Usage, tools, write_lines};

#[test]
fn aborted_records_are_not_read_and_markers_at_the_end_do_not_hold_it_up() {
    let Some(tools) =
        tools("aborted_records_are_not_read_and_markers_at_the_end_do_not_hold_it_up")
    else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "");
    let usage = Usage {
        key: "key_1".to_owned(),
        account: "acme".to_owned(),
        days: 10,
        spike: false,
    };
    let events: Vec<Value> = usage.events();
    let file = instance.folder().join("events.jsonl");
    write_lines(&file, &events);
    assert_eq!(broker.transact("usage", 4, &file), events.len() as u64);

    let stats = instance.run_until_end();
    assert_eq!(stats["events"], events.len());
    assert_eq!(stats["rows_written"], events.len());
    let aborted = "SELECT count(*) FROM usage_events WHERE event_id LIKE 'aborted%'";
    assert_eq!(instance.sql(aborted), "0");
}
