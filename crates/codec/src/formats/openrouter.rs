//! OpenRouter: one generation, the activity of days, and the list of keys.
//!
//! | what | kind | key |
//! |---|---|---|
//! | generation | usage | none: OpenRouter does not say which it was |
//! | activity | usage, a day of one model at one endpoint | none, or the one that was asked for |
//! | keys | key | `hash` |
//!
//! `native_tokens_…` are those of the provider and billed, cached ones and reasoning inside. With a
//! provider's key of one's own OpenRouter charges a fee and the provider the rest: the cost is both.
//! Source: @openrouter/sdk 1.3.19.

use model::{CountField, FlagField, Nanos, Quality, TextField, Timestamp};

use super::{Confidence, Decoder, Format, identity};
use crate::draft::Draft;
use crate::json::{Json, Unit};
use crate::meaning::instant;
use crate::meaning::tokens::{Convention, Tokens};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Openrouter,
    marks: &[
        "data",
        "native_tokens_prompt",
        "nativeTokensPrompt",
        "upstream_inference_cost",
        "date",
        "hash",
    ],
    signature,
    decode,
};

/// Moments of a key, and the names they have in the SDK.
const MOMENTS: [(&str, &str); 3] = [
    ("created_at", "createdAt"),
    ("updated_at", "updatedAt"),
    ("expires_at", "expiresAt"),
];

/// What else is known of a key: its limit, and what it has cost so far, in dollars.
const AMOUNTS: [(&str, &str); 8] = [
    ("limit", "limit"),
    ("limit_remaining", "limitRemaining"),
    ("limit_reset", "limitReset"),
    ("usage", "usage"),
    ("usage_daily", "usageDaily"),
    ("usage_weekly", "usageWeekly"),
    ("usage_monthly", "usageMonthly"),
    ("byok_usage", "byokUsage"),
];

#[derive(Clone, Copy)]
enum Kind {
    Generation,
    Activity,
    Key,
}

fn signature(json: Json<'_>) -> Option<Confidence> {
    kind_of(inside(json)).map(|_| Confidence::Certain)
}

/// Answers with one thing have it in `data`; lists are taken apart before.
fn inside(json: Json<'_>) -> Json<'_> {
    match json.get("data") {
        data if data.is_object() => data,
        _ => json,
    }
}

fn kind_of(json: Json<'_>) -> Option<Kind> {
    let has = |names: &[&str]| names.iter().any(|name| json.has(name));
    if has(&[
        "native_tokens_prompt",
        "nativeTokensPrompt",
        "upstream_inference_cost",
    ]) {
        Some(Kind::Generation)
    } else if json.has("date") && has(&["byok_usage_inference", "byokUsageInference"]) {
        Some(Kind::Activity)
    } else if json.has("hash") && json.has("label") && json.has("disabled") {
        Some(Kind::Key)
    } else {
        None
    }
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let json = inside(json);
    match kind_of(json) {
        Some(Kind::Activity) => activity(rows, json),
        Some(Kind::Key) => key(rows, json),
        Some(Kind::Generation) | None => generation(rows, json),
    }
}

fn generation(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let mut draft = Draft::call();
    draft.time(json.first(&["created_at", "createdAt"]))?;
    draft.text(TextField::Id, json.get("id"));
    draft.set(TextField::Source, "provider");
    set_provider(&mut draft, json);
    draft.text(TextField::Model, json.get("model"));
    draft.text(TextField::Operation, json.first(&["api_type", "apiType"]));
    draft.text(
        TextField::EndUser,
        json.first(&["external_user", "externalUser"]),
    );
    draft.text(
        TextField::UserAgent,
        json.first(&["user_agent", "userAgent"]),
    );
    draft.text(
        TextField::ServiceTier,
        json.first(&["service_tier", "serviceTier"]),
    );
    draft.extra("origin", json.get("origin"));
    draft.extra("app_id", json.first(&["app_id", "appId"]));
    draft.extra("request_id", json.first(&["request_id", "requestId"]));
    draft.extra("session_id", json.first(&["session_id", "sessionId"]));
    draft.extra("upstream_id", json.first(&["upstream_id", "upstreamId"]));
    draft.flag(FlagField::Stream, json.get("streamed"));
    draft.latency_millis(json.first(&["latency", "generation_time", "generationTime"]))?;
    let failed = json.first(&["finish_reason", "finishReason"]).str() == Some("error");
    draft.set(TextField::Outcome, if failed { "error" } else { "ok" });
    draft.unit(
        "searches",
        json.first(&["num_search_results", "numSearchResults"]),
    )?;
    draft.unit(
        "images",
        json.first(&["num_media_completion", "numMediaCompletion"]),
    )?;
    set_generation_cost(&mut draft, json)?;
    let native = json.first(&["native_tokens_prompt", "nativeTokensPrompt"]);
    let input = [native, json.first(&["tokens_prompt", "tokensPrompt"])];
    let native = json.first(&["native_tokens_completion", "nativeTokensCompletion"]);
    let output = [
        native,
        json.first(&["tokens_completion", "tokensCompletion"]),
    ];
    let first = |either: [Json<'_>; 2]| {
        let known = either.into_iter().find(|count| count.exists());
        known.map_or(Ok(None), Json::count)
    };
    draft.tokens(Tokens {
        input: first(input)?,
        cache_read: json
            .first(&["native_tokens_cached", "nativeTokensCached"])
            .count()?,
        output: first(output)?,
        reasoning: json
            .first(&["native_tokens_reasoning", "nativeTokensReasoning"])
            .count()?,
        convention: Convention::Inclusive,
        ..Tokens::default()
    })?;
    rows.push(json, draft)
}

/// The fee alone would make calls with a key of one's own look free.
fn set_generation_cost(draft: &mut Draft<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let fee = json.first(&["total_cost", "totalCost", "usage"]);
    if json.first(&["is_byok", "isByok"]).flag() != Some(true) {
        return draft.cost(fee, Unit::Dollars, "reported");
    }
    let upstream = json.first(&["upstream_inference_cost", "upstreamInferenceCost"]);
    if let Some(upstream) = upstream.money(Unit::Dollars)? {
        let fee = fee.money(Unit::Dollars)?.unwrap_or_default();
        set_cost(draft, fee + upstream);
        draft.quality(Quality::ESTIMATED_COST);
    }
    Ok(())
}

fn set_cost(draft: &mut Draft<'_>, cost: Nanos) {
    draft.row.cost = Some(cost);
    draft.set(TextField::CostSource, "reported");
}

fn set_provider<'t>(draft: &mut Draft<'t>, json: Json<'t>) {
    draft.provider(json.first(&["provider_name", "providerName"]));
    if let Some(upstream) = draft.row.text.take(TextField::Provider) {
        draft.set(TextField::UpstreamProvider, upstream);
    }
    draft.set(TextField::Provider, "openrouter");
}

