//! What billing systems are told of a call, in the fields that people choose for their meters.
//!
//! | an event says | it is |
//! |---|---|
//! | a provider's counts, or its usage object in `usage` | a call |
//! | `tokens` and what they are in `type` or `token_type` | a part of a call: it counts no request |
//! | a cost | the caller's own reckoning |

use model::{CountField, TextField};

use super::usage;
use crate::draft::Draft;
use crate::json::{Json, Unit};
use crate::rejection::Rejection;
use crate::words::Words;

/// Where the data names the key, before the customer that the event is about.
const KEYS: [&str; 9] = [
    "api_key_id",
    "apiKeyId",
    "key_id",
    "keyId",
    "api_key_hash",
    "user_api_key_hash",
    "key_hash",
    "api_key",
    "virtual_key",
];

/// How many they are, in an event of one class of tokens.
const AMOUNTS: [&str; 5] = ["tokens", "token_count", "tokenCount", "value", "count"];

/// Reads the data of a metering event. `class` says what its tokens are where the data does not.
///
/// # Errors
/// Where a count or a cost is none.
pub(crate) fn read<'t>(
    draft: &mut Draft<'t>,
    data: Json<'t>,
    class: Option<&str>,
) -> Result<(), Rejection> {
    draft.provider(data.first(&["provider", "model_provider", "custom_llm_provider"]));
    draft.text(
        TextField::Model,
        data.first(&["model", "model_name", "modelName"]),
    );
    draft.text(TextField::Key, data.first(&KEYS));
    draft.text(
        TextField::EndUser,
        data.first(&["end_user", "user_id", "userId"]),
    );
    let costs = ["response_cost", "cost", "cost_usd", "costUsd", "total_cost"];
    draft.estimate(data.first(&costs), Unit::Dollars)?;
    let object = match data.get("usage") {
        object if object.is_object() => object,
        _ => data,
    };
    let tokens = usage::read(object)?;
    if tokens.exist() {
        return draft.tokens(tokens);
    }
    let class = data
        .first(&["token_type", "tokenType", "type"])
        .str()
        .or(class);
    match (class.and_then(field_of), data.first(&AMOUNTS)) {
        (Some(field), amount) => {
            draft.count(field, amount)?;
            // The other classes of the same call are events of their own.
            draft.row.counts[CountField::Requests as usize] = None;
        }
        (None, _) => draft.unit("tokens", data.get("tokens"))?,
    }
    let counted = !draft.row.other_units.is_empty()
        || draft.row.cost.is_some()
        || draft.row.count(CountField::Requests).is_none();
    if !counted {
        draft.set(TextField::Kind, "access");
    }
    Ok(())
}

/// Returns the count that a class of tokens is, by the words that are in its name.
fn field_of(class: &str) -> Option<CountField> {
    let has = |words: &'static [&'static str]| Words::new(words).are_in(class);
    if has(&["audio", "image", "tool"]) {
        // They are inside of the others.
        None
    } else if has(&["cache"]) {
        Some(if has(&["write", "creat"]) {
            if has(&["1h"]) {
                CountField::CacheWrite1hTokens
            } else {
                CountField::CacheWriteTokens
            }
        } else {
            CountField::CacheReadTokens
        })
    } else if has(&["reason"]) {
        Some(CountField::ReasoningTokens)
    } else if has(&["input", "prompt", "system"]) {
        Some(CountField::InputTokens)
    } else if has(&["output", "completion"]) {
        Some(CountField::OutputTokens)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_known_by_its_words() {
        for (class, field) in [
            ("input", Some(CountField::InputTokens)),
            ("llm_output_tokens", Some(CountField::OutputTokens)),
            ("llm_cached_input_tokens", Some(CountField::CacheReadTokens)),
            (
                "llm_cache_creation_tokens",
                Some(CountField::CacheWriteTokens),
            ),
            (
                "llm_cache_write_1h_tokens",
                Some(CountField::CacheWrite1hTokens),
            ),
            ("reasoning", Some(CountField::ReasoningTokens)),
            ("llm_audio_input_tokens", None),
            ("api-calls", None),
        ] {
            assert_eq!(field_of(class), field, "{class}");
        }
    }
}
