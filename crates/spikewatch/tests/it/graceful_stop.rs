//! A polite request to stop is answered soon, and loses nothing.

use std::time::{Duration, Instant};

use crate::support::{Broker, Instance, Running, eventually, program, run, tools};

/// How long a stop may take.
const STOP: Duration = Duration::from_secs(20);

/// Asks to stop and checks that everything read is committed; returns how many records that was.
fn stop(running: Running, signal: &str, instance: &Instance) -> u64 {
    let since = Instant::now();
    running.signal(signal);
    let outcome = running.wait();
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(since.elapsed() < STOP, "it took {:?}", since.elapsed());
    let stats = instance.stats();
    let figure = |name: &str| stats[name].as_u64().unwrap();
    let rows = figure("events") - figure("duplicates");
    assert_eq!(figure("rows_written") + figure("rows_known"), rows);
    figure("events")
}

#[test]
fn a_stop_commits_what_was_read_and_the_next_run_reads_the_rest() {
    let Some(tools) = tools("a_stop_commits_what_was_read_and_the_next_run_reads_the_rest") else {
        return;
    };
    let broker = Broker::start(&tools);
    let more = "[history]\ncommit_rows = 20000\ncommit_interval_secs = 3600\n";
    let instance = Instance::new(&broker, more);
    let out = instance.folder().join("small");
    let args = ["simulate", "--scenario", "small", "--seed", "3"];
    run(program(instance.folder())
        .args(args)
        .args(["--scale", "0.1", "--out"])
        .arg(&out))
    .good();
    let produced = broker.produce("usage", 4, &out.join("events.jsonl"));

    // In the middle of a run to the end.
    let running = instance.start_until_end();
    eventually("a commit", || (instance.commits() > 1).then_some(()));
    let read = stop(running, "TERM", &instance);
    let duplicates = instance.stats()["duplicates"].as_u64().unwrap();
    assert!((1..produced).contains(&read), "{read} of {produced}");
    let rows: u64 = instance
        .sql("SELECT count(*) FROM usage_events")
        .parse()
        .unwrap();
    assert_eq!(rows, instance.stats()["rows_written"].as_u64().unwrap());

    // As a service, which does not end by itself.
    let running = instance.start_service();
    eventually("the end of the log", || {
        running.stderr().contains("caught up").then_some(())
    });
    let rest = stop(running, "INT", &instance);
    let duplicates = duplicates + instance.stats()["duplicates"].as_u64().unwrap();
    assert_eq!(
        read + rest,
        produced,
        "it goes on where the first one stopped"
    );

    // Nothing is left to do.
    let last = instance.run_until_end();
    assert_eq!(last["events"], 0);
    let counts = instance.sql("SELECT count(*), count(DISTINCT event_id) FROM usage_events");
    let rows = produced - duplicates;
    assert_eq!(counts, format!("{rows},{rows}"));
}
