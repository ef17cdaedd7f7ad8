//! OpenAI's usage report: `GET /v1/organization/usage/{completions,embeddings,…}`.
//!
//! A page, one of its buckets, or one result of a bucket with the bucket's times in it.
//! `input_tokens` include cached ones. A dimension that the report was not grouped by is null: a
//! line without `api_key_id` is a sum over many keys.
//! Source: openai/openai-openapi, `UsageResponse`.

use model::{CountField, FlagField, TextField};

use super::{Confidence, Decoder, Format, identity};
use crate::draft::Draft;
use crate::json::Json;
use crate::meaning::tokens::{Convention, Tokens};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::OpenaiUsage,
    marks: &["object"],
    signature: |json| signature(json, "organization.usage."),
    decode: |rows, json| decode(rows, json, read),
};

/// The dimensions of a line and the fields they are.
const DIMENSIONS: [(&str, TextField); 5] = [
    ("project_id", TextField::Project),
    ("user_id", TextField::User),
    ("api_key_id", TextField::Key),
    ("model", TextField::Model),
    ("service_tier", TextField::ServiceTier),
];

/// Dimensions that are no field of the event.
const OTHER_DIMENSIONS: [&str; 4] = ["api_source", "size", "source", "context_level"];

/// Measures that are neither tokens nor requests, and the units they are.
const UNITS: [(&str, &str); 5] = [
    ("images", "images"),
    ("characters", "characters"),
    ("seconds", "seconds"),
    ("usage_bytes", "bytes"),
    ("num_sessions", "sessions"),
];

/// Tells a page, a bucket or a result by the beginning of the result's `object`.
pub(super) fn signature(json: Json<'_>, result: &str) -> Option<Confidence> {
    let object = json.get("object").str()?;
    if object.starts_with(result) {
        return Some(Confidence::Certain);
    }
    let mut results: Box<dyn Iterator<Item = Json<'_>>> = match object {
        "page" => Box::new(json.get("data").items().flat_map(results_of)),
        "bucket" => Box::new(results_of(json)),
        _ => return None,
    };
    match results.next() {
        Some(first) => first
            .get("object")
            .str()
            .filter(|object| object.starts_with(result))
            .map(|_| Confidence::Certain),
        // Buckets without a result are reported too; they say nothing of whose they are.
        None => json.get("data").is_array().then_some(Confidence::Likely),
    }
}

/// Reads the results of a page, of a bucket, or the one that there is: `read` gets the result and
/// its bounds.
pub(super) fn decode<'t>(
    rows: &mut Rows<'_>,
    json: Json<'t>,
    read: fn(&mut Rows<'_>, Bounds<'t>, Json<'t>) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    match json.get("object").str() {
        Some("page") => rows.each(json.get("data").items(), |rows, bucket| {
            decode(rows, bucket, read)
        }),
        Some("bucket") => {
            let bucket = Bounds::of(json);
            rows.each(results_of(json), |rows, result| {
                // Somebody may have written them into the result itself.
                let own = Bounds::of(result);
                let bounds = if own.start.exists() { own } else { bucket };
                read(rows, bounds, result)
            });
        }
        _ => read(rows, Bounds::of(json), json)?,
    }
    Ok(())
}

/// The bounds of a bucket, looked up once for all of its results.
#[derive(Clone, Copy)]
pub(super) struct Bounds<'t> {
    pub(super) start: Json<'t>,
    pub(super) end: Json<'t>,
}

impl<'t> Bounds<'t> {
    fn of(json: Json<'t>) -> Self {
        let [start, end] = ["start_time", "end_time"].map(|name| json.get(name));
        Self { start, end }
    }
}

/// Older pages call the list by the singular.
fn results_of(bucket: Json<'_>) -> impl Iterator<Item = Json<'_>> {
    bucket.first(&["results", "result"]).items()
}

fn read<'t>(rows: &mut Rows<'_>, bounds: Bounds<'t>, result: Json<'t>) -> Result<(), Rejection> {
    let object = result.get("object").str().unwrap_or_default();
    let endpoint = object
        .strip_prefix("organization.usage.")
        .map(|object| object.strip_suffix(".result").unwrap_or(object));
    let Bounds { start, end } = bounds;
    let mut draft = Draft::new("usage");
    draft.span(start, end)?;
    draft.set(TextField::Source, "provider");
    draft.set(TextField::Provider, "openai");
    if let Some(endpoint) = endpoint {
        draft.set(TextField::Operation, endpoint);
    }
    let mut parts = Vec::with_capacity(16);
    parts.extend([object, start.raw(), end.raw()]);
    for (name, field) in DIMENSIONS {
        let value = result.get(name);
        draft.text(field, value);
        parts.push(value.raw());
    }
    for name in OTHER_DIMENSIONS {
        let value = result.get(name);
        draft.extra(name, value);
        parts.push(value.raw());
    }
    draft.flag(FlagField::Batch, result.get("batch"));
    parts.push(result.get("batch").raw());
    draft.set(TextField::Id, identity::of_line("openai.usage", parts));
    draft.text(TextField::Account, result.get("organization_id"));
    set_scope(&mut draft, result);

    let requests = result.first(&["num_model_requests", "num_requests"]);
    draft.count(CountField::Requests, requests)?;
    draft.unit("searches", result.get("num_requests"))?;
    for (name, unit) in UNITS {
        draft.unit(unit, result.get(name))?;
    }
    draft.tokens(Tokens {
        input: result.get("input_tokens").count()?,
        cache_read: result.get("input_cached_tokens").count()?,
        cache_write: result.get("input_cache_write_tokens").count()?,
        output: result.get("output_tokens").count()?,
        convention: Convention::Inclusive,
        ..Tokens::default()
    })?;
    rows.push(result, draft)
}

/// Says what a line covers: the key it names, or all keys of a project or an organisation.
pub(super) fn set_scope(draft: &mut Draft<'_>, result: Json<'_>) {
    if result.get("api_key_id").label().is_some() {
        draft.set(TextField::KeyKind, "provider_id");
        draft.scope("key");
    } else if result.get("project_id").label().is_some() {
        draft.scope("project");
    } else {
        draft.scope("org");
    }
}
