//! OpenTelemetry's signals: what the files of `fixtures/payloads` cannot say by themselves.

use std::fs;
use std::path::Path;

use codec::{Codec, Decoded, FingerprintSecret, Format};
use model::double::MemorySink;
use model::{Partition, Records, Timestamp};
use serde_json::Value;

fn payload(file: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/payloads");
    fs::read(folder.join(file)).unwrap()
}

fn codec() -> Codec {
    Codec::new(FingerprintSecret::public_test_secret())
}

fn of_topic(format: Format) -> Codec {
    codec().with_formats([("usage".to_owned(), format)])
}

fn decode(codec: &Codec, payload: &[u8]) -> (Option<Decoded>, MemorySink) {
    let record_time = Timestamp::parse("2026-05-06T00:00:00Z").unwrap();
    let mut records = Records::new(Partition::new("usage", 0), 0);
    records.push(0, Some(record_time), payload);
    let mut sink = MemorySink::default();
    let record = records.iter().next().unwrap();
    let decoded = codec.reader(records.partition()).read(&record, &mut sink);
    (decoded, sink)
}

fn column(sink: &MemorySink, name: &str) -> Vec<Value> {
    let rows = sink.rows.iter();
    rows.map(|(_, row)| row[name].clone()).collect()
}

/// Checks that a payload is a dead letter of that reason and nothing else.
#[track_caller]
fn check_dead(codec: &Codec, payload: &[u8], reason: &str, part: &str) {
    let (_, sink) = decode(codec, payload);
    assert!(sink.rows.is_empty(), "{:?}", sink.rows);
    let [dead_letter] = sink.dead_letters.as_slice() else {
        panic!("{} dead letters", sink.dead_letters.len());
    };
    assert_eq!(
        dead_letter.reason.as_str(),
        reason,
        "{}",
        dead_letter.detail
    );
    assert!(dead_letter.detail.contains(part), "{}", dead_letter.detail);
}

#[test]
fn protobuf_is_read_as_the_json_of_the_same_batch() {
    for (format, json, protobuf) in [
        (
            "otlp.traces",
            "agent_with_calls_and_tools",
            "agent_in_protobuf",
        ),
        ("otlp.traces", "claude_sdk_and_api", "claude_in_protobuf"),
        ("otlp.metrics", "counters_delta", "counters_in_protobuf"),
        (
            "otlp.metrics",
            "token_usage_histogram",
            "histogram_in_protobuf",
        ),
        ("otlp.logs", "claude_code", "claude_code_in_protobuf"),
        ("otlp.logs", "codex", "codex_in_protobuf"),
    ] {
        let json = payload(&format!("{format}/{json}.json"));
        let protobuf = payload(&format!("{format}/{protobuf}.binpb"));
        let format = Format::from_name(format).unwrap();
        let (_, expected) = decode(&codec(), &json);
        for codec in [codec(), of_topic(format)] {
            let (decoded, sink) = decode(&codec, &protobuf);
            assert_eq!(decoded.unwrap().format, format);
            assert_eq!(sink.rows, expected.rows, "{format}");
            assert!(!sink.rows.is_empty() && sink.dead_letters.is_empty());
        }
    }
}

#[test]
fn a_batch_of_another_signal_or_cut_short_is_a_dead_letter() {
    let traces = payload("otlp.traces/agent_in_protobuf.binpb");
    for (topic, file) in [
        (Format::OtlpMetrics, "otlp.traces/agent_in_protobuf.binpb"),
        (Format::OtlpLogs, "otlp.traces/agent_in_protobuf.binpb"),
        (
            Format::OtlpTraces,
            "otlp.metrics/counters_in_protobuf.binpb",
        ),
        (Format::OtlpLogs, "otlp.metrics/counters_in_protobuf.binpb"),
        (Format::OtlpTraces, "otlp.logs/codex_in_protobuf.binpb"),
        (Format::OtlpMetrics, "otlp.logs/codex_in_protobuf.binpb"),
    ] {
        check_dead(
            &of_topic(topic),
            &payload(file),
            "unknown_format",
            topic.name(),
        );
    }
    let json = payload("otlp.logs/codex.json");
    check_dead(
        &of_topic(Format::OtlpTraces),
        &json,
        "unknown_format",
        "resourceSpans",
    );
    for codec in [codec(), of_topic(Format::OtlpTraces)] {
        let cut = &traces[..traces.len() - 7];
        check_dead(&codec, cut, "unknown_format", "ends inside of a field");
    }
    // A resource and no span has no name to be told by, and is no fault where it is said.
    let nothing = b"\x0a\x06\x0a\x00\x12\x02\x0a\x00";
    check_dead(&codec(), nothing, "json", "");
    let (decoded, sink) = decode(&of_topic(Format::OtlpTraces), nothing);
    assert_eq!(decoded.unwrap().format, Format::OtlpTraces);
    assert!(sink.rows.is_empty() && sink.dead_letters.is_empty());
    let wrong = br#"{"resourceSpans":{"scopeSpans":[]}}"#;
    check_dead(&codec(), wrong, "wrong_type", "resourceSpans");
}

