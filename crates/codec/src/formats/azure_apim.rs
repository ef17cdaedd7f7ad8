//! The logs of AI gateways in Azure API Management.
//!
//! | category | kind | says |
//! |---|---|---|
//! | `GatewayLlmLogs` | usage | tokens, model; no caller |
//! | `GatewayLogs` of AI APIs | access | subscription, address, status; no tokens |
//!
//! A long prompt or answer is cut into messages, and only the first of them, sequence 0, has the
//! tokens; the others are no row. Nor are other categories and metrics of the same service. The two logs share `correlation_id`. On an Event Hub the members
//! stand in `properties` in camel case; an export of Log Analytics has them in the record in
//! Pascal case. `promptCachedTokens` is on the Event Hub only.
//! Source: Azure documentation, tables `ApiManagementGatewayLlmLog` and `ApiManagementGatewayLogs`.

use model::{CountField, FlagField, TextField};

use super::{Confidence, Decoder, Format, azure};
use crate::draft::Draft;
use crate::json::Json;
use crate::meaning::tokens::{Convention, Tokens};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::AzureApim,
    marks: &["category", "Type", "metricName"],
    signature,
    decode: |rows, json| azure::with_properties(rows, json, read),
};

/// What the address of an AI API has in it.
const AI_PATHS: [&str; 9] = [
    "/openai/",
    "/chat/completions",
    "/completions",
    "/responses",
    "/embeddings",
    "/v1/messages",
    "/anthropic/",
    "/images/generations",
    ":generatecontent",
];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let other = || azure::is_record(json) && azure::is_of(json, "/Microsoft.ApiManagement/");
    let own = table(json).is_some() || other();
    own.then_some(Confidence::Certain)
}

#[derive(Clone, Copy)]
enum Table {
    Tokens,
    Requests,
}

fn table(json: Json<'_>) -> Option<Table> {
    match json.first_of_any_case(&["category", "Type"]).str()? {
        "GatewayLlmLogs" | "ApiManagementGatewayLlmLog" => Some(Table::Tokens),
        "GatewayLogs" | "ApiManagementGatewayLogs" => Some(Table::Requests),
        _ => None,
    }
}

fn read(rows: &mut Rows<'_>, json: Json<'_>, properties: Json<'_>) -> Result<(), Rejection> {
    let either = |name| match properties.any_case(name) {
        value if value.exists() => value,
        _ => json.any_case(name),
    };
    let correlation = either("correlationId");
    let draft = match table(json) {
        Some(Table::Tokens) => tokens(properties)?,
        Some(Table::Requests) => request(properties, correlation)?,
        None => None,
    };
    let Some(mut draft) = draft else {
        return Ok(());
    };
    if let Table::Tokens = table(json).unwrap_or(Table::Requests) {
        draft.text(TextField::Id, correlation);
    }
    draft.time(json.first_of_any_case(&["time", "TimeGenerated"]))?;
    draft.set(TextField::Source, "gateway");
    azure::set_resource(&mut draft, azure::resource_id(json).unwrap_or_default());
    draft.text(TextField::Region, either("location"));
    if draft.row.text(TextField::Region).is_none() {
        draft.text(TextField::Region, either("region"));
    }
    draft.caller(either("callerIpAddress"));
    draft.extra("correlation_id", correlation);
    azure::set_latency(
        &mut draft,
        json.first_of_any_case(&["durationMs", "TotalTime"]),
    )?;
    azure::push(rows, json, properties, draft)
}

/// Reads the tokens of a call; nothing for the later parts of one and for what is no call.
fn tokens(properties: Json<'_>) -> Result<Option<Draft<'_>>, Rejection> {
    let get = |name| properties.any_case(name);
    if get("sequenceNumber").count()?.unwrap_or(0) > 0 {
        return Ok(None);
    }
    let model = get("modelName");
    let name = model.str().unwrap_or_default();
    let tokens = Tokens {
        input: get("promptTokens").count()?,
        cache_read: get("promptCachedTokens").count()?,
        output: get("completionTokens").count()?,
        total: get("totalTokens").count()?,
        convention: if name.starts_with("claude") {
            Convention::Exclusive
        } else {
            Convention::Inclusive
        },
        ..Tokens::default()
    };
    // The gateway's own probes have neither.
    let counted = tokens.input.unwrap_or(0) + tokens.output.unwrap_or(0);
    if counted == 0 && name.is_empty() && get("requestId").label().is_none() {
        return Ok(None);
    }
    let mut draft = Draft::call();
    draft.set(TextField::Provider, provider(name));
    draft.text(TextField::Model, model);
    draft.text(TextField::Deployment, get("deploymentName"));
    draft.flag(FlagField::Stream, get("isStreamCompletion"));
    draft.set(TextField::Outcome, "ok");
    draft.extra("request_id", get("requestId"));
    draft.extra("api_version", get("apiVersion"));
    draft.tokens(tokens)?;
    Ok(Some(draft))
}

/// Reads who made a call; nothing for a call of another API than those of AI.
fn request<'t>(
    properties: Json<'t>,
    correlation: Json<'t>,
) -> Result<Option<Draft<'t>>, Rejection> {
    let get = |name| properties.any_case(name);
    let addresses = [get("url"), get("backendUrl")];
    let addresses = addresses.map(|url| url.str().unwrap_or_default().to_ascii_lowercase());
    let is_ai = |url: &String| AI_PATHS.iter().any(|path| url.contains(path));
    if !addresses.iter().any(is_ai) {
        return Ok(None);
    }
    let mut draft = Draft::new("access");
    draft.row.set_count(CountField::Requests, 1);
    let openai = addresses.iter().any(|url| url.contains("/openai/"));
    draft.set(
        TextField::Provider,
        if openai {
            "azure.ai.openai"
        } else {
            "azure.ai.inference"
        },
    );
    // The tokens of the call have the correlation as their id.
    if let Some(correlation) = correlation.label() {
        draft.set(TextField::Id, format!("{correlation}/gateway"));
    }
    let deployment = addresses.iter().find_map(|url| {
        let (_, rest) = url.split_once("/deployments/")?;
        rest.split(['/', '?']).next()
    });
    if let Some(deployment) = deployment {
        draft.set(TextField::Deployment, deployment.to_owned());
    }
    draft.text(TextField::Operation, get("operationId"));
    draft.text(TextField::User, get("userId"));
    let subscription = get("apimSubscriptionId");
    if subscription.label().is_some() {
        draft.text(TextField::Key, subscription);
        draft.set(TextField::KeyKind, "consumer");
    }
    draft.text(
        TextField::UserAgent,
        get("requestHeaders").any_case("User-Agent"),
    );
    draft.status(get("responseCode"))?;
    draft.text(TextField::Error, get("lastError").any_case("reason"));
    if draft.row.text(TextField::Error).is_none() {
        draft.text(TextField::Error, get("lastErrorReason"));
    }
    draft.extra("api", get("apiId"));
    draft.extra("product", get("productId"));
    Ok(Some(draft))
}

/// The log names a model and no provider; OpenAI's models are served by Azure OpenAI.
fn provider(model: &str) -> &'static str {
    const OPENAI: [&str; 7] = [
        "gpt",
        "o1",
        "o3",
        "o4",
        "text-embedding",
        "dall-e",
        "whisper",
    ];
    if OPENAI.iter().any(|name| model.starts_with(name)) {
        "azure.ai.openai"
    } else {
        "azure.ai.inference"
    }
}
