//! Finding keys of customers in text, and taking them out.
//!
//! The shapes are those that gitleaks and trufflehog publish for AI providers, plus a
//! catch-all for `sk-…`, bearer and basic authorization and JSON web tokens.
//! They are looked for in the text as it stands and as its reader sees it ([`Plain`]): with
//! escapes of JSON and of addresses resolved, also escapes inside escapes, and without
//! invisible characters.
//!
//! Not looked for: a key that is broken over lines, written in lookalike letters, compressed
//! or encrypted, or in base64 anywhere but in basic authorization.

mod beginnings;
mod shapes;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::ops::Range;

use regex_automata::Input;

use self::beginnings::{SHORT_BYTES, begins, might_hold, next_in};
use self::shapes::{ANY_SHAPE, Check, MASKED, SHAPES};
use crate::plain::Plain;
use crate::randomness::{mixture, random_runs};

/// How much of what follows `sk-` is judged; a bound, so that no text is slow to look through.
const JUDGED_BYTES: usize = 256;

/// The longest beginning of a key that a provider shows before the dots: `sk-ant-api03-R2D...`.
const MAX_MASKED_BYTES: usize = 20;

/// How many escapes inside escapes are resolved: JSON in JSON in an address.
const MAX_LAYERS: usize = 4;

/// A part of a text that is a secret of some kind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    range: Range<usize>,
    kind: &'static str,
}

/// Takes secrets out of text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Redactor;

impl Redactor {
    /// The length of the shortest text that a shape fits, in bytes.
    pub(crate) const SHORTEST_BYTES: usize = 14;

    /// Returns whether the text of a payload, read as JSON, needs a look at each of its fields.
    ///
    /// An escape may spell a key that the quick look cannot see.
    pub fn needs_look(payload: &[u8]) -> bool {
        might_hold(payload)
            || !Plain::is_printable(payload)
                && (Plain::has_escapes(payload) || Plain::has_invisible(payload))
    }

    /// Returns whether texts, whose escapes are resolved and which may have control characters
    /// now, need a look at each.
    fn needs_look_unescaped(texts: &[u8]) -> bool {
        might_hold(texts) || Self::may_be_spelt_otherwise(texts)
    }

    /// Returns whether a secret in texts may be spelt otherwise than it is read: with escapes, or
    /// with characters that nobody sees.
    pub(crate) fn may_be_spelt_otherwise(texts: &[u8]) -> bool {
        Plain::is_unusual(texts)
    }

    /// Returns whether a text is a key as its provider shows it, `sk-ant-api03-R2D...igAA`, and
    /// nothing else: it looks like the beginning of a secret and holds none.
    ///
    /// A quick yes for what [`Self::holds_secret`] would deny; a no says nothing.
    pub(crate) fn is_masked(text: &[u8]) -> bool {
        let shown = text.iter().take_while(|byte| is_in_key(**byte)).count();
        let prefixes = MASKED.iter().filter(|_| shown <= MAX_MASKED_BYTES);
        let any = Some(&"sk-").filter(|_| shown < Self::SHORTEST_BYTES);
        let mut behind = any
            .into_iter()
            .chain(prefixes)
            .filter_map(|prefix| text.strip_prefix(prefix.as_bytes()));
        let Some(behind) = behind.next().filter(|_| text.len() <= SHORT_BYTES) else {
            return false;
        };
        let after = text.get(shown..).unwrap_or_default();
        // No beginning reaches from the prefix into what is behind it.
        (after.starts_with(b"..") || after.starts_with(b"*"))
            && !behind.windows(3).any(begins)
            && Plain::is_plain(text)
    }

    /// Returns where a shape may begin next, from a place on.
    pub(crate) fn beginning(texts: &[u8], from: usize) -> Option<usize> {
        next_in(texts, from)
    }

    /// Returns whether a document whose escapes are resolved needs a look at each of its fields:
    /// `unescaped` is what its texts with escapes say.
    ///
    /// Half of all documents have an escape somewhere, and hardly any has two inside each other.
    pub(crate) fn needs_look_resolved(payload: &[u8], unescaped: &[u8]) -> bool {
        might_hold(payload)
            || !Plain::is_printable(payload)
                && (Plain::has_other_escapes(payload) || Plain::has_invisible(payload))
            || (!unescaped.is_empty() && Self::needs_look_unescaped(unescaped))
    }

