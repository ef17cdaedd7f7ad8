//! Where an event came from: what it says itself, and what files say of its address.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use codec::{Codec, FingerprintSecret, Networks};
use model::double::MemorySink;
use model::{Partition, Records};
use serde_json::Value;

fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/networks");
    fs::read(folder.join(name)).unwrap()
}

fn codec() -> Codec {
    let networks = Networks::default();
    let networks = networks.with_asn_file(fixture("asn.mmdb")).unwrap();
    let networks = networks.with_country_file(fixture("country.mmdb")).unwrap();
    Codec::new(FingerprintSecret::public_test_secret()).with_networks(Arc::new(networks))
}

/// Decodes one event with these fields and returns what is known of its network and country.
fn check(fields: &str, expected_asn: Option<u64>, expected_country: Option<&str>) {
    let event = format!(r#"{{"time":"2026-05-04T12:00:00Z","requests":1{fields}}}"#);
    let mut records = Records::new(Partition::new("usage", 0), 0);
    records.push(0, None, event.as_bytes());
    let mut sink = MemorySink::default();
    codec().decode(&records, &mut sink);
    let [(_, row)] = sink.rows.as_slice() else {
        panic!("{event}: {:?}", sink.dead_letters);
    };
    let expected_asn = expected_asn.map_or(Value::Null, Value::from);
    let expected_country = expected_country.map_or(Value::Null, Value::from);
    assert_eq!(row["asn"], expected_asn, "{event}");
    assert_eq!(row["country"], expected_country, "{event}");
    let quality = row["quality"].to_string();
    assert_eq!(quality, r#"["position_id"]"#, "{event}");
}

#[test]
fn an_address_gets_its_network_and_country() {
    check(r#","source_ip":"192.0.2.7""#, Some(64496), Some("DE"));
    check(r#","source_ip":"2001:db8::7""#, Some(64498), Some("NL"));
    check(r#","source_ip":"192\u002e0.2.7""#, Some(64496), Some("DE"));
}

#[test]
fn what_the_event_says_itself_stays() {
    let address = r#","source_ip":"192.0.2.7""#;
    for (own, asn, country) in [
        (r#","asn":64500"#, 64500, "DE"),
        (r#","country":"US""#, 64496, "US"),
        (r#","asn":64500,"country":"Germany""#, 64500, "Germany"),
        (r#","asn":null,"country":"""#, 64496, "DE"),
        (r#","asn":0,"country":"??""#, 0, "??"),
    ] {
        check(&format!("{address}{own}"), Some(asn), Some(country));
        check(&format!("{own}{address}"), Some(asn), Some(country));
    }
}

#[test]
fn without_a_public_address_nothing_is_added() {
    check("", None, None);
    for address in ["nonsense", "", "10.0.0.1", "127.0.0.1", "fe80::1", "::1"] {
        check(&format!(r#","source_ip":"{address}""#), None, None);
    }
    check(r#","source_ip":null"#, None, None);
    check(r#","source_ip_prefix":"192.0.2.0/24""#, None, None);
    // What is new to both files, and to one of them.
    check(r#","source_ip":"192.0.3.7""#, None, None);
    check(r#","source_ip":"203.0.113.7""#, None, Some("US"));
}

#[test]
fn without_files_rows_stay_as_they_are() {
    let event = br#"{"time":"2026-05-04T12:00:00Z","requests":1,"source_ip":"192.0.2.7"}"#;
    let mut records = Records::new(Partition::new("usage", 0), 0);
    records.push(0, None, event);
    let mut sink = MemorySink::default();
    Codec::new(FingerprintSecret::public_test_secret()).decode(&records, &mut sink);
    let row = &sink.rows[0].1;
    assert!(row["asn"].is_null() && row["country"].is_null(), "{row}");
}
