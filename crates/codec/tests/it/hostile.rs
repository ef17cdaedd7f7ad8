//! What no bytes may do to a decoder: panic, loop, hold more memory than a bounded multiple of
//! themselves, or make a row that none may be.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use codec::{Codec, FingerprintSecret, Format};
use flate2::Compression;
use flate2::write::GzEncoder;
use model::double::MemorySink;
use model::{DeadLetter, EventSink, Partition, Position, Records, Timestamp, UsageRow};
use proptest::prelude::*;

use super::allocations::most_held;
use super::malformed::check_row;
use super::mutate::{Seed, mutate};

/// Counts rows, and keeps the one dead letter.
#[derive(Default)]
struct Counts {
    rows: usize,
    dead_letters: Vec<DeadLetter>,
}

impl EventSink for Counts {
    fn row(&mut self, _row: &UsageRow<'_>, _position: &Position) {
        self.rows += 1;
    }

    fn dead_letter(&mut self, dead_letter: DeadLetter) {
        self.dead_letters.push(dead_letter);
    }
}

fn of_topic(format: Option<Format>) -> Codec {
    let codec = Codec::new(FingerprintSecret::public_test_secret());
    codec.with_formats(format.map(|format| ("usage".to_owned(), format)))
}

fn decode(codec: &Codec, payload: &[u8], sink: &mut dyn EventSink) {
    let record_time = Timestamp::parse("2026-05-06T00:00:00Z").unwrap();
    let mut records = Records::new(Partition::new("usage", 0), 0);
    records.push(0, Some(record_time), payload);
    codec.decode(&records, sink);
}

/// Checks what must hold for every record in every topic.
fn check(codec: &Codec, what: &str, payload: &[u8]) -> MemorySink {
    let mut sink = MemorySink::default();
    decode(codec, payload, &mut sink);
    assert!(sink.dead_letters.len() <= 1, "{what}");
    for letter in &sink.dead_letters {
        assert!(
            letter.payload.len() <= 8192 && letter.detail.len() <= 1024,
            "{what}"
        );
    }
    for (_, row) in &sink.rows {
        check_row(what, row);
    }
    sink
}

/// Returns every committed record with its name, good and malformed.
fn records() -> Vec<(String, Vec<u8>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/payloads");
    let mut folders = vec![root];
    let mut records = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.extend((!path.ends_with("snapshots")).then_some(path));
            } else {
                records.push((path.display().to_string(), fs::read(&path).unwrap()));
            }
        }
    }
    records.sort();
    records
}

fn all_topics() -> Vec<Codec> {
    let formats = Format::ALL.iter().map(|format| Some(*format));
    formats.chain([None]).map(of_topic).collect()
}

#[test]
fn no_record_of_one_format_harms_a_topic_of_another() {
    let topics = all_topics();
    for (name, bytes) in records() {
        for codec in &topics {
            let sink = check(codec, &name, &bytes);
            let seen = format!("{:?}", sink.rows);
            assert!(!seen.contains("EXAMPLE0"), "{name}: {seen}");
        }
    }
}

#[test]
fn no_changed_record_makes_a_row_that_none_may_be() {
    let (topics, records) = (all_topics(), records());
    let mut seed = Seed(7);
    for (name, bytes) in &records {
        for _ in 0..12 {
            let (_, other) = &records[seed.below(records.len())];
            let changed = mutate(&mut seed, bytes, other);
            let own = &topics[topics.len() - 1];
            check(own, name, &changed);
            let forced = &topics[seed.below(topics.len())];
            check(forced, name, &changed);
        }
    }
}

/// What makes bytes be taken for something.
const BEGINNINGS: [&[u8]; 6] = [
    b"",
    b"\x00\x00\x00\x00\x01",
    b"\x1f\x8b\x08\x00",
    b"\x0a",
    b"{\"",
    b"[{\"",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_harm_any_topic(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        first in 0..BEGINNINGS.len(),
    ) {
        let bytes = [BEGINNINGS[first], &bytes].concat();
        for codec in all_topics() {
            check(&codec, "bytes", &bytes);
        }
    }
}

