//! Protobuf to JSON.
//!
//! Fields have the names of the `.proto` file, numbers stay numbers, and what was not sent is left
//! out: an unknown is no zero.

use std::collections::HashMap;

use model::SchemaError;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FileDescriptor, MessageDescriptor, SerializeOptions,
};
use protox::Compiler;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::compiled::Bounded;

/// The name of the schema itself among its files.
const MAIN: &str = "spikewatch/main.proto";

/// How many message indexes are read: one for each level that messages are defined in.
const MAX_INDEXES: usize = 16;

#[derive(Debug)]
pub(super) struct Protobuf {
    file: FileDescriptor,
}

/// The files of one schema, in memory.
struct Files(HashMap<String, String>);

impl FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        let text = self.0.get(name);
        let text = text.ok_or_else(|| protox::Error::file_not_found(name))?;
        File::from_source(name, text)
    }
}

impl Protobuf {
    pub(super) fn new(text: &str, references: &[(String, String)]) -> Result<Self, String> {
        let mut files: HashMap<_, _> = references.iter().cloned().collect();
        files.insert(MAIN.to_owned(), text.to_owned());
        let mut resolver = ChainFileResolver::new();
        resolver.add(Files(files));
        resolver.add(GoogleFileResolver::new());
        let mut compiler = Compiler::with_file_resolver(resolver);
        compiler.include_imports(true);
        let refused = |err: protox::Error| format!("it is no Protobuf schema: {err}");
        compiler.open_file(MAIN).map_err(refused)?;
        let pool: DescriptorPool = compiler.descriptor_pool();
        let file = pool.get_file_by_name(MAIN);
        let file = file.ok_or("it is no Protobuf schema: it has no file")?;
        Ok(Self { file })
    }

    pub(super) fn to_json(&self, mut payload: &[u8]) -> Result<Vec<u8>, SchemaError> {
        let indexes = indexes(&mut payload).ok_or(SchemaError::Payload)?;
        let message = self.message(&indexes).ok_or(SchemaError::Payload)?;
        let value = DynamicMessage::decode(message, payload).map_err(|_| SchemaError::Payload)?;
        let options = SerializeOptions::new()
            .stringify_64_bit_integers(false)
            .use_proto_field_name(true)
            .skip_default_fields(true);
        let mut bounded = Bounded::default();
        let mut serializer = serde_json::Serializer::new(&mut bounded);
        let written = value.serialize_with_options(&mut serializer, &options);
        written.map_err(|_| SchemaError::Payload)?;
        Ok(bounded.0)
    }

    /// Returns the message at a path of indexes: that of the file, then of the one inside.
    fn message(&self, indexes: &[usize]) -> Option<MessageDescriptor> {
        let (first, inside) = indexes.split_first()?;
        let mut message = self.file.messages().nth(*first)?;
        for index in inside {
            let inner = message.child_messages().nth(*index);
            message = inner?;
        }
        Some(message)
    }
}

/// Takes the message indexes off: their number, then each, zigzag varints; a zero alone is the
/// first message.
fn indexes(payload: &mut &[u8]) -> Option<Vec<usize>> {
    let count = index(payload)?;
    if count == 0 {
        return Some(vec![0]);
    }
    if count > MAX_INDEXES {
        return None;
    }
    (0..count).map(|_| index(payload)).collect()
}

fn index(payload: &mut &[u8]) -> Option<usize> {
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let (byte, rest) = payload.split_first()?;
        *payload = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // A negative index is none.
            let even = value & 1 == 0;
            return even.then_some(value >> 1)?.try_into().ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"syntax = "proto3"; package acme;
        import "google/protobuf/timestamp.proto"; import "acme/key.proto";
        message Unused {}
        message Outer {
          message Event {
            google.protobuf.Timestamp time = 1;
            Key key = 2;
            uint64 input_tokens = 3;
            optional uint64 output_tokens = 4;
            double cost_usd = 5;
          }
        }"#;
    const KEY: &str = r#"syntax = "proto3"; package acme; message Key { string id = 1; }"#;

    fn schema() -> Protobuf {
        Protobuf::new(EVENT, &[("acme/key.proto".to_owned(), KEY.to_owned())]).unwrap()
    }

    /// The message at [1, 0]: a time, a key and 812 tokens.
    const PAYLOAD: &[u8] =
        b"\x04\x02\x00\x0a\x06\x08\xc0\xe5\xe1\xcf\x06\x12\x07\x0a\x05key_1\x18\xac\x06";

    #[test]
    fn a_message_is_found_by_its_indexes_and_written_as_json() {
        let json = schema().to_json(PAYLOAD).unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(json["key"]["id"], "key_1");
        assert_eq!(json["input_tokens"], 812);
        assert!(
            json["time"].as_str().unwrap().starts_with("2026-05-0"),
            "{json}"
        );
        let fields = json.as_object().unwrap();
        assert!(
            !fields.contains_key("cost_usd"),
            "what was not sent is unknown: {json}"
        );
    }

    #[test]
    fn the_first_message_has_a_short_form() {
        let schema = Protobuf::new(KEY, &[]).unwrap();
        for indexes in [&b"\x00"[..], b"\x02\x00"] {
            let payload = [indexes, b"\x0a\x05key_1"].concat();
            assert_eq!(schema.to_json(&payload).unwrap(), br#"{"id":"key_1"}"#);
        }
        for payload in [
            &b""[..],
            b"\x02",
            b"\x02\x01",
            b"\x02\x08\x0a",
            b"\xff\xff\xff\xff\xff\x01",
        ] {
            assert_eq!(
                schema.to_json(payload),
                Err(SchemaError::Payload),
                "{payload:?}"
            );
        }
    }

    #[test]
    fn no_byte_string_is_more_than_refused() {
        let schema = schema();
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let mut bytes = PAYLOAD.to_vec();
            for _ in 0..3 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let at = usize::try_from(state >> 33).unwrap() % bytes.len();
                bytes[at] = u8::try_from(state >> 56).unwrap();
            }
            let _ = schema.to_json(&bytes);
        }
        let deep = r#"syntax = "proto3"; message L { L next = 1; }"#;
        let schema = Protobuf::new(deep, &[]).unwrap();
        let mut payload = Vec::new();
        for _ in 0..300 {
            let length = payload.len();
            let mut outer = vec![0x0a];
            let mut rest = length;
            while rest > 127 {
                outer.push(u8::try_from(rest & 0x7f).unwrap() | 0x80);
                rest >>= 7;
            }
            outer.push(u8::try_from(rest).unwrap());
            outer.extend_from_slice(&payload);
            payload = outer;
        }
        let framed = [&b"\x00"[..], &payload].concat();
        assert_eq!(schema.to_json(&framed), Err(SchemaError::Payload));
    }

    #[test]
    fn what_is_no_schema_says_so() {
        for text in [
            "message",
            r#"syntax = "proto3"; import "gone.proto"; message A {}"#,
        ] {
            let err = Protobuf::new(text, &[]).unwrap_err();
            assert!(err.contains("no Protobuf schema"), "{err}");
        }
    }
}
