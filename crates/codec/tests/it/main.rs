//! What holds for every payload, and for every key in it.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod allocations;
mod envelopes;
mod fixtures;
mod formats;
mod hostile;
mod malformed;
mod mutate;
mod networks;
mod otlp;
mod prices;
mod tables;

use std::collections::BTreeSet;

use codec::{Codec, FingerprintSecret};
use model::double::MemorySink;
use model::{Partition, Records, Timestamp};
use proptest::prelude::*;

fn decode(payloads: &[&[u8]], record_time: Option<Timestamp>) -> MemorySink {
    let mut records = Records::new(Partition::new("usage", 0), 0);
    for (offset, payload) in (0..).zip(payloads) {
        records.push(offset, record_time, payload);
    }
    let mut sink = MemorySink::default();
    Codec::new(FingerprintSecret::public_test_secret()).decode(&records, &mut sink);
    sink
}

/// One invented key of each provider whose shape is known.
fn invented_keys() -> Vec<String> {
    let tail = |length: usize| {
        "EXAMPLE0example1"
            .chars()
            .cycle()
            .take(length)
            .collect::<String>()
    };
    vec![
        format!("sk-proj-{}", tail(140)),
        format!("sk-ant-api03-{}AA", tail(93)),
        format!("gsk_{}", tail(52)),
        format!("xai-{}", tail(80)),
        format!("sk-or-v1-{}", "0123456789abcdef".repeat(4)),
    ]
}

