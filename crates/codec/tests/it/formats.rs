//! Every file of `fixtures/payloads`, decoded without a setting.
//!
//! A folder is a format and has the format's name. Its files are records; `snapshots/` has the
//! rows that each of them becomes. `UPDATE_FIXTURES=1 cargo test -p codec` writes them anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use codec::{Codec, Decoded, FingerprintSecret, Format, Mapping};
use model::double::MemorySink;
use model::{Partition, Records, Timestamp};
use serde_json::Value;

fn payloads() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/payloads")
}

/// Returns the files of a folder by their names, in order.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.is_file())
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect()
}

/// Decodes one record that the broker took two days after the fixtures' day.
fn decode(codec: &Codec, payload: &[u8]) -> (Option<Decoded>, MemorySink) {
    let record_time = Timestamp::parse("2026-05-06T00:00:00Z").unwrap();
    let mut records = Records::new(Partition::new("usage", 0), 0);
    records.push(0, Some(record_time), payload);
    let mut sink = MemorySink::default();
    let record = records.iter().next().unwrap();
    let decoded = codec.reader(records.partition()).read(&record, &mut sink);
    (decoded, sink)
}

fn codec() -> Codec {
    Codec::new(FingerprintSecret::public_test_secret())
}

fn rows(sink: &MemorySink) -> Vec<&Value> {
    sink.rows.iter().map(|(_, row)| row).collect()
}

#[test]
fn every_payload_is_told_from_all_other_formats_and_read_as_recorded() {
    let update = std::env::var_os("UPDATE_FIXTURES").is_some_and(|value| value == "1");
    for format in Format::ALL {
        let folder = payloads().join(format.name());
        let files = files(&folder);
        assert!(!files.is_empty(), "no fixture of {format}");
        for (name, bytes) in files {
            let what = format!("{format}/{name}");
            let (decoded, sink) = decode(&codec(), &bytes);
            assert!(
                sink.dead_letters.is_empty(),
                "{what}: {:?}",
                sink.dead_letters
            );
            assert_eq!(
                decoded.map(|decoded| decoded.format),
                Some(*format),
                "{what}"
            );
            let rows = rows(&sink);
            // The native ones are one row each and have a test of their own.
            if *format == Format::Native {
                continue;
            }
            let snapshot = folder.join("snapshots").join(format!("{name}.json"));
            if update {
                fs::create_dir_all(folder.join("snapshots")).unwrap();
                let text = serde_json::to_string_pretty(&rows).unwrap();
                fs::write(&snapshot, text + "\n").unwrap();
            }
            let expected = fs::read_to_string(&snapshot)
                .unwrap_or_else(|err| panic!("{what}: {err}; UPDATE_FIXTURES=1 writes snapshots"));
            let expected: Vec<Value> = serde_json::from_str(&expected).unwrap();
            assert_eq!(rows, expected.iter().collect::<Vec<_>>(), "{what}");
        }
    }
}

#[test]
fn every_folder_is_a_format() {
    for entry in fs::read_dir(payloads()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let is_known = name == "malformed" || Format::from_name(&name).is_ok();
        assert!(is_known, "{name}");
    }
}

#[test]
fn what_is_refused_as_native_is_refused_without_a_setting_too() {
    for (name, bytes) in files(&payloads().join("native/malformed")) {
        let (_, sink) = decode(&codec(), &bytes);
        // An array of native events is none, and read all the same where it may be anything.
        if name == "shape.array" {
            assert_eq!(sink.rows.len(), 1, "{name}");
            continue;
        }
        assert!(sink.rows.is_empty(), "{name}: {:?}", sink.rows);
        let reason = sink.dead_letters[0].reason.as_str();
        assert_eq!(Some(reason), name.split('.').next(), "{name}");
        assert_eq!(sink.dead_letters.len(), 1, "{name}");
    }
}

#[test]
fn a_payload_cut_anywhere_is_rows_and_at_most_one_dead_letter() {
    for format in Format::ALL {
        for bytes in files(&payloads().join(format.name())).values().take(2) {
            for end in (1..bytes.len()).step_by(23) {
                let (_, sink) = decode(&codec(), &bytes[..end]);
                assert!(sink.dead_letters.len() <= 1);
                assert!(sink.rows.len() + sink.dead_letters.len() > 0);
            }
        }
    }
}

#[test]
fn no_body_and_no_raw_key_leaves() {
    for format in &Format::ALL[1..] {
        for (name, bytes) in files(&payloads().join(format.name())) {
            let (_, sink) = decode(&codec(), &bytes);
            let seen = format!("{:?}", sink.rows);
            assert!(!seen.contains("never kept"), "{format}/{name}: {seen}");
            assert!(!seen.contains("EXAMPLE0"), "{format}/{name}: {seen}");
        }
    }
}

