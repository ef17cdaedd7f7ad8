//! Helicone: what its proxy sends for each call, and the requests that its API lists.
//!
//! The proxy's message has no counts, for the bodies that have them go another way: it is access.
//! `authorization` is the Helicone key as it was sent; it names the key, by its fingerprint, where
//! no id does. Of the requests of the API `costUSD` is in dollars.
//! Source: Helicone/helicone, `worker/src/lib/clients/producers/types.ts`, `HeliconeRequest`.

use model::{FlagField, TextField};

use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::{Json, Unit};
use crate::meaning::http;
use crate::meaning::tokens::{Convention, Tokens};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Helicone,
    marks: &["heliconeMeta", "request_created_at"],
    signature,
    decode,
};

/// How Helicone writes that a request has no such thing.
const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

fn signature(json: Json<'_>) -> Option<Confidence> {
    let message = json.has("heliconeMeta") && json.get("log").is_object();
    let listed = json.has("request_id")
        && json.has("request_created_at")
        && (json.has("response_status") || json.has("delay_ms"));
    (message || listed).then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    if json.get("log").is_object() {
        return message(rows, json);
    }
    let properties = json.get("request_properties").inner_if_any();
    listed(rows, json, properties.json())
}

/// Reads what the proxy sends.
fn message<'t>(rows: &mut Rows<'_>, json: Json<'t>) -> Result<(), Rejection> {
    let (meta, log) = (json.get("heliconeMeta"), json.get("log"));
    let (request, response) = (log.get("request"), log.get("response"));
    let mut draft = Draft::call();
    draft.set(TextField::Kind, "access");
    draft.time(request.get("requestCreatedAt"))?;
    let id = request.get("id");
    draft.text(TextField::Id, if id.exists() { id } else { json.get("id") });
    draft.set(TextField::Source, "gateway");
    let provider = meta.get("gatewayProvider");
    draft.provider(if provider.exists() {
        provider
    } else {
        request.get("provider")
    });
    let key = request.first(&["heliconeProxyKeyId", "heliconeApiKeyId"]);
    if key.label().is_some_and(|key| key != NO_ID) {
        draft.text(TextField::Key, key);
        draft.set(TextField::KeyKind, "provider_id");
    } else if let Some(sent) = json.get("authorization").str().and_then(http::bare) {
        draft.credential(rows.codec, sent);
    }
    draft.text(TextField::EndUser, request.get("userId"));
    draft.text(
        TextField::Model,
        meta.first(&["gatewayModel", "modelOverride"]),
    );
    draft.path(request.first(&["path", "targetUrl"]));
    draft.text(TextField::Country, request.get("countryCode"));
    draft.flag(FlagField::Stream, request.get("isStream"));
    draft.latency_millis(response.get("delayMs"))?;
    draft.latency_until(response.get("responseCreatedAt"))?;
    draft.extra("prompt_id", request.get("promptId"));
    for (name, value) in request.get("properties").members() {
        draft.extra(name, value);
    }
    let cached = request.get("cacheReferenceId");
    set_outcome(
        &mut draft,
        response.get("status"),
        cached,
        request.get("threat"),
    )?;
    rows.push(json, draft)
}

/// Reads what the API lists.
fn listed<'t>(rows: &mut Rows<'_>, json: Json<'t>, properties: Json<'t>) -> Result<(), Rejection> {
    let mut draft = Draft::call();
    draft.time(json.get("request_created_at"))?;
    draft.text(TextField::Id, json.get("request_id"));
    draft.set(TextField::Source, "gateway");
    draft.provider(json.get("provider"));
    let key = json.first(&[
        "proxy_key_id",
        "helicone_proxy_key_id",
        "helicone_api_key_id",
    ]);
    if key.label().is_some_and(|key| key != NO_ID) {
        draft.text(TextField::Key, key);
        draft.set(TextField::KeyKind, "provider_id");
    }
    draft.text(
        TextField::Account,
        json.first(&["organization_id", "helicone_org_id"]),
    );
    draft.text(
        TextField::EndUser,
        json.first(&["request_user_id", "user_id"]),
    );
    let model = ["response_model", "model", "model_override", "request_model"];
    draft.text(TextField::Model, json.first(&model));
    draft.text(TextField::ModelRequested, json.get("request_model"));
    draft.path(json.first(&["request_path", "target_url"]));
    draft.text(TextField::Country, json.get("country_code"));
    draft.latency_millis(json.get("delay_ms"))?;
    for (name, value) in properties.members() {
        draft.extra(name, value);
    }
    let status = json.first(&["response_status", "status"]);
    let cached = json.get("cache_reference_id");
    set_outcome(&mut draft, status, cached, json.get("threat"))?;
    draft.estimate(json.get("costUSD"), Unit::Dollars)?;
    draft.seen_tokens(Tokens {
        input: json.get("prompt_tokens").count()?,
        cache_read: json.get("prompt_cache_read_tokens").count()?,
        cache_write: json.get("prompt_cache_write_tokens").count()?,
        output: json.get("completion_tokens").count()?,
        reasoning: json.get("reasoning_tokens").count()?,
        total: json.get("total_tokens").count()?,
        convention: Convention::Inferred,
        ..Tokens::default()
    })?;
    rows.push(json, draft)
}

/// A status below zero is none of HTTP: Helicone stopped the call, or it was given up.
fn set_outcome(
    draft: &mut Draft<'_>,
    status: Json<'_>,
    cached: Json<'_>,
    threat: Json<'_>,
) -> Result<(), Rejection> {
    if threat.flag() == Some(true) {
        draft.set(TextField::Outcome, "blocked");
    } else if cached.label().is_some_and(|id| id != NO_ID) {
        draft.set(TextField::Outcome, "cached");
    }
    match status.number()? {
        Some(number) if number < 0.0 => {
            if draft.row.text(TextField::Outcome).is_none() {
                draft.set(TextField::Outcome, "error");
            }
            Ok(())
        }
        Some(_) => draft.status(status),
        None => Ok(()),
    }
}