    /// Returns the text with every secret replaced by `[redacted:<kind>]`.
    pub fn redact(text: &str) -> Cow<'_, str> {
        replace(text, &spans(text, false))
    }

    /// Redacts also what only looks like a secret: for what is kept to find faults, where an id
    /// too few is no loss, and for fields that say they hold one.
    pub fn redact_strictly(text: &str) -> Cow<'_, str> {
        replace(text, &spans(text, true))
    }

    /// Returns the kind of secret that the whole text is, if it is one.
    pub fn whole_secret(text: &str) -> Option<&'static str> {
        match spans(text, false).as_slice() {
            [span] if span.range == (0..text.len()) => Some(span.kind),
            _ => None,
        }
    }

    /// Returns the kind of secret that the whole text is, or `secret` if only a part of it is one.
    pub(crate) fn kind_of(text: &str) -> Option<&'static str> {
        match spans(text, false).as_slice() {
            [] => None,
            [span] if span.range == (0..text.len()) => Some(span.kind),
            _ => Some("secret"),
        }
    }

    /// Returns whether any secret is in the text.
    pub fn holds_secret(text: &str) -> bool {
        !spans(text, false).is_empty()
    }
}

fn replace<'a>(text: &'a str, spans: &[Span]) -> Cow<'a, str> {
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut redacted, mut at) = (String::with_capacity(text.len()), 0);
    for span in spans {
        redacted.push_str(text.get(at..span.range.start).unwrap_or_default());
        redacted.push_str("[redacted:");
        redacted.push_str(span.kind);
        redacted.push(']');
        at = span.range.end;
    }
    redacted.push_str(text.get(at..).unwrap_or_default());
    Cow::Owned(redacted)
}

/// Returns the secrets of a text in order, apart from each other.
fn spans(text: &str, strict: bool) -> Vec<Span> {
    let mut spans = Vec::new();
    find(text, strict, |span| spans.push(span));
    let mut layer = Plain::of(text);
    for _ in 0..MAX_LAYERS {
        let Some(plain) = layer else { break };
        find(plain.text(), strict, |Span { range, kind }| {
            let range = plain.original(range);
            spans.push(Span { range, kind });
        });
        layer = plain.again();
    }
    spans.sort_by_key(|span| (span.range.start, Reverse(span.range.end)));
    spans.dedup_by(|next, span| {
        let overlaps = next.range.start < span.range.end;
        if overlaps {
            span.range.end = span.range.end.max(next.range.end);
            if span.kind == UNKNOWN {
                span.kind = next.kind;
            }
        }
        overlaps
    });
    spans
}

/// The kind of a secret without known shape.
const UNKNOWN: &str = "unknown";

/// Finds the secrets of a text as it stands.
fn find(text: &str, strict: bool, mut found: impl FnMut(Span)) {
    if strict {
        for range in random_runs(text) {
            let kind = UNKNOWN;
            found(Span { range, kind });
        }
    }
    if !might_hold(text.as_bytes()) {
        return;
    }
    let mut at = 0;
    while let Some(shape) = ANY_SHAPE.find(Input::new(text).range(at..)) {
        let Some((kind, _, check)) = SHAPES.get(shape.pattern().as_usize()) else {
            return;
        };
        match confirm(text, shape.range(), *check) {
            Some(range) => {
                at = range.end;
                found(Span { range, kind });
            }
            // Every shape begins with one byte, and another may begin at the next.
            None => at = shape.start() + 1,
        }
    }
}

/// Returns whether a byte is of the alphabet of keys that begin with `sk-`.
fn is_in_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// Returns the whole range of a match if it is a secret.
fn confirm(text: &str, range: Range<usize>, check: Check) -> Option<Range<usize>> {
    let length = match check {
        Check::None => return Some(range),
        Check::Mixture => {
            let word = text.get(range.clone())?.split_whitespace().next_back()?;
            return (word.ends_with('=') || mixture(word, 1)).then_some(range);
        }
        Check::Sk(length) => length,
    };
    let in_key = |byte: &&u8| is_in_key(**byte);
    let rest = text.as_bytes().get(range.end..)?;
    let near = rest.iter().take(JUDGED_BYTES).take_while(in_key).count();
    let judged = range.start..range.end + near;
    let after = text.get(judged.end..)?;
    let masked = ["..", "…", "*"].iter().any(|dots| after.starts_with(dots));
    if masked && length < 16 && judged.len() <= MAX_MASKED_BYTES {
        return None;
    }
    let inside_a_word = text
        .get(..range.start)?
        .ends_with(|before: char| before.is_ascii_alphanumeric());
    if inside_a_word && !mixture(text.get(judged)?, length) {
        return None;
    }
    Some(range.start..range.end + rest.iter().take_while(in_key).count())
}