#[test]
fn a_bucket_that_is_sent_again_has_the_id_it_had() {
    let ids = |folder: &str, name: &str, from: &str, to: &str| {
        let bytes = fs::read(payloads().join(folder).join(name)).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from), "{name}");
        let again = text.replace(from, to);
        [text, again].map(|text| {
            let (_, sink) = decode(&codec(), text.as_bytes());
            let ids = rows(&sink).into_iter().map(|row| row["id"].clone());
            ids.collect::<Vec<_>>()
        })
    };
    for (folder, name, from, to) in [
        (
            "openai.usage",
            "open_bucket.json",
            r#""output_tokens":500"#,
            r#""output_tokens":900"#,
        ),
        (
            "openai.costs",
            "by_line_item.json",
            r#""value":0.06"#,
            r#""value":0.07"#,
        ),
        (
            "anthropic.costs",
            "by_description.json",
            r#""amount":"123.45""#,
            r#""amount":"223.45""#,
        ),
        (
            "anthropic.claude_code",
            "users_and_keys.json",
            r#""output":35000"#,
            r#""output":36000"#,
        ),
        (
            "anthropic.usage",
            "open_bucket.json",
            r#""output_tokens":500"#,
            r#""output_tokens":900"#,
        ),
        (
            "cur",
            "by_resource.json",
            r#""line_item_unblended_cost":3.6015000001"#,
            r#""line_item_unblended_cost":4.2"#,
        ),
        ("azure.cost", "enterprise_table.csv", "1200.5", "1300.75"),
        ("focus", "aws_1_2_table.csv", "3.6015000001", "4.2"),
        (
            "gcp.billing",
            "with_credits.json",
            r#""cost":12.345678901"#,
            r#""cost":13"#,
        ),
    ] {
        let [first, second] = ids(folder, name, from, to);
        assert_eq!(first, second, "{folder}");
    }
    let other = r#""api_key_id":"key_9999""#;
    let [first, second] = ids(
        "openai.usage",
        "open_bucket.json",
        r#""api_key_id":"key_7f3a""#,
        other,
    );
    assert_ne!(first, second);
}

