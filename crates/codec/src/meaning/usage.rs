//! The usage objects that providers answer with, which everybody wraps into something.
//!
//! | whose | told by | input | output |
//! |---|---|---|---|
//! | OpenAI chat | `prompt_tokens` | inclusive | reasoning inside |
//! | OpenAI responses | `input_tokens` and `input_tokens_details` | inclusive | reasoning inside |
//! | Anthropic messages | `input_tokens` and `cache_read_input_tokens` or `cache_creation…` | exclusive | |
//! | Gemini | `promptTokenCount` | inclusive, tool prompts beside | thoughts beside |
//! | Bedrock Converse | `inputTokens` | exclusive | |

use super::tokens::{Convention, Tokens};
use crate::json::Json;
use crate::rejection::Rejection;

/// Reads the usage object of any provider; names that none of them has give nothing.
///
/// # Errors
/// Where a count is no count.
pub(crate) fn read(usage: Json<'_>) -> Result<Tokens, Rejection> {
    if usage.has("promptTokenCount") || usage.has("candidatesTokenCount") {
        return gemini(usage);
    }
    if usage.has("inputTokens") || usage.has("outputTokens") {
        return Ok(Tokens {
            input: usage.get("inputTokens").count()?,
            cache_read: usage
                .first(&["cacheReadInputTokens", "cacheReadInputTokenCount"])
                .count()?,
            cache_write: usage
                .first(&["cacheWriteInputTokens", "cacheWriteInputTokenCount"])
                .count()?,
            output: usage.get("outputTokens").count()?,
            total: usage.get("totalTokens").count()?,
            convention: Convention::Exclusive,
            ..Tokens::default()
        });
    }
    snake_case(usage)
}

fn gemini(usage: Json<'_>) -> Result<Tokens, Rejection> {
    let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (None, None) => None,
        (one, other) => Some(one.unwrap_or(0) + other.unwrap_or(0)),
    };
    let thoughts = usage.get("thoughtsTokenCount").count()?;
    Ok(Tokens {
        input: sum(
            usage.get("promptTokenCount").count()?,
            usage.get("toolUsePromptTokenCount").count()?,
        ),
        cache_read: usage.get("cachedContentTokenCount").count()?,
        output: sum(usage.get("candidatesTokenCount").count()?, thoughts),
        reasoning: thoughts,
        total: usage.get("totalTokenCount").count()?,
        convention: Convention::Inclusive,
        ..Tokens::default()
    })
}

/// OpenAI's and Anthropic's share names and mean different things by them.
fn snake_case(usage: Json<'_>) -> Result<Tokens, Rejection> {
    let input_details = usage.first(&["prompt_tokens_details", "input_tokens_details"]);
    let output_details = usage.first(&["completion_tokens_details", "output_tokens_details"]);
    let cache_creation = usage.get("cache_creation");
    let one_hour = cache_creation.get("ephemeral_1h_input_tokens").count()?;
    let five_minutes = cache_creation.get("ephemeral_5m_input_tokens").count()?;
    let written = match usage.get("cache_creation_input_tokens").count()? {
        Some(written) => Some(written),
        None if one_hour.or(five_minutes).is_some() => {
            Some(one_hour.unwrap_or(0) + five_minutes.unwrap_or(0))
        }
        None => input_details
            .first(&["cache_write_tokens", "cache_creation_tokens"])
            .count()?,
    };
    let read = match usage.get("cache_read_input_tokens").count()? {
        Some(read) => Some(read),
        None => input_details.get("cached_tokens").count()?,
    };
    let anthropic =
        usage.has("cache_read_input_tokens") || usage.has("cache_creation_input_tokens");
    let convention = if usage.has("prompt_tokens") || input_details.is_object() {
        Convention::Inclusive
    } else if anthropic || cache_creation.is_object() {
        Convention::Exclusive
    } else {
        Convention::Inferred
    };
    Ok(Tokens {
        input: usage.first(&["prompt_tokens", "input_tokens"]).count()?,
        cache_read: read,
        cache_write: written,
        cache_write_1h: one_hour,
        output: usage
            .first(&["completion_tokens", "output_tokens"])
            .count()?,
        reasoning: output_details.get("reasoning_tokens").count()?,
        total: usage.get("total_tokens").count()?,
        convention,
    })
}

#[cfg(test)]
mod tests {
    use crate::json::Tree;
    use model::{CountField, Timestamp, UsageRow};

    fn check(usage: &str, [input, read, write, output, reasoning]: [u64; 5]) {
        let tree = Tree::parse(usage).unwrap();
        let mut row = UsageRow::at(Timestamp::EARLIEST);
        super::read(tree.root()).unwrap().settle(&mut row).unwrap();
        let seen = [
            CountField::InputTokens,
            CountField::CacheReadTokens,
            CountField::CacheWriteTokens,
            CountField::OutputTokens,
            CountField::ReasoningTokens,
        ]
        .map(|field| row.count(field).unwrap_or(0));
        assert_eq!(seen, [input, read, write, output, reasoning], "{usage}");
        assert_eq!(row.quality.words().count(), 0, "{usage}");
    }

    #[test]
    fn every_provider_is_read_as_it_counts() {
        check(
            r#"{"prompt_tokens":100,"completion_tokens":20,"total_tokens":120,"prompt_tokens_details":{"cached_tokens":40},"completion_tokens_details":{"reasoning_tokens":8}}"#,
            [100, 40, 0, 20, 8],
        );
        check(
            r#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":40,"cache_write_tokens":10},"output_tokens":20,"output_tokens_details":{"reasoning_tokens":8},"total_tokens":120}"#,
            [100, 40, 10, 20, 8],
        );
        check(
            r#"{"input_tokens":100,"cache_creation_input_tokens":10,"cache_read_input_tokens":40,"cache_creation":{"ephemeral_5m_input_tokens":4,"ephemeral_1h_input_tokens":6},"output_tokens":20,"service_tier":"standard"}"#,
            [150, 40, 10, 20, 0],
        );
        check(
            r#"{"promptTokenCount":90,"toolUsePromptTokenCount":10,"cachedContentTokenCount":40,"candidatesTokenCount":12,"thoughtsTokenCount":8,"totalTokenCount":120}"#,
            [100, 40, 0, 20, 8],
        );
        check(
            r#"{"inputTokens":50,"outputTokens":20,"totalTokens":120,"cacheReadInputTokens":40,"cacheWriteInputTokens":10}"#,
            [100, 40, 10, 20, 0],
        );
        check(
            r#"{"input_tokens":100,"output_tokens":20}"#,
            [100, 0, 0, 20, 0],
        );
    }
}
