//! OpenAI's lists of keys: `GET /v1/organization/projects/{project}/api_keys` and
//! `GET /v1/organization/admin_api_keys`, and the answers to making and deleting one.
//!
//! A list has no status: a key that is in it works, unless it is expired or its owner has no access
//! any more. The answer to making a key has the key itself, as `value`, which is not read.
//! Source: openai/openai-openapi, `ProjectApiKey` and `AdminApiKey`.

use model::TextField;

use super::inventory::KeyDraft;
use super::{Confidence, Decoder, Format};
use crate::json::Json;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::OpenaiKeys,
    marks: &["object"],
    signature,
    decode,
};

/// What a key is of, by the beginning of its `object`.
const CLASSES: [(&str, &str); 3] = [
    ("organization.project.api_key", "project"),
    ("organization.project.service_account.api_key", "project"),
    ("organization.admin_api_key", "admin"),
];

fn class_of(json: Json<'_>) -> Option<&'static str> {
    let object = json.get("object").str()?;
    let mut classes = CLASSES.into_iter();
    let (_, class) = classes.find(|(name, _)| object.starts_with(name))?;
    Some(class)
}

fn signature(json: Json<'_>) -> Option<Confidence> {
    class_of(json).map(|_| Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let mut key = KeyDraft::new("openai", json)?;
    key.moments(json)?;
    let expires = key.moment(json, "expires_at")?;
    let project = json.first(&["project_id", "project"]);
    let project = if project.is_object() {
        project.get("id")
    } else {
        project
    };
    let draft = &mut key.draft;
    draft.text(TextField::Project, project);
    draft.text(TextField::Account, json.get("organization_id"));
    draft.text(TextField::KeyHint, json.get("redacted_value"));
    if let Some(class) = class_of(json) {
        draft.extra_text("class", class);
    }
    // The owner of a project's key is inside of the member that its type names; that of an admin
    // key stands there itself.
    let owner = json.get("owner");
    let inner = owner.first(&["user", "service_account"]);
    let who = if inner.is_object() { inner } else { owner };
    let service = owner.get("service_account").is_object()
        || owner.get("type").str() == Some("service_account");
    if service {
        draft.text(TextField::Principal, who.get("id"));
    } else {
        draft.text(TextField::User, who.get("id"));
        draft.text(TextField::Principal, who.get("email"));
    }
    draft.extra("owner_type", owner.get("type"));
    draft.extra("owner_name", who.get("name"));
    draft.extra("owner_role", who.get("role"));

    let read_at = rows.context.time.or(rows.record_time());
    let expired = expires.zip(read_at).is_some_and(|(end, now)| end <= now);
    let status = if json.get("deleted").flag() == Some(true) {
        "deleted"
    } else if expired {
        "expired"
    } else if json.get("owner_project_access").str() == Some("inactive") {
        "inactive"
    } else {
        "active"
    };
    key.push(rows, "openai.keys", json, Some(status))
}
