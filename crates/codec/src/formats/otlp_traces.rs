//! OpenTelemetry traces: spans that are one call of a model.
//!
//! Agents, tools, chains and workflows have spans as well, with the sums of the calls below them;
//! those are passed over, and so is every span that has nothing to do with models. What two spans
//! say of one request (the SDK's and the API's own) has one id, that of the request or response.
//! Source: open-telemetry/opentelemetry-proto, `trace.proto`.

use model::TextField;

use super::otlp::{self, Attributes, Event, Names, genai};
use super::{Confidence, Decoder, Format};
use crate::json::Json;
use crate::meaning::instant;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::OtlpTraces,
    marks: &[
        "resourceSpans",
        "resource_spans",
        "scopeSpans",
        "scope_spans",
        "instrumentationLibrarySpans",
        "instrumentation_library_spans",
    ],
    signature,
    decode,
};

static NAMES: Names = Names {
    resources: &["resourceSpans", "resource_spans"],
    scopes: &[
        "scopeSpans",
        "scope_spans",
        "instrumentationLibrarySpans",
        "instrumentation_library_spans",
    ],
    items: &["spans"],
};

fn signature(json: Json<'_>) -> Option<Confidence> {
    otlp::signature(json, &NAMES)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    otlp::each_scope(rows, json, &NAMES, |rows, around, scope| {
        rows.each(otlp::list(scope.first(NAMES.items))?, |rows, span| {
            let own = Attributes::of(span);
            let event = Event { own, around };
            read(rows, &event, span)
        });
        Ok(())
    })
}

fn read<'t>(rows: &mut Rows<'_>, event: &Event<'_, 't>, span: Json<'t>) -> Result<(), Rejection> {
    let kind = span.get("kind").label();
    let client = matches!(kind, Some("3" | "SPAN_KIND_CLIENT" | "CLIENT"));
    if !genai::is_call(event, client) {
        return Ok(());
    }
    let mut draft = genai::read(rows, event)?;
    let start = instant::read(span.first(&["startTimeUnixNano", "start_time_unix_nano"]))?;
    let end = instant::read(span.first(&["endTimeUnixNano", "end_time_unix_nano"]))?;
    draft.time = start.or(end);
    let millis = start.zip(end);
    let millis = millis.map(|(start, end)| (end.millis() - start.millis()) as f64);
    genai::set_latency(&mut draft, millis);

    let trace = otlp::hex_id(span.first(&["traceId", "trace_id"]), 16);
    let id = otlp::hex_id(span.first(&["spanId", "span_id"]), 8);
    if draft.row.text(TextField::Id).is_none()
        && let (Some(trace), Some(id)) = (&trace, &id)
    {
        draft.set(TextField::Id, format!("{trace}/{id}"));
    }
    if let Some(trace) = trace {
        draft.row.extra.push(("trace_id".into(), trace.into()));
    }
    let status = span.get("status").get("code").label();
    if matches!(status, Some("2" | "STATUS_CODE_ERROR" | "ERROR" | "Error")) {
        draft.set(TextField::Outcome, "error");
    } else if draft.row.text(TextField::Outcome).is_none() {
        draft.set(TextField::Outcome, "ok");
    }
    event.check()?;
    rows.push(span, draft)
}
