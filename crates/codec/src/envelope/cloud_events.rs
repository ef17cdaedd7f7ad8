//! CloudEvents 1.0: what its attributes say of the event inside.

use model::Headers;

use super::Context;
use crate::json::Json;
use crate::meaning::instant;

/// Returns what the headers of binary mode say; structured mode says it in the value.
pub(super) fn from_headers(headers: Headers<'_>) -> Option<Context> {
    headers.get("ce_specversion").or(headers.get("ce_id"))?;
    Some(context(
        headers.text("ce_source"),
        headers.text("ce_id"),
        headers.text("ce_time"),
        headers.text("ce_subject"),
    ))
}

/// Returns whether an object is an event in structured mode.
pub(super) fn is_event(json: Json<'_>) -> bool {
    json.get("specversion").str().is_some()
        && (json.has("data") || json.has("data_base64"))
        && json.get("type").str().is_some()
}

/// Returns what the attributes of structured mode say.
pub(super) fn from_event(event: Json<'_>) -> Context {
    context(
        event.get("source").str(),
        event.get("id").label(),
        event.get("time").str(),
        event.get("subject").label(),
    )
}

/// Source and id together are what tells an event from all others.
fn context(
    source: Option<&str>,
    id: Option<&str>,
    time: Option<&str>,
    subject: Option<&str>,
) -> Context {
    Context {
        id: id.map(|id| format!("{}#{id}", source.unwrap_or_default())),
        time: time.and_then(|time| instant::parse(time).ok().flatten()),
        subject: subject.map(str::to_owned),
        first_element: 0,
    }
}
