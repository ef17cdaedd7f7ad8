//! OTLP protobuf, written as OTLP/JSON.
//!
//! A record of the Collector's Kafka exporter is one `Export…ServiceRequest` and nothing around it:
//! no header says which. The three tell themselves apart by the types of their fields, because a
//! field that a message defines must have the type it is defined with.
//! Reading these few messages takes a table and a reader of varints. A library would bring the
//! generated code of all of them, and a second tree to find attributes in.
//! Source: open-telemetry/opentelemetry-proto, `opentelemetry/proto/*/v1/*.proto`.

use std::fmt::Write;

use super::super::Format;

/// The deepest nesting of messages that is read.
const MAX_DEPTH: usize = 48;

/// Why bytes are no batch of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("it ends inside of a field")]
    Cut,
    #[error("a field has another type than the signal's")]
    Type,
    #[error("a text is not UTF-8")]
    Text,
    #[error("it nests too deep")]
    Depth,
    #[error("it is too large as JSON")]
    TooLarge,
}

/// A batch as OTLP/JSON.
pub(crate) struct Batch {
    pub(crate) json: String,
    /// Whether it holds a span, metric or log record that says what it is.
    pub(crate) named: bool,
}

/// Returns the signal's batch that the bytes are.
///
/// # Errors
/// [`Fault`] for anything else.
pub(crate) fn read(signal: Format, payload: &[u8], max_bytes: usize) -> Result<Batch, Fault> {
    let request = match signal {
        Format::OtlpMetrics => &METRICS,
        Format::OtlpLogs => &LOGS,
        _ => &TRACES,
    };
    let mut writer = Writer {
        json: String::with_capacity(payload.len().min(max_bytes)),
        named: false,
        max_bytes,
    };
    writer.message(request, payload, 0)?;
    Ok(Batch {
        json: writer.json,
        named: writer.named,
    })
}

struct Message {
    fields: &'static [Field],
    /// Says whether a span, metric or log record is one.
    is_named: Option<fn(&[u8]) -> bool>,
}

struct Field {
    number: u64,
    name: &'static str,
    kind: Kind,
    many: bool,
}

enum Kind {
    Message(&'static Message),
    Text,
    /// An id, which OTLP/JSON has in hex: of so many bytes, or empty.
    Id(usize),
    Unsigned,
    Signed,
    Bool,
    Fixed,
    SignedFixed,
    Double,
    /// Bytes that are checked for their type and left out.
    Left,
}

const fn one(number: u64, name: &'static str, kind: Kind) -> Field {
    let many = false;
    Field {
        number,
        name,
        kind,
        many,
    }
}

const fn many(number: u64, name: &'static str, message: &'static Message) -> Field {
    Field {
        number,
        name,
        kind: Kind::Message(message),
        many: true,
    }
}

const fn message(fields: &'static [Field]) -> Message {
    Message {
        fields,
        is_named: None,
    }
}

static TRACES: Message = message(&[many(1, "resourceSpans", &RESOURCE_SPANS)]);
static RESOURCE_SPANS: Message = message(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeSpans", &SCOPE_SPANS),
    one(3, "schemaUrl", Kind::Left),
]);
static SCOPE_SPANS: Message = message(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "spans", &SPAN),
    one(3, "schemaUrl", Kind::Left),
]);
static SPAN: Message = Message {
    fields: &[
        one(1, "traceId", Kind::Id(16)),
        one(2, "spanId", Kind::Id(8)),
        one(4, "parentSpanId", Kind::Id(8)),
        one(5, "name", Kind::Text),
        one(6, "kind", Kind::Unsigned),
        one(7, "startTimeUnixNano", Kind::Fixed),
        one(8, "endTimeUnixNano", Kind::Fixed),
        many(9, "attributes", &KEY_VALUE),
        one(11, "events", Kind::Left),
        one(13, "links", Kind::Left),
        one(15, "status", Kind::Message(&STATUS)),
    ],
    is_named: Some(|span| has_text(span, 5) && (has_time(span, 7) || has_time(span, 8))),
};
static STATUS: Message = message(&[
    one(2, "message", Kind::Left),
    one(3, "code", Kind::Unsigned),
]);

