//! Anthropic's compliance feed: `GET /v1/compliance/activities`, newest first.
//!
//! There are hundreds of types with fields of their own. Of those only what names or classifies
//! something is kept: the rest may be what somebody wrote.
//! Source: Anthropic's Compliance API reference.

use model::TextField;

use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::Json;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::AnthropicActivities,
    marks: &["actor"],
    signature,
    decode,
};

/// Fields of the activity itself, which every type has.
const COMMON: [&str; 6] = [
    "id",
    "type",
    "created_at",
    "actor",
    "organization_id",
    "organization_uuid",
];

/// How the names of fields end that name or classify something.
const KEPT_ENDINGS: [&str; 8] = [
    "_id", "_uuid", "_type", "_status", "_role", "_scope", "_method", "_reason",
];

/// Fields that say which thing it was done to, the first that is there.
const TARGETS: [&str; 5] = [
    "api_key_id",
    "admin_api_key_id",
    "service_account_id",
    "workspace_id",
    "user_id",
];

fn signature(json: Json<'_>) -> Option<Confidence> {
    json.get("id").str()?.strip_prefix("activity_")?;
    let own = json.get("type").str().is_some() && json.has("actor");
    own.then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let mut draft = Draft::new("audit");
    draft.time(json.get("created_at"))?;
    draft.set(TextField::Source, "provider");
    draft.set(TextField::Provider, "anthropic");
    draft.text(TextField::Id, json.get("id"));
    let account = json.first(&["organization_id", "organization_uuid"]);
    draft.text(TextField::Account, account);
    draft.text(TextField::Operation, json.get("type"));
    draft.text(TextField::Workspace, json.get("workspace_id"));
    set_actor(&mut draft, json.get("actor"));
    if let Some(target) = json.first(&TARGETS).label() {
        draft.extra_text("target", target);
    }
    for (name, value) in json.members() {
        if !COMMON.contains(&name) && KEPT_ENDINGS.iter().any(|end| name.ends_with(end)) {
            draft.extra(name, value);
        }
    }
    let kind = json.get("type").str().unwrap_or_default();
    if kind.ends_with("_failed") || kind.ends_with("_denied") {
        draft.set(TextField::Outcome, "error");
    }
    rows.push(json, draft)
}

fn set_actor<'t>(draft: &mut Draft<'t>, actor: Json<'t>) {
    draft.extra("actor_type", actor.get("type"));
    let key = actor.first(&["api_key_id", "admin_api_key_id"]);
    draft.text(TextField::Key, key);
    if key.exists() {
        draft.set(TextField::KeyKind, "provider_id");
    }
    draft.text(TextField::User, actor.get("user_id"));
    draft.text(TextField::Service, actor.get("service"));
    draft.extra("directory_id", actor.get("directory_id"));
    draft.text(TextField::Principal, actor.get("service_account_id"));
    let email = actor.first(&["email_address", "unauthenticated_email_address"]);
    draft.text(TextField::Principal, email);
    draft.caller(actor.get("ip_address"));
    draft.text(TextField::UserAgent, actor.get("user_agent"));
}
