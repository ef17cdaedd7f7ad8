//! Cloudflare AI Gateway: the logs of its API, and the lines of Logpush.
//!
//! The cost is in dollars, an estimate, and 0 where there is no price. Metadata is an object, JSON
//! in a text, or encrypted. The gateway names no key: what callers put into the metadata does, if
//! they do. A line of Logpush has no id; its bodies are encrypted anew each time, and name it.
//! Source: Cloudflare API, "List Gateway Logs"; Logpush, dataset `ai_gateway_events`.

use model::TextField;

use super::{Confidence, Decoder, Format, identity};
use crate::draft::Draft;
use crate::json::{Json, Unit};
use crate::meaning::tokens::{Convention, Tokens};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Cloudflare,
    marks: &["result", "tokens_in", "Gateway"],
    signature,
    decode,
};

/// Where callers name themselves in the metadata.
const KEYS: [&str; 6] = [
    "api_key_id",
    "apiKeyId",
    "key_id",
    "keyId",
    "api_key",
    "key",
];
const USERS: [&str; 5] = ["user_id", "userId", "user", "email", "customer_id"];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let json = inside(json);
    // Others count `tokens_in` and `tokens_out` too.
    let log = json.has("tokens_in")
        && json.has("created_at")
        && (json.has("cached") || json.has("success") || json.has("status_code"));
    (log || is_line(json)).then_some(Confidence::Certain)
}

/// Answers with one log have it in `result`; lists are taken apart before.
fn inside(json: Json<'_>) -> Json<'_> {
    match json.get("result") {
        result if result.is_object() => result,
        _ => json,
    }
}

/// Returns whether it is a line of Logpush.
fn is_line(json: Json<'_>) -> bool {
    let names = ["Gateway", "Provider", "StatusCode"];
    names.iter().all(|name| json.has(name)) && (json.has("Model") || json.has("RateLimited"))
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let json = inside(json);
    let metadata = json.first(&["metadata", "Metadata"]).inner_if_any();
    let mut draft = if is_line(json) {
        line(json)?
    } else {
        log(json)?
    };
    draft.set(TextField::Source, "gateway");
    set_metadata(&mut draft, metadata.json());
    rows.push(json, draft)
}

fn log(json: Json<'_>) -> Result<Draft<'_>, Rejection> {
    let mut draft = Draft::call();
    draft.time(json.get("created_at"))?;
    draft.text(TextField::Id, json.get("id"));
    draft.provider(json.get("provider"));
    draft.text(TextField::Model, json.get("model"));
    let operation = json.first(&["request_type", "model_type"]);
    draft.path(json.get("path"));
    if draft.row.text(TextField::Operation).is_none() {
        draft.text(TextField::Operation, operation);
    }
    draft.text(
        TextField::UserAgent,
        json.first(&["user_agent", "userAgent"]),
    );
    draft.extra("gateway", json.first(&["gateway_id", "gateway"]));
    draft.extra("step", json.get("step"));
    let cached = json.get("cached").flag() == Some(true);
    let action = json.first(&["dlp_action", "firewall_action"]).str();
    set_outcome(
        &mut draft,
        cached,
        action.is_some_and(|action| action.eq_ignore_ascii_case("block")),
    );
    draft.status(json.get("status_code"))?;
    if json.get("success").flag() == Some(false)
        && draft.row.text(TextField::Outcome) != Some("blocked")
    {
        draft.set(TextField::Outcome, "error");
    }
    if draft.row.text(TextField::Outcome).is_none() && json.get("success").flag() == Some(true) {
        draft.set(TextField::Outcome, "ok");
    }
    draft.latency_millis(json.get("duration"))?;
    draft.estimate(json.get("cost"), Unit::Dollars)?;
    draft.seen_tokens(Tokens {
        input: json.get("tokens_in").count()?,
        cache_read: json.first(&["cached_tokens_in", "tokens_cached"]).count()?,
        output: json.get("tokens_out").count()?,
        convention: Convention::Inferred,
        ..Tokens::default()
    })?;
    Ok(draft)
}

fn line(json: Json<'_>) -> Result<Draft<'_>, Rejection> {
    let metrics = json.get("Metrics");
    let mut draft = Draft::call();
    draft.time(json.first(&["Timestamp", "Datetime"]))?;
    if let Some(id) = id_of_line(json) {
        draft.set(TextField::Id, id);
    }
    draft.provider(json.get("Provider"));
    draft.text(TextField::Model, json.get("Model"));
    draft.text(TextField::ModelRequested, json.get("RequestedModel"));
    draft.path(json.get("Endpoint"));
    draft.extra("gateway", json.get("Gateway"));
    draft.extra("routing_reason", json.get("RoutingReason"));
    let cached = json.get("Cached").flag() == Some(true);
    set_outcome(
        &mut draft,
        cached,
        json.get("RateLimited").flag() == Some(true),
    );
    draft.status(json.get("StatusCode"))?;
    draft.latency_millis(metrics.first(&["durationMs", "duration_ms"]))?;
    draft.estimate(metrics.get("cost"), Unit::Dollars)?;
    draft.seen_tokens(Tokens {
        input: metrics
            .first(&["tokensIn", "inputTokens", "tokens_in"])
            .count()?,
        output: metrics
            .first(&["tokensOut", "outputTokens", "tokens_out"])
            .count()?,
        convention: Convention::Inferred,
        ..Tokens::default()
    })?;
    Ok(draft)
}

fn id_of_line(json: Json<'_>) -> Option<String> {
    let body = json.path(&["RequestBody", "data"]).str()?;
    let names = ["Timestamp", "Gateway", "Endpoint"];
    let [time, gateway, endpoint] = names.map(|name| json.get(name).raw());
    Some(identity::of_line(
        "cloudflare",
        [time, gateway, endpoint, body],
    ))
}

fn set_outcome(draft: &mut Draft<'_>, cached: bool, blocked: bool) {
    if blocked {
        draft.set(TextField::Outcome, "blocked");
    } else if cached {
        draft.set(TextField::Outcome, "cached");
    }
}

fn set_metadata<'i>(draft: &mut Draft<'i>, metadata: Json<'i>) {
    if metadata.get("type").str() == Some("encrypted") {
        return;
    }
    let key = metadata.first(&KEYS);
    draft.text(TextField::Key, key);
    draft.text(TextField::EndUser, metadata.first(&USERS));
    draft.text(TextField::Team, metadata.first(&["team_id", "team"]));
    let fields = [&KEYS[..], &USERS[..], &["team_id", "team"]].concat();
    for (name, value) in metadata
        .members()
        .filter(|(name, _)| !fields.contains(name))
    {
        draft.extra(name, value);
    }
}