static METRICS: Message = message(&[many(1, "resourceMetrics", &RESOURCE_METRICS)]);
static RESOURCE_METRICS: Message = message(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeMetrics", &SCOPE_METRICS),
    one(3, "schemaUrl", Kind::Left),
]);
static SCOPE_METRICS: Message = message(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "metrics", &METRIC),
    one(3, "schemaUrl", Kind::Left),
]);
static METRIC: Message = Message {
    fields: &[
        one(1, "name", Kind::Text),
        one(2, "description", Kind::Left),
        one(3, "unit", Kind::Text),
        one(5, "gauge", Kind::Left),
        one(7, "sum", Kind::Message(&SUM)),
        one(9, "histogram", Kind::Message(&HISTOGRAM)),
        one(10, "exponentialHistogram", Kind::Message(&EXPONENTIAL)),
        one(11, "summary", Kind::Left),
    ],
    is_named: Some(|metric| has_text(metric, 1)),
};
static SUM: Message = message(&[
    many(1, "dataPoints", &NUMBER_POINT),
    one(2, "aggregationTemporality", Kind::Unsigned),
    one(3, "isMonotonic", Kind::Bool),
]);
static HISTOGRAM: Message = message(&[
    many(1, "dataPoints", &HISTOGRAM_POINT),
    one(2, "aggregationTemporality", Kind::Unsigned),
]);
static EXPONENTIAL: Message = message(&[
    many(1, "dataPoints", &EXPONENTIAL_POINT),
    one(2, "aggregationTemporality", Kind::Unsigned),
]);
static NUMBER_POINT: Message = message(&[
    one(2, "startTimeUnixNano", Kind::Fixed),
    one(3, "timeUnixNano", Kind::Fixed),
    one(4, "asDouble", Kind::Double),
    one(6, "asInt", Kind::SignedFixed),
    many(7, "attributes", &KEY_VALUE),
    one(8, "flags", Kind::Unsigned),
]);
static HISTOGRAM_POINT: Message = message(&[
    one(2, "startTimeUnixNano", Kind::Fixed),
    one(3, "timeUnixNano", Kind::Fixed),
    one(4, "count", Kind::Fixed),
    one(5, "sum", Kind::Double),
    many(9, "attributes", &KEY_VALUE),
    one(10, "flags", Kind::Unsigned),
]);
static EXPONENTIAL_POINT: Message = message(&[
    many(1, "attributes", &KEY_VALUE),
    one(2, "startTimeUnixNano", Kind::Fixed),
    one(3, "timeUnixNano", Kind::Fixed),
    one(4, "count", Kind::Fixed),
    one(5, "sum", Kind::Double),
    one(10, "flags", Kind::Unsigned),
]);

static LOGS: Message = message(&[many(1, "resourceLogs", &RESOURCE_LOGS)]);
static RESOURCE_LOGS: Message = message(&[
    one(1, "resource", Kind::Message(&RESOURCE)),
    many(2, "scopeLogs", &SCOPE_LOGS),
    one(3, "schemaUrl", Kind::Left),
]);
static SCOPE_LOGS: Message = message(&[
    one(1, "scope", Kind::Message(&SCOPE)),
    many(2, "logRecords", &LOG_RECORD),
    one(3, "schemaUrl", Kind::Left),
]);
static LOG_RECORD: Message = Message {
    fields: &[
        one(1, "timeUnixNano", Kind::Fixed),
        one(2, "severityNumber", Kind::Unsigned),
        one(3, "severityText", Kind::Left),
        one(5, "body", Kind::Message(&ANY_VALUE)),
        many(6, "attributes", &KEY_VALUE),
        one(9, "traceId", Kind::Id(16)),
        one(10, "spanId", Kind::Id(8)),
        one(11, "observedTimeUnixNano", Kind::Fixed),
        one(12, "eventName", Kind::Text),
    ],
    is_named: Some(|log| has_text(log, 5) || has_text(log, 6) || has_text(log, 12)),
};

static RESOURCE: Message = message(&[many(1, "attributes", &KEY_VALUE)]);
static SCOPE: Message = message(&[
    one(1, "name", Kind::Text),
    one(2, "version", Kind::Text),
    many(3, "attributes", &KEY_VALUE),
]);
static KEY_VALUE: Message = message(&[
    one(1, "key", Kind::Text),
    one(2, "value", Kind::Message(&ANY_VALUE)),
]);
static ANY_VALUE: Message = message(&[
    one(1, "stringValue", Kind::Text),
    one(2, "boolValue", Kind::Bool),
    one(3, "intValue", Kind::Signed),
    one(4, "doubleValue", Kind::Double),
    one(5, "arrayValue", Kind::Message(&ARRAY_VALUE)),
    // Nothing is read from maps and bytes.
    one(6, "kvlistValue", Kind::Left),
    one(7, "bytesValue", Kind::Left),
]);
static ARRAY_VALUE: Message = message(&[many(1, "values", &ANY_VALUE)]);

fn has_text(message: &[u8], number: u64) -> bool {
    let mut fields = Wire(message);
    std::iter::from_fn(|| fields.next().ok().flatten())
        .any(|(other, value)| other == number && matches!(value, Value::Bytes([_, ..])))
}

fn has_time(message: &[u8], number: u64) -> bool {
    let mut fields = Wire(message);
    std::iter::from_fn(|| fields.next().ok().flatten())
        .any(|(other, value)| other == number && matches!(value, Value::Fixed64(1..)))
}

struct Writer {
    json: String,
    named: bool,
    max_bytes: usize,
}

