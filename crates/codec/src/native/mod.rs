//! The native usage event, version 1: one JSON object, `schemas/usage.v1.schema.json`.
//!
//! Texts are borrowed from the payload unless they hold escapes. Money is read from the digits
//! as they stand, so that no binary fraction comes between.

//!
//! Two readers give the same rows: [`ordered`] is for events that look like the one before, and
//! declines what it does not know; [`general`] reads everything, and says what is wrong.

mod cursor;
mod field;
mod general;
mod ordered;
mod same_day;

use std::borrow::Cow;

use model::{CountField, Nanos, Reason, TextField, UsageRow};

pub(crate) use self::ordered::Order;
use crate::draft::{MAX_EXTRA, MAX_EXTRA_BYTES};
use crate::formats::KEYS;
use crate::meaning::http;
use crate::rejection::Rejection;

/// Reads one native event.
pub(crate) fn read(text: &str) -> Result<UsageRow<'_>, Rejection> {
    let general::Draft { mut row, time } = general::read(text)?;
    let Some(time) = time else {
        return Err(Rejection::new(Reason::MissingField, "missing field `time`"));
    };
    row.time = time;
    complete(&mut row)?;
    Ok(row)
}

/// Reads one native event into an empty row, if it is of the kind that is read quickly. What is
/// declined may have left something in the row.
pub(crate) fn read_ordered<'a>(text: &'a str, order: &mut Order, row: &mut UsageRow<'a>) -> bool {
    ordered::read(text, order, row) && complete(row).is_ok()
}

/// Keeps an unknown field within the bounds.
fn push_extra<'a>(row: &mut UsageRow<'a>, name: Cow<'a, str>, value: Cow<'a, str>) {
    let fits = row.extra.len() < MAX_EXTRA
        && name.len() <= MAX_EXTRA_BYTES
        && value.len() <= MAX_EXTRA_BYTES;
    if fits {
        row.extra.push((name, value));
    }
}

/// Takes the key from a field of another name, where a topic is not said to be native: somebody's
/// own event may have the native names for all that is counted, and another for who did it.
pub(crate) fn adopt_key(row: &mut UsageRow<'_>) {
    if row.text(TextField::Key).is_some() || row.extra.is_empty() {
        return;
    }
    let mut places = KEYS
        .iter()
        .filter_map(|path| row.extra.iter().position(|(other, _)| other == path.text()));
    let Some(at) = places.next() else {
        return;
    };
    let (_, value) = row.extra.remove(at);
    if let Some(key) = http::bare(&value) {
        row.set_text(TextField::Key, key.to_owned());
    }
}

