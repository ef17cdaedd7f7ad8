//! What records are wrapped into, taken off layer by layer.
//!
//! ```text
//! record ─ headers: CloudEvents, schema id
//!    └─ bytes ─ byte-order mark, Confluent or Glue frame, gzip       frame.rs, unpack.rs
//!         ├─ OTLP protobuf ─ written as one document in JSON
//!         └─ text ─ one document, one a line, or a table               table.rs
//!              └─ value ─ array, page, EventBridge, Pub/Sub, CloudEvents    wrapper.rs
//!                   └─ element: the format's decoder
//! ```
//!
//! A layer that has to be unpacked is decoded before its buffer goes: rows borrow from it while
//! they are handed on. Three layers are taken off and no more, and what they unpack to is bounded
//! for the whole record, so that no record costs more than it should.

mod cloud_events;
mod frame;
mod table;
mod unpack;
mod wrapper;

use std::borrow::Cow;

use model::{Headers, Reason, SchemaId, Timestamp};

use crate::decode::TopicChoice;
use crate::formats::otlp::protobuf::{self, Fault};
use crate::formats::{self, Confidence, Format};
use crate::json::{Json, Tree};
use crate::native;
use crate::rejection::Rejection;
use crate::rows::Rows;
use crate::{MAX_PAYLOAD_BYTES, Redactor};

/// How many wrappers are taken off.
const MAX_LAYERS: usize = 3;

/// What an envelope says of the event inside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    /// What tells the event from all others, where it has no id itself.
    pub(crate) id: Option<String>,
    /// When it happened, where it does not say so itself.
    pub(crate) time: Option<Timestamp>,
    /// Whom it is about; the key, in metering events.
    pub(crate) subject: Option<String>,
    /// How many elements of the record came before it.
    pub(crate) first_element: usize,
}

/// Reads a record that is one native event and has no envelope, as the settings say.
pub(crate) fn native(rows: &mut Rows<'_>) {
    let payload = rows.record.payload;
    let payload = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
    let read = check_length(payload).and_then(|()| native::read(text_of(payload)?));
    let taken = read.and_then(|mut row| {
        rows.is(formats::Format::Native, Confidence::Set);
        rows.push_row(&mut row)
    });
    if let Err(rejection) = taken {
        rows.fail(rows.record.payload, rejection);
    }
}

fn check_length(payload: &[u8]) -> Result<(), Rejection> {
    if payload.is_empty() {
        return Err(Rejection::new(Reason::Empty, "the record has no value"));
    }
    if payload.len() > MAX_PAYLOAD_BYTES {
        let detail = format!("the payload is longer than {MAX_PAYLOAD_BYTES} bytes");
        return Err(Rejection::new(Reason::TooLarge, detail));
    }
    Ok(())
}

fn text_of(payload: &[u8]) -> Result<&str, Rejection> {
    simdutf8::compat::from_utf8(payload).map_err(|err| {
        let detail = format!("not UTF-8 at byte {}", err.valid_up_to());
        Rejection::new(Reason::Encoding, detail)
    })
}

/// Returns whether the headers say anything of an envelope; most headers are of others.
pub(crate) fn is_in_headers(headers: Headers<'_>) -> bool {
    !headers.is_empty()
        && (cloud_events::from_headers(headers).is_some()
            || SchemaId::in_headers(headers).is_some())
}

/// Reads a whole record.
pub(crate) fn record(rows: &mut Rows<'_>) {
    let payload = rows.record.payload;
    let headers = rows.record.headers;
    if let Err(rejection) = check_length(payload) {
        return rows.fail(payload, rejection);
    }
    if let Some(context) = cloud_events::from_headers(headers) {
        rows.context = context;
    }
    match SchemaId::in_headers(headers) {
        Some(id) => {
            let read = frame::read(rows.codec.schemas(), &id, payload);
            match read.and_then(|json| charge(rows, json)) {
                Ok(json) => bytes(rows, &json, 0),
                // What is framed has no text to show.
                Err(rejection) => rows.fail(b"", rejection),
            }
        }
        None => bytes(rows, payload, 0),
    }
}

