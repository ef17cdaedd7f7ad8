//! A broker that can be reached and answers nothing.

use std::time::{Duration, Instant};

use crate::support::{Broker, Instance, events, tools};

/// How long the broker is silent: longer than a member of the group may be.
const SILENCE: Duration = Duration::from_secs(12);

/// How long a stop may take.
const STOP: Duration = Duration::from_secs(20);

#[test]
fn a_broker_that_falls_silent_loses_nothing_and_holds_nobody_up() {
    let Some(tools) = tools("a_broker_that_falls_silent_loses_nothing_and_holds_nobody_up") else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "[history]\ncommit_interval_secs = 1\n");
    // A member without a name, whose leave the group waits for.
    instance.change_config(|text| {
        text.replace(
            "\"group.instance.id\" = \"one\"",
            "\"session.timeout.ms\" = \"6000\"",
        )
    });
    broker.produce_encoded("usage", 2, &events(0..20));
    let mut running = instance.start_service();
    instance.await_rows(&mut running, 20);

    // What was read is not read again, and what comes after is.
    broker.signal("STOP");
    std::thread::sleep(SILENCE);
    assert!(running.ended().is_none(), "{}", running.stderr());
    assert_eq!(instance.sql("SELECT count(*) FROM usage_events"), "20");
    broker.signal("CONT");
    broker.produce_encoded("usage", 2, &events(20..40));
    instance.await_rows(&mut running, 40);

    // A stop does not wait for it.
    broker.signal("STOP");
    let since = Instant::now();
    running.signal("TERM");
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(since.elapsed() < STOP, "it took {:?}", since.elapsed());
    let stats = instance.stats();
    assert_eq!(
        (&stats["events"], &stats["rows_known"]),
        (&40.into(), &0.into())
    );
    broker.signal("CONT");
    broker.produce_encoded("usage", 2, &events(40..50));
    // In another group: this broker waits long for a member whose leave it never heard, and what
    // was read is known without the group.
    instance.change_config(|text| text.replace("[kafka]\n", "[kafka]\ngroup = \"other\"\n"));
    let stats = instance.run_until_end();
    assert_eq!(
        (&stats["events"], &stats["rows_written"]),
        (&10.into(), &10.into())
    );
    let counts = instance.sql("SELECT count(*), count(DISTINCT event_id) FROM usage_events");
    assert_eq!(counts, "50,50");
}
