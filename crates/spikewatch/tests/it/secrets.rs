//! A provider's raw key that comes in by any way comes out by none.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Broker, Encoded, HttpServer, Instance, Running, Usage, repository, tools};

/// A part of this length is most of what a thief needs to know what he has found.
const PART: usize = 16;

/// Invents one key of each shape. They are made here, so that nobody's scanner finds them.
fn keys() -> Vec<String> {
    let alphabet = |text: &str| text.chars().collect::<Vec<char>>();
    let letters = alphabet("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");
    let hex = alphabet("0123456789abcdef");
    let mut state = 0x5eed_u64;
    let mut tail = |letters: &[char], length: usize| -> String {
        (0..length)
            .map(|_| {
                state = state
                    .wrapping_mul(6364136223846793005)
                    .wrapping_add(1442695040888963407);
                letters[(state >> 33) as usize % letters.len()]
            })
            .collect()
    };
    vec![
        format!("sk-proj-{}", tail(&letters, 156)),
        format!("sk-ant-api03-{}AA", tail(&letters, 93)),
        format!("gsk_{}", tail(&letters, 52)),
        format!("xai-{}", tail(&letters, 80)),
        format!("sk-or-v1-{}", tail(&hex, 64)),
    ]
}

/// Spells a text in JSON escapes.
fn escaped(text: &str) -> String {
    text.chars()
        .map(|c| format!("\\u{:04x}", c as u32))
        .collect()
}

/// Every way a key can come in.
fn records(key: &str) -> Vec<Encoded> {
    let event = |more: Value| {
        let mut event = json!({
            "time": "2026-03-30T12:00:00Z", "provider": "openai", "account": "acme",
            "key": "key_1", "requests": 1,
        });
        let members = event.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        event.to_string()
    };
    let mut texts = vec![
        // The key field, as it is and spelt otherwise.
        event(json!({ "key": key })),
        event(json!({ "key": "KEY" })).replace("KEY", &escaped(key)),
        event(json!({ "key": format!("Bearer {key}") })),
        event(json!({ "key": format!(" {key}\n") })),
        // Names and values that we do not know.
        event(json!({ "note": format!("it was {key}, I think") })),
        event(json!({ "extra": { "header": format!("Authorization: Bearer {key}") } })),
        event(json!({ key: "as a name" })),
        event(json!({ "note": "KEY" })).replace("KEY", &escaped(key)),
        event(json!({ "nested": { "deep": [key] } })),
        event(json!({ "other_units": { key: 1.5 } })),
        // Longer than what is kept.
        event(json!({ "note": format!("{}{key}", "x".repeat(4090)) })),
        event(json!({ "user_agent": format!("{} {key}", "x".repeat(4080)) })),
        // Malformed in every way.
        event(json!({ "requests": "one", "key": key })),
        event(json!({ "time": key })),
        event(json!({ "kind": key })),
        event(json!({ "requests": -1, "error": format!("bad key {key}") })),
        event(json!({ "key": [key] })),
        event(json!({ "note": key })).replace("}", ""),
        format!("{{\"time\":\"2026-03-30T12:00:00Z\",\"key\":\"{key}"),
        format!("{{\"time\":\"2026-03-30T12:00:00Z\",\"key\":\"{key}\",\"key\":\"{key}\"}}"),
        format!("curl -H 'Authorization: Bearer {key}' https://api.example"),
        format!("{{'key': '{key}'}}"),
        format!("[\"{key}\"]"),
        format!("\"{key}\""),
        // At the edge of what a dead letter keeps, and far behind it.
        format!("{}{key}", "x".repeat(8192 - 12)),
        format!("{} {key} {}", "x".repeat(16384 - 40), "x".repeat(1000)),
        event(json!({ "note": format!("{} {key}", "x".repeat(1 << 20)) })),
    ];
    let fields = [
        "id",
        "source",
        "provider",
        "account",
        "project",
        "workspace",
        "team",
        "key_hint",
        "key_alias",
        "principal",
        "user",
        "end_user",
        "service",
        "model",
        "deployment",
        "operation",
        "error",
        "user_agent",
        "region",
        "source_ip",
        "country",
    ];
    for field in fields {
        texts.push(event(json!({ field: key })));
        texts.push(event(json!({ field: format!("see {key}!") })));
    }
    let mut values: Vec<Vec<u8>> = texts.into_iter().map(String::into_bytes).collect();
    // Not UTF-8, around the key.
    values.push([b"\xff\xfe {\"key\":\"", key.as_bytes(), b"\"}\xff"].concat());
    let named = |value: Vec<u8>| Encoded {
        // A producer may well use the key as the record's.
        key: Some(key.to_owned()),
        value,
    };
    values.into_iter().map(named).collect()
}

/// What must be nowhere: every part of a key that is long enough.
struct Parts(HashSet<Vec<u8>>);

impl Parts {
    fn of(keys: &[String]) -> Self {
        let parts = keys.iter().flat_map(|key| key.as_bytes().windows(PART));
        Self(parts.map(<[u8]>::to_vec).collect())
    }

    /// Returns the first part that is in `bytes`, with what is around it.
    fn find(&self, bytes: &[u8]) -> Option<String> {
        let at = bytes.windows(PART).position(|part| self.0.contains(part))?;
        let around = &bytes[at.saturating_sub(80)..bytes.len().min(at + 80)];
        Some(String::from_utf8_lossy(around).into_owned())
    }

