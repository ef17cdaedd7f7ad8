//! A changed configuration takes effect without a stop, and one that cannot be used does not.

use serde_json::json;

use crate::support::{Broker, Encoded, Instance, Running, eventually, tools};

/// Returns events of one key from one number to another.
fn events(from: usize, to: usize) -> Vec<Encoded> {
    let event = |number: usize| {
        let time = format!("2026-05-04T12:{:02}:00Z", number % 60);
        json!({
            "id": format!("event-{number}"), "time": time, "provider": "openai",
            "account": "acme", "key": "key_a", "requests": 1,
        })
    };
    let encoded = |number| Encoded {
        key: Some("key_a".to_owned()),
        value: event(number).to_string().into_bytes(),
    };
    (from..to).map(encoded).collect()
}

fn change(instance: &Instance, change: impl Fn(&str) -> String) {
    let text = std::fs::read_to_string(instance.config()).unwrap();
    std::fs::write(instance.config(), change(&text)).unwrap();
}

/// Waits until so many events are in the history.
fn committed(instance: &Instance, running: &mut Running, rows: usize) {
    eventually("rows of all that was produced", || {
        assert!(running.ended().is_none(), "{}", running.stderr());
        if instance.commits() < 2 {
            return None;
        }
        let counts = instance.sql("SELECT count(*), count(DISTINCT event_id) FROM usage_events");
        (counts == format!("{rows},{rows}")).then_some(())
    });
}

#[test]
fn a_changed_configuration_takes_effect_in_the_same_process() {
    let Some(tools) = tools("a_changed_configuration_takes_effect_in_the_same_process") else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "[history]\ncommit_interval_secs = 1\n");
    broker.produce_encoded("usage", 1, &events(0, 20));
    broker.produce_encoded("more", 1, &events(20, 30));
    let mut running = instance.start_service();
    committed(&instance, &mut running, 20);

    // Another topic.
    change(&instance, |text| {
        text.replace("[\"usage\"]", "[\"usage\", \"more\"]")
    });
    running.signal("HUP");
    committed(&instance, &mut running, 30);
    assert!(running.stderr().contains("the configuration is read anew"));

    // What cannot be used ends nothing, in whichever way it is wrong.
    let good = std::fs::read_to_string(instance.config()).unwrap();
    for (wrong, expected) in [
        ("[detectr]\n", "did you mean"),
        ("[inventory]\nfile = \"nowhere.json\"\n", "nowhere.json"),
    ] {
        let refused = running.stderr().matches("is refused").count();
        change(&instance, |_| format!("{good}{wrong}"));
        running.signal("HUP");
        eventually("a refusal", || {
            (running.stderr().matches("is refused").count() > refused).then_some(())
        });
        assert!(running.stderr().contains(expected), "{}", running.stderr());
    }
    std::fs::write(instance.config(), &good).unwrap();
    broker.produce_encoded("usage", 1, &events(30, 35));
    committed(&instance, &mut running, 35);

    // Nothing that was read before is read again, and the signal works more than once.
    running.signal("HUP");
    eventually("the second time", || {
        (running.stderr().matches("is read anew").count() == 2
            && running.stderr().matches("caught up").count() >= 3)
            .then_some(())
    });
    broker.produce_encoded("more", 1, &events(35, 40));
    committed(&instance, &mut running, 40);
    running.signal("TERM");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let stats = instance.stats();
    assert_eq!(stats["events"], 5, "{stats}");
    assert_eq!(stats["rows_known"], 0, "{stats}");
}