#[test]
fn a_batch_without_a_call_is_neither_row_nor_dead_letter() {
    for batch in [
        r#"{"resourceSpans":[]}"#,
        r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"GET","kind":3,"attributes":[{"key":"http.request.method","value":{"stringValue":"GET"}}]}]}]}]}"#,
        r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"cpu","gauge":{"dataPoints":[{"asInt":"1"}]}}]}]}]}"#,
        r#"{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"started"}}]}]}]}"#,
    ] {
        let (decoded, sink) = decode(&codec(), batch.as_bytes());
        assert!(decoded.is_some(), "{batch}");
        assert!(
            sink.rows.is_empty() && sink.dead_letters.is_empty(),
            "{batch}"
        );
    }
}

#[test]
fn what_several_reports_say_of_one_request_has_one_id() {
    let (_, spans) = decode(&codec(), &payload("otlp.traces/claude_sdk_and_api.json"));
    assert_eq!(column(&spans, "id"), ["req_011A", "req_011A"]);
    assert_eq!(column(&spans, "provider"), ["anthropic", "anthropic"]);
    assert_eq!(column(&spans, "account"), ["org_acme", "org_acme"]);
    let (_, spans) = decode(
        &codec(),
        &payload("otlp.traces/agent_with_calls_and_tools.json"),
    );
    let (_, logs) = decode(&codec(), &payload("otlp.logs/events_beside_spans.json"));
    assert_eq!(column(&spans, "id"), column(&logs, "id"));
    let (_, spans) = decode(
        &codec(),
        &payload("otlp.traces/nulls_and_other_clients.json"),
    );
    let (_, logs) = decode(&codec(), &payload("otlp.logs/claude_code.json"));
    assert_eq!(column(&spans, "id")[0], column(&logs, "id")[0]);
}

#[test]
fn a_cumulative_sum_replaces_itself_until_it_is_reset() {
    let text = |file| String::from_utf8(payload(file)).unwrap();
    let ids = |text: &str| column(&decode(&codec(), text.as_bytes()).1, "id");
    let (end, later) = ("1777896060000000000", "1777896120000000000");
    let (start, reset) = ("1777896000000000000", "1777896030000000000");
    let cumulative = text("otlp.metrics/counters_cumulative.json");
    let first = ids(&cumulative);
    assert_eq!(first, ids(&cumulative.replace(end, later)));
    assert_ne!(first, ids(&cumulative.replace(start, reset)));
    let (_, sink) = decode(&codec(), cumulative.as_bytes());
    assert_eq!(column(&sink, "aggregate"), [true, true]);
    let delta = text("otlp.metrics/counters_delta.json");
    let first = ids(&delta);
    assert_eq!(first, ids(&delta));
    assert_ne!(first, ids(&delta.replace(end, later)));
    let unsaid = delta.replace("\"aggregationTemporality\": 1", "\"x\": 1");
    check_dead(
        &codec(),
        unsaid.as_bytes(),
        "missing_field",
        "delta or cumulative",
    );
    let startless = cumulative.replace("startTimeUnixNano", "x");
    check_dead(
        &codec(),
        startless.as_bytes(),
        "missing_field",
        "which time",
    );
}

#[test]
fn the_key_is_where_the_settings_say() {
    let batch = payload("otlp.traces/agent_with_calls_and_tools.json");
    let names = |names: &[&str]| {
        let names = names.iter().map(|name| (*name).to_owned());
        codec().with_key_attributes(names)
    };
    let keys = |codec: &Codec| column(&decode(codec, &batch).1, "key");
    assert_eq!(keys(&codec()), ["key_7f3a", "key_7f3a"]);
    // The item's, then its scope's, then its resource's, in the order of the list.
    assert_eq!(
        keys(&names(&["absent", "team.id", "api_key.id"])),
        ["payments", "payments"]
    );
    assert_eq!(keys(&names(&[])), [Value::Null, Value::Null]);
    let mut records = Records::new(Partition::new("usage", 0), 0);
    let headers = [("x-key-id", &b"key_of_the_record"[..])];
    records.push_with_headers(0, None, &batch, headers);
    let mut sink = MemorySink::default();
    names(&["x-key-id"]).decode(&records, &mut sink);
    assert_eq!(
        column(&sink, "key"),
        ["key_of_the_record", "key_of_the_record"]
    );
}

