//! A changed configuration takes effect without a stop, and one that cannot be used does not.

use crate::support::{Broker, Instance, events, eventually, tools};

#[test]
fn a_changed_configuration_takes_effect_in_the_same_process() {
    let Some(tools) = tools("a_changed_configuration_takes_effect_in_the_same_process") else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "[history]\ncommit_interval_secs = 1\n");
    broker.produce_encoded("usage", 1, &events(0..20));
    broker.produce_encoded("more", 1, &events(20..30));
    let mut running = instance.start_service();
    instance.await_rows(&mut running, 20);

    // Another topic.
    instance.change_config(|text| text.replace("[\"usage\"]", "[\"usage\", \"more\"]"));
    running.signal("HUP");
    instance.await_rows(&mut running, 30);
    assert!(running.stderr().contains("the configuration is read anew"));

    // What cannot be used ends nothing, in whichever way it is wrong.
    let good = std::fs::read_to_string(instance.config()).unwrap();
    for (right, wrong, expected) in [
        ("[server]", "[detectr]\n[server]", "did you mean"),
        (
            "[server]",
            "[inventory]\nfile = \"nowhere.json\"\n[server]",
            "nowhere.json",
        ),
        (
            "\"group.instance.id\"",
            "\"session.timeout.mss\" = \"1\"\n\"group.instance.id\"",
            "session.timeout.mss",
        ),
    ] {
        let refused = running.stderr().matches("is refused").count();
        instance.change_config(|_| good.replace(right, wrong));
        running.signal("HUP");
        eventually("a refusal", || {
            (running.stderr().matches("is refused").count() > refused).then_some(())
        });
        assert!(running.stderr().contains(expected), "{}", running.stderr());
    }
    std::fs::write(instance.config(), &good).unwrap();
    broker.produce_encoded("usage", 1, &events(30..35));
    instance.await_rows(&mut running, 35);

    // Nothing that was read before is read again, and the signal works more than once.
    running.signal("HUP");
    eventually("the second time", || {
        (running.stderr().matches("is read anew").count() == 2
            && running.stderr().matches("caught up").count() >= 3)
            .then_some(())
    });
    broker.produce_encoded("more", 1, &events(35..40));
    instance.await_rows(&mut running, 40);
    running.signal("TERM");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let stats = instance.stats();
    assert_eq!(stats["events"], 5, "{stats}");
    assert_eq!(stats["rows_known"], 0, "{stats}");
}
