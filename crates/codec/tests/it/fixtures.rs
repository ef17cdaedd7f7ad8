//! Every file of `fixtures/payloads/native`, against the codec and the published schema.
//!
//! The topic is said to be native: what is looked for in others, such as arrays, is refused here.
//! `UPDATE_FIXTURES=1 cargo test -p codec` writes the snapshots anew; read the diff.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use codec::{Codec, FingerprintSecret, Format, MAX_PAYLOAD_BYTES};
use jsonschema::Validator;
use model::double::MemorySink;
use model::{Partition, Records, Timestamp};
use serde_json::Value;

/// Refused for what JSON Schema cannot express.
const WELL_FORMED_BUT_REFUSED: [&str; 3] = [
    "json.lone_surrogate",
    "shape.deep_nesting",
    "time.span_backwards",
];

/// What the invented keys are filled with, and the middle of OpenAI's.
const FILLINGS: [&str; 4] = ["EXAMPLE0", "EXAMPLEx", "deadbeef", "T3BlbkFJ"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the bytes of every `.json` file of a folder below `payloads/native`, by name.
fn files(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = root().join("fixtures/payloads/native").join(folder);
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            files.insert(name, fs::read(&path).unwrap());
        }
    }
    assert!(!files.is_empty(), "no fixture in {}", folder.display());
    files
}

/// Decodes one record that the broker took two days after the fixtures' day.
fn decode(payload: &[u8]) -> MemorySink {
    let record_time = Timestamp::parse("2026-05-06T00:00:00Z").unwrap();
    let mut records = Records::new(Partition::new("usage", 0), 0);
    records.push(0, Some(record_time), payload);
    let mut sink = MemorySink::default();
    let codec = Codec::new(FingerprintSecret::public_test_secret());
    let codec = codec.with_formats([("usage".to_owned(), Format::Native)]);
    codec.decode(&records, &mut sink);
    sink
}

