//! Rows of LiteLLM's table `LiteLLM_SpendLogs`, one a call, as they are or as Debezium sends them.
//!
//! `api_key` is the plain SHA-256 of the virtual key, or a name such as
//! `litellm_proxy_master_key`. `spend` is LiteLLM's own estimate in dollars, and 0 where it knows
//! no price: with tokens and no breakdown of the cost it is unknown. `metadata` and `request_tags`
//! are JSON in a text, or JSON where the column is of that type.
//! Source: BerriAI/litellm, `schema.prisma` and `litellm/proxy/spend_tracking/`.

use model::{CountField, Quality, TextField};

use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::{Json, Unit};
use crate::meaning::tokens::Convention;
use crate::meaning::usage;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::LitellmSpend,
    marks: &["spend", "after", "before", "payload"],
    signature,
    decode,
};

/// The columns that are fields.
const COLUMNS: [(&str, TextField); 9] = [
    ("request_id", TextField::Id),
    ("organization_id", TextField::Account),
    ("team_id", TextField::Team),
    ("user", TextField::User),
    ("end_user", TextField::EndUser),
    ("model", TextField::Model),
    ("model_group", TextField::ModelRequested),
    ("model_id", TextField::Deployment),
    ("call_type", TextField::Operation),
];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let has = |row: Json<'_>| row.has("request_id") && row.has("spend") && row.has("api_key");
    is_change(json, has).then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let row = row_of(json);
    if !row.exists() {
        // A row that was cleaned away has happened all the same.
        return Ok(());
    }
    let metadata = row.get("metadata").inner_if_any();
    let tags = row.get("request_tags").inner_if_any();
    read(rows, row, metadata.json(), tags.json())
}

/// Returns whether it is a row of a table, or what Debezium says of a change of one.
pub(super) fn is_change(json: Json<'_>, is_row: fn(Json<'_>) -> bool) -> bool {
    is_row(json) || is_row(row_of(json)) || is_row(change_of(json).get("before"))
}

/// Returns the row as it is after the change; null for one that was deleted.
pub(super) fn row_of(json: Json<'_>) -> Json<'_> {
    match change_of(json) {
        change if change.has("after") => change.get("after"),
        _ => json,
    }
}

fn change_of(json: Json<'_>) -> Json<'_> {
    match json.get("payload") {
        payload if payload.is_object() => payload,
        _ => json,
    }
}

fn read<'t>(
    rows: &mut Rows<'_>,
    row: Json<'t>,
    metadata: Json<'t>,
    tags: Json<'t>,
) -> Result<(), Rejection> {
    let mut draft = Draft::call();
    draft.time(row.get("startTime"))?;
    draft.set(TextField::Source, "gateway");
    draft.provider(row.get("custom_llm_provider"));
    for (name, field) in COLUMNS {
        draft.text(field, row.get(name));
    }
    if let Some(key) = row.get("api_key").str() {
        set_key(&mut draft, rows, key);
    }
    draft.text(TextField::KeyAlias, metadata.get("user_api_key_alias"));
    draft.text(TextField::Project, metadata.get("user_api_key_project_id"));
    let mail = metadata.first(&["user_api_key_user_email", "user_api_key_user_mail"]);
    draft.text(TextField::Principal, mail);
    draft.extra("team_alias", metadata.get("user_api_key_team_alias"));
    draft.extra("session_id", row.get("session_id"));
    draft.extra("agent_id", row.get("agent_id"));
    let caller = row.first(&["requester_ip_address"]);
    draft.caller(if caller.exists() {
        caller
    } else {
        metadata.get("requester_ip_address")
    });
    draft.text(TextField::UserAgent, metadata.get("user_agent"));
    set_tags(&mut draft, tags);
    let cached = row.get("cache_hit").flag() == Some(true);
    set_outcome(&mut draft, row, metadata, cached)?;
    draft.latency_millis(row.get("request_duration_ms"))?;
    draft.latency_until(row.get("endTime"))?;

    // The columns are what LiteLLM settled on; the rest of the provider's object says what of the
    // tokens was cached or reasoned.
    let mut tokens = usage::read(row)?;
    for name in ["additional_usage_values", "usage_object"] {
        let details = usage::read(metadata.get(name))?;
        tokens.cache_read = tokens.cache_read.or(details.cache_read);
        tokens.cache_write = tokens.cache_write.or(details.cache_write);
        tokens.cache_write_1h = tokens.cache_write_1h.or(details.cache_write_1h);
        tokens.reasoning = tokens.reasoning.or(details.reasoning);
    }
    tokens.convention = Convention::Inclusive;
    let counted = tokens.input.unwrap_or(0) + tokens.output.unwrap_or(0) > 0;
    draft.tokens(tokens)?;
    let unpriced = metadata.path(&["zero_cost_diagnostic", "reason"]).exists();
    if cached || !counted || metadata.path(&["cost_breakdown", "total_cost"]).exists() {
        draft.cost(row.get("spend"), Unit::Dollars, "reported")?;
        if draft.row.cost.is_some() {
            draft.quality(Quality::ESTIMATED_COST);
        }
    } else {
        draft.estimate(row.get("spend"), Unit::Dollars)?;
    }
    if unpriced {
        draft.row.cost = None;
        draft.row.text.take(TextField::CostSource);
    }
    rows.push(row, draft)
}

/// Names a key by what LiteLLM calls it: a hash, a name, and in errors the key itself.
pub(super) fn set_key<'t>(draft: &mut Draft<'t>, rows: &Rows<'_>, key: &'t str) {
    if key.starts_with("sk-") {
        return draft.credential(rows.codec, key);
    }
    let hash = key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    draft.set(TextField::Key, key);
    draft.set(TextField::KeyKind, if hash { "sha256" } else { "alias" });
}

/// Keeps the tags, and takes the client from the one that LiteLLM makes of its header.
fn set_tags<'t>(draft: &mut Draft<'t>, tags: Json<'t>) {
    let mut kept = String::new();
    for tag in tags.items().filter_map(Json::str) {
        if let Some(client) = tag.strip_prefix("User-Agent: ") {
            // The short form comes first, the whole one after it.
            let longer = draft
                .row
                .text(TextField::UserAgent)
                .is_none_or(|known| known.len() < client.len());
            if longer {
                draft.set(TextField::UserAgent, client);
            }
        } else if kept.len() + tag.len() < crate::draft::MAX_EXTRA_BYTES {
            if !kept.is_empty() {
                kept.push(',');
            }
            kept.push_str(tag);
        }
    }
    draft.extra_text("request_tags", kept);
}

fn set_outcome<'t>(
    draft: &mut Draft<'t>,
    row: Json<'t>,
    metadata: Json<'t>,
    cached: bool,
) -> Result<(), Rejection> {
    let error = metadata.get("error_information");
    let failed = row
        .first(&["status"])
        .str()
        .or(metadata.get("status").str())
        == Some("failure");
    let outcome = if failed {
        "error"
    } else if cached {
        "cached"
    } else {
        "ok"
    };
    draft.set(TextField::Outcome, outcome);
    draft.text(TextField::Error, error.get("error_class"));
    let code = error.get("error_code");
    // Some errors have a word where most have a status.
    let digits = |code: &str| code.bytes().all(|byte| byte.is_ascii_digit());
    if code.label().is_some_and(digits) {
        draft.count(CountField::Status, code)?;
    }
    Ok(())
}
