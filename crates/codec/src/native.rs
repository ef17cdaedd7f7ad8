//! The native usage event, version 1: one JSON object, `schemas/usage.v1.schema.json`.
//!
//! Texts are borrowed from the payload unless they hold escapes. Money is read from the digits
//! as they stand, so that no binary fraction comes between.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use model::{CountField, FlagField, Nanos, Reason, TextField, TimeError, Timestamp, UsageRow};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::depth::too_deep;
use crate::draft::{MAX_EXTRA, MAX_EXTRA_BYTES};
use crate::formats::KEYS;
use crate::json::{COST_LIMIT, MAX_COUNT, MAX_DEPTH};
use crate::meaning::http;
use crate::rejection::Rejection;
use crate::scalar::{Members, Scalar, Text};

/// Reads one native event.
pub(crate) fn read(text: &str) -> Result<UsageRow<'_>, Rejection> {
    if !text.trim_start().starts_with('{') {
        // Tell a value of another shape from what is no JSON at all.
        return Err(match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Rejection::new(Reason::Shape, "the payload is not one JSON object"),
            Err(err) => Rejection::new(Reason::Json, err.to_string()),
        });
    }
    let reason = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let row = EventSeed { reason: &reason }
        .deserialize(&mut deserializer)
        .and_then(|row| deserializer.end().map(|()| row))
        .map_err(|err| {
            let detail = err.to_string();
            let reason = reason
                .get()
                .unwrap_or(if detail.starts_with("recursion limit") {
                    Reason::Shape
                } else if err.is_data() {
                    Reason::WrongType
                } else {
                    Reason::Json
                });
            Rejection::new(reason, detail)
        })?;
    complete(row)
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
fn complete(row: Draft<'_>) -> Result<UsageRow<'_>, Rejection> {
    let Draft { mut row, time } = row;
    let Some(time) = time else {
        return Err(Rejection::new(Reason::MissingField, "missing field `time`"));
    };
    row.time = time;
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
    Ok(row)
}

/// A row whose time is not known yet.
struct Draft<'a> {
    row: UsageRow<'a>,
    time: Option<Timestamp>,
}

/// What a field of the wire is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldKind {
    Time,
    TimeStart,
    TimeEnd,
    Text(TextField),
    Count(CountField),
    Flag(FlagField),
    Cost,
    OtherUnits,
    Extra,
    /// Names that only Spikewatch itself gives; an event that claims them is not believed.
    Reserved,
}

impl FieldKind {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "time" => Self::Time,
            "time_start" => Self::TimeStart,
            "time_end" => Self::TimeEnd,
            "cost_usd" => Self::Cost,
            "other_units" => Self::OtherUnits,
            "extra" => Self::Extra,
            "quality" | "known_at" | "topic" | "partition" | "offset" => Self::Reserved,
            _ => {
                if let Some(field) = TextField::from_name(name) {
                    Self::Text(field)
                } else if let Some(field) = CountField::from_name(name) {
                    Self::Count(field)
                } else {
                    Self::Flag(FlagField::from_name(name)?)
                }
            }
        })
    }
}

/// Reads an object into a draft; `reason` tells errors of ours apart.
struct EventSeed<'r> {
    reason: &'r Cell<Option<Reason>>,
}

impl EventSeed<'_> {
    fn reject<E: serde::de::Error>(&self, reason: Reason, detail: fmt::Arguments<'_>) -> E {
        self.reason.set(Some(reason));
        E::custom(detail)
    }
}

impl<'de> DeserializeSeed<'de> for EventSeed<'_> {
    type Value = Draft<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Draft<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EventSeed<'_> {
    type Value = Draft<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a usage event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Draft<'de>, A::Error> {
        let mut draft = Draft {
            row: UsageRow::at(Timestamp::EARLIEST),
            time: None,
        };
        // One bit a known field: three times, cost, units, extra, then texts, counts, flags.
        let mut seen = 0u64;
        while let Some(Text(name)) = map.next_key()? {
            let Some(kind) = FieldKind::of(&name) else {
                self.keep_extra(&mut draft.row, name, map.next_value()?)?;
                continue;
            };
            let bit = 1u64 << bit_of(kind);
            if kind != FieldKind::Reserved && seen & bit != 0 {
                let detail = format_args!("field `{name}` is given twice");
                return Err(self.reject(Reason::DuplicateField, detail));
            }
            seen |= bit;
            self.field(&mut draft, kind, &name, &mut map)?;
        }
        Ok(draft)
    }
}

