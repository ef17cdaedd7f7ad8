//! AWS Bedrock's model invocation log.
//!
//! Cached tokens stand beside `inputTokenCount`. The log names a principal and no access key; for
//! a role that was assumed, what comes after the role is the name of a session, which is another
//! one every hour, so that the role is the key. Bodies are never kept.
//! Source: AWS documentation, "Monitor model invocation"; samples of elastic/integrations.

use model::{CountField, FlagField, TextField};

use super::{Confidence, Decoder, Format, aws};
use crate::draft::Draft;
use crate::json::Json;
use crate::meaning::tokens::{Convention, Tokens};
use crate::meaning::usage;
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Bedrock,
    marks: &["schemaType"],
    signature,
    decode,
};

fn signature(json: Json<'_>) -> Option<Confidence> {
    (json.get("schemaType").str()? == "ModelInvocationLog").then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let (model, operation) = (json.get("modelId"), json.get("operation"));
    let mut draft = Draft::call();
    draft.time(json.get("timestamp"))?;
    draft.text(TextField::Id, json.get("requestId"));
    draft.set(TextField::Source, "provider");
    draft.set(TextField::Provider, "aws.bedrock");
    draft.text(TextField::Account, json.get("accountId"));
    draft.text(TextField::Region, json.get("region"));
    draft.text(TextField::Model, model);
    draft.text(TextField::Operation, operation);
    draft.extra("inference_region", json.get("inferenceRegion"));
    if model
        .str()
        .is_some_and(|id| id.contains(":application-inference-profile/"))
    {
        draft.text(TextField::Deployment, model);
    }
    if let Some(operation) = operation.str() {
        draft.row.flags[FlagField::Stream as usize] = Some(operation.ends_with("Stream"));
    }
    if let Some(arn) = json.path(&["identity", "arn"]).str() {
        draft.set(TextField::Principal, arn);
        draft.set(TextField::Key, aws::without_session(arn));
        draft.set(TextField::KeyKind, "arn");
    }
    let error = json.get("errorCode");
    draft.text(TextField::Error, error);
    if let Some(status) = error.str().and_then(aws::status_of) {
        draft.row.set_count(CountField::Status, status);
    }
    let failed = error.exists();
    draft.set(TextField::Outcome, if failed { "error" } else { "ok" });
    for (name, value) in json.get("requestMetadata").members() {
        draft.extra(name, value);
    }
    draft.tokens(tokens(json.get("input"), json.get("output"))?)?;
    rows.push(json, draft)
}

fn tokens(input: Json<'_>, output: Json<'_>) -> Result<Tokens, Rejection> {
    let tokens = Tokens {
        input: input.get("inputTokenCount").count()?,
        cache_read: input.get("cacheReadInputTokenCount").count()?,
        cache_write: input.get("cacheWriteInputTokenCount").count()?,
        output: output.get("outputTokenCount").count()?,
        convention: Convention::Exclusive,
        ..Tokens::default()
    };
    if tokens.exist() {
        return Ok(tokens);
    }
    // Logs of embeddings and of some models have the counts in the answer only.
    usage::read(output.path(&["outputBodyJson", "usage"]))
}