/// Checks what only the whole event can show, and fills what the contract says is implied.
fn complete(row: &mut UsageRow<'_>) -> Result<(), Rejection> {
    let measures = [
        CountField::Requests,
        CountField::InputTokens,
        CountField::OutputTokens,
    ];
    if row.cost.is_none() && measures.iter().all(|field| row.count(*field).is_none()) {
        let detail = "none of `requests`, `input_tokens`, `output_tokens`, `cost_usd` is given";
        return Err(Rejection::new(Reason::MissingField, detail));
    }
    let start = row.time_start.unwrap_or(row.time);
    if row.time_end.is_some_and(|end| end < start) {
        return Err(Rejection::new(
            Reason::Time,
            "`time_end` is before the start of the span",
        ));
    }
    let kind = row.text(TextField::Kind).unwrap_or("usage");
    if !matches!(kind, "usage" | "access" | "cost" | "key" | "audit") {
        let detail = "`kind` is none of usage, access, cost, key, audit";
        return Err(Rejection::new(Reason::WrongType, detail));
    }
    if row.cost.is_some_and(|cost| cost < Nanos::default()) && kind != "cost" {
        return Err(Rejection::new(
            Reason::Number,
            "`cost_usd` is negative in a usage event",
        ));
    }
    if matches!(kind, "usage" | "access") && row.count(CountField::Requests).is_none() {
        row.set_count(CountField::Requests, 1);
    }
    if row.text(TextField::Kind).is_none() {
        row.set_text(TextField::Kind, "usage");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, Reason>) {
        check_ordered(text);
        let read = read(text);
        let seen = read.as_ref().map(|row| serde_json::to_string(row).unwrap());
        match expected {
            Ok(json) => assert_eq!(seen.unwrap(), json, "{text}"),
            Err(reason) => assert_eq!(seen.unwrap_err().reason, reason, "{text}: {read:?}"),
        }
    }

    /// What is read quickly is what is read slowly.
    fn check_ordered(text: &str) -> bool {
        let mut order = Order::default();
        // The second time everything is where it is expected.
        let reads = [(); 2].map(|()| {
            let mut row = UsageRow::at(model::Timestamp::EARLIEST);
            let is_read = read_ordered(text, &mut order, &mut row);
            if is_read {
                let slow = read(text).expect("what is read quickly is an event");
                assert_eq!(format!("{row:?}"), format!("{slow:?}"), "{text}");
                let long = |text: &&Cow<'_, str>| text.len() >= crate::Redactor::SHORTEST_BYTES;
                let extra = row.extra.iter().flat_map(|(name, value)| [name, value]);
                for text in row.text.values().chain(extra).filter(long) {
                    let texts = str::from_utf8(order.texts()).unwrap();
                    assert!(texts.lines().any(|line| line == text), "{text}");
                }
            }
            is_read
        });
        assert_eq!(reads[0], reads[1], "{text}");
        reads[0]
    }

    #[test]
    fn events_of_every_day_are_read_quickly() {
        let compact = r#"{"time":"2026-05-04T12:00:00.123Z","key":"k","requests":1,"cost_usd":0.00183,"batch":false}"#;
        let spaced = r#" { "requests": 12, "model": null, "team": "", "cost_usd": 1e-05, "cost_center": "a", "tries": -1.5e3, "again": true, "gone": null, "time": "2026-05-04T12:00:00+02:00" } "#;
        let long = r#"{"cost_usd":0.0018300000000000002,"time":"2026-05-04T12:00:00Z","key":"key_0123456789abcdef"}"#;
        for text in [compact, spaced, long] {
            assert!(check_ordered(text), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn both_readers_agree(
            parts in proptest::collection::vec((0..NAMES.len(), 0..VALUES.len(), 0..4usize), 0..9),
            cut in 0..400usize,
        ) {
            let space = |at: usize| ["", " ", "\n", "\t "][at];
            let members = parts.iter().map(|&(name, value, gap)| {
                format!("{}\"{}\"{}:{}{}", space(gap), NAMES[name], space(gap / 2), space(gap), VALUES[value])
            });
            let members: Vec<String> = members.collect();
            let text = format!(r#"{{"time":"2026-05-04T12:00:00Z",{}}}"#, members.join(","));
            check_ordered(&text);
            check_ordered(&text.replace(r#""time":"2026-05-04T12:00:00Z","#, ""));
            check_ordered(text.get(..cut).unwrap_or(&text));
        }

        #[test]
        fn what_was_read_before_changes_nothing(
            events in proptest::collection::vec(
                (0..TIMES.len(), proptest::collection::vec((0..NAMES.len(), 0..VALUES.len()), 0..6)),
                1..8,
            ),
        ) {
            let mut order = Order::default();
            for (time, parts) in events {
                let members = parts.iter().map(|&(name, value)| {
                    format!(",\"{}\":{}", NAMES[name], VALUES[value])
                });
                let members: String = members.collect();
                let text = format!(r#"{{"time":"{}","requests":1{members}}}"#, TIMES[time]);
                let mut row = UsageRow::at(model::Timestamp::EARLIEST);
                if read_ordered(&text, &mut order, &mut row) {
                    let slow = read(&text).expect("what is read quickly is an event");
                    proptest::prop_assert_eq!(format!("{row:?}"), format!("{slow:?}"), "{}", text);
                }
            }
        }
    }

    const TIMES: [&str; 9] = [
        "2026-05-04T12:00:00.123Z",
        "2026-05-04T23:59:60Z",
        "2026-05-04T23:59:60.000Z",
        "2026-05-04T01:00:00.000Z",
        "2026-05-04T01:00:00.000+14:00",
        "2026-05-04T25:00:00.000Z",
        "2026-05-05T00:00:00.000Z",
        "2026-05-05 00:00:00.000Z",
        "9999-05-04T12:00:00.123Z",
    ];
    const NAMES: [&str; 14] = [
        "time",
        "time_end",
        "key",
        "id",
        "kind",
        "requests",
        "input_tokens",
        "cost_usd",
        "batch",
        "other_units",
        "extra",
        "quality",
        "x",
        "cache_write_1h_tokens",
    ];
    const VALUES: [&str; 30] = [
        "null",
        "true",
        "false",
        "0",
        "1",
        "01",
        "-0",
        "-1",
        "1.",
        "1.5",
        "1e2",
        "1E-5",
        "1e",
        ".5",
        "999999999999",
        "1000000000001",
        "0.0000000015",
        "123456789012345678901",
        "0.1234567890123",
        "999999999.999999999",
        "1000000000",
        "nul",
        "{}",
        "[]",
        r#""""#,
        r#""usage""#,
        r#""a\u0041""#,
        r#""2026-05-04T12:00:00.1234Z""#,
        r#""ü""#,
        "\"\u{1}\"",
    ];

    #[test]
    fn events_are_read() {
        check(
            r#"{"id":"evt_01","time":"2026-05-04T12:00:00.123Z","provider":"openai","account":"acme","key":"key_7f3a","status":200,"requests":1,"input_tokens":812,"cost_usd":0.00183,"batch":false}"#,
            Ok(
                r#"{"time":"2026-05-04T12:00:00.123Z","kind":"usage","id":"evt_01","provider":"openai","account":"acme","key":"key_7f3a","requests":1,"input_tokens":812,"status":200,"cost_usd":0.00183,"batch":false}"#,
            ),
        );
        check(
            r#" {"cost_usd":1e-9,"time":"2026-05-04T12:00:00+02:00","model":null,"x":"\u0041","y":{"z":1},"n":1.5,"extra":{"t":true}}"#,
            Ok(
                r#"{"time":"2026-05-04T10:00:00.000Z","kind":"usage","requests":1,"cost_usd":0.000000001,"extra":{"n":"1.5","t":"true","x":"A"}}"#,
            ),
        );
    }

    #[test]
    fn what_is_no_event_says_why() {
        let time = r#""time":"2026-05-04T12:00:00Z""#;
        for (text, reason) in [
            ("nonsense", Reason::Json),
            (r#"{"time":"#, Reason::Json),
            ("[]", Reason::Shape),
            ("7", Reason::Shape),
            (r#"{"requests":1}"#, Reason::MissingField),
            (r#"{"time":null,"requests":1}"#, Reason::MissingField),
            (r#"{"time":5,"requests":1}"#, Reason::WrongType),
            (r#"{"time":"soon","requests":1}"#, Reason::Time),
            (
                r#"{"time":"9999-01-01T00:00:00Z","requests":1}"#,
                Reason::Time,
            ),
            (&format!("{{{time}}}"), Reason::MissingField),
            (&format!("{{{time},\"requests\":-1}}"), Reason::Number),
            (&format!("{{{time},\"requests\":1.5}}"), Reason::Number),
            (&format!("{{{time},\"requests\":1e400}}"), Reason::Number),
            (&format!("{{{time},\"requests\":\"1\"}}"), Reason::WrongType),
            (
                &format!("{{{time},\"requests\":2000000000000}}"),
                Reason::Number,
            ),
            (&format!("{{{time},\"cost_usd\":-1}}"), Reason::Number),
            (&format!("{{{time},\"cost_usd\":1e12}}"), Reason::Number),
            (&format!("{{{time},\"cost_usd\":NaN}}"), Reason::Json),
            (
                &format!("{{{time},\"key\":7,\"requests\":1}}"),
                Reason::WrongType,
            ),
            (
                &format!("{{{time},\"batch\":1,\"requests\":1}}"),
                Reason::WrongType,
            ),
            (
                &format!("{{{time},\"key\":\"a\",\"key\":\"b\",\"requests\":1}}"),
                Reason::DuplicateField,
            ),
            (&format!("{{{time},\"requests\":1}}{{}}"), Reason::Json),
            (
                &format!("{{{time},\"time_end\":\"2026-05-04T11:00:00Z\",\"requests\":1}}"),
                Reason::Time,
            ),
            (
                &format!("{{{time},\"kind\":\"x\",\"requests\":1}}"),
                Reason::WrongType,
            ),
            (
                &format!(
                    "{{{time},\"requests\":1,\"x\":{}{}}}",
                    "[".repeat(200),
                    "]".repeat(200)
                ),
                Reason::Shape,
            ),
            (
                &format!(
                    "{{{time},\"requests\":1,\"extra\":{{\"x\":{}{}}}}}",
                    "[".repeat(64),
                    "]".repeat(64)
                ),
                Reason::Shape,
            ),
            (
                &format!(
                    "{{{time},\"requests\":1,\"other_units\":{{\"x\":{}{}}}}}",
                    "[".repeat(64),
                    "]".repeat(64)
                ),
                Reason::Shape,
            ),
            (
                &format!("{{{time},\"requests\":1,\"other_units\":{{\"x\":[1]}}}}"),
                Reason::WrongType,
            ),
            (
                &format!("{{{time},\"requests\":1,\"other_units\":{{\"x\":1e999}}}}"),
                Reason::Number,
            ),
            (
                &format!("{{{time},\"requests\":1,\"extra\":[]}}"),
                Reason::WrongType,
            ),
            (
                &format!("{{{time},\"requests\":1,\"x\":\"\\ud800\"}}"),
                Reason::Json,
            ),
            (
                &format!("{{{time},\"requests\":1,\"extra\":{{\"x\":\"\\ud800\"}}}}"),
                Reason::Json,
            ),
        ] {
            check(text, Err(reason));
        }
    }

    #[test]
    fn an_event_cut_anywhere_is_no_json() {
        let whole = r#"{"time":"2026-05-04T12:00:00Z","key":"k\u0031","requests":12,"cost_usd":0.5,"batch":true,"other_units":{"images":4},"extra":{"a":"b"},"x":[null,-1.5e3]}"#;
        assert!(read(whole).is_ok());
        for end in 1..whole.len() {
            check(&whole[..end], Err(Reason::Json));
        }
    }

    #[test]
    fn a_reason_never_quotes_a_value() {
        for field in [
            "time",
            "key",
            "requests",
            "batch",
            "cost_usd",
            "other_units",
            "extra",
            "kind",
        ] {
            for value in [
                r#""s3cr3t""#,
                r#"["s3cr3t"]"#,
                r#"{"s3cr3t":"s3cr3t"}"#,
                "5773",
            ] {
                let text = format!(r#"{{"time":"2026-05-04T12:00:00Z","{field}":{value}}}"#);
                if let Err(rejection) = read(&text) {
                    let detail = rejection.detail;
                    assert!(
                        !detail.contains("s3cr3t") && !detail.contains("5773"),
                        "{detail}"
                    );
                }
            }
        }
    }
}
