//! Anybody's own JSON: an event around the usage object that a provider answered with, under the
//! names that people give such things, or wherever the settings say ([`Mapping`]).
//!
//! It is told by a usage object with counts, or by names of token counts that the native event does
//! not have. Nothing but the fields of the tables is kept, for the rest may be a prompt.

mod names;

use model::{CountField, FlagField, Quality, TextField};

pub(crate) use names::KEYS;
use names::*;

use super::{Confidence, Decoder, Format};
use crate::draft::Draft;
use crate::json::{Json, NameSet, Path, Unit};
use crate::mapping::{Mapping, Target, at};
use crate::meaning::tokens::{Convention, Tokens};
use crate::meaning::{caller, http, instant, usage};
use crate::rejection::Rejection;
use crate::rows::Rows;
use crate::words::Words;

pub(super) static DECODER: Decoder = Decoder {
    format: Format::Generic,
    marks: &[
        "usage",
        "usageMetadata",
        "usage_metadata",
        "response",
        "response_body",
        "responseBody",
        "body",
        "result",
        "message",
        "completion",
        "llm",
        "output",
        "prompt_tokens",
        "completion_tokens",
        "promptTokenCount",
        "inputTokens",
        "outputTokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "input_tokens",
        "output_tokens",
    ],
    signature,
    decode,
};

fn signature(json: Json<'_>) -> Option<Confidence> {
    let names = json.names();
    let any = |paths: &[Path]| {
        let mut found = paths.iter().filter_map(|path| path.find(json, &names));
        found.any(Json::exists)
    };
    // The native event's own names, beside a time that is called otherwise.
    let like_native = || any(COUNTS) && any(&TIMES[1..]);
    let flat = || any(FLAT) || (!json.has("time") && like_native());
    (usage_object(json, &names).is_some() || flat()).then_some(Confidence::Likely)
}

/// Returns the first usage object that counts anything.
fn usage_object<'t>(json: Json<'t>, names: &NameSet) -> Option<Json<'t>> {
    const TOKEN: Words = Words::new(&["token"]);
    const DETAIL: Words = Words::new(&["detail"]);
    let mut objects = USAGE.iter().filter_map(|path| path.find(json, names));
    objects.find(|object| {
        let mut members = object.members();
        members.any(|(name, _)| TOKEN.are_in(name) && !DETAIL.are_in(name))
    })
}

fn decode(rows: &mut Rows<'_>, json: Json<'_>) -> Result<(), Rejection> {
    let choice = rows.choice;
    let mapping = choice.and_then(|choice| choice.mapping());
    let mut draft = Draft::call();
    let names = json.names();
    let from = Aliases {
        json,
        names: &names,
        mapping,
    };
    if let Some(time) = from.find(Target::Time, TIMES) {
        draft.time(time)?;
    }
    set_texts(&mut draft, &from);
    set_caller(&mut draft, &from);
    if let Some(cost) = from.find(Target::Cost, COSTS) {
        let unit = mapping.map_or(Unit::Dollars, Mapping::cost_unit);
        draft.cost(cost, unit, "reported")?;
        draft.quality(Quality::ESTIMATED_COST);
    }
    if let Some(status) = from.find(Target::Count(CountField::Status), STATUSES) {
        set_status(&mut draft, status)?;
    }
    let latency = Target::Count(CountField::LatencyMs);
    if let Some(millis) = from.find(latency, LATENCIES).map(Json::number) {
        let millis = millis?.filter(|millis| (0.0..1e12).contains(millis));
        draft.row.counts[CountField::LatencyMs as usize] =
            millis.map(|millis| millis.round() as u64);
    }
    draft.flag(
        FlagField::Stream,
        json.first(&["stream", "is_stream", "isStream"]),
    );
    let mut tokens = match usage_object(json, &names) {
        Some(object) => usage::read(object)?,
        None => usage::read(json)?,
    };
    if let Some(mapping) = mapping {
        apply(mapping, json, &mut draft, &mut tokens)?;
    }
    unwrap_key(&mut draft);
    draft.tokens(tokens)?;
    if draft.row.text(TextField::User).is_none()
        && let Some(subject) = rows.context.subject.clone()
    {
        draft.set(TextField::User, subject);
    }
    rows.push(json, draft)
}

