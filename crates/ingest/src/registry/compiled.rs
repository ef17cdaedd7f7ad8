//! A schema that is ready to read payloads by.

use model::SchemaError;

use super::client::{Fetched, Kind};
#[cfg(feature = "schemas")]
use super::{avro::Avro, protobuf::Protobuf};

/// The longest document that a payload is written as, in bytes.
#[cfg(feature = "schemas")]
const MAX_JSON_BYTES: usize = 4 << 20;

pub(super) enum Compiled {
    #[cfg(feature = "schemas")]
    Avro(Avro),
    #[cfg(feature = "schemas")]
    Protobuf(Protobuf),
    /// JSON is read without; what is framed by such a schema and is no JSON fits nothing.
    Json,
}

impl Compiled {
    /// Reads a schema.
    ///
    /// # Errors
    /// Why records cannot be read by it, in words.
    pub(super) fn new(fetched: &Fetched) -> Result<Self, String> {
        match fetched.kind {
            #[cfg(feature = "schemas")]
            Kind::Avro => Avro::new(&fetched.text, &fetched.references).map(Self::Avro),
            #[cfg(feature = "schemas")]
            Kind::Protobuf => Protobuf::new(&fetched.text, &fetched.references).map(Self::Protobuf),
            Kind::Json => Ok(Self::Json),
            _ => Err("it is in a language that is not read".to_owned()),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            #[cfg(feature = "schemas")]
            Self::Avro(_) => "avro",
            #[cfg(feature = "schemas")]
            Self::Protobuf(_) => "protobuf",
            Self::Json => "json",
        }
    }

    #[cfg_attr(
        not(feature = "schemas"),
        allow(unused_variables, reason = "nothing to read")
    )]
    pub(super) fn to_json(&self, payload: &[u8]) -> Result<Vec<u8>, SchemaError> {
        match self {
            #[cfg(feature = "schemas")]
            Self::Avro(schema) => schema.to_json(payload),
            #[cfg(feature = "schemas")]
            Self::Protobuf(schema) => schema.to_json(payload),
            Self::Json => Err(SchemaError::Payload),
        }
    }
}

/// Takes bytes up to a bound.
#[cfg(feature = "schemas")]
#[derive(Default)]
pub(super) struct Bounded(pub(super) Vec<u8>);

#[cfg(feature = "schemas")]
impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_JSON_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
