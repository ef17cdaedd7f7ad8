//! Avro to JSON.
//!
//! | Avro | JSON |
//! |---|---|
//! | union | what is in it |
//! | enum | its symbol |
//! | bytes, fixed | a text if it is UTF-8, else hexadecimal |
//! | decimal | a number with its digits, by the schema's scale |
//! | timestamps | the number, in their unit |
//!
//! A payload is whatever somebody produced. Two sorts of schema would let a short one run away and
//! are refused: those that contain themselves, because a value nests as deep as its bytes say, and
//! lists of what takes no bytes, because a value is as long as its bytes say.

use std::collections::HashMap;
use std::fmt::Write;

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use model::SchemaError;
use serde_json::Value as Json;

use super::compiled::Bounded;

/// How deep a schema nests at most; the codec reads no deeper.
const MAX_DEPTH: usize = 60;

/// What one length in a payload may ask for, in bytes; set once for the process.
const MAX_ALLOCATION_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Avro {
    schema: Schema,
    /// Definitions by their full names, for where a name stands in place of one.
    names: HashMap<String, Schema>,
}

impl Avro {
    pub(super) fn new(text: &str, references: &[(String, String)]) -> Result<Self, String> {
        apache_avro::util::max_allocation_bytes(MAX_ALLOCATION_BYTES);
        let refused = |err: apache_avro::Error| format!("it is no Avro schema: {err}");
        let texts = references.iter().map(|(_, text)| text.as_str());
        let (mut schema, others) =
            Schema::parse_str_with_list(text, texts.collect::<Vec<_>>()).map_err(refused)?;
        schema.denormalize(&others).map_err(refused)?;
        let mut names = HashMap::new();
        let mut path = Vec::new();
        check(&schema, &mut names, &mut path, 0)?;
        let avro = Self { schema, names };
        // Whether all names lead somewhere shows when a reader is made.
        avro.reader().map_err(refused)?;
        Ok(avro)
    }

    fn reader(&self) -> Result<GenericDatumReader<'_>, apache_avro::Error> {
        GenericDatumReader::builder(&self.schema).build()
    }

    pub(super) fn to_json(&self, mut payload: &[u8]) -> Result<Vec<u8>, SchemaError> {
        let reader = self.reader().map_err(|_| SchemaError::Unknown)?;
        let value = reader.read_value(&mut payload);
        let value = value.map_err(|_| SchemaError::Payload)?;
        // What is left over says that it was written by another schema.
        if !payload.is_empty() {
            return Err(SchemaError::Payload);
        }
        let json = self.json(value, &self.schema).ok_or(SchemaError::Payload)?;
        let mut bounded = Bounded::default();
        serde_json::to_writer(&mut bounded, &json).map_err(|_| SchemaError::Payload)?;
        Ok(bounded.0)
    }

    fn resolve<'s>(&'s self, schema: &'s Schema) -> Option<&'s Schema> {
        match schema {
            Schema::Ref { name } => self.names.get(&name.fullname(None)),
            other => Some(other),
        }
    }

    fn json(&self, value: Value, schema: &Schema) -> Option<Json> {
        let schema = self.resolve(schema)?;
        Some(match (value, schema) {
            (Value::Union(place, value), Schema::Union(union)) => {
                let variant = union.variants().get(usize::try_from(place).ok()?)?;
                self.json(*value, variant)?
            }
            (Value::Record(fields), Schema::Record(record)) => {
                let mut object = serde_json::Map::new();
                for ((name, value), field) in fields.into_iter().zip(&record.fields) {
                    object.insert(name, self.json(value, &field.schema)?);
                }
                Json::Object(object)
            }
            (Value::Array(items), Schema::Array(array)) => {
                let items = items.into_iter();
                let items = items.map(|item| self.json(item, &array.items));
                Json::Array(items.collect::<Option<_>>()?)
            }
            (Value::Map(entries), Schema::Map(map)) => {
                let mut object = serde_json::Map::new();
                for (name, value) in entries {
                    object.insert(name, self.json(value, &map.types)?);
                }
                Json::Object(object)
            }
            (Value::Decimal(decimal), Schema::Decimal(schema)) => {
                let digits = apache_avro_digits(decimal)?;
                number(&with_point(&digits, schema.scale))?
            }
            (Value::Null, _) => Json::Null,
            (Value::Boolean(value), _) => value.into(),
            (Value::Int(n) | Value::Date(n) | Value::TimeMillis(n), _) => n.into(),
            (
                Value::Long(n)
                | Value::TimeMicros(n)
                | Value::TimestampMillis(n)
                | Value::TimestampMicros(n)
                | Value::TimestampNanos(n)
                | Value::LocalTimestampMillis(n)
                | Value::LocalTimestampMicros(n)
                | Value::LocalTimestampNanos(n),
                _,
            ) => n.into(),
            // Not a number is unknown, and no number of JSON's.
            (Value::Float(n), _) => number(&n.to_string()).unwrap_or(Json::Null),
            (Value::Double(n), _) => n.into(),
            (Value::String(text) | Value::Enum(_, text), _) => text.into(),
            (Value::Bytes(bytes) | Value::Fixed(_, bytes), _) => bytes_text(bytes).into(),
            (Value::BigDecimal(n), _) => number(&n.to_string()).unwrap_or(Json::Null),
            (Value::Uuid(uuid), _) => uuid.to_string().into(),
            _ => return None,
        })
    }
}