/// Where to look for a field: at the place that the settings name, or else under its aliases.
struct Aliases<'m, 't> {
    json: Json<'t>,
    names: &'m NameSet,
    mapping: Option<&'m Mapping>,
}

impl<'t> Aliases<'_, 't> {
    fn find(&self, target: Target, aliases: &[Path]) -> Option<Json<'t>> {
        if self.mapping.is_some_and(|mapping| mapping.covers(target)) {
            return None;
        }
        let mut values = aliases
            .iter()
            .filter_map(|path| path.find(self.json, self.names));
        values.find(|value| value.label().is_some())
    }
}

fn set_texts<'t>(draft: &mut Draft<'t>, from: &Aliases<'_, 't>) {
    for (field, aliases) in TEXTS {
        if let Some(value) = from.find(Target::Text(*field), aliases) {
            draft.text(*field, value);
        }
    }
    if let Some(name) = from.find(Target::Text(TextField::Provider), PROVIDERS) {
        draft.provider(name);
    }
}

/// Takes the word of a header off the key: one key has one fingerprint, with it and without. What
/// stands where a key was taken out is nobody's.
fn unwrap_key(draft: &mut Draft<'_>) {
    let key = draft.row.text.take(TextField::Key);
    if let Some(bare) = key.as_deref().and_then(http::bare) {
        draft.set(TextField::Key, bare.to_owned());
    }
}

fn set_caller<'t>(draft: &mut Draft<'t>, from: &Aliases<'_, 't>) {
    let target = Target::Text(TextField::SourceIp);
    if let Some(address) = from.find(target, ADDRESSES) {
        draft.caller(address);
    } else if let Some(hops) = from.find(target, HOPS) {
        let hop = hops.str().and_then(caller::first_public_hop);
        caller::fill(&mut draft.row, hop);
    }
}

/// A status is a number in most events, and a word like `success` in some.
fn set_status<'t>(draft: &mut Draft<'t>, status: Json<'t>) -> Result<(), Rejection> {
    match status.label() {
        Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => draft.status(status),
        Some("success" | "ok" | "succeeded" | "completed") => {
            draft.set(TextField::Outcome, "ok");
            Ok(())
        }
        Some("error" | "failure" | "failed") => {
            draft.set(TextField::Outcome, "error");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Sets what the settings say, over what the aliases found.
fn apply<'t>(
    mapping: &Mapping,
    json: Json<'t>,
    draft: &mut Draft<'t>,
    tokens: &mut Tokens,
) -> Result<(), Rejection> {
    for (target, path) in mapping.paths() {
        let value = at(json, path);
        match target {
            Target::Time => draft.time(value)?,
            Target::TimeStart => draft.row.time_start = instant::read(value)?,
            Target::TimeEnd => draft.row.time_end = instant::read(value)?,
            Target::Cost => draft.cost(value, mapping.cost_unit(), "reported")?,
            Target::TotalTokens => tokens.total = value.count()?,
            Target::Text(TextField::Provider) => draft.provider(value),
            Target::Text(TextField::SourceIp) => draft.caller(value),
            Target::Text(field) => draft.text(field, value),
            Target::Flag(field) => draft.flag(field, value),
            Target::Count(CountField::Status) => set_status(draft, value)?,
            Target::Count(field) => {
                let count = value.count()?;
                match field {
                    CountField::InputTokens => tokens.input = count,
                    CountField::CacheReadTokens => tokens.cache_read = count,
                    CountField::CacheWriteTokens => tokens.cache_write = count,
                    CountField::CacheWrite1hTokens => tokens.cache_write_1h = count,
                    CountField::OutputTokens => tokens.output = count,
                    CountField::ReasoningTokens => tokens.reasoning = count,
                    _ => draft.count(field, value)?,
                }
            }
        }
    }
    for (field, text) in mapping.constants() {
        if draft.row.text(field).is_none() {
            draft.set(field, text.to_owned());
        }
    }
    for (unit, path) in mapping.other_units() {
        if let Some(number) = at(json, path).number()? {
            draft.row.other_units.push((unit.to_owned().into(), number));
        }
    }
    for (name, path) in mapping.extra() {
        draft.extra(name.to_owned(), at(json, path));
    }
    if mapping.convention() != Convention::Inferred {
        tokens.convention = mapping.convention();
    }
    Ok(())
}