#[cfg(test)]
mod tests {
    use super::beginnings::{BEGINNINGS, WORDS};
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(Redactor::redact(text), expected);
        assert_eq!(Redactor::redact(expected), expected, "redaction is final");
        if text != expected {
            assert!(Redactor::needs_look(text.as_bytes()), "{text}");
        }
    }

    fn kept(text: &str) {
        check(text, text);
    }

    #[test]
    fn what_is_masked_holds_no_secret() {
        let parts = [
            "api03",
            "-",
            "R2D",
            "...",
            "..",
            "igAA",
            "*",
            "sk-",
            "hf_",
            " ",
            "%2D",
            "a1B2c3D4e5",
        ];
        let mut masked = 0;
        for prefix in MASKED.iter().chain(&["sk-", "pk-lf-", "see sk-ant-"]) {
            for number in 0..parts.len().pow(5) {
                let digits = (0..5).map(|digit| number / parts.len().pow(digit) % parts.len());
                let text: String = [*prefix]
                    .into_iter()
                    .chain(digits.map(|at| parts[at]))
                    .collect();
                if Redactor::is_masked(text.as_bytes()) {
                    assert!(!Redactor::holds_secret(&text), "{text}");
                    masked += 1;
                }
            }
        }
        assert!(masked > 10_000, "{masked}");
        for hint in [
            "sk-ant-api03-R2D...igAA",
            "sk-proj-********abc",
            "sk-svcacct-x...yz",
        ] {
            assert!(Redactor::is_masked(hint.as_bytes()), "{hint}");
        }
    }

    #[test]
    fn no_shape_fits_a_shorter_text() {
        let lengths = SHAPES.iter().map(|(_, shape, _)| {
            let shape = regex_syntax::parse(shape).unwrap();
            shape.properties().minimum_len().unwrap()
        });
        assert_eq!(lengths.min(), Some(Redactor::SHORTEST_BYTES));
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
            "bAsIc dXNlcjpwYXNzd29yZA==",
            "eyJhbGciOiJI.eyJzdWIiOiIx.sig",
            "sk_0123456789abcdef0123456789abcdef0123456789abcdef",
            "pk-lf-01234567-89ab",
            "r8_abcdefghijklmnopqrstuvwxyz",
            "AQ.Ab8RN6abcdefghijklmnopqrstuvwxyz",
            "hf_abcdefghijklmnopqrstuvwxyzabcdefgh",
            "pcsk_abcde_abcdefghijklmnopqrstuvwxyz",
            "pplx-abcdefghijklmnopqrstuvwxyz",
            "nvapi-abcdefghijklmnopqrstuvwxyz",
            "dapi0123456789abcdef0123456789abcdef-2",
            "lsv2_pt_0123456789abcdef0123456789abcdef_0123456789",
            "bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t",
            "whsec_abcdefghijklmnopqrstuvwxyz",
        ] {
            assert!(Redactor::needs_look(text.as_bytes()), "{text}");
            assert!(Redactor::whole_secret(text).is_some(), "{text}");
        }
    }

    #[test]
    fn a_short_text_is_looked_at_as_a_long_one_is() {
        for beginning in BEGINNINGS.iter().chain(&WORDS) {
            let long = format!("{}{beginning}", "a ".repeat(SHORT_BYTES));
            assert!(might_hold(beginning.as_bytes()) && might_hold(long.as_bytes()));
        }
        assert!(might_hold(b"BEARER x") && might_hold(b"a BaSiC b"));
        assert!(!might_hold(b"gpt-6-astra") && !might_hold(b"sk") && !might_hold(b""));
    }

    #[test]
    fn secrets_go_and_the_rest_stays() {
        check(
            "key sk-proj-abcdefgh1234_-XY leaked",
            "key [redacted:openai] leaked",
        );
        check("a sk-ant-api03-AAAABBBBCCCC b", "a [redacted:anthropic] b");
        check(
            "Authorization: Bearer abcdefghijklmnopqrst",
            "Authorization: [redacted:bearer]",
        );
        check(
            "Authorization: Basic c2stcHJvai1hYmNkZWZnaDEyMzQ6 x",
            "Authorization: [redacted:basic] x",
        );
        check("sk-my-own-master-key", "[redacted:sk]");
        kept("Bearer [redacted:anthropic]");
    }

    #[test]
    fn ids_and_prose_stay() {
        for id in [
            "key_7f3a",
            "apikey_01HXYZ",
            "chatcmpl-abcdefgh",
            "req_1",
            "AKIAIOSFODNN7EXAMPLE",
            "arn:aws:iam::123456789012:user/BedrockAPIKey-1",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "task-force-of-seven",
            "risk-management-of-something-long",
            "risk-adjusted-return-on-capital-2026-05-04",
            "disk-cleanup-job-2026-prod-eu-west-1",
            "task-0f2b5c1e-6c1f-4b8e-9a39-1d1f0a2f9b7c",
            "helpdesk-admin-console-2",
            "xai-grok-code-fast-1-preview",
            "Basic authentication",
            "the basic internationalization of it",
            "sk-...x9Zq",
            "sk-proj-***..x9Zq",
            "sk-ant-api03-R2D...igAA",
            "sk-ant-api03-R2D…igAA",
            "sk-proj-abcdefgh****",
        ] {
            kept(id);
        }
    }

    #[test]
    fn a_key_that_touches_other_text_goes_all_the_same() {
        let openai = "EXAMPLE0".repeat(9) + "T3BlbkFJ" + &"EXAMPLE0".repeat(9);
        check(&format!("xsk-proj-{openai}"), "x[redacted:openai]");
        check(
            &format!("xsk-ant-api03-{openai}AA."),
            "x[redacted:anthropic].",
        );
        check(
            "0sk-abcdefghijklmnopqrstT3BlbkFJabcdefghijklmnopqrst",
            "0[redacted:sk]",
        );
        check("nsk-abcdefghijklmnopqrstuvwxyzabcdef", "n[redacted:sk]");
        check("nsk-aB3dE5fG7hI9jK1lM3nO5p", "n[redacted:sk]");
        check(
            "task-force-sk-my-own-master-key",
            "task-force-[redacted:sk]",
        );
        check(&format!("xgsk_{openai}"), "x[redacted:groq]");
        check(&format!("sk-proj-{openai}..."), "[redacted:openai]...");
    }

    #[test]
    fn a_key_is_found_however_it_is_spelt() {
        for spelling in [
            r"\u0073k-proj-abcdefgh1234",
            r"s\u006B-proj-abcdefgh1234",
            r"sk\u002dproj\u002Dabcdefgh1234",
            r"\\u0073k-proj-abcdefgh1234",
            r"\\\\u0073k-proj-abcdefgh1234",
            r"sk\x2dproj-abcdefgh1234",
            "sk%2Dproj%2dabcdefgh1234",
            "sk%252Dproj%252dabcdefgh1234",
            "s\u{200b}k-pr\u{ad}oj-abcdefgh1234",
            "sk-\u{feff}proj-abcd\u{2060}efgh1234",
            "sk-proj-ab\u{fffd}cdefgh1234",
            "sk\u{1}-proj-abcdefgh1234",
            r"sk-\u200bproj-abcdefgh1234",
        ] {
            let text = format!("a {spelling} ü");
            assert_eq!(
                Redactor::redact(&text),
                "a [redacted:openai] ü",
                "{spelling}"
            );
        }
        check(
            "Authorization%3A%20Bearer%20abcdefghijklmnopqrst",
            "Authorization%3A%20[redacted:bearer]",
        );
        check(
            "auth=Bearer+abcdefghijklmnopqrst&x=1",
            "auth=[redacted:bearer]",
        );
        check(r"line\nsk-my-own-master-key", r"line\n[redacted:sk]");
        check(
            "50 % of it \\ \u{200f}ok\u{202e}",
            "50 % of it \\ \u{200f}ok\u{202e}",
        );
    }

    #[test]
    fn strictness_takes_what_only_looks_like_a_secret() {
        assert_eq!(
            Redactor::redact_strictly(
                r#"{"key":"0123456789abcdef0123456789abcdef","id":"evt_01"}"#
            ),
            r#"{"key":"[redacted:unknown]","id":"evt_01"}"#
        );
        assert_eq!(
            Redactor::redact_strictly("\"key\":\"\\u0030123456789abcdef0123456789abcdef\""),
            "\"key\":\"[redacted:unknown]\""
        );
        assert_eq!(
            Redactor::redact_strictly("sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7b"),
            "[redacted:openai]"
        );
    }

    #[test]
    fn no_text_is_slow_to_look_through() {
        for part in [
            "xsk-",
            "sk-",
            "xsk-proj-aaaaaaaa",
            "basic ",
            "eyJ",
            "bearer ",
            "\\u0073",
            "%25",
        ] {
            let text = part.repeat((1 << 16) / part.len());
            assert!(Redactor::redact_strictly(&text).len() <= text.len() * 2);
        }
    }
}
