//! History in a bucket: S3's protocol, spoken to a double of AWS in a process of its own.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::{Broker, Instance, Usage, free_port, tools, write_lines};

const BUCKET: &str = "spikewatch-lake";

/// Asks for something over plain HTTP and returns the first line of the answer.
fn http(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn history_in_a_bucket_has_every_row_once_and_is_asked() {
    let Some(tools) = tools("history_in_a_bucket_has_every_row_once_and_is_asked") else {
        return;
    };
    let Ok(moto) = std::env::var("SPIKEWATCH_MOTO_URL") else {
        eprintln!("*** SKIPPED: SPIKEWATCH_MOTO_URL is not set; use ./scripts/test");
        return;
    };
    let address = moto.trim_start_matches("http://").trim_end_matches('/');
    let made = http(address, &format!("PUT /{BUCKET}"));
    assert!(made.starts_with("HTTP/1.1 200"), "{made}");
    let broker = Broker::start(&tools);
    let folder = format!("of-{}", free_port());
    let more = format!("[history]\nurl = \"s3://{BUCKET}/{folder}\"\ncommit_rows = 400\n");
    let mut instance = Instance::new(&broker, &more);
    for (name, value) in [
        ("AWS_ENDPOINT", moto.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ] {
        instance.set_variable(name, value);
    }
    let url = format!("history s3://{BUCKET}/{folder}: reached");
    let checked = instance.run(["check"]).good();
    assert!(checked.contains(&url), "{checked}");
    let usage = Usage {
        key: "key_acme".to_owned(),
        account: "acme".to_owned(),
        days: 20,
        spike: false,
    };
    let events = usage.events();
    let file = instance.folder().join("events.jsonl");
    write_lines(&file, &events);
    broker.produce("usage", 4, &file);
    let stats = instance.run_until_end();
    assert_eq!(stats["events"], events.len());

    let count = "SELECT count(*), count(DISTINCT event_id) FROM usage_events";
    let all = format!("{0},{0}", events.len());
    assert_eq!(instance.sql(count), all);
    let requests: u64 = events.iter().map(|e| e["requests"].as_u64().unwrap()).sum();
    let sum = instance.sql("SELECT sum(requests) FROM usage_1h");
    assert_eq!(sum, requests.to_string());
    // It is there, and not here.
    let listed = http(
        address,
        &format!("GET /{BUCKET}?list-type=2&prefix={folder}/usage_events/_delta_log/"),
    );
    assert!(listed.matches("<Key>").count() >= 2, "{listed}");
    assert!(!instance.data_dir().join("history").exists());
    // Read again from the beginning, nothing is added.
    std::fs::remove_dir_all(instance.data_dir().join("snapshots")).unwrap();
    instance.run_until_end();
    assert_eq!(instance.sql(count), all);
    // Without the way in, it says what could not be done.
    let mut lost = Instance::new(&broker, &more);
    lost.set_variable("AWS_ENDPOINT", "http://127.0.0.1:9");
    lost.set_variable("AWS_ALLOW_HTTP", "true");
    lost.set_variable("AWS_ACCESS_KEY_ID", "test");
    lost.set_variable("AWS_SECRET_ACCESS_KEY", "a-very-secret-key");
    let checked = lost.run(["check"]);
    let told = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(told.contains("fail  history s3://"), "{told}");
    assert!(!told.contains("a-very-secret-key"));
    let refused = lost.run(["run", "--until-end"]);
    assert_ne!(refused.code, Some(0));
    assert!(
        refused.stderr.contains("open history"),
        "{}",
        refused.stderr
    );
    assert!(!refused.stderr.contains("a-very-secret-key"));
}