#[test]
fn a_raw_key_leaves_the_codec_nowhere() {
    for key in invented_keys() {
        let escaped: String = key
            .chars()
            .map(|c| format!("\\u{:04x}", c as u32))
            .collect();
        let payloads = [
            format!(r#"{{"time":"2026-05-04T12:00:00Z","key":"{key}","requests":1}}"#),
            format!(r#"{{"time":"2026-05-04T12:00:00Z","key":"{escaped}","requests":1}}"#),
            format!(r#"{{"time":"2026-05-04T12:00:00Z","user_agent":"x {key} y","requests":1}}"#),
            format!(r#"{{"time":"2026-05-04T12:00:00Z","note":"{escaped}","requests":1}}"#),
            format!(r#"{{"time":"2026-05-04T12:00:00Z","{key}":"a","requests":1}}"#),
            format!(r#"{{"time":"{key}","requests":1}}"#),
            format!(r#"{{"time":"2026-05-04T12:00:00Z","key":"{key}","requests":"1"}}"#),
            format!(r#"{{"time":"2026-05-04T12:00:00Z","key":"{key}"#),
            format!(r#"{{"time":"2026-05-04T12:00:00Z","{key}":1,"kind":"{key}","requests":1}}"#),
            format!("plain text {key}"),
        ];
        let bytes: Vec<&[u8]> = payloads.iter().map(String::as_bytes).collect();
        let sink = decode(&bytes, None);
        assert_eq!(sink.rows.len() + sink.dead_letters.len(), payloads.len());
        let seen = format!("{:?} {:?}", sink.rows, sink.dead_letters);
        // Not even the part after the prefix that tells the provider.
        for part in [&key[..], &key[8..], &key[key.len() - 20..]] {
            assert!(!seen.contains(part), "{key} leaked in {seen}");
        }
        let fingerprint = sink.rows[0].1["key"].as_str().unwrap();
        assert!(fingerprint.starts_with("fp:"));
        assert_eq!(
            sink.rows[1].1["key"], fingerprint,
            "escapes do not change the identity"
        );
    }
}

#[test]
fn a_time_ahead_of_its_record_is_set_back() {
    let record_time = Timestamp::parse("2026-05-04T12:00:00Z").unwrap();
    let payload = br#"{"time":"2099-01-01T00:00:00Z","requests":1}"#;
    let sink = decode(&[payload], Some(record_time));
    assert_eq!(sink.rows[0].1["time"], "2026-05-04T12:00:00.000Z");
    assert_eq!(sink.rows[0].1["quality"][0], "clock_skew");
}

#[test]
fn an_event_without_id_is_named_by_its_place() {
    let sink = decode(&[br#"{"time":"2026-05-04T12:00:00Z","requests":1}"#], None);
    assert_eq!(sink.rows[0].1["id"], "usage/0/0");
}

#[test]
fn a_secret_in_an_identity_keeps_events_and_tenants_apart() {
    let keys = invented_keys();
    let event = |text: &str| {
        format!(
            r#"{{"time":"2026-05-04T12:00:00Z","id":"{text}","account":"{text}","requests":1}}"#
        )
    };
    let payloads: Vec<String> = keys.iter().map(|key| event(key)).collect();
    let bytes: Vec<&[u8]> = payloads.iter().map(String::as_bytes).collect();
    let sink = decode(&bytes, None);
    for field in ["id", "account"] {
        let seen: BTreeSet<&str> = sink
            .rows
            .iter()
            .map(|(_, row)| row[field].as_str().unwrap())
            .collect();
        assert_eq!(seen.len(), keys.len(), "{seen:?}");
        assert!(seen.iter().all(|text| text.starts_with("fp:")), "{seen:?}");
    }
}

#[test]
fn an_unknown_field_that_names_a_secret_keeps_none_without_shape() {
    let payload = br#"{"time":"2026-05-04T12:00:00Z","requests":1,"api-key":"0123456789abcdef0123456789abcdef","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}"#;
    let row = &decode(&[payload], None).rows[0].1;
    assert_eq!(row["extra"]["api-key"], "[redacted:unknown]");
    assert_eq!(row["extra"]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(row["quality"].to_string().contains("redacted"));
}

/// Spells a text in JSON, some characters as escapes.
fn spell(text: &str, choices: &[u8]) -> String {
    text.chars()
        .zip(choices.iter().cycle())
        .map(|(c, choice)| match choice {
            0 => format!("\\u{:04x}", u32::from(c)),
            1 => format!("\\u{:04X}", u32::from(c)),
            2 => format!("%{:02X}", u32::from(c)),
            3 if c == '/' => "\\/".to_owned(),
            _ => c.to_string(),
        })
        .collect()
}

proptest! {
    #[test]
    fn a_key_survives_in_no_spelling(
        which in 0usize..5,
        choices in proptest::collection::vec(0u8..6, 1..40),
        before in "[ -~]{0,12}",
        broken in any::<bool>(),
        field in prop_oneof![Just("key"), Just("user_agent"), Just("note"), Just("id")],
    ) {
        let key = &invented_keys()[which];
        // A quote or a backslash before the key would end the text or escape its first letter.
        let before = before.replace(['"', '\\', '%'], "");
        let text = spell(key, &choices);
        let end = if broken { "," } else { "}" };
        let payload = format!(
            r#"{{"time":"2026-05-04T12:00:00Z","requests":1,"{field}":"{before}{text}"{end}"#
        );
        let sink = decode(&[payload.as_bytes()], None);
        let seen = format!("{:?} {:?}", sink.rows, sink.dead_letters);
        // Neither the key, nor the greater part of it as it was spelt.
        for (shown, part) in [key, &text].into_iter().flat_map(|key| {
            let length = key.len() / 3;
            [0, length, key.len() - length].map(|at| (key, &key[at..at + length]))
        }) {
            prop_assert!(!seen.contains(part), "{} leaked from {}: {}", shown, payload, seen);
        }
    }

    #[test]
    fn every_payload_is_one_row_or_one_dead_letter(payload in proptest::collection::vec(any::<u8>(), 0..300)) {
        let sink = decode(&[&payload], None);
        prop_assert_eq!(sink.rows.len() + sink.dead_letters.len(), 1);
    }

    #[test]
    fn every_mutilated_event_is_one_row_or_one_dead_letter(at in 0usize..190, byte in any::<u8>(), end in 0usize..=190) {
        let mut payload = br#"{"id":"evt_01","time":"2026-05-04T12:00:00.123Z","provider":"openai","account":"acme","key":"key_7f3a","status":200,"requests":1,"input_tokens":812,"output_tokens":164,"cost_usd":0.00183}"#.to_vec();
        if let Some(place) = payload.get_mut(at) { *place = byte; }
        payload.truncate(end.max(1));
        let sink = decode(&[&payload], None);
        prop_assert_eq!(sink.rows.len() + sink.dead_letters.len(), 1);
    }
}
