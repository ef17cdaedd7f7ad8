//! The diagnostic logs of Azure OpenAI and of the other AI services of Azure.
//!
//! | category | kind |
//! |---|---|
//! | `RequestResponse` | access |
//! | `Audit`, and `Administrative` of the activity log | audit |
//!
//! A resource has two keys, which no log tells apart: where the caller has no identity in Entra,
//! the resource stands for both of them. There are no tokens here. Categories whose fields are not
//! documented, and metrics, are no row and no fault.
//! Source: samples of elastic/integrations; Azure documentation, "Monitor Azure OpenAI".

use model::{CountField, FlagField, TextField};

use super::{Confidence, Decoder, Format, azure, identity};
use crate::draft::Draft;
use crate::json::Json;
use crate::meaning::instant;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::AzureDiagnostics,
    marks: &["category", "metricName"],
    signature,
    decode: |rows, json| azure::with_properties(rows, json, read),
};

fn signature(json: Json<'_>) -> Option<Confidence> {
    let own = azure::is_record(json) && azure::is_of(json, "/Microsoft.CognitiveServices/");
    own.then_some(Confidence::Certain)
}

/// What is kept beside the fields, by the name it is kept under.
const EXTRA: [(&str, &str); 5] = [
    ("api_name", "apiName"),
    ("model_version", "modelVersion"),
    ("request_bytes", "requestLength"),
    ("response_bytes", "responseLength"),
    ("tenant", "tenantId"),
];

fn read(rows: &mut Rows<'_>, json: Json<'_>, properties: Json<'_>) -> Result<(), Rejection> {
    let category = json.any_case("category").str().unwrap_or_default();
    let mut draft = match category {
        "RequestResponse" => call(json, properties)?,
        "Audit" | "Administrative" => change(json)?,
        _ => return Ok(()),
    };
    let resource = azure::resource_id(json).unwrap_or_default();
    let resource = azure::set_resource(&mut draft, resource);
    draft.set(TextField::Source, "provider");
    draft.set(TextField::Provider, provider(properties));
    draft.text(TextField::Region, json.any_case("location"));
    draft.text(TextField::Operation, json.any_case("operationName"));
    draft.caller(json.any_case("callerIpAddress"));
    azure::set_latency(&mut draft, json.any_case("durationMs"))?;
    for (kept, name) in EXTRA {
        draft.extra(kept, properties.any_case(name));
    }
    let object = properties.any_case("objectId");
    if category == "RequestResponse" && object.label().is_some() {
        draft.text(TextField::Principal, object);
        draft.text(TextField::Key, object);
        draft.set(TextField::KeyKind, "principal");
        draft.extra_text("resource", resource);
    } else {
        draft.set(TextField::Key, resource);
        draft.set(TextField::KeyKind, "resource");
    }
    azure::push(rows, json, properties, draft)
}

fn call<'t>(json: Json<'t>, properties: Json<'t>) -> Result<Draft<'t>, Rejection> {
    let mut draft = Draft::new("access");
    draft.row.set_count(CountField::Requests, 1);
    // Ticks of 100 ns; the time of the record is that of the log.
    draft.time(json.any_case("time"))?;
    let (asked, answered) = (
        properties.any_case("requestTime"),
        properties.any_case("responseTime"),
    );
    draft.time(asked)?;
    draft.text(TextField::Id, json.any_case("correlationId"));
    draft.text(
        TextField::Deployment,
        properties.any_case("modelDeploymentName"),
    );
    draft.text(TextField::Model, properties.any_case("modelName"));
    let status = json.first_of_any_case(&["resultSignature", "httpStatusCode"]);
    // Some services have a word where most have a status.
    draft.status(status.numeric())?;
    let stream = properties.any_case("streamType").str();
    draft.row.flags[FlagField::Stream as usize] =
        stream.map(|stream| stream.eq_ignore_ascii_case("streaming"));
    // The record's own duration, which is read later, says more where it says anything.
    let measured = instant::read(asked)?.zip(instant::read(answered)?);
    let measured = measured.and_then(|(from, to)| u64::try_from(to.millis() - from.millis()).ok());
    if let Some(millis) = measured {
        draft.row.set_count(CountField::LatencyMs, millis);
    }
    Ok(draft)
}

fn change(json: Json<'_>) -> Result<Draft<'_>, Rejection> {
    let mut draft = Draft::new("audit");
    draft.time(json.any_case("time"))?;
    let (result, correlation) = (json.any_case("resultType"), json.any_case("correlationId"));
    // Start and end of one change have the same correlation.
    let parts = [correlation, json.any_case("operationName"), result];
    let parts = parts.map(|part| part.label().unwrap_or_default());
    if correlation.label().is_some() {
        draft.set(TextField::Id, identity::of_line("azure.diagnostics", parts));
    }
    draft.extra("correlation_id", correlation);
    draft.extra("result", result);
    let failed = result
        .str()
        .is_some_and(|result| result.starts_with("Fail"));
    draft.set(TextField::Outcome, if failed { "error" } else { "ok" });
    draft.status(json.any_case("resultSignature").numeric())?;
    if failed {
        draft.text(TextField::Error, json.any_case("resultSignature"));
    }
    let claims = json.any_case("identity").any_case("claims");
    let names = [
        json.any_case("caller"),
        claims.get("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"),
        claims.get("http://schemas.microsoft.com/identity/claims/objectidentifier"),
        claims.get("appid"),
    ];
    if let Some(name) = names.into_iter().find(|name| name.label().is_some()) {
        draft.text(TextField::Principal, name);
    }
    Ok(draft)
}

/// OpenAI's models are told by the name of the API or by a deployment.
fn provider(properties: Json<'_>) -> &'static str {
    let api = properties.any_case("apiName").str().unwrap_or_default();
    let deployment = properties.any_case("modelDeploymentName");
    if api.contains("OpenAI") || deployment.label().is_some() || api.is_empty() {
        "azure.ai.openai"
    } else {
        "azure.ai.inference"
    }
}