impl EventSeed<'_> {
    fn field<'de, A: MapAccess<'de>>(
        &self,
        draft: &mut Draft<'de>,
        kind: FieldKind,
        name: &str,
        map: &mut A,
    ) -> Result<(), A::Error> {
        match kind {
            FieldKind::Time => draft.time = self.time(name, map.next_value()?)?,
            FieldKind::TimeStart => draft.row.time_start = self.time(name, map.next_value()?)?,
            FieldKind::TimeEnd => draft.row.time_end = self.time(name, map.next_value()?)?,
            FieldKind::Text(field) => {
                draft.row.text[field as usize] = match map.next_value()? {
                    // An empty text is an unknown, not a name.
                    Scalar::Text(text) => Some(text).filter(|text| !text.is_empty()),
                    Scalar::Null => None,
                    _ => return Err(self.wrong_type(name, "a text")),
                };
            }
            FieldKind::Count(field) => {
                draft.row.counts[field as usize] = self.count(name, map.next_value()?)?;
            }
            FieldKind::Flag(field) => {
                draft.row.flags[field as usize] = match map.next_value()? {
                    Scalar::Bool(flag) => Some(flag),
                    Scalar::Null => None,
                    _ => return Err(self.wrong_type(name, "true or false")),
                };
            }
            FieldKind::Cost => draft.row.cost = self.cost(name, map.next_value()?)?,
            FieldKind::OtherUnits => self.units(draft, map.next_value()?)?,
            FieldKind::Extra => {
                for (name, value) in self.members(name, map.next_value()?)? {
                    self.keep_extra(&mut draft.row, name, value)?;
                }
            }
            FieldKind::Reserved => drop(map.next_value::<serde::de::IgnoredAny>()?),
        }
        Ok(())
    }

    /// Says that a field is of another type than the schema says, without quoting its value.
    fn wrong_type<E: serde::de::Error>(&self, name: &str, expected: &str) -> E {
        self.reject(
            Reason::WrongType,
            format_args!("`{name}` is not {expected}"),
        )
    }

    fn time<E: serde::de::Error>(
        &self,
        name: &str,
        value: Scalar<'_>,
    ) -> Result<Option<Timestamp>, E> {
        let text = match value {
            Scalar::Text(text) => text,
            Scalar::Null => return Ok(None),
            _ => return Err(self.wrong_type(name, "an RFC 3339 text")),
        };
        match Timestamp::parse(&text) {
            Ok(time) => Ok(Some(time)),
            Err(err @ (TimeError::Syntax | TimeError::Range)) => {
                Err(self.reject(Reason::Time, format_args!("`{name}` is {err}")))
            }
        }
    }

    fn count<E: serde::de::Error>(&self, name: &str, value: &RawValue) -> Result<Option<u64>, E> {
        let text = value.get();
        if text == "null" {
            return Ok(None);
        }
        if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return Err(self.wrong_type(name, "a number"));
        }
        match text.parse::<u64>() {
            Ok(count) if count <= MAX_COUNT => Ok(Some(count)),
            _ => Err(self.reject(
                Reason::Number,
                format_args!("`{name}` is not a whole number from 0 to {MAX_COUNT}"),
            )),
        }
    }

    fn cost<E: serde::de::Error>(&self, name: &str, value: &RawValue) -> Result<Option<Nanos>, E> {
        let text = value.get();
        if text == "null" {
            return Ok(None);
        }
        if !text.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            return Err(self.wrong_type(name, "a number"));
        }
        match Nanos::parse_usd(text) {
            Ok(cost) if cost.get().abs() < COST_LIMIT => Ok(Some(cost)),
            _ => Err(self.reject(
                Reason::Number,
                format_args!("`{name}` is not an amount below 1000000000 dollars"),
            )),
        }
    }

    fn units<'de, E: serde::de::Error>(
        &self,
        draft: &mut Draft<'de>,
        value: &'de RawValue,
    ) -> Result<(), E> {
        let mut units = BTreeMap::new();
        for (unit, value) in self.members("other_units", value)? {
            let Ok(number) = value.get().parse::<f64>() else {
                return Err(self.wrong_type("other_units", "an object of numbers"));
            };
            if !number.is_finite() {
                let detail = format_args!("`other_units` has a number beyond 1e308");
                return Err(self.reject(Reason::Number, detail));
            }
            units.insert(unit, number);
        }
        draft.row.other_units = units.into_iter().take(MAX_EXTRA).collect();
        Ok(())
    }

    /// Returns the members of an object; null has none.
    fn members<'de, E: serde::de::Error>(
        &self,
        name: &str,
        value: &'de RawValue,
    ) -> Result<Vec<(Cow<'de, str>, &'de RawValue)>, E> {
        if value.get() == "null" {
            return Ok(Vec::new());
        }
        self.check_depth(value)?;
        if !value.get().starts_with('{') {
            return Err(self.wrong_type(name, "an object"));
        }
        let Members(members) = serde_json::from_str(value.get()).map_err(|err| self.json(err))?;
        Ok(members)
    }

    /// Keeps an unknown scalar within the bounds; containers could be prompts and are not kept.
    fn keep_extra<'de, E: serde::de::Error>(
        &self,
        row: &mut UsageRow<'de>,
        name: Cow<'de, str>,
        value: &'de RawValue,
    ) -> Result<(), E> {
        let value = match value.get().as_bytes().first() {
            Some(b'{' | b'[') => return self.check_depth(value),
            Some(b'n') | None => return Ok(()),
            Some(b'"') => {
                let Text(text) = serde_json::from_str(value.get()).map_err(|err| self.json(err))?;
                text
            }
            // Numbers keep their digits as they stand, truth values are their own words.
            Some(_) => Cow::Borrowed(value.get()),
        };
        let fits = row.extra.len() < MAX_EXTRA
            && name.len() <= MAX_EXTRA_BYTES
            && value.len() <= MAX_EXTRA_BYTES;
        if fits {
            row.extra.push((name, value));
        }
        Ok(())
    }

    fn check_depth<E: serde::de::Error>(&self, value: &RawValue) -> Result<(), E> {
        if too_deep(value.get()) {
            let detail = format_args!("a field nests deeper than {MAX_DEPTH}");
            return Err(self.reject(Reason::Shape, detail));
        }
        Ok(())
    }

    /// Says that a part of the payload, passed over as a raw value at first, is no JSON after all.
    fn json<E: serde::de::Error>(&self, err: serde_json::Error) -> E {
        self.reject(
            Reason::Json,
            format_args!("inside the value of a field: {err}"),
        )
    }
}