/// Reads bytes: what frames and packs them, then their text.
fn bytes(rows: &mut Rows<'_>, payload: &[u8], layers: usize) {
    let payload = payload.strip_prefix(b"\xef\xbb\xbf").unwrap_or(payload);
    let unpacked = unpack(rows, payload, layers);
    match unpacked {
        Ok(None) => match otlp(rows, payload) {
            Ok(None) => document(rows, payload, layers),
            Ok(Some(json)) => document(rows, json.as_bytes(), layers),
            Err(rejection) => rows.fail(b"", rejection),
        },
        Ok(Some(inner)) => bytes(rows, &inner, layers + 1),
        Err(rejection) => {
            // What is packed hides its secrets, and what is framed has no text to show.
            rows.fail(b"", rejection);
        }
    }
}

/// Takes one frame or packing off, if there is one.
fn unpack<'p>(
    rows: &mut Rows<'_>,
    payload: &'p [u8],
    layers: usize,
) -> Result<Option<Cow<'p, [u8]>>, Rejection> {
    let framed = matches!(payload.first(), Some(0 | 3));
    let packed = payload.starts_with(&[0x1f, 0x8b]);
    if !framed && !packed {
        return Ok(None);
    }
    if layers >= MAX_LAYERS {
        return Err(too_many_layers());
    }
    if packed {
        let unpacked = unpack::gzip(payload, &mut rows.budget_bytes)?;
        return Ok(Some(Cow::Owned(unpacked)));
    }
    let unframed = frame::unframe(rows.codec.schemas(), payload)?;
    unframed.map(|json| charge(rows, json)).transpose()
}

/// Takes from the budget what a schema made of a payload.
fn charge<'p>(rows: &mut Rows<'_>, json: Cow<'p, [u8]>) -> Result<Cow<'p, [u8]>, Rejection> {
    if let Cow::Owned(written) = &json {
        let rest = rows.budget_bytes.checked_sub(written.len());
        rows.budget_bytes = rest.unwrap_or(0);
        rest.ok_or_else(unpack::too_large)?;
    }
    Ok(json)
}

/// Writes an OTLP batch in protobuf as JSON, where the payload is one or the settings say so.
///
/// # Errors
/// [`Reason::UnknownFormat`] for what is binary and no whole batch, or none of the topic's signal;
/// [`Reason::TooLarge`], [`Reason::Shape`] for a batch beyond the limits.
fn otlp(rows: &mut Rows<'_>, payload: &[u8]) -> Result<Option<String>, Rejection> {
    const SIGNALS: [Format; 3] = [Format::OtlpTraces, Format::OtlpMetrics, Format::OtlpLogs];
    let forced = rows.choice.and_then(TopicChoice::format);
    let of_topic = forced.filter(|format| SIGNALS.contains(format));
    // The tag of the one field that a batch has; also a line break before a text.
    if payload.first() != Some(&b'\n') || forced != of_topic {
        return Ok(None);
    }
    let mut cut = None;
    for signal in SIGNALS {
        match protobuf::read(signal, payload, rows.budget_bytes) {
            Ok(batch) if batch.named || of_topic == Some(signal) => {
                if of_topic.is_some_and(|format| format != signal) {
                    continue;
                }
                rows.budget_bytes -= batch.json.len().min(rows.budget_bytes);
                return Ok(Some(batch.json));
            }
            Err(Fault::TooLarge) => {
                let detail = "the OTLP batch is too large as JSON";
                return Err(Rejection::new(Reason::TooLarge, detail));
            }
            Err(fault) if of_topic.is_none_or(|format| format == signal) => {
                cut = cut.or(Some(fault));
            }
            _ => {}
        }
    }
    // UTF-16 has zeros after its line breaks, and a reason of its own.
    if simdutf8::basic::from_utf8(payload).is_ok() || payload.get(1) == Some(&0) {
        return Ok(None);
    }
    let what = of_topic.map_or("OTLP", Format::name);
    let why = cut.map_or_else(
        || "nothing in it has a name".to_owned(),
        |fault| fault.to_string(),
    );
    let detail = format!("the record is binary and no {what} batch: {why}");
    Err(Rejection::new(Reason::UnknownFormat, detail))
}

fn too_many_layers() -> Rejection {
    let detail = format!("more than {MAX_LAYERS} layers are wrapped around the event");
    Rejection::new(Reason::Shape, detail)
}