impl Writer {
    fn message(&mut self, message: &Message, bytes: &[u8], depth: usize) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(Fault::Depth);
        }
        check(message, bytes)?;
        self.named |= message.is_named.is_some_and(|is_named| is_named(bytes));
        self.json.push('{');
        let mut first = true;
        // The values of a repeated field may stand apart, and JSON wants them in one list. A
        // field that is given twice and may not be becomes a member that is given twice, which
        // is refused where it is read.
        for field in message.fields {
            let mut fields = Wire(bytes);
            let mut open = false;
            while let Some((number, value)) = fields.next()? {
                if number != field.number || matches!(field.kind, Kind::Left) {
                    continue;
                }
                if open {
                    self.json.push(',');
                } else {
                    if !first {
                        self.json.push(',');
                    }
                    first = false;
                    self.text(field.name);
                    self.json.push(':');
                    if field.many {
                        self.json.push('[');
                        open = true;
                    }
                }
                self.value(&field.kind, value, depth)?;
                if self.json.len() > self.max_bytes {
                    return Err(Fault::TooLarge);
                }
            }
            if open {
                self.json.push(']');
            }
        }
        self.json.push('}');
        Ok(())
    }

    fn value(&mut self, kind: &Kind, value: Value<'_>, depth: usize) -> Result<(), Fault> {
        match (kind, value) {
            (Kind::Message(message), Value::Bytes(bytes)) => {
                return self.message(message, bytes, depth + 1);
            }
            (Kind::Text, Value::Bytes(bytes)) => {
                self.text(std::str::from_utf8(bytes).map_err(|_| Fault::Text)?);
            }
            (Kind::Id(_), Value::Bytes(bytes)) => self.text(&hex::encode(bytes)),
            (Kind::Bool, Value::Varint(number)) => {
                self.json
                    .push_str(if number == 0 { "false" } else { "true" });
            }
            (Kind::Signed, Value::Varint(number)) => self.number(number.cast_signed()),
            (Kind::SignedFixed, Value::Fixed64(number)) => self.number(number.cast_signed()),
            (Kind::Double, Value::Fixed64(bits)) => match f64::from_bits(bits) {
                // JSON has no word for these; OTLP/JSON has them in quotes.
                number if number.is_finite() => self.number(format_args!("{number:?}")),
                number => self.text(&format!("{number:?}")),
            },
            (_, Value::Varint(number) | Value::Fixed64(number)) => self.number(number),
            _ => return Err(Fault::Type),
        }
        Ok(())
    }

    fn number(&mut self, number: impl std::fmt::Display) {
        write!(self.json, "{number}").expect("a string takes everything");
    }

    fn text(&mut self, text: &str) {
        self.json.push('"');
        for character in text.chars() {
            match character {
                '"' | '\\' => {
                    self.json.push('\\');
                    self.json.push(character);
                }
                '\0'..='\x1f' => {
                    write!(self.json, "\\u{:04x}", u32::from(character))
                        .expect("a string takes everything");
                }
                _ => self.json.push(character),
            }
        }
        self.json.push('"');
    }
}

/// Says whether every field that a message defines has its type, before any of it is written.
fn check(message: &Message, bytes: &[u8]) -> Result<(), Fault> {
    let mut fields = Wire(bytes);
    while let Some((number, value)) = fields.next()? {
        let Some(field) = message.fields.iter().find(|field| field.number == number) else {
            continue;
        };
        let fits = match (&field.kind, value) {
            (Kind::Id(length), Value::Bytes(id)) => id.is_empty() || id.len() == *length,
            (Kind::Message(_) | Kind::Text | Kind::Left, Value::Bytes(_))
            | (Kind::Unsigned | Kind::Signed | Kind::Bool, Value::Varint(_))
            | (Kind::Fixed | Kind::SignedFixed | Kind::Double, Value::Fixed64(_)) => true,
            _ => false,
        };
        if !fits {
            return Err(Fault::Type);
        }
    }
    Ok(())
}

/// The fields of a message in their order.
struct Wire<'b>(&'b [u8]);

#[derive(Clone, Copy)]
enum Value<'b> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'b [u8]),
    Fixed32,
}

impl<'b> Wire<'b> {
    fn next(&mut self) -> Result<Option<(u64, Value<'b>)>, Fault> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => Value::Varint(self.varint()?),
            1 => {
                let bytes = self.take(8)?;
                Value::Fixed64(u64::from_le_bytes(
                    bytes.try_into().map_err(|_| Fault::Cut)?,
                ))
            }
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(usize::try_from(length).map_err(|_| Fault::Cut)?)?)
            }
            5 => {
                self.take(4)?;
                Value::Fixed32
            }
            _ => return Err(Fault::Type),
        };
        match tag >> 3 {
            0 => Err(Fault::Type),
            number => Ok(Some((number, value))),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'b [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Fault::Cut)?;
        self.0 = rest;
        Ok(taken)
    }

    fn varint(&mut self) -> Result<u64, Fault> {
        let mut number = 0u64;
        for shift in (0..70).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Fault::Cut)?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            number |= bits.checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Fault::Type)
    }
}

#[cfg(test)]
mod tests;
