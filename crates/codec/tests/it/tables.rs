//! Tables: a header and rows in one record.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use codec::{Codec, Decoded, FingerprintSecret, Format, Mapping};
use flate2::Compression;
use flate2::write::GzEncoder;
use model::double::MemorySink;
use model::{Partition, Records};

const HEADER: &str = "BilledCost,EffectiveCost,BillingCurrency,ChargePeriodStart,ChargePeriodEnd,\
    ChargeCategory,ServiceProviderName,SkuId";

fn row(cost: &str, sku: &str) -> String {
    format!("{cost},{cost},USD,2026-05-04T12:00:00Z,2026-05-04T13:00:00Z,Usage,Acme Models,{sku}\n")
}

fn codec() -> Codec {
    Codec::new(FingerprintSecret::public_test_secret())
}

fn decode_with(codec: &Codec, payload: &[u8]) -> (Option<Decoded>, MemorySink) {
    let mut records = Records::new(Partition::new("usage", 0), 0);
    records.push(0, None, payload);
    let record = records.iter().next().unwrap();
    let mut sink = MemorySink::default();
    let decoded = codec.reader(records.partition()).read(&record, &mut sink);
    assert!(sink.dead_letters.len() <= 1, "a record has one dead letter");
    (decoded, sink)
}

fn decode(payload: &[u8]) -> MemorySink {
    decode_with(&codec(), payload).1
}

#[track_caller]
fn check_skus(payload: &[u8], skus: &[&str]) -> MemorySink {
    let sink = decode(payload);
    let seen: Vec<_> = sink
        .rows
        .iter()
        .map(|(_, row)| &row["extra"]["sku"])
        .collect();
    assert_eq!(seen, skus, "{:?}", sink.dead_letters);
    sink
}

#[track_caller]
fn check_refused(payload: &[u8], reason: &str) {
    let sink = decode(payload);
    assert!(sink.rows.is_empty(), "{:?}", sink.rows);
    assert_eq!(sink.dead_letters[0].reason.as_str(), reason);
}

#[test]
fn rows_are_read_under_their_header() {
    let table = format!("{HEADER}\n{}{}", row("1.5", "a"), row("1E-9", "b"));
    let sink = check_skus(table.as_bytes(), &["a", "b"]);
    assert_eq!(sink.rows[0].1["cost_usd"], 1.5);
    assert_eq!(sink.rows[1].1["cost_usd"], 1e-9);
    check_skus(
        format!("\u{feff}{}", table.replace('\n', "\r\n")).as_bytes(),
        &["a", "b"],
    );
    check_skus(table.replace(',', ";").as_bytes(), &["a", "b"]);
    check_skus(table.replace(',', "\t").as_bytes(), &["a", "b"]);
    check_skus(table.to_lowercase().as_bytes(), &["a", "b"]);
    let quoted = format!("{HEADER}\n\n{}", row("2", "\"two\nlines, \"\"quoted\"\"\""));
    check_skus(quoted.as_bytes(), &["two\nlines, \"quoted\""]);
    let last = table.trim_end().to_owned();
    check_skus(last.as_bytes(), &["a", "b"]);
}

#[test]
fn tables_come_packed_too() {
    let table = format!("{HEADER}\n{}", row("1.5", "a"));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(table.as_bytes()).unwrap();
    check_skus(&encoder.finish().unwrap(), &["a"]);
    let message = format!(
        r#"{{"data":"{}","messageId":"17"}}"#,
        STANDARD.encode(&table)
    );
    check_skus(message.as_bytes(), &["a"]);
}

#[test]
fn a_bad_row_leaves_the_good_ones_beside_it() {
    let table = format!(
        "{HEADER}\n{}{}too,few\n{}{}",
        row("1", "a"),
        row("a lot", "b"),
        row("1", "c").replace("2026-05-04T12", "soon"),
        row("1", "d"),
    );
    let sink = check_skus(table.as_bytes(), &["a", "d"]);
    let dead_letter = &sink.dead_letters[0];
    assert_eq!(dead_letter.reason.as_str(), "wrong_type");
    assert_eq!(dead_letter.payload, row("a lot", "b").trim_end());
    assert_eq!(
        dead_letter.detail,
        "element 1 of 5: `EffectiveCost` is not a number; 2 more: 2 shape 3 time"
    );
}

