//! What is kept of a payload that could not be read.

use std::borrow::Cow;

use crate::{MAX_PAYLOAD_BYTES, Redactor};

/// The longest part of a payload that a dead letter keeps, in bytes.
const MAX_KEPT_BYTES: usize = 8192;

/// How much of a payload that is too large is looked at, in bytes.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// Returns the beginning of a payload as text, after redaction.
///
/// Redaction comes before cutting, because a cut could leave the half of a key that no shape fits.
/// Bytes that are no UTF-8 become the replacement character, which redaction looks through.
/// Zero bytes are left out: the letters of UTF-16 and UTF-32 stand between them.
pub(crate) fn kept_payload(payload: &[u8]) -> String {
    let too_large = payload.len() > MAX_PAYLOAD_BYTES;
    let head = if too_large {
        payload.get(..MAX_HEAD_BYTES).unwrap_or(payload)
    } else {
        payload
    };
    let bytes: Cow<'_, [u8]> = if memchr::memchr(0, head).is_some() {
        head.iter().copied().filter(|&byte| byte != 0).collect()
    } else {
        Cow::Borrowed(head)
    };
    let text = String::from_utf8_lossy(&bytes);
    let text = if too_large {
        // What stands at the end may be the half of a key.
        text.trim_end_matches(|c: char| !c.is_whitespace() && !matches!(c, '"' | '\'' | ','))
    } else {
        &text
    };
    let redacted = Redactor::redact_strictly(text);
    let kept = cut(&redacted, MAX_KEPT_BYTES);
    if kept.len() < redacted.len() {
        kept.trim_end_matches(in_key).to_owned()
    } else {
        kept.to_owned()
    }
}

/// Returns a text that was cut without what may be the half of a key at its end.
pub(crate) fn without_stump(text: &str) -> &str {
    const MAX_STUMP_BYTES: usize = 1024;
    let whole = text.trim_end_matches(in_key);
    if text.len() - whole.len() <= MAX_STUMP_BYTES {
        return whole;
    }
    // A word of that length was looked through for keys as far as it goes.
    cut(text, text.len() - MAX_STUMP_BYTES)
}

/// Returns whether a key, in whatever spelling, may have the character.
fn in_key(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || matches!(
            character,
            '_' | '-' | '.' | '+' | '/' | '=' | '\\' | '%' | char::REPLACEMENT_CHARACTER
        )
}

/// Returns the longest beginning of at most `limit` bytes that ends with a whole character, and
/// not inside of what stands for a secret.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    const MARK: &str = "[redacted:";
    const MAX_MARK_BYTES: usize = 32;
    if text.len() <= limit {
        return text;
    }
    let end = (0..=limit).rev().find(|&at| text.is_char_boundary(at));
    let end = end.unwrap_or(0);
    let kept = text.get(..end).unwrap_or_default();
    match kept.rfind('[') {
        Some(at) if end - at < MAX_MARK_BYTES => {
            let mark = text.get(at..).unwrap_or_default();
            let whole = mark.starts_with(MARK) && mark.find(']').is_some_and(|to| at + to >= end);
            kept.get(..if whole { at } else { end }).unwrap_or(kept)
        }
        _ => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> String {
        format!("sk-ant-api03-{}AA", "aB3dE5fG7hI9".repeat(8))
    }

    /// Nothing that comes out may hold twelve characters of the key in a row.
    fn check(payload: &[u8]) -> String {
        let kept = kept_payload(payload);
        let key = key();
        for at in 13..key.len() - 12 {
            assert!(!kept.contains(&key[at..at + 12]), "{kept}");
        }
        assert!(kept.len() <= MAX_KEPT_BYTES);
        kept
    }

    #[test]
    fn a_key_does_not_survive_in_any_encoding() {
        let key = key();
        let text = format!(r#"{{"time":1,"key":"{key}","account":"acme"}}"#);
        let redacted = r#"{"time":1,"key":"[redacted:anthropic]","account":"acme"}"#;
        assert_eq!(check(text.as_bytes()), redacted);
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(check(&little), redacted);
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(check(&big), redacted);
        let wide: Vec<u8> = text
            .chars()
            .flat_map(|c| (c as u32).to_le_bytes())
            .collect();
        assert_eq!(check(&wide), redacted);
        for hostile in [0xff, 0x00, 0x01, 0xc3] {
            let mut bytes = text.clone().into_bytes();
            for at in [24, 31, 40, 60, 61] {
                bytes.insert(at, hostile);
            }
            check(&bytes);
        }
    }

    #[test]
    fn a_key_at_the_cut_leaves_no_stump() {
        let key = key();
        for length in MAX_KEPT_BYTES - 140..MAX_KEPT_BYTES + 20 {
            let text = format!(
                "{}{}{key} rest",
                "x ".repeat(length / 2),
                &" "[..length % 2]
            );
            let kept = check(text.as_bytes());
            let (_, tail) = kept.split_at(kept.len().saturating_sub(24));
            assert!(
                !tail.contains('[') || tail.contains("[redacted:anthropic]"),
                "{tail}"
            );
        }
        let escaped: String = key
            .chars()
            .map(|c| format!("\\u{:04x}", u32::from(c)))
            .collect();
        let text = format!("{}{escaped} rest", "x ".repeat(MAX_KEPT_BYTES / 2 - 40));
        assert!(check(text.as_bytes()).ends_with("x [redacted:anthropic] rest"));
    }

    #[test]
    fn of_a_payload_that_is_too_large_only_whole_words_are_kept() {
        let key = key();
        for room in (0..key.len()).step_by(9) {
            let mut text = "sk-proj-".to_owned() + &"aB3dE5fG7hI9".repeat(5400);
            text.truncate(MAX_HEAD_BYTES - room - 1);
            text.push('"');
            text.push_str(&key);
            text.push_str(&" y".repeat(MAX_PAYLOAD_BYTES / 2));
            assert!(check(text.as_bytes()).starts_with("[redacted:openai]\""));
        }
        assert_eq!(kept_payload(&vec![b'x'; MAX_PAYLOAD_BYTES + 1]), "");
    }

    #[test]
    fn a_cut_is_whole() {
        assert_eq!(cut("héllo", 2), "h");
        assert_eq!(cut("héllo", 9), "héllo");
        assert_eq!(cut("a [redacted:openai] b", 10), "a ");
        assert_eq!(cut("a [redacted:openai] b", 19), "a [redacted:openai]");
        assert_eq!(cut("a [red] bcd", 9), "a [red] b");
        assert_eq!(cut("a [redbcd", 5), "a [re");
    }
}
