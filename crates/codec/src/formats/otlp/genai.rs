//! What the attributes of one call mean, in every generation of the GenAI names.
//!
//! The conventions renamed nearly everything once, and libraries that came before them (OpenLLMetry,
//! OpenInference, Langfuse, Claude Code, Codex) have names of their own; `names.rs` has them all.
//!
//! Whether a span is a call at all is the other half: an agent's or a tool's span carries the sums
//! of the calls below it, and counting both would count everything twice.
//! Source: open-telemetry/semantic-conventions-genai and the sources of those libraries.

use std::borrow::Cow;

use model::{CountField, FlagField, Quality, TextField};

use super::Event;
use super::names::*;
use crate::draft::Draft;
use crate::json::{Json, Tree, Unit};
use crate::meaning::tokens::{Convention, Tokens};
use crate::meaning::{caller, http};
use crate::rejection::Rejection;
use crate::rows::Rows;
use crate::words::Words;

/// Values of `gen_ai.operation.name` that are one call of a model.
const CALLS: [&str; 6] = [
    "chat",
    "generate_content",
    "text_completion",
    "completion",
    "embeddings",
    "embedding",
];

/// Parts of operations that are made of calls, or are none.
const NO_CALLS: [&str; 11] = [
    "agent", "tool", "workflow", "chain", "task", "plan", "retriev", "memory", "evaluat", "guard",
    "session",
];

/// Whether a span or a log record is one call of a model, by its own attributes.
///
/// `client` says that it is a client's span: without tokens it counts only then, or where it says
/// what kind of call it is.
pub(in super::super) fn is_call(event: &Event<'_, '_>, client: bool) -> bool {
    let own = |name: &str| event.own(&[name]).and_then(|value| value.label());
    // Most spans of a process have nothing to do with models, and end here.
    let of_models = |name: &str| {
        let (head, _) = name.split_once('.').unwrap_or((name, ""));
        matches!(
            head,
            "gen_ai" | "llm" | "openinference" | "langfuse" | "model"
        )
    };
    if !event.own.any(of_models) {
        return false;
    }
    let operation = own(OPERATION);
    let made_of_calls = operation
        .is_some_and(|operation| NO_CALLS.iter().any(|part| operation.contains(part)))
        || own("openinference.span.kind").is_some_and(|kind| {
            !kind.eq_ignore_ascii_case("llm") && !kind.eq_ignore_ascii_case("embedding")
        })
        || own("langfuse.observation.type")
            .is_some_and(|kind| !matches!(kind, "generation" | "embedding"))
        || own("traceloop.span.kind").is_some()
        || own("ai.operationId").is_some_and(|operation| !operation.contains(".do"))
        || own("span.type").is_some_and(|kind| kind == "interaction" || kind.contains("tool"));
    if made_of_calls {
        return false;
    }
    let named = operation.is_some_and(|operation| CALLS.contains(&operation))
        || own("openinference.span.kind").is_some()
        || own("langfuse.observation.type").is_some()
        || own("llm.request.type").is_some()
        || own("span.type") == Some("llm_request");
    let (provider, model) = (event.own(PROVIDER).is_some(), event.own(MODEL).is_some());
    let counted = [INPUT, OUTPUT]
        .iter()
        .any(|names| event.own(names).is_some());
    named || (counted && (provider || model)) || (client && provider && model)
}

/// Returns whether an event says an HTTP status.
pub(in super::super) fn has_status(event: &Event<'_, '_>) -> bool {
    event.own(STATUS).is_some()
}