#[test]
fn what_is_no_table_is_refused_as_before() {
    check_refused(b"hello, world\nfoo, bar\n", "json");
    check_refused(b"name,age\nalice,7\n", "json");
    check_refused(HEADER.as_bytes(), "shape");
    check_refused(format!("{HEADER},\n1\n").as_bytes(), "json");
    check_refused(
        format!("{HEADER},{}\n1\n", "x".repeat(300)).as_bytes(),
        "json",
    );
    let wide: String = (0..1100).map(|column| format!(",c{column}")).collect();
    check_refused(format!("{HEADER}{wide}\n1\n").as_bytes(), "json");
    // A quote that never ends takes the rest with it.
    check_refused(format!("{HEADER}\n\"{}", row("1", "a")).as_bytes(), "shape");
}

#[test]
fn a_column_that_is_given_twice_is_refused_where_it_is_read() {
    let twice = format!("{HEADER},SkuId\n{}", row("1", "a,b"));
    check_refused(twice.as_bytes(), "duplicate_field");
    let twice = format!("{HEADER},x,x\n{}", row("1", "a,b,c"));
    check_skus(twice.as_bytes(), &["a"]);
}

#[test]
fn the_settings_say_what_a_table_is() {
    let mapping: Mapping =
        serde_json::from_str(r#"{"fields": {"time": "when", "key": "who", "input_tokens": "in"}}"#)
            .unwrap();
    let mapped = codec().with_mappings([("usage".to_owned(), mapping)]);
    let (decoded, sink) = decode_with(&mapped, b"when,who,in\n2026-05-04T12:00:00Z,key_7f3a,812\n");
    assert_eq!(decoded.unwrap().format, Format::Generic);
    assert_eq!(sink.rows[0].1["input_tokens"], 812);
    let focus = codec().with_formats([("usage".to_owned(), Format::Focus)]);
    let (_, sink) = decode_with(&focus, b"when,who,in\n2026-05-04T12:00:00Z,key_7f3a,812\n");
    assert_eq!(sink.dead_letters[0].reason.as_str(), "json");
}

#[test]
fn a_raw_key_in_a_cell_does_not_leave() {
    let raw = format!("sk-proj-EXAMPLE{}", "0".repeat(60));
    let table = format!(
        "{HEADER},x_ApiKeyId,Tags\n{}{}",
        row("1", &format!("a,{raw},\"{{\"\"note\"\":\"\"{raw}\"\"}}\"")),
        row("none", &format!("b,{raw},")),
    );
    let sink = check_skus(table.as_bytes(), &["a"]);
    assert!(sink.rows[0].1["key"].as_str().unwrap().starts_with("fp:"));
    assert_eq!(sink.dead_letters.len(), 1);
    let seen = format!("{:?} {:?}", sink.rows, sink.dead_letters);
    assert!(!seen.contains("EXAMPLE0"), "{seen}");
}

proptest::proptest! {
    #[test]
    fn no_table_makes_a_panic(text in "[a,\";\t\r\n1é\u{0}-]{0,80}", end in 0..200usize) {
        for table in [format!("{HEADER}\n{text}"), format!("a,b\n{text}"), text] {
            let end = (0..=end.min(table.len())).rev().find(|&at| table.is_char_boundary(at));
            decode(table.get(..end.unwrap_or(0)).unwrap_or_default().as_bytes());
            decode(table.as_bytes());
        }
    }
}

#[test]
fn a_table_of_a_megabyte_is_not_slow() {
    let mut table = HEADER.to_owned();
    (0..1000).for_each(|column| table.push_str(&format!(",a_name_of_a_column_{column}")));
    table.push('\n');
    let line = row("1", "a").replace('\n', &",".repeat(1000)) + "\n";
    while table.len() + line.len() < 1 << 20 {
        table.push_str(&line);
    }
    let start = std::time::Instant::now();
    let sink = decode(table.as_bytes());
    assert!(sink.rows.len() > 800 && sink.dead_letters.is_empty());
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
