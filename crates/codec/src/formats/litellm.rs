//! LiteLLM's `StandardLoggingPayload`, one a call, as its callbacks send it.
//!
//! `prompt_tokens` include cached ones. `response_cost` is LiteLLM's own estimate in dollars, and 0
//! where it knows no price: `zero_cost_diagnostic` then says so, and the cost is unknown.
//! `user_api_key_hash` is the plain SHA-256 of the virtual key.
//! Source: BerriAI/litellm, `litellm/types/utils.py`.

use model::{CountField, FlagField, Quality, TextField};

use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::{Json, Unit};
use crate::meaning::instant::{self, millis_of_secs};
use crate::meaning::tokens::Convention;
use crate::meaning::usage;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Litellm,
    marks: &["model_map_information", "metadata", "litellm_call_id"],
    signature,
    decode,
};

/// Fields by the place they have in the payload, the first that is there.
const TEXTS: [(TextField, &[&[&str]]); 15] = [
    (TextField::Id, &[&["id"], &["litellm_call_id"]]),
    (TextField::Account, &[&["metadata", "user_api_key_org_id"]]),
    (
        TextField::Project,
        &[&["metadata", "user_api_key_project_id"]],
    ),
    (TextField::Team, &[&["metadata", "user_api_key_team_id"]]),
    (TextField::Key, &[&["metadata", "user_api_key_hash"]]),
    (TextField::KeyAlias, &[&["metadata", "user_api_key_alias"]]),
    (
        TextField::Principal,
        &[&["metadata", "user_api_key_user_email"]],
    ),
    (TextField::User, &[&["metadata", "user_api_key_user_id"]]),
    (TextField::EndUser, &[&["end_user"]]),
    (TextField::Model, &[&["model"]]),
    (TextField::ModelRequested, &[&["model_group"]]),
    (TextField::Deployment, &[&["model_id"]]),
    (TextField::Operation, &[&["call_type"]]),
    (
        TextField::UserAgent,
        &[&["user_agent"], &["metadata", "user_agent"]],
    ),
    (TextField::Error, &[&["error_information", "error_class"]]),
];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let own = json.has("model_map_information")
        || json.get("metadata").has("user_api_key_hash")
        || (json.has("litellm_call_id") && json.has("call_type"));
    own.then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let metadata = json.get("metadata");
    let mut draft = Draft::call();
    draft.time(json.get("endTime"))?;
    draft.time(json.get("startTime"))?;
    draft.set(TextField::Source, "gateway");
    draft.provider(json.get("custom_llm_provider"));
    for (field, places) in TEXTS {
        let mut values = places.iter().map(|place| json.path(place));
        if let Some(value) = values.find(|value| value.label().is_some()) {
            draft.text(field, value);
        }
    }
    if let Some(key) = metadata.get("user_api_key_hash").str() {
        let hash = key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
        draft.set(TextField::KeyKind, if hash { "sha256" } else { "alias" });
    }
    draft.extra("team_alias", metadata.get("user_api_key_team_alias"));
    draft.extra("trace_id", json.get("trace_id"));
    let own_address = json.get("requester_ip_address");
    draft.caller(if own_address.str().is_some() {
        own_address
    } else {
        metadata.get("requester_ip_address")
    });
    draft.flag(FlagField::Stream, json.get("stream"));
    set_outcome(&mut draft, json)?;
    set_latency(&mut draft, json)?;

    // The counts of the payload are those that LiteLLM itself settled on; its copy of the
    // provider's object says what of them was cached or reasoned.
    let details = usage::read(metadata.get("usage_object"))?;
    let mut tokens = usage::read(json)?;
    tokens.cache_read = tokens.cache_read.or(details.cache_read);
    tokens.cache_write = tokens.cache_write.or(details.cache_write);
    tokens.cache_write_1h = tokens.cache_write_1h.or(details.cache_write_1h);
    tokens.reasoning = tokens.reasoning.or(details.reasoning);
    tokens.convention = Convention::Inclusive;
    draft.tokens(tokens)?;
    if !json.path(&["zero_cost_diagnostic", "reason"]).exists() {
        draft.cost(json.get("response_cost"), Unit::Dollars, "reported")?;
        if draft.row.cost.is_some() {
            draft.quality(Quality::ESTIMATED_COST);
        }
    }
    rows.push(json, draft)
}

fn set_outcome(draft: &mut Draft<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let outcome = match (json.get("status").str(), json.get("cache_hit").flag()) {
        (Some("failure"), _) => "error",
        (_, Some(true)) => "cached",
        _ => "ok",
    };
    draft.set(TextField::Outcome, outcome);
    let code = json.path(&["error_information", "error_code"]);
    // Some errors have a word where most have a status.
    if code
        .label()
        .is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_digit()))
    {
        draft.status(code)?;
    }
    Ok(())
}

fn set_latency(draft: &mut Draft<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let told = json.get("response_time").number()?.and_then(millis_of_secs);
    let end = instant::read(json.get("endTime"))?;
    let measured = draft
        .time
        .zip(end)
        .map(|(start, end)| end.millis() - start.millis());
    let measured = measured.and_then(|millis| u64::try_from(millis).ok());
    if let Some(millis) = told.or(measured) {
        draft.row.set_count(CountField::LatencyMs, millis);
    }
    Ok(())
}
