//! Lago's events, as they are sent to it and as they are in its topic `events-raw`.
//!
//! | form | |
//! |---|---|
//! | one event | its topic |
//! | `{"event": {…}}` | one, sent |
//! | `{"events": […]}` | many, sent |
//!
//! `timestamp` is seconds in a text, with a fraction. The subscription is the customer; it is the
//! key where the properties name none. `precise_total_amount_cents` is what the customer is
//! charged, in cents, and 0 where Lago reckons by itself; a cost in the properties goes before it.
//! Source: getlago/lago, `events/kafka`; getlago/lago-agent-sdk-js; BerriAI/litellm, `lago.py`.

use model::TextField;

use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::{Json, Unit};
use crate::meaning::metered;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Lago,
    marks: &["events", "event", "transaction_id"],
    signature,
    decode,
};

fn signature(json: Json<'_>) -> Option<Confidence> {
    let sent = json.get("events").items().next();
    let own = is_event(json) || is_event(json.get("event")) || sent.is_some_and(is_event);
    own.then_some(Confidence::Certain)
}

fn is_event(json: Json<'_>) -> bool {
    json.has("transaction_id")
        && json.has("code")
        && (json.has("external_subscription_id") || json.has("external_customer_id"))
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    if json.get("events").is_array() {
        rows.each(json.get("events").items(), event);
        return Ok(());
    }
    let sent = json.get("event");
    event(rows, if sent.is_object() { sent } else { json })
}

fn event(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let properties = json.get("properties").inner()?;
    read(rows, json, properties.json())
}

fn read<'t>(rows: &mut Rows<'_>, json: Json<'t>, properties: Json<'t>) -> Result<(), Rejection> {
    let mut draft = Draft::call();
    draft.time(json.get("timestamp"))?;
    draft.text(TextField::Id, json.get("transaction_id"));
    draft.set(TextField::Source, "app");
    draft.text(TextField::Account, json.get("organization_id"));
    draft.text(TextField::Operation, json.get("code"));
    metered::read(&mut draft, properties, json.get("code").str())?;
    // What a customer is charged for storage is no cost of a model.
    let of_model = draft.row.text(TextField::Model).is_some() || properties.has("token_type");
    if draft.row.cost.is_none() && of_model {
        draft.estimate(json.get("precise_total_amount_cents"), Unit::Cents)?;
    }
    let subscription = json.first(&["external_subscription_id", "external_customer_id"]);
    draft.text(TextField::User, json.get("external_customer_id"));
    if draft.row.text(TextField::Key).is_none() {
        draft.text(TextField::Key, subscription);
        draft.set(TextField::KeyKind, "consumer");
    } else if draft.row.text(TextField::User).is_none() {
        draft.text(TextField::User, subscription);
    }
    rows.push(json, draft)
}
