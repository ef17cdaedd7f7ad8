//! Anybody's own JSON: an event around the usage object that a provider answered with, under the
//! names that people give such things, or wherever the settings say ([`Mapping`]).
//!
//! It is told by a usage object with counts, or by names of token counts that the native event does
//! not have. Nothing but the fields of the tables is kept, for the rest may be a prompt.

use model::{CountField, FlagField, Quality, TextField};

use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::{Json, Unit};
use crate::mapping::{Mapping, Target, at};
use crate::meaning::tokens::{Convention, Tokens};
use crate::meaning::{caller, http, instant, usage};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Generic,
    marks: &[
        "usage",
        "usageMetadata",
        "usage_metadata",
        "response",
        "response_body",
        "responseBody",
        "body",
        "result",
        "message",
        "completion",
        "llm",
        "output",
        "prompt_tokens",
        "completion_tokens",
        "promptTokenCount",
        "inputTokens",
        "outputTokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "input_tokens",
        "output_tokens",
    ],
    signature,
    decode,
};

/// Where the usage object is.
const USAGE: &[&str] = &[
    "usage",
    "usageMetadata",
    "usage_metadata",
    "response.usage",
    "response.usageMetadata",
    "response.body.usage",
    "response.body.usageMetadata",
    "response_body.usage",
    "responseBody.usage",
    "body.usage",
    "result.usage",
    "message.usage",
    "completion.usage",
    "llm.usage",
    "output.usage",
];

/// Token counts that stand in the event itself, under names that the native event does not have.
const FLAT: &[&str] = &[
    "prompt_tokens",
    "completion_tokens",
    "promptTokenCount",
    "inputTokens",
    "outputTokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
];

/// When it happened.
const TIMES: &[&str] = &[
    "time",
    "timestamp",
    "@timestamp",
    "ts",
    "event_time",
    "eventTime",
    "start_time",
    "startTime",
    "started_at",
    "startedAt",
    "request_time",
    "requestTime",
    "created_at",
    "createdAt",
    "created",
    "date",
    "response.created",
    "response.created_at",
    "response.createTime",
];

/// Where the key is, from the safest name to the last.
pub(crate) const KEYS: &[&str] = &[
    "api_key_id",
    "apiKeyId",
    "key_id",
    "keyId",
    "api_key_hash",
    "key_hash",
    "virtual_key",
    "virtual_key_id",
    "api_key",
    "apiKey",
    "key",
    "authorization",
    "headers.authorization",
    "headers.Authorization",
    "headers.x-api-key",
    "request.headers.authorization",
    "request.headers.Authorization",
    "request.headers.x-api-key",
];

/// What is text, by the names it is found under; the first that is there.
const TEXTS: &[(TextField, &[&str])] = &[
    (
        TextField::Id,
        &[
            "event_id",
            "eventId",
            "id",
            "request_id",
            "requestId",
            "x-request-id",
            "response.id",
            "response.body.id",
        ],
    ),
    (
        TextField::Account,
        &[
            "account",
            "account_id",
            "accountId",
            "tenant",
            "tenant_id",
            "tenantId",
            "organization",
            "organization_id",
            "org_id",
            "orgId",
        ],
    ),
    (TextField::Project, &["project", "project_id", "projectId"]),
    (
        TextField::Workspace,
        &["workspace", "workspace_id", "workspaceId"],
    ),
    (TextField::Team, &["team", "team_id", "teamId"]),
    (TextField::Key, KEYS),
    (
        TextField::KeyAlias,
        &[
            "api_key_name",
            "apiKeyName",
            "key_name",
            "keyName",
            "key_alias",
        ],
    ),
    (TextField::User, &["user_id", "userId", "user"]),
    (
        TextField::EndUser,
        &["end_user", "endUser", "end_user_id", "customer_id"],
    ),
    (
        TextField::Service,
        &[
            "service",
            "service_name",
            "serviceName",
            "app",
            "application",
            "app_name",
        ],
    ),
    (
        TextField::Model,
        &[
            "response.model",
            "response.body.model",
            "response_model",
            "model",
            "model_name",
            "modelName",
            "modelVersion",
            "modelId",
            "model_id",
            "response.modelVersion",
        ],
    ),
    (
        TextField::ModelRequested,
        &[
            "request.model",
            "request.body.model",
            "request_model",
            "requested_model",
        ],
    ),
    (
        TextField::Deployment,
        &["deployment", "deployment_id", "deployment_name"],
    ),
    (
        TextField::Operation,
        &["operation", "operation_name", "endpoint", "path"],
    ),
    (
        TextField::Error,
        &["error_code", "errorCode", "error.code", "error.type"],
    ),
    (TextField::Country, &["country", "country_code"]),
    (
        TextField::UserAgent,
        &[
            "user_agent",
            "userAgent",
            "user-agent",
            "headers.user-agent",
            "headers.User-Agent",
            "request.headers.user-agent",
            "request.user_agent",
            "client.user_agent",
        ],
    ),
    (TextField::Region, &["region", "location"]),
    (
        TextField::ServiceTier,
        &[
            "service_tier",
            "usage.service_tier",
            "response.service_tier",
            "response.usage.service_tier",
        ],
    ),
];

