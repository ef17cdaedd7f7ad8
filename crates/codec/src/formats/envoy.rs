//! Access logs of Envoy AI Gateway and of Envoy Gateway, in JSON.
//!
//! The fields are those that its users choose; these are the defaults, those of its documentation
//! for models and tokens, and the dynamic metadata under `io.envoy.ai_gateway`. `-` is how Envoy
//! writes what it does not know. The provider's name is that of a backend.
//! Source: envoyproxy/ai-gateway and envoyproxy/gateway, documentation of access logs.

use model::TextField;

use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::{Json, NameSet, Path};
use crate::meaning::tokens::{Convention, Tokens};
use crate::meaning::{caller, http, provider};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Envoy,
    marks: &[
        "gen_ai.request.model",
        "gen_ai.response.model",
        "gen_ai.usage.input_tokens",
        "llm_input_token",
        "gen_ai.usage.output_tokens",
        "llm_output_token",
        "gen_ai.usage.total_tokens",
        "llm_total_token",
        "x-envoy-origin-path",
        "io.envoy.ai_gateway",
        "dynamic_metadata",
        "metadata",
    ],
    signature,
    decode,
};

const METADATA: &str = "io.envoy.ai_gateway";

/// Names that logs give to what has no default, the first that is there.
static TEXTS: [(TextField, &[Path]); 9] = [
    (TextField::Id, &Path::names(["x-request-id", "request_id"])),
    (
        TextField::Key,
        &Path::names([
            "x-api-key-id",
            "api_key_id",
            "key_id",
            "x-client-id",
            "client_id",
            "consumer",
        ]),
    ),
    (
        TextField::Account,
        &Path::names(["x-tenant-id", "tenant_id", "tenant", "account_id"]),
    ),
    (TextField::Team, &Path::names(["x-team-id", "team_id"])),
    (
        TextField::User,
        &Path::names(["x-user-id", "user.id", "user_id"]),
    ),
    (TextField::EndUser, &Path::names(["enduser.id", "end_user"])),
    (
        TextField::UserAgent,
        &Path::names(["user-agent", "user_agent", "user_agent.original"]),
    ),
    (
        TextField::ModelRequested,
        &Path::names(["gen_ai.request.model", "x-ai-eg-model"]),
    ),
    (
        TextField::Deployment,
        &Path::names(["gen_ai.provider.name", "backend_name"]),
    ),
];

const MODEL: &[Path] = &Path::names([
    "gen_ai.response.model",
    "gen_ai.request.model",
    "x-ai-eg-model",
]);
const ROUTE: &[Path] = &Path::names(["route_name"]);
const FLAGS: &[Path] = &Path::names(["response_flags"]);

/// Counts by the names they have in logs and in the metadata.
const INPUT: &[Path] = &Path::names(["gen_ai.usage.input_tokens", "llm_input_token"]);
const OUTPUT: &[Path] = &Path::names(["gen_ai.usage.output_tokens", "llm_output_token"]);
const TOTAL: &[Path] = &Path::names(["gen_ai.usage.total_tokens", "llm_total_token"]);
const CACHE_READ: &[Path] = &Path::names([
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cached_input_tokens",
    "llm_cached_input_token",
]);
const CACHE_WRITE: &[Path] = &Path::names([
    "gen_ai.usage.cache_write.input_tokens",
    "gen_ai.usage.cache_creation.input_tokens",
    "gen_ai.usage.cache_creation_input_tokens",
    "llm_cache_creation_input_token",
]);
const REASONING: &[Path] = &Path::names([
    "gen_ai.usage.reasoning.output_tokens",
    "llm_reasoning_token",
]);

/// The flags of a request that Envoy itself refused: its quota was spent, or it was not allowed.
const REFUSED: [&str; 3] = ["RL", "RLSE", "UAEX"];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let has = |names: &[&str]| names.iter().any(|name| json.has(name));
    let counts = has(&["gen_ai.request.model", "gen_ai.response.model"])
        || [INPUT, OUTPUT, TOTAL]
            .iter()
            .any(|names| names.iter().any(|name| json.has(name.text())));
    let request = has(&[
        "response_code",
        "x-envoy-origin-path",
        "downstream_remote_address",
    ]);
    let own = (counts && request)
        || metadata(json).exists()
        || (json.has("x-envoy-origin-path") && json.has("response_code"));
    if own {
        return Some(Confidence::Certain);
    }
    // A span that somebody made flat has such names too.
    (counts && json.has("start_time")).then_some(Confidence::Likely)
}

