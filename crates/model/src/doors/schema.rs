//! The schemas by which framed records are read.

use std::fmt;

use crate::{Headers, Record};

/// What a frame names its schema by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaId {
    /// The id within a registry.
    Number(u32),
    /// The id across registries.
    Guid([u8; 16]),
}

impl SchemaId {
    /// Returns the schema id that the headers of a record name.
    pub fn in_headers(headers: Headers<'_>) -> Option<Self> {
        let (kind, id) = headers.get("__value_schema_id")?.split_first()?;
        match kind {
            0 => Some(Self::Number(u32::from_be_bytes(id.try_into().ok()?))),
            1 => Some(Self::Guid(id.try_into().ok()?)),
            _ => None,
        }
    }

    /// Returns the schema id of a frame that begins with a zero, and what is behind it.
    ///
    /// UTF-16 and UTF-32 begin with a zero as well, and have more of them: they are no frames.
    pub fn in_frame(payload: &[u8]) -> Option<(Self, &[u8])> {
        let ([0, a, b, c, d], rest) = payload.split_first_chunk()? else {
            return None;
        };
        let is_wide_text = matches!((a, b, c), (b'{' | b'[', 0, _) | (0, 0, b'{' | b'['));
        let framed = !rest.is_empty() && !is_wide_text;
        framed.then(|| (Self::Number(u32::from_be_bytes([*a, *b, *c, *d])), rest))
    }

    /// Returns the schema that a record cannot be read without: that of a frame around anything
    /// but JSON.
    pub fn needed_by(record: &Record<'_>) -> Option<Self> {
        let (id, payload) = match Self::in_headers(record.headers) {
            Some(id) => (id, record.payload),
            None => Self::in_frame(record.payload)?,
        };
        (!Self::is_spared(payload)).then_some(id)
    }

    /// Returns whether the payload of a frame is JSON, for which nobody needs a schema.
    pub fn is_spared(payload: &[u8]) -> bool {
        std::str::from_utf8(payload).is_ok_and(|text| {
            let text = text.trim();
            (text.starts_with('{') && text.ends_with('}'))
                || (text.starts_with('[') && text.ends_with(']'))
        })
    }
}

/// Why a payload could not be read by its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The schema is not at hand: not known to the registry, or the registry did not answer.
    #[error("its schema is not at hand")]
    Unknown,
    /// The payload does not fit its schema.
    #[error("it does not fit its schema")]
    Payload,
}

/// The schemas that are at hand, filled by whoever may talk to a registry.
///
/// It is asked while records are decoded and must answer from memory.
pub trait Schemas: fmt::Debug + Send + Sync {
    /// Writes an Avro or Protobuf payload, without its frame, as one JSON document.
    ///
    /// A Protobuf payload begins with its message indexes, as Confluent frames it.
    ///
    /// # Errors
    /// [`SchemaError`] where that cannot be.
    fn to_json(&self, id: &SchemaId, payload: &[u8]) -> Result<Vec<u8>, SchemaError>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Partition, Records};

    #[test]
    fn a_schema_is_needed_for_framed_bytes_that_are_no_json() {
        let needed = |headers: &[(&str, &[u8])], payload: &[u8]| {
            let mut records = Records::new(Partition::new("usage", 0), 0);
            records.push_with_headers(0, None, payload, headers.iter().copied());
            SchemaId::needed_by(&records.iter().next().unwrap())
        };
        let number = Some(SchemaId::Number(258));
        assert_eq!(needed(&[], b"\0\0\0\x01\x02avro"), number);
        assert_eq!(needed(&[], b"\0\0\0\x01\x02{}"), None);
        assert_eq!(needed(&[], b"\0\0\0\x01\x02"), None);
        assert_eq!(needed(&[], b"\0{\0\"\0a"), None, "UTF-16");
        assert_eq!(needed(&[], b"\x03\0\0\x01\x02avro"), None);
        assert_eq!(needed(&[], b"{}"), None);
        let header: &[u8] = &[0, 0, 0, 1, 2];
        assert_eq!(needed(&[("__value_schema_id", header)], b"avro"), number);
        assert_eq!(needed(&[("__value_schema_id", header)], b" [1] "), None);
        let header: &[u8] = &[[1].as_slice(), &[9; 16]].concat();
        let guid = Some(SchemaId::Guid([9; 16]));
        assert_eq!(needed(&[("__value_schema_id", header)], b"avro"), guid);
    }
}
