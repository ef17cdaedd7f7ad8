//! APISIX's log of a request, as `kafka-logger` sends it: lists of entries, or one a record.
//!
//! `llm_summary` has what the model used; some of its numbers are texts. A request without it, as
//! one that was refused, is access. The headers of the request are logged as they came: the
//! credential in them is the key, by its fingerprint. An entry has no id; its own times and sizes
//! name it, because the header `x-request-id` is the caller's to choose.
//! Source: apache/apisix, `apisix/utils/log-util.lua`, `apisix/plugins/ai-providers/`.

use model::{FlagField, Reason, TextField};

use super::{Confidence, Decoder, Format, identity};
use crate::draft::Draft;
use crate::json::Json;
use crate::meaning::tokens::{Convention, Tokens};
use crate::meaning::{http, usage};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Apisix,
    marks: &["llm_summary", "apisix_latency", "llm_prompt_tokens"],
    signature,
    decode,
};

fn signature(json: Json<'_>) -> Option<Confidence> {
    let own = json.get("llm_summary").is_object()
        || json.has("apisix_latency")
        || (json.has("llm_prompt_tokens") && json.has("llm_model"));
    own.then_some(Confidence::Certain)
}

/// Returns why a request as it was sent is no entry, if a text is one: `meta_format` is `origin`.
pub(crate) fn refuse_origin(text: &str) -> Option<Rejection> {
    http::request_line(text)?;
    let detail = "the record is an HTTP request as it was sent, as kafka-logger of APISIX sends it with \
                  the setting meta_format = origin; it says nothing of what came of it, and has the \
                  setting to be default";
    Some(Rejection::new(Reason::UnknownFormat, detail))
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let (request, response) = (json.get("request"), json.get("response"));
    let (headers, summary) = (request.get("headers"), json.get("llm_summary"));
    let mut draft = Draft::call();
    draft.time(json.first(&["start_time", "@timestamp"]))?;
    draft.set(TextField::Id, id(json));
    draft.set(TextField::Source, "gateway");
    set_key(&mut draft, rows, json);
    draft.path(request.first(&["uri", "url"]));
    draft.text(TextField::Service, json.get("service_id"));
    draft.extra("route_id", json.get("route_id"));
    if let Some(id) = http::header(response.get("headers"), "x-request-id") {
        draft.extra_text("request_id", id);
    }
    draft.caller(json.first(&["client_ip", "remote_addr"]));
    if let Some(client) = http::header(headers, "user-agent") {
        draft.set(TextField::UserAgent, client);
    }
    let status = response.get("status");
    draft.status(if status.exists() {
        status
    } else {
        json.get("status")
    })?;
    let latency = json.get("latency");
    draft.latency_millis(if latency.exists() {
        latency
    } else {
        summary.get("duration")
    })?;
    let model = summary.first(&["model", "request_model"]);
    draft.text(
        TextField::Model,
        if model.exists() {
            model
        } else {
            json.get("llm_model")
        },
    );
    let asked = summary.get("request_model");
    let asked = if asked.exists() {
        asked
    } else {
        json.get("request_llm_model")
    };
    draft.text(TextField::ModelRequested, asked);
    draft.text(TextField::EndUser, summary.get("end_user_id"));
    draft.flag(FlagField::Stream, summary.get("stream"));
    if json.get("request_type").str() == Some("ai_stream") {
        draft.row.flags[FlagField::Stream as usize] = Some(true);
    }
    draft.seen_tokens(tokens(json, summary)?)?;
    rows.push(json, draft)
}

/// Names an entry by what no two requests share: when it began, how long it took, who and what.
fn id(json: Json<'_>) -> String {
    let (request, response) = (json.get("request"), json.get("response"));
    let names = [
        "start_time",
        "@timestamp",
        "latency",
        "client_ip",
        "route_id",
        "llm_summary",
    ];
    let mut parts: Vec<&str> = names.iter().map(|name| json.get(name).raw()).collect();
    parts.extend([
        request.get("uri").raw(),
        request.get("size").raw(),
        response.get("size").raw(),
    ]);
    let asked = http::header(request.get("headers"), "x-request-id");
    let answered = http::header(response.get("headers"), "x-request-id");
    parts.extend([asked.unwrap_or_default(), answered.unwrap_or_default()]);
    identity::of_line("apisix", parts)
}

fn set_key<'t>(draft: &mut Draft<'t>, rows: &Rows<'_>, json: Json<'t>) {
    let consumer = json.path(&["consumer", "username"]);
    let consumer = if consumer.exists() {
        consumer
    } else {
        json.get("consumer_name")
    };
    draft.text(TextField::KeyAlias, consumer);
    let sent = http::credential(json.path(&["request", "headers"]));
    if let Some(sent) = sent {
        draft.credential(rows.codec, sent);
    } else if consumer.exists() {
        draft.text(TextField::Key, consumer);
        draft.set(TextField::KeyKind, "consumer");
    }
}

fn tokens(json: Json<'_>, summary: Json<'_>) -> Result<Tokens, Rejection> {
    let mut tokens = usage::read(summary)?;
    if tokens.reasoning.is_none() {
        tokens.reasoning = summary.get("reasoning_tokens").count()?;
    }
    if !summary.is_object() {
        tokens.input = json.get("llm_prompt_tokens").count()?;
        tokens.output = json.get("llm_completion_tokens").count()?;
    }
    // What the provider counts is passed on, be it one that counts cached tokens beside.
    tokens.convention = Convention::Inferred;
    Ok(tokens)
}
