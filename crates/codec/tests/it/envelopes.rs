//! What records come wrapped in, and what must not get through.

use std::io::Write;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use codec::{Codec, FingerprintSecret, SchemaError, SchemaId, Schemas};
use flate2::Compression;
use flate2::write::GzEncoder;
use model::double::MemorySink;
use model::{Partition, Records};

const EVENT: &str = r#"{"time":"2026-05-04T12:00:00Z","key":"key_7f3a","requests":1}"#;

fn codec() -> Codec {
    Codec::new(FingerprintSecret::public_test_secret())
}

fn decode_with(codec: &Codec, headers: &[(&str, &[u8])], payload: &[u8]) -> MemorySink {
    let mut records = Records::new(Partition::new("usage", 0), 0);
    records.push_with_headers(0, None, payload, headers.iter().copied());
    let mut sink = MemorySink::default();
    codec.decode(&records, &mut sink);
    assert!(sink.dead_letters.len() <= 1, "a record has one dead letter");
    sink
}

fn decode(payload: &[u8]) -> MemorySink {
    decode_with(&codec(), &[], payload)
}

#[track_caller]
fn check_rows(payload: &[u8], ids: &[&str]) {
    let sink = decode(payload);
    assert!(sink.dead_letters.is_empty(), "{:?}", sink.dead_letters);
    let seen: Vec<_> = sink
        .rows
        .iter()
        .map(|(_, row)| row["id"].as_str().unwrap())
        .collect();
    assert_eq!(seen, ids);
}