fn validator() -> Validator {
    let schema = fs::read_to_string(root().join("schemas/usage.v1.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    assert!(jsonschema::meta::is_valid(&schema));
    // The 30th of February has the pattern of a day and is none.
    jsonschema::options()
        .should_validate_formats(true)
        .build(&schema)
        .unwrap()
}

#[track_caller]
fn check_schema(validator: &Validator, what: &str, value: &Value) {
    let errors: Vec<String> = validator
        .iter_errors(value)
        .map(|err| format!("{}: {err}", err.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{what}: {errors:#?}");
}

/// Returns the keys that the fixtures are made with.
fn invented_keys() -> Vec<String> {
    let mut keys = Vec::new();
    for (name, bytes) in files("") {
        if name.starts_with("raw_key_") {
            let event: Value = serde_json::from_slice(&bytes).unwrap();
            keys.extend(event["key"].as_str().map(str::to_owned));
        }
    }
    keys.retain(|key| !key.starts_with("key_"));
    assert!(keys.len() > 10);
    keys
}

#[track_caller]
fn check_no_key(keys: &[String], name: &str, seen: &str) {
    for key in keys {
        for part in [&key[..], &key[8..key.len() - 8]] {
            assert!(!seen.contains(part), "{name}: {part} is still in {seen}");
        }
    }
    if name.contains("raw_key") {
        for filling in FILLINGS {
            assert!(
                !seen.contains(filling),
                "{name}: {filling} is still in {seen}"
            );
        }
    }
}

#[test]
fn every_valid_payload_is_one_row_as_recorded() {
    let (validator, keys) = (validator(), invented_keys());
    let snapshots = root().join("fixtures/payloads/native/snapshots");
    let update = std::env::var_os("UPDATE_FIXTURES").is_some_and(|value| value == "1");
    for (name, bytes) in files("") {
        let bare = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        check_schema(&validator, &name, &serde_json::from_slice(bare).unwrap());

        let sink = decode(&bytes);
        assert!(
            sink.dead_letters.is_empty(),
            "{name}: {:?}",
            sink.dead_letters
        );
        let [(_, row)] = sink.rows.as_slice() else {
            panic!("{name}: {} rows", sink.rows.len());
        };
        check_schema(&validator, &format!("{name} decoded"), row);
        check_no_key(&keys, &name, &row.to_string());

        let snapshot = snapshots.join(format!("{name}.json"));
        if update {
            fs::create_dir_all(&snapshots).unwrap();
            let text = serde_json::to_string_pretty(row).unwrap();
            fs::write(&snapshot, text + "\n").unwrap();
        }
        let expected = fs::read_to_string(&snapshot)
            .unwrap_or_else(|err| panic!("{name}: {err}; UPDATE_FIXTURES=1 writes snapshots"));
        let expected: Value = serde_json::from_str(&expected).unwrap();
        assert_eq!(*row, expected, "{name}");
    }
    let recorded: Vec<String> = files("snapshots").into_keys().collect();
    let read: Vec<String> = files("").into_keys().collect();
    assert_eq!(recorded, read, "a snapshot is of no payload any more");
}

#[test]
fn a_row_decodes_to_itself() {
    for (name, bytes) in files("") {
        let first = decode(&bytes).rows.remove(0).1;
        let mut second = decode(first.to_string().as_bytes()).rows.remove(0).1;
        // Only Spikewatch itself says how far a row is to be trusted.
        second["quality"] = first["quality"].clone();
        let mut first = first;
        first["quality"] = second["quality"].clone();
        assert_eq!(first, second, "{name}");
    }
}

#[test]
fn every_malformed_payload_is_one_dead_letter_with_its_reason() {
    let keys = invented_keys();
    for (name, bytes) in files("malformed") {
        let sink = decode(&bytes);
        assert!(sink.rows.is_empty(), "{name}: {:?}", sink.rows);
        let [dead_letter] = sink.dead_letters.as_slice() else {
            panic!("{name}: {} dead letters", sink.dead_letters.len());
        };
        let (reason, _) = name.split_once('.').unwrap();
        let seen = format!("{} {}", dead_letter.detail, dead_letter.payload);
        assert_eq!(dead_letter.reason.as_str(), reason, "{name}: {seen}");
        assert_eq!(dead_letter.payload_bytes, bytes.len() as u64, "{name}");
        check_no_key(&keys, &name, &seen);
    }
}

#[test]
fn the_schema_refuses_what_the_codec_refuses() {
    let validator = validator();
    for (name, bytes) in files("malformed") {
        let Ok(value) = serde_json::from_slice::<Value>(&bytes) else {
            continue;
        };
        let expected = WELL_FORMED_BUT_REFUSED.contains(&name.as_str())
            || name.starts_with("duplicate_field.");
        assert_eq!(validator.is_valid(&value), expected, "{name}");
    }
}

#[test]
fn words_and_numbers_outside_the_examples_are_taken_by_schema_and_codec() {
    let validator = validator();
    for field in [
        r#""source":"proxy""#,
        r#""key_kind":"robot""#,
        r#""cost_source":"guess""#,
        r#""charge":"Gift""#,
        r#""outcome":"maybe""#,
        r#""scope":"planet""#,
        r#""kind":"""#,
        r#""currency":"credits""#,
        r#""country":"Germany""#,
        r#""source_ip":"10.0.0.0/8""#,
        r#""quality":"superb""#,
        r#""status":0"#,
        r#""status":999"#,
    ] {
        let event = format!(r#"{{"time":"2026-05-04T12:00:00Z","requests":1,{field}}}"#);
        check_schema(&validator, field, &serde_json::from_str(&event).unwrap());
        let sink = decode(event.as_bytes());
        assert_eq!(sink.rows.len(), 1, "{field}");
        check_schema(&validator, field, &sink.rows[0].1);
    }
}

#[test]
fn a_payload_that_is_too_large_says_so_and_keeps_no_key() {
    let keys = invented_keys();
    let mut payload = format!(r#"{{"key":"{}","x":""#, keys[0]).into_bytes();
    payload.resize(MAX_PAYLOAD_BYTES + 1, b' ');
    let sink = decode(&payload);
    assert_eq!(sink.dead_letters[0].reason.as_str(), "too_large");
    check_no_key(&keys, "too_large", &format!("{:?}", sink.dead_letters));
}
