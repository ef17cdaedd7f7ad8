//! Anthropic's report of Claude Code: `GET /v1/organizations/usage_report/claude_code`, one entry a
//! day, actor and terminal, with a breakdown by model.
//!
//! The cost is an estimate in **cents**; cached tokens stand beside the input. Use by keys is in
//! `anthropic.usage` too, so that every line here is an aggregate and feeds no key's baseline.
//! Source: Anthropic's Admin API reference.

use model::{FlagField, Quality, TextField, Timestamp};

use super::anthropic_costs::set_cost;
use super::{Confidence, Decoder, Format, identity};
use crate::draft::Draft;
use crate::json::Json;
use crate::meaning::tokens::{Convention, Tokens};
use crate::rejection::Rejection;
use crate::rows::Rows;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::AnthropicClaudeCode,
    marks: &["model_breakdown"],
    signature,
    decode,
};

/// Dimensions of an entry that are no field of the event.
const OTHER_DIMENSIONS: [&str; 4] = [
    "customer_type",
    "subscription_type",
    "terminal_type",
    "is_remote",
];

fn signature(json: Json<'_>) -> Option<Confidence> {
    let own = json.get("model_breakdown").is_array() && json.get("actor").is_object();
    own.then_some(Confidence::Certain)
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let entry = Entry::of(json);
    rows.each(json.get("model_breakdown").items(), |rows, line| {
        read(rows, &entry, line)
    });
    Ok(())
}

/// What all lines of an entry share, looked up once.
struct Entry<'t> {
    date: Json<'t>,
    organization: Json<'t>,
    actor_type: Json<'t>,
    key: Json<'t>,
    email: Json<'t>,
    others: [Json<'t>; OTHER_DIMENSIONS.len()],
}

impl<'t> Entry<'t> {
    fn of(json: Json<'t>) -> Self {
        let actor = json.get("actor");
        Self {
            date: json.get("date"),
            organization: json.get("organization_id"),
            actor_type: actor.get("type"),
            key: actor.get("api_key_name"),
            email: actor.get("email_address"),
            others: OTHER_DIMENSIONS.map(|name| json.get(name)),
        }
    }
}

fn read<'t>(rows: &mut Rows<'_>, entry: &Entry<'t>, line: Json<'t>) -> Result<(), Rejection> {
    let mut draft = Draft::new("usage");
    draft.time(entry.date)?;
    draft.row.time_start = draft.time;
    draft.row.time_end = draft.time.map(|start| start.plus(Timestamp::DAY));
    draft.set(TextField::Source, "provider");
    draft.set(TextField::Provider, "anthropic");
    draft.set(TextField::Service, "claude-code");
    draft.text(TextField::Account, entry.organization);
    draft.text(TextField::Model, line.get("model"));
    draft.extra("actor_type", entry.actor_type);
    // A key is known by its name here, and by nothing else.
    let key = entry.key;
    draft.text(TextField::Key, key);
    draft.text(TextField::KeyAlias, key);
    draft.text(TextField::Principal, entry.email);
    let named = key.label().is_some();
    if named {
        draft.set(TextField::KeyKind, "alias");
    }
    draft.set(TextField::Scope, if named { "key" } else { "org" });
    draft.row.flags[FlagField::Aggregate as usize] = Some(true);
    let who = [key, entry.email].into_iter().find(|who| who.exists());
    let mut parts = vec![
        entry.date.raw(),
        entry.organization.raw(),
        who.map_or("", Json::raw),
        line.get("model").raw(),
    ];
    for (name, value) in OTHER_DIMENSIONS.into_iter().zip(entry.others) {
        draft.extra(name, value);
        parts.push(value.raw());
    }
    let id = identity::of_line("anthropic.claude_code", parts);
    draft.set(TextField::Id, id);

    let tokens = line.get("tokens");
    draft.tokens(Tokens {
        input: tokens.get("input").count()?,
        cache_read: tokens.get("cache_read").count()?,
        cache_write: tokens.get("cache_creation").count()?,
        output: tokens.get("output").count()?,
        convention: Convention::Exclusive,
        ..Tokens::default()
    })?;
    let cost = line.get("estimated_cost");
    let currency = cost.get("currency").str().unwrap_or("USD");
    set_cost(&mut draft, cost.get("amount"), currency, "reported")?;
    if draft.row.cost.is_some() {
        draft.quality(Quality::ESTIMATED_COST);
    }
    rows.push(line, draft)
}
