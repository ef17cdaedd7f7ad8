//! Access logs of Higress, whose plugin `ai-statistics` writes what a model used into `ai_log`.
//!
//! Everything is a text, `-` where it is unknown, and `ai_log` is JSON in a text. Logs of before
//! have its fields beside the others. Questions and answers that are logged there are not read.
//! Source: alibaba/higress, `plugins/wasm-go/extensions/ai-statistics`, `higress-config`.

use model::{FlagField, TextField};

use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::Json;
use crate::meaning::tokens::{Convention, Tokens};
use crate::meaning::{caller, http, provider, usage};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Higress,
    marks: &["ai_log", "input_token"],
    signature,
    decode,
};

/// Where the plugins of authentication leave the consumer's name; `none` is nobody's.
const CONSUMERS: [&str; 3] = ["consumer", "x-mse-consumer", "x_mse_consumer"];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let request = json.has("response_code") || json.has("start_time");
    let flat = json.has("input_token") && json.has("output_token");
    if json.has("ai_log") || (flat && request) {
        return Some(Confidence::Certain);
    }
    flat.then_some(Confidence::Likely)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let inner = json.get("ai_log").inner()?;
    let log = if inner.json().is_object() {
        inner.json()
    } else {
        json
    };
    let usage = log.get("usage").inner_if_any();
    read(rows, json, log, usage.json())
}

fn read<'t>(
    rows: &mut Rows<'_>,
    json: Json<'t>,
    log: Json<'t>,
    usage: Json<'t>,
) -> Result<(), Rejection> {
    let mut draft = Draft::call();
    draft.time(json.get("start_time"))?;
    draft.text(TextField::Id, json.first(&["request_id", "x-request-id"]));
    draft.set(TextField::Source, "gateway");
    let places = [log, json]
        .into_iter()
        .flat_map(|json| CONSUMERS.map(|name| json.get(name)));
    let mut consumers = places.filter_map(Json::label);
    if let Some(name) = consumers.find(|name| *name != "none") {
        draft.set(TextField::Key, name);
        draft.set(TextField::KeyKind, "consumer");
    } else if let Some(sent) = http::credential(json) {
        draft.credential(rows.codec, sent);
    }
    let cluster = json.get("upstream_cluster");
    draft.text(TextField::Deployment, cluster);
    if let Some(provider) = cluster.str().and_then(provider_of) {
        draft.set(TextField::Provider, provider);
    }
    draft.provider(log.get("provider"));
    let model = [
        "response_model",
        "request_model_final",
        "upstream_model",
        "model",
    ];
    draft.text(TextField::Model, log.first(&model));
    draft.text(
        TextField::ModelRequested,
        log.first(&["request_model_original", "request_model"]),
    );
    draft.path(json.first(&["path", "x-envoy-origin-path"]));
    draft.extra("chat_id", log.get("chat_id"));
    draft.extra("session_id", log.get("session_id"));
    for name in ["route_name", "response_flags", "trace_id"] {
        if json.get(name).label().is_some() {
            draft.extra(name, json.get(name));
        }
    }
    draft.text(
        TextField::UserAgent,
        json.first(&["user_agent", "user-agent"]),
    );
    let connected = json.get("downstream_remote_address").label();
    let hops = json.first(&["x_forwarded_for", "x-forwarded-for"]).label();
    caller::fill(&mut draft.row, caller::behind_proxies(connected, hops));
    draft.status(json.get("response_code"))?;
    draft.latency_millis(json.get("duration"))?;
    if let Some(kind) = log.get("response_type").str() {
        draft.row.flags[FlagField::Stream as usize] = Some(kind == "stream");
    }
    draft.seen_tokens(tokens(log, usage)?)?;
    rows.push(json, draft)
}

fn tokens(log: Json<'_>, usage: Json<'_>) -> Result<Tokens, Rejection> {
    let details = usage::read(usage)?;
    let cached = log.first(&["cached_tokens", "cached_token"]).count()?;
    let reasoning = log
        .first(&["reasoning_tokens", "reasoning_token"])
        .count()?;
    Ok(Tokens {
        input: log.get("input_token").count()?.or(details.input),
        cache_read: cached.or(details.cache_read),
        output: log.get("output_token").count()?.or(details.output),
        reasoning: reasoning.or(details.reasoning),
        total: log.get("total_token").count()?,
        convention: Convention::Inclusive,
        ..details
    })
}

/// Returns the provider of a cluster such as `outbound|443||llm-openai.internal.dns`, where its
/// name is that of a provider.
fn provider_of(cluster: &str) -> Option<String> {
    let host = cluster.rsplit('|').next()?;
    let name = host.strip_prefix("llm-")?.split('.').next()?;
    provider::known(name).map(|name| name.into_owned())
}