#[test]
fn a_bad_line_leaves_the_good_ones_beside_it() {
    let bytes = fs::read(payloads().join("openai.usage/completions_by_key.json")).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let bad = text.replacen(r#""output_tokens":500"#, r#""output_tokens":-1"#, 1);
    let (decoded, sink) = decode(&codec(), bad.as_bytes());
    assert_eq!(decoded.unwrap().format, Format::OpenaiUsage);
    assert_eq!(sink.rows.len(), 1);
    let dead_letter = &sink.dead_letters[0];
    assert_eq!(dead_letter.reason.as_str(), "number");
    assert!(
        dead_letter
            .detail
            .starts_with("element 0 of 2: `data.0.results.0.output_tokens` is not a whole number"),
        "{}",
        dead_letter.detail
    );
    assert!(
        dead_letter
            .payload
            .starts_with(r#"{"object":"organization.usage"#)
    );
}

#[test]
fn an_identity_that_is_given_twice_is_refused() {
    let bytes = fs::read(payloads().join("openai.usage/one_result.json")).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let twice = text.replacen('{', r#"{"api_key_id":"key_other","#, 1);
    let (_, sink) = decode(&codec(), twice.as_bytes());
    assert!(sink.rows.is_empty());
    assert_eq!(sink.dead_letters[0].reason.as_str(), "duplicate_field");
    // What nobody reads may be there as often as it likes.
    let twice = text.replacen('{', r#"{"x":1,"x":2,"#, 1);
    assert_eq!(decode(&codec(), twice.as_bytes()).1.rows.len(), 1);
}

#[test]
fn a_list_of_bad_elements_is_not_slow() {
    let batch = format!(
        "[{}]",
        vec![r#"{"usage":{"prompt_tokens":-1}}"#; 30_000].join(",")
    );
    let start = std::time::Instant::now();
    let (_, sink) = decode(&codec(), batch.as_bytes());
    // Walking the list for each element takes minutes here.
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
    let detail = &sink.dead_letters[0].detail;
    assert!(
        detail.starts_with("element 0 of 30000: `0.usage.prompt_tokens` is"),
        "{detail}"
    );
}

#[test]
fn the_settings_win_over_what_a_record_looks_like() {
    let topic = |format| codec().with_formats([("usage".to_owned(), format)]);
    let event = br#"{"time":"2026-05-04T12:00:00Z","requests":1}"#;
    let (decoded, sink) = decode(&topic(Format::Litellm), event);
    assert_eq!(decoded.unwrap().format, Format::Litellm);
    assert_eq!(sink.rows[0].1["quality"][1], "time_fallback");
    let (_, sink) = decode(&topic(Format::Litellm), b"[1]");
    assert_eq!(sink.dead_letters[0].reason.as_str(), "unknown_format");
    let (_, sink) = decode(&topic(Format::Native), b"[{}]");
    assert_eq!(sink.dead_letters[0].reason.as_str(), "shape");
}

#[test]
fn a_topic_says_whose_events_are_that_do_not_say_it_and_where_they_are_counted() {
    let topic = || "usage".to_owned();
    let codec = codec()
        .with_accounts([(topic(), "acme".to_owned())])
        .with_counted_elsewhere([topic()]);
    let bucket = r#"{"object":"bucket","start_time":1777852800,"end_time":1777856400,"results":[
        {"object":"organization.usage.completions.result","num_model_requests":3,"api_key_id":"key_1"},
        {"object":"organization.usage.completions.result","num_model_requests":4,"organization_id":"org-1"}]}"#;
    let native = r#"{"time":"2026-05-04T12:00:00Z","requests":1}"#;
    let named = r#"{"time":"2026-05-04T12:00:00Z","requests":1,"account":"other"}"#;
    for (record, accounts) in [
        (bucket, &["acme", "org-1"][..]),
        (native, &["acme"]),
        (named, &["other"]),
    ] {
        let (_, sink) = decode(&codec, record.as_bytes());
        let rows: Vec<_> = sink.rows.iter().map(|(_, row)| row).collect();
        let found: Vec<_> = rows.iter().map(|row| row["account"].as_str()).collect();
        let expected: Vec<_> = accounts.iter().copied().map(Some).collect();
        assert_eq!(found, expected, "{record}");
        for row in rows {
            let words = row["quality"].as_array().unwrap();
            assert!(words.contains(&"counted_elsewhere".into()), "{row}");
        }
    }
}

#[test]
fn a_mapping_says_where_things_are() {
    let mapping: Mapping = serde_json::from_str(
        r#"{
            "fields": {"id": "meta.uid", "time": "meta.at", "key": "auth.credential", "account": "/x.y/z",
                "input_tokens": "meter.in", "cache_read_tokens": "meter.cached", "output_tokens": "meter.out.0",
                "cost_usd": "meter.price", "source_ip": "from", "status": "code", "batch": "bulk"},
            "constants": {"provider": "openai", "service": "checkout"},
            "other_units": {"images": "meter.pictures"},
            "extra": {"shop": "meta.shop"},
            "cost_unit": "cents",
            "input_tokens": "exclusive"
        }"#,
    )
    .unwrap();
    let codec = codec().with_mappings([("usage".to_owned(), mapping.clone())]);
    let event = br#"[{"meta":{"uid":7,"at":1777896000123,"shop":"eu-1"},"auth":{"credential":"key_7f3a"},
        "x.y":{"z":"acme"},"key":"not this","meter":{"in":100,"cached":"40","out":[20],"price":"0.183","pictures":2},
        "from":"192.0.2.7","code":"200","bulk":"true"}]"#;
    let (decoded, sink) = decode(&codec, event);
    assert_eq!(
        decoded.unwrap().format,
        Format::Generic,
        "{:?}",
        sink.dead_letters
    );
    let expected: Value = serde_json::from_str(
        r#"{"time":"2026-05-04T12:00:00.123Z","kind":"usage","id":"7","provider":"openai","account":"acme","key":"key_7f3a",
            "service":"checkout","cost_source":"reported","outcome":"ok","source_ip":"192.0.2.7","requests":1,
            "input_tokens":140,"cache_read_tokens":40,"output_tokens":20,"status":200,"cost_usd":0.00183,
            "batch":true,"other_units":{"images":2.0},"extra":{"shop":"eu-1"}}"#,
    )
    .unwrap();
    assert_eq!(sink.rows[0].1, expected);
    let again: Mapping = serde_json::from_str(&serde_json::to_string(&mapping).unwrap()).unwrap();
    assert_eq!(again, mapping);
    for bad in [
        r#"{"fields":{"nonsense":"a"}}"#,
        r#"{"constants":{"requests":"1"}}"#,
        r#"{"field":{}}"#,
    ] {
        assert!(serde_json::from_str::<Mapping>(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_request_as_it_was_sent_is_refused_by_name_and_none_of_it_is_kept() {
    let request = "POST /v1/chat/completions?key=a HTTP/1.1\r\nhost: gateway.example\r\n\
                   apikey: hidden-1\r\n\r\n{\"model\":\"gpt-4o\",\"usage\":{\"prompt_tokens\":1}}";
    let batch = serde_json::to_string(&[request, request]).unwrap();
    let topic = codec().with_formats([("usage".to_owned(), Format::Apisix)]);
    for (codec, payload) in [
        (codec(), request),
        (codec(), batch.as_str()),
        (topic, batch.as_str()),
    ] {
        let (_, sink) = decode(&codec, payload.as_bytes());
        assert!(sink.rows.is_empty());
        let dead_letter = &sink.dead_letters[0];
        assert_eq!(dead_letter.reason.as_str(), "unknown_format");
        assert!(
            dead_letter.detail.contains("meta_format"),
            "{}",
            dead_letter.detail
        );
        assert!(!format!("{dead_letter:?}").contains("hidden"));
    }
}

#[test]
fn a_credential_without_the_shape_of_one_becomes_a_fingerprint() {
    let bytes = fs::read(payloads().join("apisix/refused_and_limited.json")).unwrap();
    let (_, sink) = decode(&codec(), &bytes);
    let row = &sink.rows[0].1;
    assert!(row["key"].as_str().unwrap().starts_with("fp:"), "{row}");
    assert!(!format!("{:?}", sink.rows).contains("guess-1"));
    let bytes = fs::read(payloads().join("litellm.audit/raw_key_of_the_actor.json")).unwrap();
    let (_, sink) = decode(&codec(), &bytes);
    let row = &sink.rows[1].1;
    assert_eq!(
        row["key"], row["extra"]["target"],
        "the key did it to itself"
    );
    assert!(!format!("{:?}", sink.rows).contains("sk-1234"));
}

#[test]
fn a_name_that_is_given_twice_inside_of_a_text_is_refused_too() {
    let bytes = fs::read(payloads().join("openmeter/topic.json")).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let twice = text.replacen(
        r#"\"prompt_tokens\""#,
        r#"\"prompt_tokens\": 5, \"prompt_tokens\""#,
        1,
    );
    assert_ne!(text, twice);
    let (_, sink) = decode(&codec(), twice.as_bytes());
    assert_eq!(sink.dead_letters[0].reason.as_str(), "duplicate_field");
    assert!(sink.dead_letters[0].detail.contains("inside of its text"));
    let bad = text.replacen(r#"{\"model\""#, r#"{\"model\",\"x\""#, 1);
    let (_, sink) = decode(&codec(), bad.as_bytes());
    assert_eq!(sink.dead_letters[0].reason.as_str(), "json");
    let negative = text.replacen("1200", "-1200", 1);
    let (_, sink) = decode(&codec(), negative.as_bytes());
    let detail = &sink.dead_letters[0].detail;
    assert!(
        detail.starts_with("`data.prompt_tokens` is not a whole number"),
        "{detail}"
    );
}

#[test]
fn one_bad_event_of_a_batch_leaves_the_others() {
    for (file, from, to, rows) in [
        ("lago/batch_of_classes", "\"300\"", "\"-300\"", 3),
        (
            "apisix/batch_with_raw_authorization",
            "1500.4",
            "\"soon\"",
            1,
        ),
        (
            "kong/before_3_9_with_two_plugins",
            "\"prompt_token\":89",
            "\"prompt_token\":-89",
            1,
        ),
        (
            "openrouter/keys",
            "2026-05-05T00:00:00Z",
            "9999-01-01T00:00:00Z",
            2,
        ),
        (
            "cloudflare/page_of_logs",
            "\"tokens_in\":1200",
            "\"tokens_in\":1e30",
            1,
        ),
    ] {
        let bytes = fs::read(payloads().join(format!("{file}.json"))).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains(from), "{file}");
        let (_, sink) = decode(&codec(), text.replacen(from, to, 1).as_bytes());
        assert_eq!(sink.rows.len(), rows, "{file}");
        assert_eq!(sink.dead_letters.len(), 1, "{file}");
    }
}

#[test]
fn no_byte_that_is_another_makes_a_decoder_fail() {
    // A multiplier of a linear congruential generator, so that every run is the same.
    let mut state = 1u64;
    let mut next = move |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 33) as usize % below
    };
    const BYTES: &[u8] = b"\"{}[]:,-0519eEtfn\\u \x00\xff";
    for format in Format::ALL {
        for bytes in files(&payloads().join(format.name())).values() {
            for _ in 0..12 {
                let mut bytes = bytes.clone();
                let at = next(bytes.len());
                bytes[at] = BYTES[next(BYTES.len())];
                let (_, sink) = decode(&codec(), &bytes);
                assert!(sink.dead_letters.len() <= 1);
            }
        }
    }
}