const PROVIDERS: &[&str] = &[
    "provider",
    "provider_name",
    "providerName",
    "llm_provider",
    "vendor",
];
const ADDRESSES: &[&str] = &[
    "source_ip",
    "sourceIp",
    "client_ip",
    "clientIp",
    "ip",
    "ip_address",
    "ipAddress",
    "remote_addr",
    "remote_ip",
    "client.ip",
    "client.address",
    "request.ip",
    "request.client_ip",
];
const HOPS: &[&str] = &[
    "x-forwarded-for",
    "x_forwarded_for",
    "headers.x-forwarded-for",
    "headers.X-Forwarded-For",
    "request.headers.x-forwarded-for",
];
const STATUSES: &[&str] = &[
    "status_code",
    "statusCode",
    "http_status",
    "response.status",
    "response.status_code",
    "response.statusCode",
    "status",
];
const COSTS: &[&str] = &[
    "cost_usd",
    "costUsd",
    "cost",
    "total_cost",
    "totalCost",
    "usage.cost",
    "response.usage.cost",
];
const LATENCIES: &[&str] = &[
    "latency_ms",
    "latencyMs",
    "duration_ms",
    "durationMs",
    "response_time_ms",
];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let any = |names: &[&str]| names.iter().any(|name| json.get(name).exists());
    // The native event's own names, beside a time that is called otherwise.
    let like_native = || any(&["input_tokens", "output_tokens"]) && any(&TIMES[1..]);
    let flat = || any(FLAT) || (!json.has("time") && like_native());
    (usage_object(json).is_some() || flat()).then_some(Confidence::Likely)
}

/// Returns the first usage object that counts anything.
fn usage_object(json: Json<'_>) -> Option<Json<'_>> {
    let mut objects = USAGE.iter().map(|path| at(json, path));
    objects.find(|object| {
        object.is_object()
            && object.members().any(|(name, _)| {
                let name = name.to_ascii_lowercase();
                name.contains("token") && !name.contains("detail")
            })
    })
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let choice = rows.choice;
    let mapping = choice.and_then(|choice| choice.mapping());
    let mut draft = Draft::call();
    let from = Aliases { json, mapping };
    if let Some(time) = from.find(Target::Time, TIMES) {
        draft.time(time)?;
    }
    set_texts(&mut draft, &from);
    set_caller(&mut draft, &from);
    if let Some(cost) = from.find(Target::Cost, COSTS) {
        let unit = mapping.map_or(Unit::Dollars, Mapping::cost_unit);
        draft.cost(cost, unit, "reported")?;
        draft.quality(Quality::ESTIMATED_COST);
    }
    if let Some(status) = from.find(Target::Count(CountField::Status), STATUSES) {
        set_status(&mut draft, status)?;
    }
    let latency = Target::Count(CountField::LatencyMs);
    if let Some(millis) = from.find(latency, LATENCIES).map(Json::number) {
        let millis = millis?.filter(|millis| (0.0..1e12).contains(millis));
        draft.row.counts[CountField::LatencyMs as usize] =
            millis.map(|millis| millis.round() as u64);
    }
    draft.flag(
        FlagField::Stream,
        json.first(&["stream", "is_stream", "isStream"]),
    );
    let mut tokens = match usage_object(json) {
        Some(object) => usage::read(object)?,
        None => usage::read(json)?,
    };
    if let Some(mapping) = mapping {
        apply(mapping, json, &mut draft, &mut tokens)?;
    }
    unwrap_key(&mut draft);
    draft.tokens(tokens)?;
    if draft.row.text(TextField::User).is_none()
        && let Some(subject) = rows.context.subject.clone()
    {
        draft.set(TextField::User, subject);
    }
    rows.push(json, draft)
}

/// Where to look for a field: at the place that the settings name, or else under its aliases.
struct Aliases<'m, 't> {
    json: Json<'t>,
    mapping: Option<&'m Mapping>,
}

impl<'t> Aliases<'_, 't> {
    fn find(&self, target: Target, aliases: &[&str]) -> Option<Json<'t>> {
        if self.mapping.is_some_and(|mapping| mapping.covers(target)) {
            return None;
        }
        let mut values = aliases.iter().map(|path| at(self.json, path));
        values.find(|value| value.label().is_some())
    }
}