#[test]
fn an_attribute_that_is_given_twice_is_refused_and_its_neighbours_are_not() {
    let text = String::from_utf8(payload("otlp.traces/failed_calls.json")).unwrap();
    let twice = text.replacen(
        "\"attributes\": [\n",
        "\"attributes\": [{\"key\":\"service.name\",\"value\":{\"stringValue\":\"batch\"}},\n",
        1,
    );
    assert_eq!(
        decode(&codec(), twice.as_bytes()).1.rows.len(),
        3,
        "equal values are no doubt"
    );
    let at = text.find("\"gen_ai.operation.name\"").unwrap();
    let at = text[..at].rfind('{').unwrap();
    let key = r#"{"key":"api_key.id","value":{"stringValue":"key_other"}},"#;
    let twice = format!("{}{key}{}", &text[..at], &text[at..]);
    let (_, sink) = decode(&codec(), twice.as_bytes());
    assert_eq!(sink.rows.len(), 2);
    assert_eq!(sink.dead_letters[0].reason.as_str(), "duplicate_field");
    let two = text.replacen(
        r#""stringValue": "key_7f3a""#,
        r#""stringValue":"key_7f3a","intValue":7"#,
        1,
    );
    let (_, sink) = decode(&codec(), two.as_bytes());
    assert_eq!(sink.rows.len(), 2);
    assert_eq!(sink.dead_letters[0].reason.as_str(), "duplicate_field");
}

#[test]
fn a_bad_number_ends_its_item_alone() {
    let text = String::from_utf8(payload("otlp.logs/claude_code.json")).unwrap();
    for (from, to, reason) in [
        (r#""300""#, r#""-300""#, "number"),
        (r#""8000""#, r#""many""#, "wrong_type"),
        (r#""0.0145""#, r#""NaN""#, "wrong_type"),
        ("1777896003456000000", "99", "time"),
    ] {
        assert!(text.contains(from));
        let (_, sink) = decode(&codec(), text.replace(from, to).as_bytes());
        assert_eq!(sink.rows.len(), 3, "{to}");
        assert_eq!(sink.dead_letters[0].reason.as_str(), reason, "{to}");
    }
}

#[test]
fn a_resource_with_thousands_of_attributes_is_not_slow() {
    let attributes = vec![r#"{"key":"a","value":{}}"#; 20_000].join(",");
    let spans = vec![r#"{"attributes":[{"key":"gen_ai.operation.name","value":"chat"}]}"#; 5_000];
    let metric = r#"{"metrics":[{"name":"claude_code.cost.usage","sum":{"aggregationTemporality":1,"dataPoints":[{"timeUnixNano":"1777896000000000000","asInt":1}]}}]}"#;
    let scopes = vec![metric; 3_000].join(",");
    let start = std::time::Instant::now();
    for (list, scope) in [
        ("Spans", format!(r#"{{"spans":[{}]}}"#, spans.join(","))),
        ("Metrics", scopes),
    ] {
        let batch = format!(
            r#"{{"resource{list}":[{{"resource":{{"attributes":[{attributes}]}},"scope{list}":[{scope}]}}]}}"#
        );
        let (_, sink) = decode(&codec(), batch.as_bytes());
        assert!(sink.rows.len() >= 3_000, "{:?}", sink.dead_letters);
    }
    // Looking at all of them for each item takes minutes here.
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

#[test]
fn no_damaged_byte_of_a_batch_stops_anything() {
    for file in [
        "otlp.traces/claude_in_protobuf.binpb",
        "otlp.metrics/histogram_in_protobuf.binpb",
    ] {
        let batch = payload(file);
        for at in 0..batch.len() {
            for damage in [0x00, 0x01, 0x0a, 0x7f, 0x80, 0xff] {
                let mut batch = batch.clone();
                batch[at] = damage;
                let (_, sink) = decode(&codec(), &batch);
                assert!(sink.dead_letters.len() <= 1, "{file} {at} {damage}");
            }
        }
    }
}
