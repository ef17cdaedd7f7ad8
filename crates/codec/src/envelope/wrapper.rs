//! Values that are wrapped around events.

use model::Reason;

use super::{MAX_LAYERS, bytes, cloud_events, element, too_many_layers, unpack};
use crate::json::Json;
use crate::meaning::instant;
use crate::rejection::Rejection;
use crate::rows::Rows;

/// The arrays of a page, by the names that they have.
const PAGES: [&str; 4] = ["records", "Records", "data", "result"];

/// Reads what is wrapped, and returns whether anything was.
///
/// # Errors
/// [`Reason::Shape`] beyond three layers, [`Reason::Compressed`] for data that is no base64,
/// [`Reason::DuplicateField`] for a wrapper with a list or an id that is given twice.
pub(super) fn open(rows: &mut Rows<'_>, json: Json<'_>, layers: usize) -> Result<bool, Rejection> {
    let each = |rows: &mut Rows<'_>, items: Json<'_>| {
        if layers >= MAX_LAYERS {
            return Err(too_many_layers());
        }
        json.tree().unambiguous()?;
        let mut items = items.items().peekable();
        if items.peek().is_none() {
            let detail = "the list of events is empty";
            return Err(Rejection::new(Reason::Shape, detail));
        }
        rows.each(items, |rows, item| element(rows, item, layers + 1));
        Ok(true)
    };
    if json.is_array() {
        return each(rows, json);
    }
    if cloud_events::is_event(json) {
        let context = cloud_events::from_event(json);
        json.tree().unambiguous()?;
        let before = rows.enter(context);
        let read = event_data(rows, json, layers);
        rows.context = before;
        return read.map(|()| true);
    }
    let pages = PAGES.iter().map(|name| json.get(name));
    if let Some(page) = pages.into_iter().find(|page| page.is_array()) {
        return each(rows, page);
    }
    if json.get("detail").is_object() && json.has("detail-type") {
        json.tree().unambiguous()?;
        return inside(rows, json.get("detail"), layers).map(|()| true);
    }
    // Pub/Sub pushes `message`, its pull and its Kafka connector give the message itself.
    let message = match json.get("message") {
        message if message.is_object() => message,
        _ => json,
    };
    let id = message.first(&["messageId", "message_id"]);
    let Some(data) = message.get("data").str().filter(|_| id.exists()) else {
        return Ok(false);
    };
    let mut context = rows.context.clone();
    context.id = id.label().map(|id| format!("pubsub#{id}"));
    let published = message.first(&["publishTime", "publish_time"]).str();
    context.time = published.and_then(|time| instant::parse(time).ok().flatten());
    json.tree().unambiguous()?;
    let before = rows.enter(context);
    let read = packed(rows, data, layers);
    rows.context = before;
    read.map(|()| true)
}

/// Reads the data of a CloudEvent: JSON as it is, JSON in a text, or anything in base64.
fn event_data(rows: &mut Rows<'_>, event: Json<'_>, layers: usize) -> Result<(), Rejection> {
    let data = event.get("data");
    if let Some(text) = event.get("data_base64").str() {
        packed(rows, text, layers)
    } else if let Some(text) = data.str() {
        text_inside(rows, text.as_bytes(), layers)
    } else {
        inside(rows, data, layers)
    }
}

fn packed(rows: &mut Rows<'_>, text: &str, layers: usize) -> Result<(), Rejection> {
    let unpacked = unpack::base64(text, &mut rows.budget_bytes)?;
    text_inside(rows, &unpacked, layers)
}

fn inside(rows: &mut Rows<'_>, json: Json<'_>, layers: usize) -> Result<(), Rejection> {
    if layers >= MAX_LAYERS {
        return Err(too_many_layers());
    }
    element(rows, json, layers + 1)
}

fn text_inside(rows: &mut Rows<'_>, text: &[u8], layers: usize) -> Result<(), Rejection> {
    if layers >= MAX_LAYERS {
        return Err(too_many_layers());
    }
    bytes(rows, text, layers + 1);
    Ok(())
}
