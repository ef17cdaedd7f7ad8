//! A record that a stage does not survive is passed over, and stalls nothing.

use serde_json::{Value, json};

use crate::kill_nine::assert_same_alerts;
use crate::support::{Broker, Encoded, Instance, four_keys, tools};

const POISON: &str = "a record that ends a stage";

fn encoded(event: &Value) -> Encoded {
    Encoded {
        key: event["key"].as_str().map(str::to_owned),
        value: event.to_string().into_bytes(),
    }
}

/// Crashes a stage at two records among good ones; all else is as it would be without them.
fn check(test: &str, place: &str, begins_anew: usize) {
    let Some(tools) = tools(test) else { return };
    let good = four_keys();
    let broker = Broker::start(&tools);
    let records: Vec<Encoded> = good.iter().map(encoded).collect();
    broker.produce_encoded("undisturbed", 2, &records);
    let mut records = records;
    let poison = |key: &str, time: &Value| {
        encoded(&json!({
            "id": format!("{POISON} {key}"), "time": time, "provider": "openai", "key": key,
            "account": "account0", "requests": 1, "user_agent": POISON,
        }))
    };
    // The first comes before the spike, the other at the end.
    let (first, last) = (good.len() / 2, good.len());
    records.insert(last, poison("key_3", &good[last - 1]["time"]));
    records.insert(first, poison("key_0", &good[first]["time"]));
    let places = broker.produce_encoded("usage", 2, &records);
    let expected: Vec<(u64, u64)> = vec![places[first], places[last + 1]];

    let undisturbed = Instance::new(&broker, "");
    let config = std::fs::read_to_string(undisturbed.config()).unwrap();
    std::fs::write(
        undisturbed.config(),
        config.replace("\"usage\"", "\"undisturbed\""),
    )
    .unwrap();
    undisturbed.run_until_end();
    let mut instance = Instance::new(&broker, "");
    instance.set_variable("SPIKEWATCH_TEST_FAULT", &format!("{place}:{POISON}"));
    let outcome = instance.start_until_end().wait();
    let count = outcome.stderr.matches("begin anew").count();
    assert_eq!(count, begins_anew, "{}", outcome.stderr);
    outcome.good();

    let letters = instance
        .sql_rows("SELECT \"partition\", \"offset\", reason, detail, payload FROM dead_letters");
    let mut found: Vec<(u64, u64)> = Vec::new();
    for letter in &letters {
        assert_eq!(letter["reason"], "crash", "{letter}");
        assert!(
            letter["detail"]
                .as_str()
                .unwrap()
                .contains("a defect of the program")
        );
        found.push((
            letter["partition"].as_u64().unwrap(),
            letter["offset"].as_u64().unwrap(),
        ));
    }
    found.sort_unstable();
    let mut expected = expected;
    expected.sort_unstable();
    assert_eq!(found, expected, "each once");
    let sums = "SELECT count(*), sum(input_tokens), sum(cost_usd) FROM usage_events";
    assert_eq!(instance.sql(sums), undisturbed.sql(sums));
    let alerts = undisturbed.alerts();
    assert!(!alerts.is_empty(), "the spike is found");
    assert_same_alerts(&instance.alerts(), &alerts);
    // What is known to crash is passed over the next time, too.
    std::fs::remove_dir_all(instance.data_dir().join("snapshots")).unwrap();
    let outcome = instance.start_until_end().wait();
    assert!(!outcome.stderr.contains("begin anew"), "{}", outcome.stderr);
    outcome.good();
    assert_eq!(instance.sql(sums), undisturbed.sql(sums));
}

#[test]
fn a_record_that_ends_decoding_is_a_dead_letter_at_once() {
    check(
        "a_record_that_ends_decoding_is_a_dead_letter_at_once",
        "decode",
        0,
    );
}

#[test]
fn a_record_that_ends_judging_is_found_and_passed_over() {
    // Twice for each: what was in work, then the record.
    check(
        "a_record_that_ends_judging_is_found_and_passed_over",
        "judge",
        4,
    );
}