#[track_caller]
fn check_refused(payload: &[u8], reason: &str) {
    let sink = decode(payload);
    assert!(sink.rows.is_empty(), "{:?}", sink.rows);
    assert_eq!(
        sink.dead_letters[0].reason.as_str(),
        reason,
        "{:?}",
        sink.dead_letters
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn lists_and_pages_are_taken_apart() {
    let two = ["usage/0/0", "usage/0/0#1"];
    check_rows(format!("[{EVENT},{EVENT}]").as_bytes(), &two);
    check_rows(format!("\u{feff}{EVENT}\r\n\n{EVENT}\n").as_bytes(), &two);
    for name in ["records", "Records", "data", "result"] {
        check_rows(
            format!(r#"{{"{name}":[{EVENT},{EVENT}]}}"#).as_bytes(),
            &two,
        );
    }
    let bridge = format!(r#"{{"version":"0","detail-type":"usage","detail":{EVENT}}}"#);
    check_rows(bridge.as_bytes(), &["usage/0/0"]);
    check_rows(
        format!(r#"{{"records":[[{EVENT}]]}}"#).as_bytes(),
        &["usage/0/0"],
    );
    check_refused(
        format!(r#"{{"records":[[{{"data":[{{"data":[{EVENT}]}}]}}]]}}"#).as_bytes(),
        "shape",
    );
    check_refused(b"[]", "shape");
    check_refused(br#"{"Records":[]}"#, "shape");
}

#[test]
fn packed_records_are_unpacked() {
    let packed = gzip(EVENT.as_bytes());
    check_rows(&packed, &["usage/0/0"]);
    check_rows(&gzip(&packed), &["usage/0/0"]);
    check_refused(&gzip(&gzip(&gzip(&packed))), "shape");
    check_refused(&packed[..packed.len() - 9], "compressed");
    check_refused(b"\x1f\x8b\x08", "compressed");
    let data = STANDARD.encode(EVENT);
    let message = format!(
        r#"{{"message":{{"data":"{data}","messageId":"17","attributes":{{}}}},"subscription":"s"}}"#
    );
    check_rows(message.as_bytes(), &["pubsub#17"]);
    let message = format!(
        r#"{{"data":"{}","messageId":"17"}}"#,
        STANDARD.encode(&packed)
    );
    check_rows(message.as_bytes(), &["pubsub#17"]);
    check_refused(br#"{"data":"?!","messageId":"17"}"#, "compressed");
}

#[test]
fn a_bomb_is_no_bomb() {
    let bomb = gzip(&vec![b' '; 16 << 20]);
    assert!(bomb.len() < 1 << 20);
    check_refused(&bomb, "too_large");
    // The bound is for all of the record, not for each part of it.
    let part = STANDARD.encode(gzip(&vec![b' '; 3 << 20]));
    let message = format!(r#"{{"data":"{part}","messageId":"1"}}"#);
    let sink = decode(format!("[{}]", vec![message; 50].join(",")).as_bytes());
    let detail = &sink.dead_letters[0].detail;
    assert!(detail.contains("49 more"), "{detail}");
}

#[test]
fn cloud_events_give_identity_and_time() {
    let data = r#"{"requests":1,"usage":{"prompt_tokens":1}}"#;
    let attributes = r#""specversion":"1.0","id":"e1","source":"/proxy","type":"t","time":"2026-05-04T12:00:00Z""#;
    let encoded = STANDARD.encode(data);
    for event in [
        format!(r#"{{{attributes},"data":{data}}}"#),
        format!(
            r#"{{{attributes},"data":{}}}"#,
            serde_json::to_string(data).unwrap()
        ),
        format!(r#"{{{attributes},"data_base64":"{encoded}"}}"#),
    ] {
        check_rows(event.as_bytes(), &["/proxy#e1"]);
        assert_eq!(
            decode(event.as_bytes()).rows[0].1["time"],
            "2026-05-04T12:00:00.000Z"
        );
        check_rows(
            format!("[{event},{event}]").as_bytes(),
            &["/proxy#e1", "/proxy#e1"],
        );
    }
    let headers: [(&str, &[u8]); 4] = [
        ("ce_specversion", b"1.0"),
        ("ce_id", b"e1"),
        ("ce_source", b"/proxy"),
        ("ce_time", b"2026-05-04T12:00:00Z"),
    ];
    let sink = decode_with(&codec(), &headers, data.as_bytes());
    assert_eq!(sink.rows[0].1["id"], "/proxy#e1");
    assert_eq!(sink.rows[0].1["time"], "2026-05-04T12:00:00.000Z");
}

#[test]
fn a_secret_in_an_envelope_leaves_as_little_as_one_in_the_payload() {
    let key = format!("sk-proj-{}", "EXAMPLE0".repeat(9));
    let data = r#"{"usage":{"prompt_tokens":1}}"#;
    let headers: [(&str, &[u8]); 4] = [
        ("ce_id", key.as_bytes()),
        ("ce_source", b"/proxy"),
        ("ce_subject", key.as_bytes()),
        ("ce_time", b"2026-05-04T12:00:00Z"),
    ];
    let inner = format!(r#"{{"time":"{key}","user_agent":"{key}","requests":1}}"#);
    let packed = format!(
        r#"{{"data":"{}","messageId":"{key}"}}"#,
        STANDARD.encode(&inner)
    );
    for sink in [
        decode_with(&codec(), &headers, data.as_bytes()),
        decode(&gzip(inner.as_bytes())),
        decode(packed.as_bytes()),
    ] {
        let seen = format!("{:?} {:?}", sink.rows, sink.dead_letters);
        assert!(!seen.contains("EXAMPLE0"), "{seen}");
        // Nor the same in base64, whatever byte it begins at.
        for at in 0..3 {
            let encoded = STANDARD.encode(&key[at..at + 48]);
            assert!(!seen.contains(&encoded[4..60]), "{seen}");
        }
    }
}

#[test]
fn bad_elements_leave_the_good_ones_alone_and_share_a_dead_letter() {
    let batch = format!(r#"[{EVENT},7,{EVENT},{{"time":"soon","requests":1}},{{}}]"#);
    let sink = decode(batch.as_bytes());
    let ids: Vec<_> = sink
        .rows
        .iter()
        .map(|(_, row)| row["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["usage/0/0", "usage/0/0#2"]);
    let [dead_letter] = sink.dead_letters.as_slice() else {
        panic!()
    };
    assert_eq!(dead_letter.reason.as_str(), "shape");
    assert_eq!(
        dead_letter.detail,
        "element 1 of 5: the payload is not one JSON object; 2 more: 3 time 4 missing_field"
    );
    assert_eq!(dead_letter.payload, "7");
    assert_eq!(dead_letter.payload_bytes, batch.len() as u64);

    let lines = format!("{{\"cut\":\n{EVENT}\n{EVENT}");
    let sink = decode(lines.as_bytes());
    assert_eq!((sink.rows.len(), sink.dead_letters.len()), (2, 1));
    assert_eq!(sink.dead_letters[0].reason.as_str(), "json");
    // A document that was printed over many lines is one, even if it is cut.
    check_refused(format!("[\n{EVENT}\n,").as_bytes(), "json");
}

#[derive(Debug)]
struct OneSchema;

impl Schemas for OneSchema {
    fn to_json(&self, id: &SchemaId, payload: &[u8]) -> Result<Vec<u8>, SchemaError> {
        match (id, payload) {
            (SchemaId::Number(7) | SchemaId::Guid(_), b"avro") => Ok(EVENT.into()),
            (SchemaId::Number(7), _) => Err(SchemaError::Payload),
            _ => Err(SchemaError::Unknown),
        }
    }
}

#[test]
fn frames_of_a_registry_are_taken_off() {
    let framed = |id: u8, payload: &str| [&[0, 0, 0, 0, id], payload.as_bytes()].concat();
    check_rows(&framed(1, EVENT), &["usage/0/0"]);
    check_refused(&framed(7, "avro"), "framing");
    let glue = [&[3, 0][..], &[9; 16], EVENT.as_bytes()].concat();
    check_refused(&glue, "framing");
    assert!(decode(&glue).dead_letters[0].detail.contains("Glue"));

    let codec = codec().with_schemas(Arc::new(OneSchema));
    assert_eq!(decode_with(&codec, &[], &framed(7, "avro")).rows.len(), 1);
    for (id, payload, detail) in [(7, "other", "does not fit"), (8, "avro", "not at hand")] {
        let sink = decode_with(&codec, &[], &framed(id, payload));
        assert!(
            sink.dead_letters[0].detail.contains(detail),
            "{:?}",
            sink.dead_letters
        );
    }
    let guid = [&[1][..], &[9; 16]].concat();
    let sink = decode_with(&codec, &[("__value_schema_id", &guid)], b"avro");
    assert_eq!(sink.rows.len(), 1);
    let sink = decode_with(
        &codec,
        &[("__value_schema_id", &[0, 0, 0, 0, 1])],
        EVENT.as_bytes(),
    );
    assert_eq!(sink.rows.len(), 1);
}
