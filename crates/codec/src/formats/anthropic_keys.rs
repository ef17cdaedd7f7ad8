//! Anthropic's list of keys: `GET /v1/organizations/api_keys`.
//!
//! It says who made a key and, in two generations of names, for what workspace it is and for whom.
//! It does not say when a key was last used.
//! Source: Anthropic's Admin API reference.

use model::TextField;

use super::inventory::KeyDraft;
use super::{Confidence, Decoder, Format};
use crate::json::Json;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::AnthropicKeys,
    marks: &["partial_key_hint", "id"],
    signature,
    decode,
};

fn signature(json: Json<'_>) -> Option<Confidence> {
    let kind = json.get("type").str()?;
    let id = json.get("id").str().unwrap_or_default();
    let own = json.has("partial_key_hint") || id.starts_with("apikey_");
    (own && kind.starts_with("api_key")).then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let mut key = KeyDraft::new("anthropic", json)?;
    key.moments(json)?;
    key.moment(json, "expires_at")?;
    let draft = &mut key.draft;
    let (scope, principal, maker) = (
        json.get("scope"),
        json.get("principal"),
        json.get("created_by"),
    );
    draft.text(TextField::KeyHint, json.get("partial_key_hint"));
    draft.text(TextField::Account, json.get("organization_id"));
    draft.text(TextField::Workspace, json.get("workspace_id"));
    draft.text(TextField::Workspace, scope.get("workspace_id"));
    draft.extra("scope_type", scope.get("type"));
    draft.extra("created_by", maker.get("id"));
    draft.extra("created_by_type", maker.get("type"));
    let kind = principal.get("type");
    draft.extra("owner_type", kind);
    draft.extra("owner_name", principal.get("name"));
    let owner = principal.first(&["id", "user_id", "service_account_id"]);
    if kind.str().is_some_and(|kind| kind.starts_with("user")) {
        draft.text(TextField::User, owner);
        draft.text(TextField::Principal, principal.get("email_address"));
    } else {
        draft.text(TextField::Principal, owner);
    }
    // The answer to deleting one is of the type `api_key_deleted`.
    let deleted = json.get("type").str() == Some("api_key_deleted");
    let status = json.get("status").str();
    let status = status.or(deleted.then_some("deleted"));
    key.push(rows, "anthropic.keys", json, status)
}
