//! Reading any native event, field by field as they come.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use model::{Nanos, Reason, TimeError, Timestamp, UsageRow};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::field::FieldKind;
use super::push_extra;
use crate::depth::too_deep;
use crate::draft::MAX_EXTRA;
use crate::json::{COST_LIMIT, MAX_COUNT, MAX_DEPTH};
use crate::rejection::Rejection;
use crate::scalar::{Members, Scalar, Text};

/// Reads the fields of one event; what only the whole event can show is not checked.
pub(super) fn read(text: &str) -> Result<Draft<'_>, Rejection> {
    if !text.trim_start().starts_with('{') {
        // Tell a value of another shape from what is no JSON at all.
        return Err(match serde_json::from_str::<serde::de::IgnoredAny>(text) {
            Ok(_) => Rejection::new(Reason::Shape, "the payload is not one JSON object"),
            Err(err) => Rejection::new(Reason::Json, err.to_string()),
        });
    }
    let reason = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    EventSeed { reason: &reason }
        .deserialize(&mut deserializer)
        .and_then(|draft| deserializer.end().map(|()| draft))
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
        })
}

/// A row whose time is not known yet.
pub(super) struct Draft<'a> {
    pub(super) row: UsageRow<'a>,
    pub(super) time: Option<Timestamp>,
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
        let mut seen = 0u64;
        while let Some(Text(name)) = map.next_key()? {
            let Some(kind) = FieldKind::of(&name) else {
                self.keep_extra(&mut draft.row, name, map.next_value()?)?;
                continue;
            };
            let bit = 1u64 << kind.index();
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
                match map.next_value()? {
                    // An empty text is an unknown, not a name.
                    Scalar::Text(text) if text.is_empty() => {}
                    Scalar::Text(text) => draft.row.text.set(field, text),
                    Scalar::Null => {}
                    _ => return Err(self.wrong_type(name, "a text")),
                }
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
        push_extra(row, name, value);
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