/// Reads one call.
///
/// # Errors
/// Where a number is none.
pub(in super::super) fn read<'t>(
    rows: &Rows<'_>,
    event: &Event<'_, 't>,
) -> Result<Draft<'t>, Rejection> {
    let mut draft = Draft::call();
    draft.set(TextField::Source, observer(event));
    if let Some(id) = event.own(IDS) {
        draft.text(TextField::Id, id);
    }
    identify(rows, event, &mut draft);
    for (name, names) in EXTRA {
        if let Some(value) = event.find(names) {
            draft.extra(*name, value);
        }
    }
    if let Some(operation) = operation(event) {
        draft.set(TextField::Operation, operation);
    }
    if let Some(stream) = event.own(STREAM) {
        draft.flag(FlagField::Stream, stream);
    }
    if let Some(address) = event.find(ADDRESS) {
        draft.caller(address);
    } else if let Some(hops) = event.find(HOPS) {
        let hop = hops.str().and_then(caller::first_public_hop);
        caller::fill(&mut draft.row, hop);
    }
    set_outcome(event, &mut draft)?;
    let tokens = tokens(event)?;
    draft.tokens(tokens)?;
    set_cost(event, &mut draft)?;
    if !tokens.exist() && draft.row.cost.is_none() {
        draft.set(TextField::Kind, "access");
    }
    Ok(draft)
}

/// Sets who called, by which key, at whose.
pub(in super::super) fn identify<'t>(
    rows: &Rows<'_>,
    event: &Event<'_, 't>,
    draft: &mut Draft<'t>,
) {
    for (field, names) in TEXTS {
        if let Some(value) = event.find(names) {
            draft.text(*field, value);
        }
    }
    if let Some(provider) = event.find(PROVIDER) {
        draft.provider(provider);
    }
    let mut names = rows.codec.key_attributes();
    let found = names.find_map(|name| {
        let attribute = event.get(name).and_then(|value| value.label());
        let key: Cow<'t, str> = match attribute {
            // It may be the resource's, and as long as the record: no copy for each span.
            Some(key) => http::bare(key)?.into(),
            None => http::bare(rows.record.headers.text(name)?)?
                .to_owned()
                .into(),
        };
        Some((name, key))
    });
    let Some((name, key)) = found else {
        return;
    };
    let kind = if SIGNED_IN.contains(&name) {
        Some("consumer")
    } else if key.starts_with("key_") || key.starts_with("apikey_") {
        Some("provider_id")
    } else if key.len() == 64 && key.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Some("sha256")
    } else {
        None
    };
    if let Some(kind) = kind {
        draft.set(TextField::KeyKind, kind);
    }
    draft.set(TextField::Key, key);
}

/// Says who saw the call.
fn observer(event: &Event<'_, '_>) -> &'static str {
    const GATEWAYS: Words = Words::new(&[
        "litellm",
        "openrouter",
        "envoy",
        "ai-gateway",
        "kong",
        "cloudflare",
        "portkey",
        "helicone",
    ]);
    let scope = event.around.scope_name.unwrap_or_default();
    let service = event.around.service().unwrap_or_default();
    if scope == "com.anthropic.claude-platform" || service == "claude-platform" {
        return "provider";
    }
    if GATEWAYS.are_in(scope) || GATEWAYS.are_in(service) {
        "gateway"
    } else {
        "app"
    }
}

fn operation<'t>(event: &Event<'_, 't>) -> Option<&'t str> {
    if let Some(operation) = event.own(&[OPERATION]) {
        return operation.label();
    }
    let kind = event.own(&[
        "llm.request.type",
        "openinference.span.kind",
        "langfuse.observation.type",
        "span.type",
    ])?;
    match kind.label()? {
        "LLM" | "llm" | "generation" | "llm_request" => Some("chat"),
        "EMBEDDING" | "embedding" => Some("embeddings"),
        "completion" => Some("text_completion"),
        other => Some(other),
    }
}

fn set_outcome<'t>(event: &Event<'_, 't>, draft: &mut Draft<'t>) -> Result<(), Rejection> {
    let code = |names: &[&str]| {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        event
            .own(names)
            .filter(|value| value.label().is_some_and(digits))
    };
    if event.own(&["error.type"]).is_some() {
        draft.set(TextField::Outcome, "error");
    }
    // Some have the status where most have a word.
    if let Some(status) = code(STATUS).or_else(|| code(&["error.type"])) {
        draft.status(status)?;
    }
    if let Some(message) = event.own(ERROR_MESSAGE) {
        draft.extra("error_message", message);
    }
    Ok(())
}