fn set_texts<'t>(draft: &mut Draft<'t>, from: &Aliases<'_, 't>) {
    for (field, aliases) in TEXTS {
        if let Some(value) = from.find(Target::Text(*field), aliases) {
            draft.text(*field, value);
        }
    }
    if let Some(name) = from.find(Target::Text(TextField::Provider), PROVIDERS) {
        draft.provider(name);
    }
}

/// Takes the word of a header off the key: one key has one fingerprint, with it and without. What
/// stands where a key was taken out is nobody's.
fn unwrap_key(draft: &mut Draft<'_>) {
    let key = draft.row.text[TextField::Key as usize].take();
    if let Some(bare) = key.as_deref().and_then(http::bare) {
        draft.set(TextField::Key, bare.to_owned());
    }
}

fn set_caller<'t>(draft: &mut Draft<'t>, from: &Aliases<'_, 't>) {
    let target = Target::Text(TextField::SourceIp);
    if let Some(address) = from.find(target, ADDRESSES) {
        draft.caller(address);
    } else if let Some(hops) = from.find(target, HOPS) {
        let hop = hops.str().and_then(caller::first_public_hop);
        caller::fill(&mut draft.row, hop);
    }
}

/// A status is a number in most events, and a word like `success` in some.
fn set_status<'t>(draft: &mut Draft<'t>, status: Json<'t>) -> Result<(), Rejection> {
    match status.label() {
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => draft.status(status),
        Some("success" | "ok" | "succeeded" | "completed") => {
            draft.set(TextField::Outcome, "ok");
            Ok(())
        }
        Some("error" | "failure" | "failed") => {
            draft.set(TextField::Outcome, "error");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Sets what the settings say, over what the aliases found.
fn apply<'t>(
    mapping: &Mapping,
    json: Json<'t>,
    draft: &mut Draft<'t>,
    tokens: &mut Tokens,
) -> Result<(), Rejection> {
    for (target, path) in mapping.paths() {
        let value = at(json, path);
        match target {
            Target::Time => draft.time(value)?,
            Target::TimeStart => draft.row.time_start = instant::read(value)?,
            Target::TimeEnd => draft.row.time_end = instant::read(value)?,
            Target::Cost => draft.cost(value, mapping.cost_unit(), "reported")?,
            Target::TotalTokens => tokens.total = value.count()?,
            Target::Text(TextField::Provider) => draft.provider(value),
            Target::Text(TextField::SourceIp) => draft.caller(value),
            Target::Text(field) => draft.text(field, value),
            Target::Flag(field) => draft.flag(field, value),
            Target::Count(CountField::Status) => set_status(draft, value)?,
            Target::Count(field) => {
                let count = value.count()?;
                match field {
                    CountField::InputTokens => tokens.input = count,
                    CountField::CacheReadTokens => tokens.cache_read = count,
                    CountField::CacheWriteTokens => tokens.cache_write = count,
                    CountField::CacheWrite1hTokens => tokens.cache_write_1h = count,
                    CountField::OutputTokens => tokens.output = count,
                    CountField::ReasoningTokens => tokens.reasoning = count,
                    _ => draft.count(field, value)?,
                }
            }
        }
    }
    for (field, text) in mapping.constants() {
        if draft.row.text(field).is_none() {
            draft.set(field, text.to_owned());
        }
    }
    for (unit, path) in mapping.other_units() {
        if let Some(number) = at(json, path).number()? {
            draft.row.other_units.push((unit.to_owned().into(), number));
        }
    }
    for (name, path) in mapping.extra() {
        draft.extra(name.to_owned(), at(json, path));
    }
    if mapping.convention() != Convention::Inferred {
        tokens.convention = mapping.convention();
    }
    Ok(())
}
