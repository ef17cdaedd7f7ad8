//! Langfuse's observations, of its API (camelCase) and of its exports of tables (snake_case).
//!
//! Only what calls a model has usage of its own; spans, agents and tools around it would count it
//! again, and give no row. `usageDetails` has a class of tokens each: what is cached stands beside
//! `input`, and what is reasoned beside `output`, because Langfuse takes them out when it reads the
//! provider's usage. Names after `input_` and `output_` are anybody's to choose. The cost is an
//! estimate in dollars.
//! Source: langfuse 5.0.4 of PyPI, `ObservationV2`; langfuse/langfuse, `UsageDetails`.

use model::{FlagField, TextField};

use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::{Json, MAX_COUNT, Unit};
use crate::meaning::tokens::{Convention, Tokens};
use crate::meaning::usage;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Langfuse,
    marks: &["traceId", "trace_id"],
    signature,
    decode,
};

/// What does not call a model itself.
const AROUND: [&str; 9] = [
    "SPAN",
    "EVENT",
    "AGENT",
    "TOOL",
    "CHAIN",
    "RETRIEVER",
    "EVALUATOR",
    "GUARDRAIL",
    "TRACE",
];

const USAGE: [&str; 2] = ["usageDetails", "usage_details"];
const COSTS: [&str; 4] = [
    "totalCost",
    "total_cost",
    "calculatedTotalCost",
    "calculated_total_cost",
];
const COST_DETAILS: [&str; 2] = ["costDetails", "cost_details"];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let named = |names: &[&str]| names.iter().any(|name| json.has(name));
    let observation = json.has("type") && named(&["traceId", "trace_id"]);
    let own = named(&USAGE) || named(&COST_DETAILS);
    (observation && own).then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let kind = json.get("type").str().unwrap_or_default();
    if AROUND
        .iter()
        .any(|around| around.eq_ignore_ascii_case(kind))
    {
        return Ok(());
    }
    // Exports of tables have maps as texts.
    let usage = json.first(&USAGE).inner()?;
    let costs = json.first(&COST_DETAILS).inner()?;
    let metadata = json.get("metadata").inner_if_any();
    read(rows, json, usage.json(), costs.json(), metadata.json())
}

fn read<'t>(
    rows: &mut Rows<'_>,
    json: Json<'t>,
    usage: Json<'t>,
    costs: Json<'t>,
    metadata: Json<'t>,
) -> Result<(), Rejection> {
    let mut draft = Draft::call();
    draft.time(json.first(&["startTime", "start_time"]))?;
    draft.text(TextField::Id, json.get("id"));
    draft.set(TextField::Source, "app");
    draft.text(TextField::Project, json.first(&["projectId", "project_id"]));
    let model = [
        "model",
        "providedModelName",
        "provided_model_name",
        "internalModelId",
    ];
    draft.text(TextField::Model, json.first(&model));
    draft.text(TextField::EndUser, json.first(&["userId", "user_id"]));
    if let Some(kind) = json.get("type").str() {
        draft.set(TextField::Operation, kind.to_ascii_lowercase());
    }
    set_metadata(&mut draft, metadata);
    draft.extra("trace_id", json.first(&["traceId", "trace_id"]));
    draft.extra("session_id", json.first(&["sessionId", "session_id"]));
    draft.extra("environment", json.get("environment"));
    draft.latency_until(json.first(&["endTime", "end_time"]))?;
    let failed = json.get("level").str() == Some("ERROR");
    draft.set(TextField::Outcome, if failed { "error" } else { "ok" });
    let total = json.first(&COSTS);
    let total = if total.exists() {
        total
    } else {
        costs.get("total")
    };
    draft.estimate(total, Unit::Dollars)?;
    draft.seen_tokens(tokens(usage)?)?;
    rows.push(json, draft)
}

/// Takes what gateways and integrations write into the metadata of a call.
fn set_metadata<'t>(draft: &mut Draft<'t>, metadata: Json<'t>) {
    draft.provider(metadata.first(&["custom_llm_provider", "provider", "ls_provider"]));
    if metadata.get("user_api_key_hash").exists() {
        draft.set(TextField::KeyKind, "sha256");
    }
    let key = [
        "user_api_key_hash",
        "api_key_id",
        "apiKeyId",
        "key_id",
        "keyId",
    ];
    draft.text(TextField::Key, metadata.first(&key));
    draft.text(
        TextField::KeyAlias,
        metadata.first(&["user_api_key_alias", "key_alias"]),
    );
    draft.text(
        TextField::Team,
        metadata.first(&["user_api_key_team_id", "team_id"]),
    );
    draft.text(TextField::User, metadata.get("user_api_key_user_id"));
    draft.caller(metadata.get("requester_ip_address"));
    draft.flag(FlagField::Stream, metadata.get("stream"));
}

/// Adds the classes up, by the words in their names.
fn tokens(usage: Json<'_>) -> Result<Tokens, Rejection> {
    // Somebody who sends a provider's object as it is gets it back as it is.
    if usage.has("prompt_tokens") || usage.has("input_tokens") {
        return usage::read(usage);
    }
    let mut tokens = Tokens {
        input: usage.get("input").count()?,
        output: usage.get("output").count()?,
        total: usage.get("total").count()?,
        convention: Convention::Inclusive,
        ..Tokens::default()
    };
    let (mut input, mut output) = (0, 0);
    for (name, value) in usage.members() {
        let cache = name.contains("cache");
        if matches!(name, "input" | "output" | "total") {
            continue;
        }
        let is_output = name.starts_with("output") || name.starts_with("completion");
        if !(is_output || cache || name.starts_with("input") || name.starts_with("prompt")) {
            continue;
        }
        let count = value.count()?.unwrap_or(0);
        let sum = if is_output { &mut output } else { &mut input };
        *sum = MAX_COUNT.min(*sum + count);
        let add = |field: &mut Option<u64>| *field = Some(field.unwrap_or(0) + count);
        if cache && (name.contains("creat") || name.contains("write")) {
            add(&mut tokens.cache_write);
            if name.contains("1h") {
                add(&mut tokens.cache_write_1h);
            }
        } else if cache {
            add(&mut tokens.cache_read);
        } else if is_output && name.contains("reason") {
            add(&mut tokens.reasoning);
        }
    }
    let (plain_input, plain_output) = (tokens.input.unwrap_or(0), tokens.output.unwrap_or(0));
    let whole = tokens.total == Some(plain_input + plain_output);
    if !whole {
        let known = tokens.input.is_some() || input > 0;
        tokens.input = known.then_some(plain_input + input);
        let known = tokens.output.is_some() || output > 0;
        tokens.output = known.then_some(plain_output + output);
    }
    Ok(tokens)
}
