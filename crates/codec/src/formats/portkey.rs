//! Portkey's export of logs, one call a line.
//!
//! `req_units` and `res_units` are tokens, `cost` is in cents, `is_success` 1 or 0. The bodies that
//! an export may have are not read.
//! Source: Portkey documentation, "Logs Export".

use model::{FlagField, TextField};

use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::{Json, Unit};
use crate::meaning::tokens::{Convention, Tokens};
use crate::meaning::usage;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Portkey,
    marks: &["req_units", "res_units"],
    signature,
    decode,
};

fn signature(json: Json<'_>) -> Option<Confidence> {
    let units = json.has("req_units") || json.has("res_units");
    (units && (json.has("ai_org") || json.has("ai_model"))).then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let metadata = json.get("metadata").inner_if_any();
    read(rows, json, metadata.json())
}

fn read<'t>(rows: &mut Rows<'_>, json: Json<'t>, metadata: Json<'t>) -> Result<(), Rejection> {
    let mut draft = Draft::call();
    draft.time(json.first(&["created_at", "time_of_generation"]))?;
    draft.text(TextField::Id, json.get("id"));
    draft.set(TextField::Source, "gateway");
    draft.provider(json.get("ai_org"));
    draft.text(
        TextField::Account,
        json.first(&["organisation_id", "organisation_slug"]),
    );
    draft.text(
        TextField::Workspace,
        json.first(&["workspace_slug", "workspace_id"]),
    );
    let key = json.first(&["api_key_id", "portkey_api_key_id"]);
    let slug = json.first(&["virtual_key", "virtual_key_slug"]);
    if key.exists() {
        draft.text(TextField::Key, key);
        draft.set(TextField::KeyKind, "provider_id");
    } else if slug.exists() {
        draft.text(TextField::Key, slug);
        draft.set(TextField::KeyKind, "alias");
    }
    draft.text(
        TextField::Model,
        json.first(&["ai_model", "response_model"]),
    );
    draft.text(TextField::EndUser, metadata.first(&["_user", "user"]));
    draft.path(json.first(&["request_url", "ai_endpoint"]));
    draft.extra("trace_id", json.get("trace_id"));
    draft.extra("prompt_slug", json.get("prompt_slug"));
    draft.extra("config", json.first(&["config", "config_slug"]));
    for (name, value) in metadata.members().filter(|(name, _)| *name != "_user") {
        draft.extra(name, value);
    }
    draft.flag(FlagField::Stream, json.first(&["stream_mode", "is_stream"]));
    if let Some(cache) = json.get("cache_status").str()
        && matches!(cache, "HIT" | "SEMANTIC HIT")
    {
        draft.set(TextField::Outcome, "cached");
    }
    draft.status(json.get("response_status_code"))?;
    if let Some(success) = json.get("is_success").flag() {
        let known = draft.row.text(TextField::Outcome).is_some();
        if !success || !known {
            draft.set(TextField::Outcome, if success { "ok" } else { "error" });
        }
    }
    draft.latency_millis(json.get("response_time"))?;
    // What is not in dollars is no cost in dollars.
    let currency = json.get("cost_currency").str();
    if currency.is_none_or(|currency| currency.eq_ignore_ascii_case("usd")) {
        draft.estimate(json.get("cost"), Unit::Cents)?;
    } else if let Some(currency) = currency {
        draft.set(TextField::Currency, currency.to_ascii_uppercase());
        draft.extra("amount_cents", json.get("cost"));
    }
    // An export that has the provider's answer has what of the tokens was cached.
    let details = usage::read(json.path(&["response", "usage"]))?;
    draft.seen_tokens(Tokens {
        input: json.get("req_units").count()?,
        cache_read: details.cache_read,
        cache_write: details.cache_write,
        cache_write_1h: details.cache_write_1h,
        output: json.get("res_units").count()?,
        reasoning: details.reasoning,
        total: json.get("total_units").count()?,
        convention: Convention::Inferred,
    })?;
    rows.push(json, draft)
}