/// Returns the dynamic metadata of the gateway, wherever the log has it.
fn metadata(json: Json<'_>) -> Json<'_> {
    let places: [&[&str]; 4] = [
        &[METADATA],
        &["dynamic_metadata", METADATA],
        &["metadata", METADATA],
        &["metadata", "filter_metadata", METADATA],
    ];
    let mut found = places.iter().map(|place| json.path(place));
    found
        .find(|found| found.exists())
        .unwrap_or(json.get(METADATA))
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    // As text where the log's own format is text.
    let metadata = metadata(json).inner()?;
    read(rows, json, metadata.json())
}

fn read<'t>(rows: &mut Rows<'_>, json: Json<'t>, metadata: Json<'t>) -> Result<(), Rejection> {
    let log = Log::of(json, metadata);
    let mut draft = Draft::call();
    draft.time(json.get("start_time"))?;
    draft.set(TextField::Source, "gateway");
    for &(field, names) in &TEXTS {
        draft.text(field, log.known(names));
    }
    if draft.row.text(TextField::Key).is_some() {
        draft.set(TextField::KeyKind, "consumer");
    } else if let Some(sent) = http::credential(json) {
        draft.credential(rows.codec, sent);
    }
    let backend = draft
        .row
        .text(TextField::Deployment)
        .and_then(provider::known);
    if let Some(provider) = backend.map(|name| name.into_owned()) {
        draft.set(TextField::Provider, provider);
    }
    draft.text(TextField::Model, log.known(MODEL));
    draft.path(json.first(&["x-envoy-origin-path", "path"]));
    draft.extra("session_id", json.get("session.id"));
    draft.extra("route_name", log.known(ROUTE));
    let flags = log.known(FLAGS);
    draft.extra("response_flags", flags);
    let connected = json.get("downstream_remote_address").label();
    let hops = json.get("x-forwarded-for").label();
    caller::fill(&mut draft.row, caller::behind_proxies(connected, hops));
    if flags
        .label()
        .is_some_and(|flags| flags.split(',').any(|flag| REFUSED.contains(&flag)))
    {
        draft.set(TextField::Outcome, "blocked");
    }
    draft.status(json.get("response_code"))?;
    draft.latency_millis(json.get("duration"))?;
    let count = |names: &[Path]| log.known(names).count();
    draft.seen_tokens(Tokens {
        input: count(INPUT)?,
        cache_read: count(CACHE_READ)?,
        cache_write: count(CACHE_WRITE)?,
        output: count(OUTPUT)?,
        reasoning: count(REASONING)?,
        total: count(TOTAL)?,
        convention: Convention::Inclusive,
        ..Tokens::default()
    })?;
    rows.push(json, draft)
}

/// A log and the metadata of the gateway in it.
struct Log<'t> {
    json: Json<'t>,
    metadata: Json<'t>,
    /// Those of both: of fifty names that are asked for, most are in neither.
    names: NameSet,
}

impl<'t> Log<'t> {
    fn of(json: Json<'t>, metadata: Json<'t>) -> Self {
        Self {
            json,
            metadata,
            names: json.hashes().chain(metadata.hashes()).collect(),
        }
    }

    /// Returns the first that is known of these, in the log or in the metadata.
    fn known(&self, names: &[Path]) -> Json<'t> {
        let is_known = |found: &Json<'t>| found.label().is_some();
        for name in names.iter().filter(|name| name.may_begin_in(&self.names)) {
            let places = [self.json, self.metadata].into_iter();
            let mut found = places.map(|place| name.follow(place));
            if let Some(found) = found.find(is_known) {
                return found;
            }
        }
        self.json.absent()
    }
}
