//! Kong's log of a request, as `kafka-log` and the other log plugins send it.
//!
//! | generation | where a call is | what its counts are called |
//! |---|---|---|
//! | from 3.9 or so | `ai.proxy` | `prompt_tokens` |
//! | before | `ai.<plugin>`, several of them in one request | `prompt_token` |
//!
//! Each plugin that talked to a model is a call, and so a row. A request that reached none, because
//! its key was refused or its quota spent, is access. The cost is what the prices of the
//! configuration make of it, in dollars, and 0 where there are none.
//! Source: Kong developer documentation, "AI Gateway audit log reference", "Kafka Log".

use model::{FlagField, TextField};

use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::{Json, Unit};
use crate::meaning::tokens::{Convention, Tokens};
use crate::meaning::{http, usage};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Kong,
    marks: &["started_at"],
    signature,
    decode,
};

/// The plugin that forwards the caller's own request.
const PROXIES: [&str; 3] = ["proxy", "ai-proxy", "ai-proxy-advanced"];

/// How many calls one request may have; each is a row with all that is known of the request.
const MAX_CALLS: usize = 16;

fn signature(json: Json<'_>) -> Option<Confidence> {
    let request = json.get("request").is_object() && json.has("started_at");
    let own =
        json.has("latencies") || json.has("authenticated_entity") || calls(json).next().is_some();
    (request && own).then_some(Confidence::Certain)
}

/// Returns the plugins that talked to a model.
fn calls(json: Json<'_>) -> impl Iterator<Item = (&str, Json<'_>)> {
    json.get("ai")
        .members()
        .filter(|(_, plugin)| plugin.get("usage").is_object() || plugin.get("meta").is_object())
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let calls: Vec<(&str, Json<'_>)> = calls(json).take(MAX_CALLS).collect();
    if calls.is_empty() {
        let mut draft = request(rows, json)?;
        draft.set(TextField::Kind, "access");
        return rows.push(json, draft);
    }
    let mut names = calls.iter().map(|(name, _)| *name);
    rows.each(calls.iter().map(|(_, plugin)| *plugin), |rows, plugin| {
        let name = names.next().unwrap_or_default();
        // Looked up by its name, one that is given twice is seen, and does not count twice.
        json.get("ai").get(name);
        let mut draft = request(rows, json)?;
        if !PROXIES.contains(&name) {
            // The gateway itself asked a model, to transform a request or to judge it.
            if let Some(id) = draft.row.text.take(TextField::Id) {
                draft.set(TextField::Id, format!("{id}#{name}"));
            }
            draft.set(TextField::Operation, name);
        }
        call(&mut draft, plugin)?;
        rows.push(json, draft)
    });
    Ok(())
}

/// Reads what is known of the request, whatever came of it.
fn request<'t>(rows: &Rows<'_>, json: Json<'t>) -> Result<Draft<'t>, Rejection> {
    let request = json.get("request");
    let mut draft = Draft::call();
    draft.time(json.get("started_at"))?;
    draft.text(TextField::Id, request.get("id"));
    draft.set(TextField::Source, "gateway");
    let workspace = json.first(&["workspace_name", "workspace"]);
    draft.text(TextField::Workspace, workspace);
    set_key(&mut draft, rows, json);
    draft.path(request.first(&["uri", "url"]));
    draft.text(TextField::Service, json.path(&["service", "name"]));
    draft.extra("route", json.path(&["route", "name"]));
    draft.caller(json.get("client_ip"));
    if let Some(client) = http::header(request.get("headers"), "user-agent") {
        draft.set(TextField::UserAgent, client);
    }
    draft.status(json.path(&["response", "status"]))?;
    draft.latency_millis(json.path(&["latencies", "request"]))?;
    Ok(draft)
}

/// Names the credential that Kong let in; one that it did not is known by its fingerprint.
fn set_key<'t>(draft: &mut Draft<'t>, rows: &Rows<'_>, json: Json<'t>) {
    let consumer = json.get("consumer");
    draft.text(TextField::KeyAlias, consumer.get("username"));
    draft.text(TextField::User, consumer.get("custom_id"));
    let credential = json.path(&["authenticated_entity", "id"]);
    let consumer = consumer.first(&["id", "username", "custom_id"]);
    if credential.exists() {
        draft.text(TextField::Key, credential);
        draft.set(TextField::KeyKind, "credential");
    } else if consumer.exists() {
        draft.text(TextField::Key, consumer);
        draft.set(TextField::KeyKind, "consumer");
    } else if let Some(sent) = http::credential(json.path(&["request", "headers"])) {
        draft.credential(rows.codec, sent);
    }
}

fn call<'t>(draft: &mut Draft<'t>, plugin: Json<'t>) -> Result<(), Rejection> {
    let (meta, counts) = (plugin.get("meta"), plugin.get("usage"));
    draft.provider(meta.get("provider_name"));
    draft.text(
        TextField::Model,
        meta.first(&["response_model", "request_model"]),
    );
    draft.text(TextField::ModelRequested, meta.get("request_model"));
    draft.extra("plugin_id", meta.get("plugin_id"));
    if let Some(mode) = meta.get("request_mode").str() {
        draft.row.flags[FlagField::Stream as usize] = Some(mode == "stream");
    }
    let hit = plugin.path(&["cache", "cache_status"]).str();
    if hit.is_some_and(|status| status.eq_ignore_ascii_case("hit")) {
        draft.set(TextField::Outcome, "cached");
    }
    draft.estimate(counts.get("cost"), Unit::Dollars)?;
    draft.seen_tokens(tokens(counts)?)
}

fn tokens(counts: Json<'_>) -> Result<Tokens, Rejection> {
    let mut tokens = usage::read(counts)?;
    if tokens.input.is_none() {
        tokens.input = counts.get("prompt_token").count()?;
    }
    if tokens.output.is_none() {
        tokens.output = counts.get("completion_token").count()?;
    }
    tokens.convention = Convention::Inclusive;
    Ok(tokens)
}