/// Notes definitions by name, and refuses what a payload could run away with. Returns how many
/// bytes a value takes at least, up to one.
fn check(
    schema: &Schema,
    names: &mut HashMap<String, Schema>,
    path: &mut Vec<String>,
    depth: usize,
) -> Result<usize, String> {
    if depth > MAX_DEPTH {
        return Err(format!("it nests deeper than {MAX_DEPTH}"));
    }
    let items = |schema: &Schema, names: &mut _, path: &mut _| -> Result<(), String> {
        match check(schema, names, path, depth + 1)? {
            0 => Err("it has a list of what takes no bytes".to_owned()),
            _ => Ok(()),
        }
    };
    match schema {
        Schema::Null => Ok(0),
        Schema::Ref { name } => {
            let name = name.fullname(None);
            if path.contains(&name) {
                return Err(format!("\"{name}\" contains itself"));
            }
            let Some(definition) = names.get(&name).cloned() else {
                return Err(format!("\"{name}\" is not defined"));
            };
            check(&definition, names, path, depth + 1)
        }
        Schema::Record(record) => {
            let name = record.name.fullname(None);
            names.insert(name.clone(), schema.clone());
            path.push(name);
            let mut bytes = 0;
            for field in &record.fields {
                bytes = bytes.max(check(&field.schema, names, path, depth + 1)?);
            }
            path.pop();
            Ok(bytes)
        }
        Schema::Array(array) => items(&array.items, names, path).map(|()| 1),
        Schema::Map(map) => check(&map.types, names, path, depth + 1).map(|_| 1),
        Schema::Union(union) => {
            for variant in union.variants() {
                check(variant, names, path, depth + 1)?;
            }
            Ok(1)
        }
        Schema::Enum(inner) => {
            names.insert(inner.name.fullname(None), schema.clone());
            Ok(1)
        }
        Schema::Fixed(inner) => {
            names.insert(inner.name.fullname(None), schema.clone());
            Ok(inner.size.min(1))
        }
        _ => Ok(1),
    }
}

/// Returns the digits of a decimal, with its sign.
fn apache_avro_digits(decimal: apache_avro::Decimal) -> Option<String> {
    let bytes = <Vec<u8>>::try_from(decimal).ok()?;
    // Big-endian two's complement; money has no use for more than 16 bytes.
    if bytes.len() > 16 {
        return None;
    }
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut value = if negative { -1_i128 } else { 0 };
    for byte in bytes {
        value = value << 8 | i128::from(byte);
    }
    Some(value.to_string())
}

/// Puts the point into digits.
fn with_point(digits: &str, scale: usize) -> String {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    if scale == 0 || scale > 64 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{part}")
}

/// Returns a number as it is written, or a text where it would lose digits.
fn number(text: &str) -> Option<Json> {
    let number: Json = serde_json::from_str(text).ok()?;
    if !number.is_number() {
        return None;
    }
    let plain = text.trim_start_matches('-').replace('.', "");
    let digits = plain.trim_start_matches('0').len();
    // A double keeps fifteen digits; the codec reads numbers in texts as well.
    Some(if digits > 15 { text.into() } else { number })
}

fn bytes_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|err| {
        let mut hex = String::new();
        for byte in err.as_bytes() {
            let _ = write!(hex, "{byte:02x}");
        }
        hex
    })
}

#[cfg(test)]
mod tests {
    use apache_avro::types::Record;
    use apache_avro::writer::datum::GenericDatumWriter;

    use super::*;