fn activity(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let date = json.get("date");
    let endpoint = json.first(&["endpoint_id", "endpointId"]);
    let permanent = json.first(&["model_permaslug", "modelPermaslug"]);
    let key = json.first(&["api_key_hash", "apiKeyHash"]);
    let user = json.first(&["user_id", "userId"]);
    let mut draft = Draft::new("usage");
    draft.span(date, json.first(&[]))?;
    draft.row.time_end = draft.time.map(|start| start.plus(24 * Timestamp::HOUR));
    let parts = [date, permanent, json.get("model"), endpoint, key, user];
    let parts = parts.map(Json::raw);
    draft.set(
        TextField::Id,
        identity::of_line("openrouter.activity", parts),
    );
    draft.set(TextField::Source, "provider");
    set_provider(&mut draft, json);
    draft.text(TextField::Model, json.get("model"));
    draft.text(TextField::Model, permanent);
    draft.text(TextField::Deployment, endpoint);
    draft.text(TextField::User, user);
    draft.text(TextField::Key, key);
    if key.exists() {
        draft.set(TextField::KeyKind, "sha256");
    }
    draft.scope(if key.exists() { "key" } else { "org" });
    draft.count(CountField::Requests, json.get("requests"))?;
    let own = json.first(&["byok_usage_inference", "byokUsageInference"]);
    let fee = json.get("usage").money(Unit::Dollars)?;
    let own = own.money(Unit::Dollars)?;
    if fee.or(own).is_some() {
        set_cost(
            &mut draft,
            fee.unwrap_or_default() + own.unwrap_or_default(),
        );
    }
    draft.tokens(Tokens {
        input: json.first(&["prompt_tokens", "promptTokens"]).count()?,
        output: json
            .first(&["completion_tokens", "completionTokens"])
            .count()?,
        reasoning: json
            .first(&["reasoning_tokens", "reasoningTokens"])
            .count()?,
        convention: Convention::Inclusive,
        ..Tokens::default()
    })?;
    rows.push(json, draft)
}

/// Reads a key of the list: its state when the list was read, which is the time of the record.
///
/// Each reading has an id of its own, so that a state that comes back is no repeat.
fn key(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let mut draft = Draft::new("key");
    draft.set(TextField::Source, "provider");
    draft.set(TextField::Provider, "openrouter");
    draft.text(TextField::Key, json.get("hash"));
    draft.set(TextField::KeyKind, "sha256");
    draft.text(TextField::KeyHint, json.get("label"));
    draft.text(TextField::KeyAlias, json.get("name"));
    draft.text(
        TextField::User,
        json.first(&["creator_user_id", "creatorUserId"]),
    );
    draft.text(
        TextField::Workspace,
        json.first(&["workspace_id", "workspaceId"]),
    );
    let read_at = rows.context.time.or(rows.record_time());
    let mut expired = false;
    for (name, in_sdk) in MOMENTS {
        if let Some(moment) = instant::read(json.first(&[name, in_sdk]))? {
            draft.extra_text(name, moment.to_string());
            if name == "expires_at" {
                expired = read_at.is_some_and(|now| moment <= now);
            } else if read_at.is_none() {
                draft.time = Some(moment);
            }
        }
    }
    for (name, in_sdk) in AMOUNTS {
        draft.extra(name, json.first(&[name, in_sdk]));
    }
    let disabled = json.get("disabled").flag() == Some(true);
    let status = if expired {
        "expired"
    } else if disabled {
        "inactive"
    } else {
        "active"
    };
    draft.extra_text("status", status);
    let read_at = read_at.map(|time| time.to_string()).unwrap_or_default();
    let parts = [json.get("hash").raw(), &read_at, status];
    draft.set(TextField::Id, identity::of_line("openrouter.keys", parts));
    rows.push(json, draft)
}