/// Reads a text: one document, one a line, or a table.
fn document(rows: &mut Rows<'_>, payload: &[u8], layers: usize) {
    if payload.is_empty() {
        let rejection = Rejection::new(Reason::Empty, "the record has no value");
        return rows.fail(payload, rejection);
    }
    let parsed = parse(payload);
    // The envelope's texts may come into a row from outside of this text.
    let outside = [&rows.context.id, &rows.context.subject];
    let look = match &parsed {
        Ok(tree) => Redactor::needs_look_resolved(payload, tree.unescaped().as_bytes()),
        Err(_) => Redactor::needs_look(payload),
    } || outside.iter().any(|text| {
        let text = text.as_deref().unwrap_or_default();
        Redactor::needs_look(text.as_bytes())
    });
    let before = std::mem::replace(&mut rows.look, look);
    match parsed {
        Ok(tree) => value(rows, tree.root(), layers),
        // Its headers are in clear and have keys without shape: none of it is kept.
        Err(_) if let Some(rejection) = origin(payload) => rows.fail(b"", rejection),
        Err(_) if is_one_a_line(payload) => {
            for line in lines(payload) {
                match parse(line) {
                    Ok(tree) => value(rows, tree.root(), layers),
                    Err(_) if !rows.goes_on() => break,
                    Err(rejection) => rows.fail(line, rejection),
                }
            }
        }
        Err(_) if table::read(rows, payload) => {}
        Err(rejection) => rows.fail(payload, rejection),
    }
    rows.look = before;
}

fn parse(payload: &[u8]) -> Result<Tree<'_>, Rejection> {
    Tree::parse(text_of(payload)?)
}

fn origin(payload: &[u8]) -> Option<Rejection> {
    formats::refuse_origin(std::str::from_utf8(payload).ok()?)
}

/// Iterates over the lines that are not blank; one that is no UTF-8 leaves the others alone.
fn lines(payload: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let lines = payload.split(|byte| *byte == b'\n');
    lines
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
}

/// Returns whether a text that is no document is a list of documents, one a line.
///
/// The first line of one document that was printed over many lines is its bracket alone.
fn is_one_a_line(payload: &[u8]) -> bool {
    let mut lines = lines(payload);
    let printed = lines
        .clone()
        .next()
        .is_none_or(|line| matches!(line, b"{" | b"["));
    !printed
        && lines.clone().nth(1).is_some()
        && lines.any(|line| line.starts_with(b"{") && parse(line).is_ok())
}

fn value(rows: &mut Rows<'_>, json: Json<'_>, layers: usize) {
    rows.each(std::iter::once(json), |rows, json| {
        element(rows, json, layers)
    });
}

/// Reads a value: an event, or a wrapper around some.
pub(super) fn element(rows: &mut Rows<'_>, json: Json<'_>, layers: usize) -> Result<(), Rejection> {
    let forced = rows.choice.and_then(TopicChoice::decoder);
    if let Some(decoder) = forced {
        if (decoder.signature)(json).is_some() {
            rows.is(decoder.format, Confidence::Set);
            return (decoder.decode)(rows, json);
        }
    } else if let Some((decoder, confidence)) = formats::detect(json, rows.last) {
        rows.last = Some((decoder, confidence));
        rows.is(decoder.format, confidence);
        return (decoder.decode)(rows, json);
    }
    if wrapper::open(rows, json, layers)? {
        return Ok(());
    }
    if let Some(rejection) = json.str().and_then(formats::refuse_origin) {
        rows.fail(b"", rejection);
        return Ok(());
    }
    match forced {
        // The settings know better than a signature.
        Some(decoder) if json.is_object() => {
            rows.is(decoder.format, Confidence::Set);
            (decoder.decode)(rows, json)
        }
        Some(decoder) => {
            let detail = format!("the record is not {}", decoder.format);
            Err(Rejection::new(Reason::UnknownFormat, detail))
        }
        None if !json.is_object() => {
            let detail = "the payload is not one JSON object";
            Err(Rejection::new(Reason::Shape, detail))
        }
        None => {
            let mut row = native::read(json.raw())?;
            native::adopt_key(&mut row);
            rows.is(formats::Format::Native, Confidence::Certain);
            rows.push_row(&mut row)
        }
    }
}