/// The most that a record may hold for each of its bytes: a node of 32 bytes for every two, while
/// the list of nodes grows to twice its size, and the text of one row, redacted.
const HELD_PER_BYTE: usize = 80;

/// The most that any record may hold, packed or not.
const HELD_AT_MOST: usize = 192 << 20;

/// Returns how long this thread was on a processor; the machine may be busy with others.
fn busy() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

/// How long any record may take, unoptimised.
const LONGEST: Duration = Duration::from_secs(40);

#[track_caller]
fn check_bounds(what: &str, payload: &[u8], packed: bool) -> Counts {
    let codec = of_topic(None);
    // What is made once in a process is no fault of a record.
    decode(
        &codec,
        b"{\"sk-\":\"a\\u0020\",\"usage\":{\"prompt_tokens\":1}}",
        &mut Counts::default(),
    );
    let start = busy();
    let mut sink = Counts::default();
    let ((), held) = most_held(|| decode(&codec, payload, &mut sink));
    let took = busy().saturating_sub(start);
    println!(
        "{what}: {} bytes, held {held}, {took:?}, {} rows, {:?}",
        payload.len(),
        sink.rows,
        sink.dead_letters
            .first()
            .map(|letter| (letter.reason.as_str(), &letter.detail))
    );
    let bound = if packed {
        HELD_AT_MOST
    } else {
        HELD_PER_BYTE * payload.len() + (1 << 20)
    };
    assert!(held <= bound.min(HELD_AT_MOST), "{what} held {held}");
    assert!(took < LONGEST, "{what} took {took:?}");
    assert!(sink.dead_letters.len() <= 1, "{what}");
    sink
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Repeats `part` with commas between until there are `bytes` of it.
fn list(part: &str, bytes: usize) -> String {
    let count = (bytes / (part.len() + 1)).max(1);
    let mut list = format!("{part},").repeat(count);
    list.pop();
    list
}

fn wide(bytes: usize) -> String {
    let mut members = String::new();
    for number in 0.. {
        members.push_str(&format!("\"{number:x}\":0,"));
        if members.len() > bytes {
            break;
        }
    }
    members.pop();
    members
}

/// The length of a record; unoptimised, an eighth of it shows the same.
const MOST: usize = if cfg!(debug_assertions) {
    1 << 17
} else {
    (1 << 20) - 300
};

#[test]
fn a_document_of_a_megabyte_is_bounded() {
    check_bounds("zeros", format!("[{}]", list("0", MOST)).as_bytes(), false);
    check_bounds(
        "objects",
        format!("[{}]", list("{}", MOST)).as_bytes(),
        false,
    );
    check_bounds("wide", format!("{{{}}}", wide(MOST - 20)).as_bytes(), false);
    let wide_event = format!("{{\"usage\":{{\"prompt_tokens\":1}},{}}}", wide(MOST - 100));
    check_bounds("wide event", wide_event.as_bytes(), false);
    check_bounds("zeros by line", "0\n".repeat(MOST / 2).as_bytes(), false);
    check_bounds(
        "deep by line",
        format!("{{}}\n{}", "[".repeat(40))
            .repeat(MOST / 43)
            .as_bytes(),
        false,
    );
    check_bounds(
        "rows of nothing",
        format!(
            "ChargePeriodStart,EffectiveCost\n{}",
            ",\n".repeat(MOST / 2 - 20)
        )
        .as_bytes(),
        false,
    );
    check_bounds("commas", ",".repeat(MOST).as_bytes(), false);
    check_bounds(
        "quotes",
        format!("a,b\n{}", "\"".repeat(MOST)).as_bytes(),
        false,
    );
    check_bounds("brackets", "[".repeat(MOST).as_bytes(), false);
    let names = vec!["\"a\":1"; MOST / 6].join(",");
    check_bounds("one name", format!("{{{names}}}").as_bytes(), false);
}

#[test]
fn a_text_of_ten_megabytes_is_too_large_for_a_record() {
    let text = "x".repeat(10 << 20);
    let record =
        format!(r#"{{"timestamp":1777896000,"usage":{{"prompt_tokens":1}},"model":"{text}"}}"#);
    let sink = check_bounds("ten megabytes", record.as_bytes(), false);
    assert_eq!(sink.dead_letters[0].reason.as_str(), "too_large");
    check_bounds("ten megabytes, packed", &gzip(record.as_bytes()), true);
}

#[test]
fn a_text_of_a_megabyte_is_bounded_wherever_it_stands() {
    let texts = [
        "x".repeat(MOST - 200),
        "\\u0041".repeat((MOST - 200) / 6),
        "\\\\u0073k-".repeat((MOST - 200) / 10),
        "sk-".repeat((MOST - 200) / 3),
        "bearer ".repeat((MOST - 200) / 7),
        "eyJ".repeat((MOST - 200) / 3),
        "é%73".repeat((MOST - 200) / 5),
        " ".repeat(MOST - 200),
        "{".repeat(MOST - 200),
        "9".repeat(MOST - 200),
    ];
    for text in &texts {
        let what = text.get(..8).unwrap_or("é");
        for (before, after) in [
            (
                r#"{"time":"2026-05-04T12:00:00Z","requests":1,"key":""#,
                r#""}"#,
            ),
            (
                r#"{"timestamp":1777896000,"usage":{"prompt_tokens":1},"api_key":""#,
                r#""}"#,
            ),
            (r#"{"timestamp":""#, r#"","usage":{"prompt_tokens":1}}"#),
            (r#"{"usage":{"prompt_tokens":""#, r#""}}"#),
            (r#"{"data":""#, r#"","messageId":"1"}"#),
            (
                r#"{"llm_summary":{"prompt_tokens":1},"request":{"headers":{"authorization":""#,
                r#""}}}"#,
            ),
            (r#"{"ai_log":""#, r#""}"#),
            ("", ""),
        ] {
            check_bounds(
                &format!("{what} in {before}"),
                format!("{before}{text}{after}").as_bytes(),
                false,
            );
        }
    }
}

/// What stands once around a list must not cost what it is times the list.
#[test]
fn what_is_said_once_is_not_paid_for_by_every_line() {
    let half = MOST / 2 - 300;
    let long = "x".repeat(half);
    let (wide, key) = (wide(half), "sk-ab ".repeat(half / 6));
    let claude = |around: &str| {
        let lines = list(r#"{"tokens":{"input":1}}"#, half);
        format!(
            r#"{{"date":"2026-05-04",{around},"actor":{{"api_key_name":"ci"}},"model_breakdown":[{lines}]}}"#
        )
    };
    let usage = |around: &str| {
        let lines = list(
            r#"{"object":"organization.usage.x","input_tokens":1}"#,
            half,
        );
        format!(r#"{{"object":"bucket","start_time":1777852800,{around},"results":[{lines}]}}"#)
    };
    let spans = |resource: &str| {
        let span = r#"{"kind":3,"startTimeUnixNano":"1777896000000000000","attributes":[{"key":"gen_ai.system","value":{"stringValue":"a"}},{"key":"gen_ai.request.model","value":{"stringValue":"m"}}]}"#;
        let spans = list(span, half);
        format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{resource}]}},"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#
        )
    };
    let attribute = |name: &str, text: &str| {
        format!(r#"{{"key":"{name}","value":{{"stringValue":"{text}"}}}}"#)
    };
    let credits = list(r#"{"amount":-1}"#, half);
    let cases = [
        ("wide entry", claude(&wide)),
        (
            "long organization",
            claude(&format!(r#""organization_id":"{long}""#)),
        ),
        (
            "secrets in the organization",
            claude(&format!(r#""organization_id":"{key}""#)),
        ),
        (
            "JSON twice",
            claude(&format!(
                r#""organization_id":"[{}]","organization_id":1"#,
                list("0", half)
            )),
        ),
        ("wide bucket", usage(&wide)),
        (
            "long bound",
            usage(&format!(r#""end_time":"{}1777852860""#, " ".repeat(half))),
        ),
        ("long service", spans(&attribute("service.name", &long))),
        ("long key", spans(&attribute("api_key_id", &long))),
        ("secrets in the key", spans(&attribute("api_key_id", &key))),
        (
            "secrets in the agent",
            spans(&attribute("user_agent.original", &key)),
        ),
        ("wide resource", spans(&list(&attribute("a", "b"), half))),
        (
            "wide credits",
            format!(
                r#"{{"billing_account_id":"a","usage_start_time":"2026-05-04T12:00:00Z","cost":1,"currency":"USD",{wide},"credits":[{credits}]}}"#
            ),
        ),
        (
            "wide kong",
            format!(
                r#"{{"started_at":1777896000123,"request":{{}},"latencies":{{}},"ai":{{{}}}}}"#,
                list(r#""a":{"usage":{}}"#, MOST - 300)
            ),
        ),
        (
            "classes",
            format!(
                r#"{{"type":"GENERATION","traceId":"a","usageDetails":{{{}}}}}"#,
                list(r#""input_a":1000000000000"#, MOST - 300)
            ),
        ),
    ];
    for (what, record) in cases {
        check_bounds(what, record.as_bytes(), false);
    }
}

#[test]
fn what_is_packed_is_bounded_too() {
    const UNPACKED: usize = 8 * MOST;
    let numbers = format!("[{}]", list("0", UNPACKED));
    check_bounds("packed zeros", &gzip(numbers.as_bytes()), true);
    check_bounds(
        "packed objects",
        &gzip(format!("[{}]", list("{}", 400_000)).as_bytes()),
        true,
    );
    let rows = "1,\n".repeat(140_000);
    let table = format!("ChargePeriodStart,EffectiveCost\n{rows}");
    let sink = check_bounds("packed rows", &gzip(table.as_bytes()), true);
    assert_eq!(sink.dead_letters[0].reason.as_str(), "time");
    let detail = &sink.dead_letters[0].detail;
    assert!(detail.contains("element 0 of 131073"), "{detail}");
    check_bounds(
        "packed lines",
        &gzip("0\n".repeat(UNPACKED / 2).as_bytes()),
        true,
    );
    let event = r#"{"usage":{"prompt_tokens":1}}"#;
    let events = format!("[{}]", list(event, UNPACKED));
    let sink = check_bounds("packed events", &gzip(events.as_bytes()), true);
    assert!(sink.rows > 30_000);
    check_bounds(
        "packed wide",
        &gzip(format!("{{{}}}", wide(UNPACKED)).as_bytes()),
        true,
    );
    let spans = list(
        r#"{"kind":3,"startTimeUnixNano":1777896000000000000,"attributes":{"gen_ai.system":"a","gen_ai.request.model":"m"}}"#,
        UNPACKED / 2,
    );
    let long = "x".repeat(UNPACKED / 2 - 1000);
    let batch = format!(
        r#"{{"resourceSpans":[{{"resource":{{"attributes":{{"service.name":"{long}"}}}},"scopeSpans":[{{"spans":[{spans}]}}]}}]}}"#
    );
    let sink = check_bounds("packed resource", &gzip(batch.as_bytes()), true);
    assert_eq!(sink.dead_letters[0].reason.as_str(), "too_large");
    let message = format!(
        r#"{{"data":"{}","messageId":"1"}}"#,
        STANDARD.encode(gzip(numbers.as_bytes()))
    );
    check_bounds("packed in base64", message.as_bytes(), true);
    check_bounds("bomb", &gzip(&vec![b' '; 64 << 20]), true);
    check_bounds("bomb in a bomb", &gzip(&gzip(&vec![b'['; 32 << 20])), true);
    check_bounds("many members", &gzip(b"").repeat(MOST / 20), true);
}
