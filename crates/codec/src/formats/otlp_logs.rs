//! OpenTelemetry logs: records that tell of one call of a model.
//!
//! | record | what |
//! |---|---|
//! | `claude_code.api_request`, `.api_error` | a call of Claude Code; cached tokens beside the input, dollars |
//! | `codex.sse_event` with `response.completed` | a call of Codex; cached tokens inside |
//! | `codex.api_request` with an error | a call of Codex that was refused; one that was not is told by its answer |
//! | `gemini_cli.api_response`, `.api_error`, also `qwen-code.…` | a call of Gemini CLI |
//! | `gen_ai.client.inference.operation.details` | the event beside a span, with the span's id |
//! | anything with GenAI attributes, such as a gateway's access log | a call |
//! | a body that is a record of another format in a text | what that record is |
//!
//! The name stands in `eventName`, in the attribute `event.name`, or in the body. All other records
//! are passed over.

use model::{Reason, TextField};

use super::otlp::{self, Attributes, Event, Names, genai};
use super::{Confidence, Decoder, Format, detect, identity};
use crate::draft::Draft;
use crate::json::{Json, Tree};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::OtlpLogs,
    marks: &[
        "resourceLogs",
        "resource_logs",
        "scopeLogs",
        "scope_logs",
        "instrumentationLibraryLogs",
        "instrumentation_library_logs",
    ],
    signature,
    decode,
};

static NAMES: Names = Names {
    resources: &["resourceLogs", "resource_logs"],
    scopes: &[
        "scopeLogs",
        "scope_logs",
        "instrumentationLibraryLogs",
        "instrumentation_library_logs",
    ],
    items: &["logRecords", "log_records", "logs"],
};

fn signature(json: Json<'_>) -> Option<Confidence> {
    otlp::signature(json, &NAMES)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    otlp::each_scope(rows, json, &NAMES, |rows, around, scope| {
        rows.each(otlp::list(scope.first(NAMES.items))?, |rows, log| {
            let own = Attributes::of(log);
            let event = Event { own, around };
            read(rows, &event, log)
        });
        Ok(())
    })
}

/// What a record tells of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tale {
    /// A call, by these providers' own clients or by the GenAI attributes.
    Call(Option<Client>),
    /// A call that came to nothing.
    Failure(Client),
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    ClaudeCode,
    Codex,
    Gemini,
}

fn read<'t>(rows: &mut Rows<'_>, event: &Event<'_, 't>, log: Json<'t>) -> Result<(), Rejection> {
    let body = log.get("body");
    let body = body
        .first(&["stringValue", "string_value"])
        .str()
        .or(body.str());
    let name = name(event, log, body);
    let (client, failed) = match tale(event, &name) {
        Tale::Call(client) => (client, false),
        Tale::Failure(client) => (Some(client), true),
        Tale::Nothing => return body.map_or(Ok(()), |body| inside(rows, body)),
    };
    let mut draft = genai::read(rows, event)?;
    if failed {
        draft.set(TextField::Outcome, "error");
    } else if draft.row.text(TextField::Outcome).is_none() {
        draft.set(TextField::Outcome, "ok");
    }
    if let Some(client) = client {
        set_client(event, client, &mut draft);
    }
    set_time(event, log, &mut draft)?;
    if let Some(millis) = event.own(&["duration_ms", "duration"]) {
        genai::set_latency(&mut draft, millis.number().ok().flatten());
    }
    set_id(event, log, client, &name, &mut draft);
    event.check()?;
    rows.push(log, draft)
}

/// Returns the full name of a record: some have the first half of it in the body only.
fn name<'t>(event: &Event<'_, 't>, log: Json<'t>, body: Option<&'t str>) -> String {
    let given = log.first(&["eventName", "event_name"]).str();
    let given = given.or_else(|| event.own(&["event.name"])?.str());
    let is_name = |text: &&str| text.len() <= 100 && !text.contains(char::is_whitespace);
    let body = body.filter(is_name);
    match (given, body) {
        (Some(given), Some(body)) if body.ends_with(given) => body.to_owned(),
        (Some(given), _) => {
            let scope = event.around.scope_name.unwrap_or_default();
            let claude_code = scope.starts_with("com.anthropic.claude_code")
                || event.around.service() == Some("claude-code");
            if claude_code && !given.contains('.') {
                return format!("claude_code.{given}");
            }
            given.to_owned()
        }
        (None, body) => body.unwrap_or_default().to_owned(),
    }
}

