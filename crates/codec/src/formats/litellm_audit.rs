//! LiteLLM's audit log: who changed a key, a team, a user or a model, one change an event.
//!
//! The key is the one that did it, and what it was done to is `target`.
//! `StandardAuditLogPayload` of its callbacks, or rows of the table `LiteLLM_AuditLog`. The values
//! before and after are objects, or JSON in texts in versions before; of them only names are kept.
//! Source: BerriAI/litellm, `litellm/proxy/management_helpers/audit_logs.py`.

use model::TextField;

use super::litellm_spend::{is_change, row_of, set_key};
use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::Json;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::LitellmAudit,
    marks: &["table_name", "after", "before", "payload"],
    signature,
    decode,
};

/// The tables that are changed, and the words of the operations on them.
const TABLES: [(&str, &str); 9] = [
    ("LiteLLM_VerificationToken", KEY),
    ("LiteLLM_DeletedVerificationToken", KEY),
    ("LiteLLM_TeamTable", "team"),
    ("LiteLLM_TeamMembership", "team_member"),
    ("LiteLLM_OrganizationTable", "organization"),
    ("LiteLLM_OrganizationMembership", "organization_member"),
    ("LiteLLM_UserTable", "user"),
    ("LiteLLM_ProxyModelTable", "model"),
    ("LiteLLM_MCPServerTable", "mcp_server"),
];

const KEY: &str = "api_key";

/// What is known of the target, and the names that it has in the row.
const VALUES: [(&str, &str); 6] = [
    ("key_alias", "target_alias"),
    ("key_name", "target_hint"),
    ("team_id", "target_team"),
    ("user_id", "target_user"),
    ("organization_id", "target_organization"),
    ("project_id", "target_project"),
];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let has = |row: Json<'_>| {
        row.has("changed_by") && row.has("table_name") && row.has("object_id") && row.has("action")
    };
    is_change(json, has).then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let row = row_of(json);
    if !row.exists() {
        return Ok(());
    }
    let before = row.get("before_value").inner_if_any();
    let after = row.get("updated_values").inner_if_any();
    read(rows, row, before.json(), after.json())
}

fn read<'t>(
    rows: &mut Rows<'_>,
    row: Json<'t>,
    before: Json<'t>,
    after: Json<'t>,
) -> Result<(), Rejection> {
    let mut draft = Draft::new("audit");
    draft.time(row.get("updated_at"))?;
    draft.text(TextField::Id, row.get("id"));
    draft.set(TextField::Source, "gateway");
    draft.text(TextField::Principal, row.get("changed_by"));
    let table = row.get("table_name").str().unwrap_or_default();
    let noun = TABLES.iter().find(|(name, _)| *name == table);
    let noun = noun.map_or(table, |(_, noun)| *noun);
    if let Some(action) = row.get("action").str() {
        draft.set(TextField::Operation, format!("{noun}.{action}"));
    }
    if let Some(key) = row.get("changed_by_api_key").str() {
        set_key(&mut draft, rows, key);
    }
    match row.get("object_id").label() {
        // A key that LiteLLM did not hash is known by the name that it has everywhere else.
        Some(target) if noun == KEY && target.starts_with("sk-") => {
            draft.extra_text("target", rows.codec.fingerprint(target));
        }
        _ => draft.extra("target", row.get("object_id")),
    }
    for (name, extra) in VALUES {
        let value = after.get(name);
        draft.extra(
            extra,
            if value.exists() {
                value
            } else {
                before.get(name)
            },
        );
    }
    draft.extra("table_name", row.get("table_name"));
    draft.extra_text("changed", names(after));
    let success = row.first(&["success"]);
    let success = if success.exists() {
        success
    } else {
        after.get("success")
    };
    let outcome = if success.flag() == Some(false) {
        "error"
    } else {
        "ok"
    };
    draft.set(TextField::Outcome, outcome);
    rows.push(row, draft)
}

/// Returns the names of what was changed.
fn names(after: Json<'_>) -> String {
    let mut names = String::new();
    for (name, value) in after.members() {
        let fits = names.len() + name.len() < crate::draft::MAX_EXTRA_BYTES;
        if fits && name != "success" && value.exists() {
            if !names.is_empty() {
                names.push(',');
            }
            names.push_str(name);
        }
    }
    names
}
