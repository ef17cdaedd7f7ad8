//! The wire, Flight SQL and a program that reads the lake's files by itself find the same sums: at
//! every moment, while usage comes in, is committed and merged, and after the service was killed.

use std::io::Read;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Broker, Instance, Usage, eventually, free_port, script, tools, write_lines};

const PASSWORD: &str = "a password of analysts";

/// Events that are produced at a time.
const SLICE: usize = 120;

#[test]
fn sums_are_those_of_what_was_produced_for_every_reader_at_every_moment() {
    let test = "sums_are_those_of_what_was_produced_for_every_reader_at_every_moment";
    let Some(tools) = tools(test) else {
        return;
    };
    let broker = Broker::start(&tools);
    let (port, flight_port) = (free_port(), free_port());
    let more = format!(
        "[history]\ncommit_interval_secs = 1\nupkeep_interval_secs = 1\nvacuum_hours = 1\n\n\
         [snapshots]\ninterval_secs = 2\n\n\
         [sql]\nlisten = \"127.0.0.1:{port}\"\nflight_listen = \"127.0.0.1:{flight_port}\"\n\n\
         [sql.users.analyst]\npassword = \"{PASSWORD}\"\n"
    );
    let instance = Instance::new(&broker, &more);
    let mut events = Vec::new();
    for account in ["acme", "globex"] {
        let usage = Usage {
            key: format!("key_{account}"),
            account: account.to_owned(),
            days: 30,
            spike: false,
        };
        events.extend(usage.events());
    }
    // Each slice has some of every day, so that each commit leaves a small file for each.
    let hour = |event: &Value| event["time"].as_str().unwrap()[11..].to_owned();
    events.sort_by_key(hour);
    let all = instance.folder().join("events.jsonl");
    write_lines(&all, &events);
    let usage_table = instance.data_dir().join("history/usage_events");

    let mut running = instance.start_service();
    let mut watching = Command::new(tools.join("bin/python"))
        .arg(script("watch.py"))
        .args([&port.to_string(), &flight_port.to_string()])
        .args(["analyst", PASSWORD])
        .args([&usage_table, &all])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let slices = events.chunks(SLICE);
    let kills = [slices.len() / 3, slices.len() * 2 / 3];
    for (number, slice) in slices.enumerate() {
        let file = instance.folder().join("slice.jsonl");
        write_lines(&file, slice);
        broker.produce("usage", 1, &file);
        if kills.contains(&number) {
            running.kill();
            running = instance.start_service();
        }
    }
    eventually("all commits", || {
        let mut duck = Command::new(tools.join("bin/python"));
        let duck = duck
            .arg(script("duck.py"))
            .arg(&usage_table)
            .output()
            .unwrap();
        let sums: Value = serde_json::from_slice(&duck.stdout).ok()?;
        (sums["rows"] == events.len()).then_some(())
    });
    eventually("files that were merged", || {
        running.stderr().contains("history tidied").then_some(())
    });
    drop(watching.stdin.take());
    let (mut said, mut error) = (String::new(), String::new());
    watching
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    watching
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut error)
        .unwrap();
    assert!(watching.wait().unwrap().success(), "{error}");
    let report: Value = serde_json::from_str(&said).unwrap();
    eprintln!("{report}");
    for reader in ["wire", "flight", "duck"] {
        let of = &report[reader];
        assert_eq!(of["last"], events.len(), "{report}");
        // It was asked while it grew, or this shows nothing.
        assert!(of["found"].as_u64().unwrap() >= 5, "{report}");
    }
    running.signal("TERM");
    running.wait().good();
}
