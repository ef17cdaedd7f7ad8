//! Finding keys of customers in text, and taking them out.
//!
//! The shapes are those that gitleaks and trufflehog publish for AI providers, plus a
//! catch-all for `sk-…`, bearer tokens and JSON web tokens.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::Regex as BytesRegex;
use regex::{Captures, Regex};

/// A secret's shape: the word that replaces it, and the pattern.
///
/// Length bounds are those of the shape or lower: a key that was cut short is still most of a key.
const SHAPES: &[(&str, &str)] = &[
    ("anthropic", r"sk-ant-[A-Za-z0-9_-]{8,}"),
    ("openrouter", r"sk-or-v1-[0-9A-Za-z]{8,}"),
    ("openai", r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{8,}"),
    ("langfuse", r"(?:pk|sk)-lf-[0-9a-fA-F-]{8,}"),
    ("sk", r"sk-[A-Za-z0-9_-]{16,}"),
    ("elevenlabs", r"sk_[0-9a-fA-F]{32,}"),
    ("groq", r"gsk_[A-Za-z0-9]{16,}"),
    ("xai", r"xai-[A-Za-z0-9_-]{16,}"),
    ("google", r"AIza[A-Za-z0-9_-]{20,}"),
    ("google", r"\bAQ\.[A-Za-z0-9_-]{20,}"),
    ("huggingface", r"(?:hf_|api_org_)[A-Za-z0-9]{20,}"),
    ("pinecone", r"pcsk_[A-Za-z0-9_]{20,}"),
    ("replicate", r"r8_[A-Za-z0-9_-]{20,}"),
    ("perplexity", r"pplx-[A-Za-z0-9]{20,}"),
    ("nvidia", r"nvapi-[A-Za-z0-9_-]{20,}"),
    ("databricks", r"dapi[a-f0-9]{24,}(?:-\d)?"),
    ("langsmith", r"lsv2_(?:pt|sk)_[a-f0-9_]{16,}"),
    ("bedrock", r"ABSK[A-Za-z0-9+/]{40,}={0,2}"),
    ("bedrock", r"bedrock-api-key-[A-Za-z0-9+/=_-]{16,}"),
    ("webhook", r"whs(?:ec|k)_[A-Za-z0-9+/=_-]{16,}"),
    (
        "jwt",
        r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
    ),
    ("bearer", r"(?i:bearer)(?:\s|%20)+[^\s\x22',;]{16,}"),
];

/// One pattern with a group for each shape; the first shape that fits names the match.
static ANY_SHAPE: LazyLock<Regex> = LazyLock::new(|| {
    let groups: Vec<String> = SHAPES
        .iter()
        .map(|(_, shape)| format!("({shape})"))
        .collect();
    Regex::new(&groups.join("|")).expect("the shapes are constant and tested")
});

/// Whether bytes might hold a shape: its literal beginnings only, a quick no for nearly every event.
static MIGHT_HOLD: LazyLock<BytesRegex> = LazyLock::new(|| {
    BytesRegex::new(concat!(
        r"sk-|sk_|pk-lf|gsk_|xai-|AIza|AQ\.|hf_|api_org_|pcsk_|r8_|pplx-|nvapi-|dapi|lsv2_|",
        r"ABSK|bedrock-api-key|whsec_|whsk_|eyJ|[Bb][Ee][Aa][Rr][Ee][Rr]",
    ))
    .expect("the beginnings are constant and tested")
});

/// Takes secrets out of text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Redactor;

impl Redactor {
    /// Returns whether the text of a payload, read as JSON, needs a look at each of its fields.
    ///
    /// A backslash may spell a key in escapes that the quick look cannot see.
    pub fn needs_look(payload: &[u8]) -> bool {
        memchr::memchr(b'\\', payload).is_some() || MIGHT_HOLD.is_match(payload)
    }

    /// Returns the text with every secret replaced by `[redacted:<kind>]`.
    pub fn redact(text: &str) -> Cow<'_, str> {
        if !MIGHT_HOLD.is_match(text.as_bytes()) {
            return Cow::Borrowed(text);
        }
        ANY_SHAPE.replace_all(text, |found: &Captures<'_>| {
            format!("[redacted:{}]", Self::kind_of(found))
        })
    }

    /// Returns the kind of secret that the whole text is, if it is one.
    pub fn whole_secret(text: &str) -> Option<&'static str> {
        let found = ANY_SHAPE.captures(text)?;
        (found.get(0)?.as_str() == text).then(|| Self::kind_of(&found))
    }

    /// Returns whether any secret is in the text.
    pub fn holds_secret(text: &str) -> bool {
        MIGHT_HOLD.is_match(text.as_bytes()) && ANY_SHAPE.is_match(text)
    }

    fn kind_of(found: &Captures<'_>) -> &'static str {
        let group = (1..found.len()).find(|&group| found.get(group).is_some());
        group
            .and_then(|group| SHAPES.get(group - 1))
            .map_or("secret", |(kind, _)| kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(Redactor::redact(text), expected);
        assert_eq!(Redactor::redact(expected), expected, "redaction is final");
    }

    #[test]
    fn every_shape_is_seen_by_the_quick_look() {
        for text in [
            "sk-proj-abcdefgh12345678",
            "sk-ant-api03-abcdefgh",
            "gsk_abcdefghijklmnopqrst",
            "xai-abcdefghijklmnopqrst",
            "sk-or-v1-0123456789abcdef",
            "AIzaabcdefghijklmnopqrstuvw",
            "BeArEr abcdefghijklmnopqrst",
            "eyJhbGciOiJI.eyJzdWIiOiIx.sig",
            "sk_0123456789abcdef0123456789abcdef0123456789abcdef",
            "pk-lf-01234567-89ab",
        ] {
            assert!(Redactor::needs_look(text.as_bytes()), "{text}");
            assert!(Redactor::whole_secret(text).is_some(), "{text}");
        }
    }

    #[test]
    fn secrets_go_and_ids_stay() {
        check(
            "key sk-proj-abcdefgh1234_-XY leaked",
            "key [redacted:openai] leaked",
        );
        check("a sk-ant-api03-AAAABBBBCCCC b", "a [redacted:anthropic] b");
        check(
            "Authorization: Bearer abcdefghijklmnopqrst",
            "Authorization: [redacted:bearer]",
        );
        for id in [
            "key_7f3a",
            "apikey_01HXYZ",
            "chatcmpl-abcdefgh",
            "req_1",
            "task-force-of-seven",
        ] {
            check(id, id);
        }
    }
}
