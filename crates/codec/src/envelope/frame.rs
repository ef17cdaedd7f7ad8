//! Frames of schema registries.
//!
//! | frame | bytes |
//! |---|---|
//! | Confluent | `00`, schema id of 4 bytes, payload |
//! | Confluent, since platform 8 | header `__value_schema_id`: `00` and 4 bytes, or `01` and a GUID of 16 |
//! | AWS Glue | `03`, compression, GUID of 16 bytes, payload |
//!
//! JSON Schema needs no schema to be read: its payload is JSON. Avro and Protobuf do; whoever has
//! them gives a [`Schemas`].

use std::borrow::Cow;
use std::fmt;

use model::{Headers, Reason};

use crate::rejection::Rejection;

/// What a frame names its schema by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SchemaId {
    /// The id within a registry.
    Number(u32),
    /// The id across registries.
    Guid([u8; 16]),
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

/// Returns the schema id that the headers of a record name.
pub(super) fn schema_in_headers(headers: Headers<'_>) -> Option<SchemaId> {
    let (kind, id) = headers.get("__value_schema_id")?.split_first()?;
    match kind {
        0 => Some(SchemaId::Number(u32::from_be_bytes(id.try_into().ok()?))),
        1 => Some(SchemaId::Guid(id.try_into().ok()?)),
        _ => None,
    }
}

/// Takes a frame off that begins with a magic byte.
pub(super) fn unframe<'p>(
    schemas: Option<&dyn Schemas>,
    payload: &'p [u8],
) -> Result<Option<Cow<'p, [u8]>>, Rejection> {
    let (id, rest) = match payload {
        [0, a, b, c, d, rest @ ..] if !rest.is_empty() => {
            (SchemaId::Number(u32::from_be_bytes([*a, *b, *c, *d])), rest)
        }
        [0, _, _, _, _] => {
            let detail = "a schema registry frames nothing";
            return Err(Rejection::new(Reason::Framing, detail));
        }
        [3, 0 | 5, rest @ ..] if rest.len() > 16 => {
            let detail = "AWS Glue frames the record, which is not read yet";
            return Err(Rejection::new(Reason::Framing, detail));
        }
        // Zero bytes between letters are UTF-16, which is told by its encoding.
        _ => return Ok(None),
    };
    // UTF-16 and UTF-32 begin with a zero as well, and have more of them.
    if matches!(id, SchemaId::Number(id) if is_wide_text(id)) {
        return Ok(None);
    }
    read(schemas, &id, rest).map(Some)
}

/// Returns whether four bytes are the rest of a wide `{"` or of white space before it.
fn is_wide_text(id: u32) -> bool {
    let [a, b, c, _] = id.to_be_bytes();
    matches!((a, b, c), (b'{' | b'[', 0, _) | (0, 0, b'{' | b'['))
}

/// Reads the payload of a frame: JSON as it is, anything else by its schema.
pub(super) fn read<'p>(
    schemas: Option<&dyn Schemas>,
    id: &SchemaId,
    payload: &'p [u8],
) -> Result<Cow<'p, [u8]>, Rejection> {
    let json = std::str::from_utf8(payload).is_ok_and(|text| {
        let text = text.trim();
        (text.starts_with('{') && text.ends_with('}'))
            || (text.starts_with('[') && text.ends_with(']'))
    });
    if json {
        return Ok(Cow::Borrowed(payload));
    }
    let written = schemas.map_or(Err(SchemaError::Unknown), |schemas| {
        schemas.to_json(id, payload)
    });
    written.map(Cow::Owned).map_err(|err| {
        let detail = format!("a schema registry frames the record, and {err}");
        Rejection::new(Reason::Framing, detail)
    })
}
