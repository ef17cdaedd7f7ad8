//! One record in a hundred is malformed: each is kept with its reason and place, no other is lost.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    Broker, Encoded, Instance, Mailbox, Usage, eventually, free_port, repository, tools,
    write_lines,
};

/// Topic, partition, offset and reason.
type Place = (String, u64, u64, String);

/// Returns what is wrong and the record of every malformed fixture, and one that is too large.
fn malformed() -> Vec<(String, Vec<u8>)> {
    let folder = repository("fixtures/payloads/native/malformed");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    // A list of events is refused where the topic is set to native only.
    files.retain(|file| !file.ends_with("shape.array.json"));
    files.sort();
    let mut records: Vec<(String, Vec<u8>)> = files
        .iter()
        .map(|file| {
            let name = file.file_name().unwrap().to_string_lossy();
            let (reason, _) = name.split_once('.').unwrap();
            (reason.to_owned(), std::fs::read(file).unwrap())
        })
        .collect();
    let large =
        json!({ "time": "2026-03-01T00:00:00Z", "requests": 1, "note": "x".repeat(1 << 20) });
    records.push(("too_large".to_owned(), large.to_string().into_bytes()));
    records
}

fn place_of(letter: &Value) -> Place {
    (
        letter["topic"].as_str().unwrap().to_owned(),
        letter["partition"].as_u64().unwrap(),
        letter["offset"].as_u64().unwrap(),
        letter["reason"].as_str().unwrap().to_owned(),
    )
}

/// Checks that letters are in exactly these places, each once.
fn check_places(letters: &[Value], expected: &BTreeSet<Place>) {
    let places: BTreeSet<Place> = letters.iter().map(place_of).collect();
    assert_eq!(&places, expected);
    assert_eq!(letters.len(), expected.len(), "each once");
    for letter in letters {
        assert!(!letter["detail"].as_str().unwrap().is_empty(), "{letter}");
    }
}

#[test]
fn malformed_records_are_dead_letters_and_no_good_one_is_lost() {
    let Some(tools) = tools("malformed_records_are_dead_letters_and_no_good_one_is_lost") else {
        return;
    };
    let bad = malformed();
    let good: Vec<Value> = (0..)
        .flat_map(|number| {
            let usage = Usage {
                key: format!("key_{number}"),
                account: format!("account{number}"),
                days: 31,
                spike: false,
            };
            usage.events()
        })
        .take(bad.len() * 99)
        .collect();
    let tokens: u64 = good
        .iter()
        .map(|e| e["input_tokens"].as_u64().unwrap())
        .sum();
    // Every hundredth record is malformed.
    let mut records = Vec::new();
    for ((_, value), good) in bad.iter().zip(good.chunks(99)) {
        records.extend(good.iter().map(|event| Encoded {
            key: event["key"].as_str().map(str::to_owned),
            value: event.to_string().into_bytes(),
        }));
        records.push(Encoded {
            key: None,
            value: value.clone(),
        });
    }
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "");
    let places = broker.produce_encoded("usage", 4, &records);
    let expected: BTreeSet<Place> = bad
        .iter()
        .zip(places.chunks(100))
        .map(|((reason, _), places)| {
            let (partition, offset) = places[99];
            ("usage".to_owned(), partition, offset, reason.clone())
        })
        .collect();

    let stats = instance.run_until_end();
    assert_eq!(stats["events"], records.len());
    assert_eq!(stats["dead_letters"], bad.len());
    assert_eq!(stats["rows_written"], good.len());
    let in_table = "SELECT topic, \"partition\", \"offset\", reason, detail FROM dead_letters";
    check_places(&instance.sql_rows(in_table), &expected);
    let in_topic = |broker: &Broker| -> Vec<Value> {
        let records = broker.consume("dead-letters");
        let value = |record: &Value| serde_json::from_str(record["value"].as_str()?).ok();
        records
            .iter()
            .map(|record| value(record).unwrap())
            .collect()
    };
    check_places(&in_topic(&broker), &expected);
    let counts = instance.sql("SELECT count(*), sum(input_tokens) FROM usage_events");
    assert_eq!(counts, format!("{},{tokens}", good.len()));
    let lengths = instance.sql_rows("SELECT reason, payload_bytes FROM dead_letters");
    let kept: BTreeSet<u64> = lengths
        .iter()
        .map(|row| row["payload_bytes"].as_u64().unwrap())
        .collect();
    let lengths: BTreeSet<u64> = bad.iter().map(|(_, value)| value.len() as u64).collect();
    assert_eq!(kept, lengths, "the whole length is known");

    // Read again, none is kept or sent twice.
    let again = instance.run_until_end();
    assert_eq!(again["rows_written"], 0);
    check_places(&instance.sql_rows(in_table), &expected);
    check_places(&in_topic(&broker), &expected);
}

#[test]
fn an_input_that_is_all_garbage_is_told_and_stalls_nothing() {
    let Some(tools) = tools("an_input_that_is_all_garbage_is_told_and_stalls_nothing") else {
        return;
    };
    let broker = Broker::start(&tools);
    let port = free_port();
    let mailbox = Mailbox::start(&tools);
    let more = format!(
        "[sql]\nlisten = \"127.0.0.1:{port}\"\n\n\
         [notify.email]\nenabled = true\nhost = \"127.0.0.1\"\nport = {}\nsecurity = \"plain\"\n\
         from = \"Spikewatch <spikewatch@example.com>\"\nto = [\"oncall@example.com\"]\n",
        mailbox.port
    );
    let instance = Instance::new(&broker, &more);
    let garbage: Vec<Value> = (0..200)
        .map(|number| json!({ "weather": number }))
        .collect();
    let file = instance.folder().join("garbage.jsonl");
    write_lines(&file, &garbage);
    broker.produce("usage", 1, &file);
    let running = instance.start_service();
    eventually("that it is told", || {
        running
            .stderr()
            .contains("next to nothing of a partition can be read")
            .then_some(())
    });
    let health = "SELECT records, dead_letters, unreadable FROM feed_health";
    eventually("that it is shown", || {
        (instance.sql(health) == "200,200,true").then_some(())
    });
    // What is good and comes behind it is read, and then it is well.
    let usage = Usage {
        key: "key_acme".to_owned(),
        account: "acme".to_owned(),
        days: 20,
        spike: false,
    };
    let events = usage.events();
    write_lines(&file, &events);
    broker.produce("usage", 1, &file);
    let count = "SELECT count(*) FROM usage_events";
    eventually("the good ones", || {
        (instance.sql(count) == events.len().to_string()).then_some(())
    });
    eventually("that it is well", || {
        instance.sql(health).ends_with("false").then_some(())
    });
    // People are told of both, in one thread of mail.
    let subject = "[Spikewatch] Next to nothing of usage/0 can be read";
    let of_itself = || -> Vec<String> {
        let messages = mailbox
            .messages()
            .into_iter()
            .map(|message| message.to_string());
        messages
            .filter(|message| message.contains(subject))
            .collect()
    };
    let messages = eventually("mail of both", || {
        Some(of_itself()).filter(|all| all.len() == 2)
    });
    assert!(
        messages[0].contains("SELECT reason, detail"),
        "{messages:?}"
    );
    assert!(messages[1].contains("It is over."), "{messages:?}");
    running.signal("TERM");
    running.wait().good();
}
