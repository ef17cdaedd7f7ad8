//! Frames of schema registries.
//!
//! | frame | bytes |
//! |---|---|
//! | Confluent | `00`, schema id of 4 bytes, payload |
//! | Confluent, since platform 8 | header `__value_schema_id`: `00` and 4 bytes, or `01` and a GUID of 16 |
//! | AWS Glue | `03`, compression, GUID of 16 bytes, payload |
//!
//! JSON Schema needs no schema to be read: its payload is JSON. Avro and Protobuf do; whoever has
//! them gives a [`Schemas`], a door of `model`.

use std::borrow::Cow;

use model::{Reason, SchemaError, SchemaId, Schemas};

use crate::rejection::Rejection;

/// Takes a frame off that begins with a magic byte.
pub(super) fn unframe<'p>(
    schemas: Option<&dyn Schemas>,
    payload: &'p [u8],
) -> Result<Option<Cow<'p, [u8]>>, Rejection> {
    if let [3, 0 | 5, rest @ ..] = payload
        && rest.len() > 16
    {
        let detail = "AWS Glue frames the record, which is not read yet";
        return Err(Rejection::new(Reason::Framing, detail));
    }
    if let [0, _, _, _, _] = payload {
        let detail = "a schema registry frames nothing";
        return Err(Rejection::new(Reason::Framing, detail));
    }
    // Zero bytes between letters are UTF-16, which is told by its encoding.
    let Some((id, rest)) = SchemaId::in_frame(payload) else {
        return Ok(None);
    };
    read(schemas, &id, rest).map(Some)
}

/// Reads the payload of a frame: JSON as it is, anything else by its schema.
pub(super) fn read<'p>(
    schemas: Option<&dyn Schemas>,
    id: &SchemaId,
    payload: &'p [u8],
) -> Result<Cow<'p, [u8]>, Rejection> {
    if SchemaId::is_spared(payload) {
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
