//! Networks and countries from the files that `[networks]` names, and files that cannot be used.

use std::path::Path;

use serde_json::{Value, json};

use crate::support::{Broker, Instance, repository, tools, write_lines};

fn fixture(name: &str) -> String {
    let path = repository("fixtures/networks").join(name);
    path.display().to_string()
}

/// The section for both fixtures.
fn section() -> String {
    let (asn, country) = (fixture("asn.mmdb"), fixture("country.mmdb"));
    format!("[networks]\nasn_file = \"{asn}\"\ncountry_file = \"{country}\"\n")
}

/// One event for each address, its own words after it.
fn events() -> Vec<Value> {
    let event = |id: &str, more: Value| {
        let mut event = json!({
            "id": id, "time": "2026-05-04T12:00:00Z", "account": "acme", "key": "key_1",
            "requests": 1,
        });
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        event
    };
    vec![
        event("a", json!({ "source_ip": "192.0.2.7" })),
        event("b", json!({ "source_ip": "2001:db8::7" })),
        event(
            "c",
            json!({ "source_ip": "192.0.2.7", "asn": 64500, "country": "US" }),
        ),
        event("d", json!({ "source_ip": "10.0.0.1" })),
        event("e", json!({ "source_ip": "nonsense" })),
    ]
}

#[test]
fn check_says_what_each_file_is() {
    let instance = Instance::at("127.0.0.1:1", &section());
    let said = instance.run(["check", "--no-environment"]).good();
    for (key, kind, networks) in [("asn", "ASN", 11), ("country", "Country", 11)] {
        let line = format!(
            "ok    networks.{key}_file: \"Fixture-{kind}\" of 2026-05-04T00:00:00.000Z, \
             {networks} networks\n"
        );
        assert!(said.contains(&line), "{said}");
    }
    assert!(!instance.data_dir().exists(), "a check makes nothing");
}

/// Every command that reads the files refuses them before it makes anything.
#[test]
fn a_file_that_cannot_be_used_is_a_bad_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let whole = std::fs::read(fixture("country.mmdb")).unwrap();
    let missing = folder.path().join("missing.mmdb").display().to_string();
    let cut = write("cut.mmdb", &whole[..whole.len() / 2]);
    let events = write("events.jsonl", b"{}\n");
    for (key, file, words) in [
        (
            "asn_file",
            missing,
            "could not read \"FILE\": No such file or directory",
        ),
        (
            "country_file",
            cut,
            "could not use \"FILE\": it could not be read as a MaxMind DB: ",
        ),
        (
            "asn_file",
            fixture("country.mmdb"),
            "could not use \"FILE\": no network in it has `autonomous_system_number`\n\
             hint: a file such as GeoLite2-ASN.mmdb has it",
        ),
        (
            "country_file",
            fixture("asn.mmdb"),
            "could not use \"FILE\": no network in it has `country.iso_code`\n\
             hint: a file such as GeoLite2-Country.mmdb has it",
        ),
    ] {
        let text = format!("[networks]\n{key} = \"{file}\"\n");
        let instance = Instance::at("127.0.0.1:1", &text);
        let config = instance.config();
        let before = std::fs::read_to_string(&config).unwrap();
        let line = before
            .lines()
            .position(|line| line.starts_with(key))
            .unwrap()
            + 1;
        let place = format!("error: {}:{line}:1: networks.{key}: ", config.display());
        let said = place + &words.replace("FILE", &file);
        for args in [
            ["check", "--no-environment"].as_slice(),
            &["run", "--until-end"],
            &["decode", events.as_str()],
            &["backtest", "--events", events.as_str()],
        ] {
            let outcome = instance.run(args);
            outcome.fails(78, &[&said]);
            assert!(outcome.stdout.is_empty(), "{args:?}");
        }
        assert!(!instance.data_dir().exists());
    }
}

#[test]
fn decode_shows_the_network_and_the_country() {
    let instance = Instance::at("127.0.0.1:1", &section());
    std::fs::create_dir(instance.data_dir()).unwrap();
    let file = instance.folder().join("events.jsonl");
    write_lines(&file, &events());
    let out = instance.run([Path::new("decode"), &file]).good();
    let rows: Vec<Value> = out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seen: Vec<_> = rows
        .iter()
        .map(|row| (&row["asn"], &row["country"]))
        .collect();
    let null = Value::Null;
    let expected = [
        (&json!(64496), &json!("DE")),
        (&json!(64498), &json!("NL")),
        (&json!(64500), &json!("US")),
        (&null, &null),
        (&null, &null),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn history_has_the_network_and_the_country() {
    let Some(tools) = tools("history_has_the_network_and_the_country") else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, &section());
    let file = instance.folder().join("events.jsonl");
    write_lines(&file, &events());
    broker.produce("usage", 1, &file);
    instance.run_until_end();
    let query = "SELECT event_id, asn, country FROM usage_events ORDER BY event_id";
    let expected = "a,64496,DE\nb,64498,NL\nc,64500,US\nd,,\ne,,";
    assert_eq!(instance.sql(query), expected);
}
