//! OpenAI's audit log: `GET /v1/organization/audit_logs`.
//!
//! What happened stands under the name of its type. The actor is a session in the browser, with its
//! address and client, or a key. Times are whole seconds.
//! Source: openai/openai-openapi, `AuditLog`; `user_agent`, `ja3`, `ja4` and `ip_address_details` of
//! a session are in its example only.

use model::{CountField, TextField};

use super::inventory::details;
use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::Json;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::OpenaiAudit,
    marks: &["effective_at"],
    signature,
    decode,
};

/// What the payload has nested, and by what name its members are kept.
const NESTED: [(&str, &str); 2] = [("data", "data"), ("changes_requested", "changes")];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let kind = json.get("type").str()?;
    json.has("effective_at").then_some(())?;
    // Types have dots between their words.
    let own = json.get("actor").is_object() || json.has(kind);
    (own && kind.contains('.')).then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let mut draft = Draft::new("audit");
    draft.time(json.get("effective_at"))?;
    draft.set(TextField::Source, "provider");
    draft.set(TextField::Provider, "openai");
    draft.text(TextField::Id, json.get("id"));
    draft.text(TextField::Account, json.get("organization_id"));
    draft.text(TextField::Project, json.path(&["project", "id"]));
    draft.extra("project_name", json.path(&["project", "name"]));
    draft.text(TextField::Operation, json.get("type"));
    set_actor(&mut draft, json.get("actor"));

    let kind = json.get("type").str().unwrap_or_default();
    let payload = json.get(kind);
    if let Some(target) = payload.get("id").label() {
        draft.extra_text("target", target);
    }
    for (name, value) in payload.members() {
        if name != "id" && !NESTED.iter().any(|(nested, _)| *nested == name) {
            draft.extra(name, value);
        }
    }
    for (nested, prefix) in NESTED {
        details(&mut draft, prefix, payload.get(nested));
    }
    if kind.ends_with(".failed") {
        draft.set(TextField::Outcome, "error");
        draft.text(TextField::Error, payload.get("error_code"));
    }
    rows.push(json, draft)
}

fn set_actor<'t>(draft: &mut Draft<'t>, actor: Json<'t>) {
    let (session, key) = (actor.get("session"), actor.get("api_key"));
    draft.extra("actor_type", actor.get("type"));
    draft.text(TextField::Key, key.get("id"));
    if key.get("id").exists() {
        draft.set(TextField::KeyKind, "provider_id");
    }
    let who = if session.is_object() { session } else { key };
    let user = who.get("user");
    draft.text(TextField::User, user.get("id"));
    draft.text(TextField::Principal, user.get("email"));
    draft.text(TextField::Principal, who.path(&["service_account", "id"]));
    draft.caller(who.get("ip_address"));
    draft.text(TextField::UserAgent, who.get("user_agent"));
    draft.text(TextField::Ja3, who.get("ja3"));
    draft.text(TextField::Ja4, who.get("ja4"));
    let network = who.get("ip_address_details");
    draft.text(TextField::Country, network.get("country"));
    // "AS64500", "64500" or 64500.
    let asn = network.get("asn").label();
    let asn = asn.map(|asn| asn.trim_start_matches(['A', 'S', 'a', 's']));
    if let Some(number) = asn.and_then(|asn| asn.parse::<u32>().ok()) {
        draft.row.set_count(CountField::Asn, number.into());
    }
}