fn tale(event: &Event<'_, '_>, name: &str) -> Tale {
    let own = |name: &str| event.own(&[name]).and_then(|value| value.label());
    let (client, what) = match name.split_once('.') {
        Some(("claude_code", what)) => (Client::ClaudeCode, what),
        Some(("codex", what)) => (Client::Codex, what),
        Some(("gemini_cli" | "qwen-code" | "qwen_code", what)) => (Client::Gemini, what),
        // A line with a status is one of an access log, also where the call was refused.
        _ if genai::is_call(event, genai::has_status(event)) => return Tale::Call(None),
        _ => return Tale::Nothing,
    };
    match (client, what) {
        (Client::ClaudeCode, "api_request") | (Client::Gemini, "api_response") => {
            Tale::Call(Some(client))
        }
        (Client::ClaudeCode | Client::Gemini, "api_error") => Tale::Failure(client),
        (Client::Codex, "sse_event" | "websocket_event") => match own("event.kind") {
            Some("response.completed" | "response.incomplete")
                if own("input_token_count").is_some() =>
            {
                Tale::Call(Some(client))
            }
            Some("response.failed") => Tale::Failure(client),
            _ => Tale::Nothing,
        },
        (Client::Codex, "api_request" | "websocket_request") => {
            let status = own("http.response.status_code").and_then(|code| code.parse::<u16>().ok());
            let failed = own("error.message").is_some() || status.is_some_and(|code| code >= 400);
            if failed {
                Tale::Failure(client)
            } else {
                Tale::Nothing
            }
        }
        _ => Tale::Nothing,
    }
}

/// Sets what goes without saying in a client's log.
fn set_client<'t>(event: &Event<'_, 't>, client: Client, draft: &mut Draft<'t>) {
    let model = event.own(&["model"]).and_then(|model| model.label());
    let model = model.unwrap_or_default();
    let provider = match client {
        // The ids of the clouds' models tell where it goes.
        Client::ClaudeCode if model.contains("anthropic.") => "aws.bedrock",
        Client::ClaudeCode if model.contains('@') => "gcp.vertex_ai",
        Client::ClaudeCode => "anthropic",
        Client::Codex => "openai",
        Client::Gemini => "gcp.gemini",
    };
    let given = draft.row.text(TextField::Provider).is_some();
    if !given {
        draft.set(TextField::Provider, provider);
    }
    if draft.row.text(TextField::Operation).is_none() {
        draft.set(TextField::Operation, "chat");
    }
}

/// The sender's own time may be 0, and is the event's attribute then; last comes the collector's.
fn set_time<'t>(
    event: &Event<'_, 't>,
    log: Json<'t>,
    draft: &mut Draft<'t>,
) -> Result<(), Rejection> {
    draft.time(log.first(&["timeUnixNano", "time_unix_nano"]))?;
    if draft.time.is_none()
        && let Some(time) = event.own(&["event.timestamp", "timestamp", "start_time"])
    {
        draft.time(time)?;
    }
    if draft.time.is_none() {
        draft.time(log.first(&["observedTimeUnixNano", "observed_time_unix_nano"]))?;
    }
    Ok(())
}

/// Sets an id where the record names no request: that of its span for an event beside a span; of
/// the clients' logs, which have many in a span, a hash of what makes one what it is.
fn set_id<'t>(
    event: &Event<'_, 't>,
    log: Json<'t>,
    client: Option<Client>,
    name: &str,
    draft: &mut Draft<'t>,
) {
    if draft.row.text(TextField::Id).is_some() {
        return;
    }
    let trace = otlp::hex_id(log.first(&["traceId", "trace_id"]), 16);
    let span = otlp::hex_id(log.first(&["spanId", "span_id"]), 8);
    if client.is_none()
        && let (Some(trace), Some(span)) = (trace, span)
    {
        draft.set(TextField::Id, format!("{trace}/{span}"));
        return;
    }
    let Some(time) = draft.time else {
        return;
    };
    const PARTS: [&str; 11] = [
        "session.id",
        "conversation.id",
        "event.sequence",
        "event.timestamp",
        "event.kind",
        "attempt",
        "model",
        "duration_ms",
        "input_tokens",
        "input_token_count",
        "output_token_count",
    ];
    let time = time.to_string();
    let mut parts = vec![name, &time];
    parts.extend(PARTS.map(|name| event.get(name).map_or("", Json::raw)));
    // Two clients that say neither session nor conversation are told apart by where they are.
    parts.extend(event.around.identity());
    draft.set(TextField::Id, identity::of_line("otlp.logs", parts));
}

/// Reads a body that is a record of another format; what it is not is an ordinary log line.
fn inside(rows: &mut Rows<'_>, body: &str) -> Result<(), Rejection> {
    if !body.starts_with('{') {
        return Ok(());
    }
    let Ok(tree) = Tree::parse(body) else {
        return Ok(());
    };
    let Some((decoder, _)) = detect(tree.root(), None) else {
        return Ok(());
    };
    if matches!(
        decoder.format,
        Format::OtlpTraces | Format::OtlpMetrics | Format::OtlpLogs
    ) {
        let detail = "a batch stands inside of a log record";
        return Err(Rejection::new(Reason::Shape, detail));
    }
    // A secret in a text in a text may be spelt with two layers of escapes.
    let look = std::mem::replace(&mut rows.look, true);
    let read = (decoder.decode)(rows, tree.root());
    rows.look = look;
    read
}