fn bit_of(kind: FieldKind) -> u32 {
    const TEXTS: u32 = TextField::ALL.len() as u32;
    const COUNTS: u32 = CountField::ALL.len() as u32;
    match kind {
        FieldKind::Time => 0,
        FieldKind::TimeStart => 1,
        FieldKind::TimeEnd => 2,
        FieldKind::Cost => 3,
        FieldKind::OtherUnits => 4,
        FieldKind::Extra => 5,
        FieldKind::Reserved => 6,
        FieldKind::Text(field) => 7 + field as u32,
        FieldKind::Count(field) => 7 + TEXTS + field as u32,
        FieldKind::Flag(field) => 7 + TEXTS + COUNTS + field as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<&str, Reason>) {
        let read = read(text);
        let seen = read.as_ref().map(|row| serde_json::to_string(row).unwrap());
        match expected {
            Ok(json) => assert_eq!(seen.unwrap(), json, "{text}"),
            Err(reason) => assert_eq!(seen.unwrap_err().reason, reason, "{text}: {read:?}"),
        }
    }

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
            assert_eq!(
                read(&whole[..end]).unwrap_err().reason,
                Reason::Json,
                "{}",
                &whole[..end]
            );
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

    #[test]
    fn every_field_has_a_bit_of_its_own() {
        let last = bit_of(FieldKind::Flag(*FlagField::ALL.last().unwrap()));
        assert!(last < u64::BITS);
    }
}