fn tokens(event: &Event<'_, '_>) -> Result<Tokens, Rejection> {
    let read_inside = event.count(CACHE_READ_INSIDE)?;
    let write_inside = event.count(CACHE_WRITE_INSIDE)?;
    let (write_5m, write_1h) = (event.count(WRITE_5M)?, event.count(WRITE_1H)?);
    let by_age = write_5m
        .or(write_1h)
        .map(|_| write_5m.unwrap_or(0) + write_1h.unwrap_or(0));
    let anthropic_own = event
        .around
        .scope_name
        .is_some_and(|scope| scope.starts_with("com.anthropic.sdk"))
        || event.around.scope_name == Some("com.anthropic.claude-platform");
    let claude_code = event.own(&["cache_read_tokens", "cache_creation_tokens"]);
    let convention = if read_inside.or(write_inside).is_some() || anthropic_own {
        Convention::Inclusive
    } else if claude_code.is_some() {
        Convention::Exclusive
    } else {
        Convention::Inferred
    };
    let tokens = Tokens {
        input: event.count(INPUT)?,
        cache_read: read_inside.or(event.count(CACHE_READ)?),
        cache_write: write_inside.or(event.count(CACHE_WRITE)?).or(by_age),
        cache_write_1h: write_1h,
        output: event.count(OUTPUT)?,
        reasoning: event.count(REASONING)?,
        total: event.count(TOTAL)?,
        convention,
    };
    // Gemini's own names have thoughts beside the output.
    if let Some(thoughts) = event.count(&["thoughts_token_count"])? {
        return Ok(Tokens {
            output: Some(tokens.output.unwrap_or(0) + thoughts),
            reasoning: Some(thoughts),
            ..tokens
        });
    }
    if tokens.exist() {
        return Ok(tokens);
    }
    of_langfuse(event)
}

/// Reads counts that are JSON in a text; cached ones stand beside the input there.
fn of_langfuse(event: &Event<'_, '_>) -> Result<Tokens, Rejection> {
    let details = event.own(&["langfuse.observation.usage_details"]);
    let Some(text) = details.and_then(Json::str) else {
        return Ok(Tokens::default());
    };
    let tree = Tree::parse(text)?;
    let count = |names: &[&str]| tree.root().first(names).count();
    let tokens = Tokens {
        input: count(&["input", "prompt_tokens"])?,
        cache_read: count(&["cache_read_input_tokens", "input_cached_tokens"])?,
        cache_write: count(&["cache_creation_input_tokens"])?,
        output: count(&["output", "completion_tokens"])?,
        reasoning: count(&["output_reasoning_tokens"])?,
        total: count(&["total", "total_tokens"])?,
        convention: Convention::Exclusive,
        ..Tokens::default()
    };
    match tree.ambiguous() {
        Some(twice) => Err(twice.fault(model::Reason::DuplicateField, format_args!("given twice"))),
        None => Ok(tokens),
    }
}

fn set_cost<'t>(event: &Event<'_, 't>, draft: &mut Draft<'t>) -> Result<(), Rejection> {
    if let Some(cost) = event.own(COST) {
        draft.cost(cost, Unit::Dollars, "reported")?;
    } else if let Some(cost) = event.own(COST_MICROS) {
        draft.cost(cost, Unit::Micros, "reported")?;
    }
    if draft.row.cost.is_some() {
        draft.quality(Quality::ESTIMATED_COST);
    }
    Ok(())
}

/// Sets how long a call took; a duration that makes no sense is unknown.
pub(in super::super) fn set_latency(draft: &mut Draft<'_>, millis: Option<f64>) {
    if let Some(millis) = millis.filter(|millis| (0.0..1e12).contains(millis)) {
        draft
            .row
            .set_count(CountField::LatencyMs, millis.round() as u64);
    }
}