    const EVENT: &str = r#"{"type":"record","name":"Event","namespace":"acme","fields":[
        {"name":"time","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"key","type":["null","string"]},
        {"name":"input_tokens","type":"long"},
        {"name":"cost_usd","type":{"type":"bytes","logicalType":"decimal","precision":18,"scale":9}},
        {"name":"operation","type":{"type":"enum","name":"Op","symbols":["chat","embeddings"]}},
        {"name":"tags","type":{"type":"map","values":"string"}}]}"#;

    fn written(text: &str, fill: impl FnOnce(&mut Record<'_>)) -> Vec<u8> {
        let schema = Schema::parse_str(text).unwrap();
        let mut record = Record::new(&schema).unwrap();
        fill(&mut record);
        let writer = GenericDatumWriter::builder(&schema).build().unwrap();
        writer.write_value_to_vec(record).unwrap()
    }

    fn event() -> Vec<u8> {
        written(EVENT, |record| {
            record.put("time", Value::TimestampMillis(1_777_896_000_123));
            record.put(
                "key",
                Value::Union(1, Box::new(Value::String("key_1".into()))),
            );
            record.put("input_tokens", 812_i64);
            let cost = apache_avro::Decimal::from(1_830_000_i64.to_be_bytes());
            record.put("cost_usd", Value::Decimal(cost));
            record.put("operation", Value::Enum(0, "chat".into()));
            record.put("tags", Value::Map(HashMap::new()));
        })
    }

    #[test]
    fn an_event_is_written_as_json_to_the_last_digit() {
        let avro = Avro::new(EVENT, &[]).unwrap();
        let json: Json = serde_json::from_slice(&avro.to_json(&event()).unwrap()).unwrap();
        let expected = serde_json::json!({
            "time": 1_777_896_000_123_i64, "key": "key_1", "input_tokens": 812,
            "cost_usd": 0.00183, "operation": "chat", "tags": {}
        });
        assert_eq!(json, expected);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_no_byte_string_is_more() {
        let avro = Avro::new(EVENT, &[]).unwrap();
        let event = event();
        assert_eq!(
            avro.to_json(&event[..event.len() - 1]),
            Err(SchemaError::Payload)
        );
        let longer = [event.as_slice(), b"x"].concat();
        assert_eq!(avro.to_json(&longer), Err(SchemaError::Payload));
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut bytes = event.clone();
            for _ in 0..3 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = usize::try_from(state >> 33).unwrap() % bytes.len();
                bytes[at] = u8::try_from(state >> 56).unwrap();
            }
            let _ = avro.to_json(&bytes);
        }
    }

    #[test]
    fn references_are_followed() {
        let key = r#"{"type":"record","name":"Key","namespace":"acme","fields":[
            {"name":"id","type":"string"}]}"#;
        let event = r#"{"type":"record","name":"Event","namespace":"acme","fields":[
            {"name":"key","type":"acme.Key"},{"name":"other","type":["null","acme.Key"]}]}"#;
        let avro = Avro::new(event, &[("acme.Key".to_owned(), key.to_owned())]).unwrap();
        let json = avro.to_json(b"\x0akey_1\x02\x0akey_2").unwrap();
        let expected = r#"{"key":{"id":"key_1"},"other":{"id":"key_2"}}"#;
        assert_eq!(String::from_utf8(json).unwrap(), expected);
    }

    #[test]
    fn schemas_that_a_payload_could_run_away_with_are_refused() {
        let list = |item: &str| {
            format!(
                r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{{"type":"array",
                "items":{item}}}}}]}}"#
            )
        };
        for (text, reason) in [
            (list(r#""null""#), "takes no bytes"),
            (
                list(r#"{"type":"record","name":"E","fields":[{"name":"n","type":"null"}]}"#),
                "takes no bytes",
            ),
            (
                r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#
                    .to_owned(),
                "contains itself",
            ),
            ("{".to_owned(), "no Avro schema"),
        ] {
            let err = Avro::new(&text, &[]).unwrap_err();
            assert!(err.contains(reason), "{err}");
        }
        assert!(Avro::new(&list(r#""string""#), &[]).is_ok());
    }

    #[test]
    fn decimals_keep_their_digits() {
        for (digits, scale, expected) in [
            ("1830000", 9, "0.001830000"),
            ("-5", 2, "-0.05"),
            ("123", 0, "123"),
            ("123", 1, "12.3"),
        ] {
            assert_eq!(with_point(digits, scale), expected);
        }
        assert_eq!(number("0.00183"), Some(serde_json::json!(0.00183)));
        let long = "123456789.123456789";
        assert_eq!(number(long), Some(long.into()));
        assert_eq!(number("NaN"), None);
    }
}