    fn check(&self, what: &str, bytes: &[u8]) {
        if let Some(found) = self.find(bytes) {
            panic!("{what} holds a part of a key: {found}");
        }
    }

    /// Reads every file below a folder; returns how many there were.
    fn check_files(&self, folder: &Path) -> usize {
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            self.check("a file's name", path.to_string_lossy().as_bytes());
            if path.is_dir() {
                files += self.check_files(&path);
            } else if path.is_file() {
                self.check(&path.display().to_string(), &std::fs::read(&path).unwrap());
                files += 1;
            }
        }
        files
    }
}

/// The files of malformed payloads with a secret, which are invented too.
fn fixtures() -> Vec<Encoded> {
    let folder = repository("fixtures/payloads/native");
    let mut files = Vec::new();
    for folder in [folder.join("malformed"), folder] {
        files.extend(std::fs::read_dir(folder).unwrap().flatten());
    }
    let raw = files
        .iter()
        .filter(|file| file.file_name().to_string_lossy().contains("raw_key"));
    raw.map(|file| {
        let value = std::fs::read(file.path()).unwrap();
        Encoded {
            key: None,
            value: on_the_day(value),
        }
    })
    .collect()
}

/// Moves a fixture to the day of the other records, so that the alerts are still news.
fn on_the_day(mut value: Vec<u8>) -> Vec<u8> {
    let (from, to) = (b"2026-05-04", b"2026-03-30");
    while let Some(at) = value.windows(from.len()).position(|part| part == from) {
        value[at..at + to.len()].copy_from_slice(to);
    }
    value
}

#[test]
fn no_raw_key_is_kept_said_or_sent() {
    let Some(tools) = tools("no_raw_key_is_kept_said_or_sent") else {
        return;
    };
    let keys = keys();
    let broker = Broker::start(&tools);
    let slack = HttpServer::start(|_| (200, "ok".to_owned()));
    let more = format!(
        "[notify.slack]\nenabled = true\nwebhook_url = \"{}/services/T0/B0/x\"\n\
         min_interval_millis = 1\n",
        slack.url
    );
    let instance = Instance::new(&broker, &more);
    // Four weeks of the raw keys' usage that end in an alert about each; then all the rest.
    let mut usage: Vec<Value> = keys
        .iter()
        .enumerate()
        .flat_map(|(number, key)| {
            let usage = Usage {
                key: key.clone(),
                account: format!("account{number}"),
                days: 29,
                spike: true,
            };
            usage.events()
        })
        .collect();
    usage.sort_by_key(|event| event["time"].to_string());
    let mut sent: Vec<Encoded> = usage
        .iter()
        .map(|event| Encoded {
            key: event["key"].as_str().map(str::to_owned),
            value: event.to_string().into_bytes(),
        })
        .collect();
    sent.extend(keys.iter().flat_map(|key| records(key)));
    sent.extend(fixtures());
    broker.produce_encoded("usage", 4, &sent);

    let args = ["--log", "debug", "run", "--until-end", "--stats"];
    let mut command = instance.command(args);
    let outcome = Running::start(command.arg(instance.folder().join("stats.json"))).wait();
    let mut said = outcome.stderr.clone().into_bytes();
    said.extend(&outcome.stdout);
    outcome.good();
    let stats = instance.stats();
    assert_eq!(stats["events"], sent.len());
    let figure = |name: &str| stats[name].as_u64().unwrap();
    assert_eq!(
        figure("rows_written") + figure("dead_letters") + figure("duplicates"),
        sent.len() as u64
    );

    let parts = Parts::of(&keys);
    assert!(parts.find(keys[0].as_bytes()).is_some(), "it can find one");
    parts.check("the log", &said);
    assert!(parts.check_files(&instance.data_dir()) > 5);
    for table in [
        "usage_events",
        "dead_letters",
        "alerts",
        "incidents",
        "keys",
        "audit",
    ] {
        let rows = instance.sql(&format!("SELECT * FROM {table}"));
        parts.check(table, rows.as_bytes());
    }
    for record in broker.consume("dead-letters") {
        parts.check("a dead letter", record.to_string().as_bytes());
    }
    let alerts = instance.alerts();
    for (number, key) in keys.iter().enumerate() {
        let account = format!("account{number}");
        let alert = alerts.iter().find(|alert| alert["account"] == account);
        let alert = alert.unwrap_or_else(|| panic!("no alert on {account}"));
        let id = alert["key_id"].as_str().unwrap();
        assert!(id.starts_with("fp:") && id.len() == 19, "{id}");
        let ids = format!("SELECT count(*) FROM usage_events WHERE key_id = '{id}'");
        // The month of usage, and three records with nothing but the key in the key field.
        let rows: u64 = instance.sql(&ids).parse().unwrap();
        assert!(rows >= 29 * 48 + 2, "{key} is not one key: {rows} rows");
    }
    for alert in &alerts {
        parts.check("an alert", alert.to_string().as_bytes());
    }
    let messages = slack.requests();
    assert!(!messages.is_empty());
    for message in messages {
        parts.check("a message", message.body.as_bytes());
    }
    let answer = instance.run(["--log", "trace", "alerts"]);
    parts.check("a list", &answer.stdout);
    parts.check("a list's log", answer.stderr.as_bytes());
}
