//! Anthropic's usage report: `GET /v1/organizations/usage_report/messages`.
//!
//! A page, one of its buckets, or one result with the bucket's times in it. Cached tokens stand
//! beside `uncached_input_tokens`. It does not say how many requests there were. A line without
//! `api_key_id` is a sum over many keys, or use of the Console.
//! Source: Anthropic's Admin API reference.

use model::{FlagField, TextField};

use super::{Confidence, Decoder, Format, identity};
use crate::draft::Draft;
use crate::json::Json;
use crate::meaning::tokens::{Convention, Tokens};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::AnthropicUsage,
    marks: &["uncached_input_tokens", "data", "starting_at"],
    signature: |json| signature(json, "uncached_input_tokens"),
    decode: |rows, json| decode(rows, json, read),
};

/// The dimensions of a line and the fields they are.
const DIMENSIONS: [(&str, TextField); 7] = [
    ("api_key_id", TextField::Key),
    ("workspace_id", TextField::Workspace),
    ("account_id", TextField::User),
    ("service_account_id", TextField::Principal),
    ("model", TextField::Model),
    ("service_tier", TextField::ServiceTier),
    ("inference_geo", TextField::Region),
];

/// Dimensions that are no field of the event.
const OTHER_DIMENSIONS: [&str; 2] = ["context_window", "speed"];

/// Tells a page, a bucket or a result by a name that only such results have.
pub(super) fn signature(json: Json<'_>, mark: &str) -> Option<Confidence> {
    if json.has(mark) {
        return Some(Confidence::Certain);
    }
    let buckets = json.get("data");
    let mut results = if buckets.is_array() {
        buckets.items().next()?.get("starting_at").str()?;
        results_of_page(json)
    } else {
        json.get("starting_at").str()?;
        json.get("results").is_array().then_some(())?;
        Box::new(json.get("results").items())
    };
    match results.next() {
        Some(first) => first.has(mark).then_some(Confidence::Certain),
        // Buckets without a result are reported too.
        None => Some(Confidence::Likely),
    }
}

fn results_of_page<'t>(page: Json<'t>) -> Box<dyn Iterator<Item = Json<'t>> + 't> {
    let buckets = page.get("data").items();
    Box::new(buckets.flat_map(|bucket| bucket.get("results").items()))
}

/// Reads the results of a page, of a bucket, or the one that there is: `read` gets the bounds of the
/// bucket, which are looked up once for all of its results, and the result.
pub(super) fn decode<'t>(
    rows: &mut Rows<'_>,
    json: Json<'t>,
    read: fn(&mut Rows<'_>, [Json<'t>; 2], Json<'t>) -> Result<(), Rejection>,
) -> Result<(), Rejection> {
    let bounds = || ["starting_at", "ending_at"].map(|name| json.get(name));
    if json.get("data").is_array() {
        rows.each(json.get("data").items(), |rows, bucket| {
            decode(rows, bucket, read)
        });
    } else if json.get("results").is_array() {
        let bounds = bounds();
        rows.each(json.get("results").items(), |rows, result| {
            read(rows, bounds, result)
        });
    } else {
        read(rows, bounds(), json)?;
    }
    Ok(())
}

fn read<'t>(
    rows: &mut Rows<'_>,
    [start, end]: [Json<'t>; 2],
    result: Json<'t>,
) -> Result<(), Rejection> {
    let mut draft = Draft::new("usage");
    draft.span(start, end)?;
    draft.set(TextField::Source, "provider");
    draft.set(TextField::Provider, "anthropic");
    let mut parts = Vec::with_capacity(16);
    parts.extend([start.raw(), end.raw()]);
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
    draft.set(TextField::Id, identity::of_line("anthropic.usage", parts));
    draft.text(TextField::Account, result.get("organization_id"));
    if let Some(tier) = result.get("service_tier").str() {
        draft.row.flags[FlagField::Batch as usize] = Some(tier == "batch");
    }
    if result.get("api_key_id").label().is_some() {
        draft.set(TextField::KeyKind, "provider_id");
        draft.scope("key");
    } else if result.get("workspace_id").label().is_some() {
        draft.scope("project");
    } else {
        draft.scope("org");
    }

    let cache_creation = result.get("cache_creation");
    let one_hour = cache_creation.get("ephemeral_1h_input_tokens").count()?;
    let five_minutes = cache_creation.get("ephemeral_5m_input_tokens").count()?;
    let written = one_hour.or(five_minutes).is_some();
    draft.tokens(Tokens {
        input: result.get("uncached_input_tokens").count()?,
        cache_read: result.get("cache_read_input_tokens").count()?,
        cache_write: written.then(|| one_hour.unwrap_or(0) + five_minutes.unwrap_or(0)),
        cache_write_1h: one_hour,
        output: result.get("output_tokens").count()?,
        convention: Convention::Exclusive,
        ..Tokens::default()
    })?;
    let searches = result.path(&["server_tool_use", "web_search_requests"]);
    draft.unit("web_searches", searches)?;
    rows.push(result, draft)
}
