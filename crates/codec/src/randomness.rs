//! Telling what chance made from what people named.
//!
//! Azure's 32 hex digits, Cohere's 40 characters and Mistral's 32 have no prefix to know them
//! by. They are judged by length and mixture, and so is what follows `sk-` inside a word.

use std::ops::Range;

/// How ids begin that are safe to keep, however random their rest is.
const SAFE_PREFIXES: &[&str] = &[
    "key_",
    "apikey_",
    "proj_",
    "user-",
    "user_",
    "wrkspc_",
    "svac_",
    "org_",
    "org-",
    "req_",
    "msg_",
    "chatcmpl-",
    "resp_",
    "gen-",
    "fp:",
    "arn:",
    "AKIA",
    "ASIA",
    "ABIA",
    "ACCA",
    "projects/",
];

/// The length from which a text without known shape may be a key.
const MIN_LENGTH: usize = 28;

/// The length from which letters of one case are no word of any language.
const NO_WORD_LENGTH: usize = 24;

/// Returns whether a text, or a part of it, may be a key without known shape.
///
/// Ids that are safe to keep are told apart by their beginning, by being made of words and
/// numbers, by their known lengths of hex, or by being short.
pub(crate) fn holds_random(text: &str) -> bool {
    // A provider's own mask is no key.
    let masked = || text.contains("...") || text.contains('*');
    text.len() >= MIN_LENGTH
        && !is_sum(text)
        && !is_safe(text)
        && words_of(text).any(looks_random)
        && !masked()
}

/// Returns whether a text is a sum of SHA-256 or SHA-1 in hex, which are ids; 32 digits are a key of
/// Azure's.
fn is_sum(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Returns the words of a text that are long enough to be a key.
fn words_of(text: &str) -> impl Iterator<Item = &str> {
    // Paths of resources are long, and every row of a bill has one.
    let ascii = text.is_ascii().then_some(text.as_bytes());
    let ascii = ascii.into_iter().flat_map(|bytes| {
        let words = bytes.split(|&byte| IS_SEPARATOR[usize::from(byte)]);
        let words = words.filter(|word| word.len() >= MIN_LENGTH);
        words.filter_map(|word| std::str::from_utf8(word).ok())
    });
    let others = Some(text).filter(|text| !text.is_ascii()).into_iter();
    ascii.chain(others.flat_map(|text| text.split(is_separator)))
}

/// What [`is_separator`] says of ASCII.
static IS_SEPARATOR: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    let separators = b" \t\n\x0b\x0c\r:,;=\"'()";
    while at < separators.len() {
        table[separators[at] as usize] = true;
        at += 1;
    }
    table
};

fn is_separator(character: char) -> bool {
    character.is_whitespace() || matches!(character, ':' | ',' | ';' | '=' | '"' | '\'' | '(' | ')')
}

fn is_safe(word: &str) -> bool {
    let first = word.as_bytes().first();
    SAFE_PREFIXES
        .iter()
        .any(|prefix| prefix.as_bytes().first() == first && word.starts_with(prefix))
}

fn looks_random(word: &str) -> bool {
    if word.len() < MIN_LENGTH {
        return false;
    }
    let word = without_uuid(word);
    let alphabet = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'+' | b'/');
    if word.len() < MIN_LENGTH || is_safe(word) || !word.bytes().all(alphabet) {
        return false;
    }
    if word.bytes().all(|b| b.is_ascii_hexdigit()) {
        return !is_sum(word);
    }
    mixture(word, 5) && entropy_bits(word) > 3.5
}

/// Returns the parts of a text that may be keys without known shape, where too much had rather
/// go than too little: the runs of letters and digits, and AWS's 40 characters of base64.
pub(crate) fn random_runs(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let in_run = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '/');
    text.split(move |c| !in_run(c))
        .filter(|run| run.len() >= MIN_LENGTH && !is_safe(run))
        .filter(|run| {
            let unbroken = run
                .split(['_', '-', '+', '/'])
                .any(|part| part.len() >= MIN_LENGTH && looks_random(part));
            unbroken || run.split(['_', '-']).any(is_base64_secret)
        })
        .map(|run| {
            let start = run.as_ptr() as usize - text.as_ptr() as usize;
            start..start + run.len()
        })
}

fn is_base64_secret(part: &str) -> bool {
    let has = |class: fn(&u8) -> bool| part.as_bytes().iter().any(class);
    part.len() == 40
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_digit)
        && entropy_bits(part) > 4.0
}

/// Returns whether a part between hyphens, of at least `length` characters, is no word and no
/// number: it mixes letters and digits, has a capital after a small letter, or does not end.
pub(crate) fn mixture(text: &str, length: usize) -> bool {
    text.split(['-', '_', '/', '+'])
        .filter(|part| part.len() >= length)
        .any(|part| {
            let digits = part.bytes().filter(u8::is_ascii_digit).count();
            let inner_capital = part
                .as_bytes()
                .windows(2)
                .any(|pair| matches!(pair, [b'a'..=b'z', b'A'..=b'Z']));
            (digits > 0 && digits < part.len())
                || inner_capital
                || (digits == 0 && part.len() >= NO_WORD_LENGTH)
        })
}

/// Returns a text without the UUID it ends with: a UUID is an id.
fn without_uuid(word: &str) -> &str {
    let Some((head, tail)) = word
        .len()
        .checked_sub(36)
        .and_then(|at| word.split_at_checked(at))
    else {
        return word;
    };
    let uuid = tail.bytes().enumerate().all(|(at, b)| match at {
        8 | 13 | 18 | 23 => b == b'-',
        _ => b.is_ascii_hexdigit(),
    });
    if uuid { head } else { word }
}

/// Returns Shannon's entropy of the characters, in bits a character.
fn entropy_bits(value: &str) -> f64 {
    let mut counts = [0u32; 256];
    for byte in value.bytes() {
        counts[usize::from(byte)] += 1;
    }
    let length = value.len() as f64;
    let share = |&count: &u32| f64::from(count) / length;
    counts
        .iter()
        .filter(|&&count| count > 0)
        .map(share)
        .map(|p| -p * p.log2())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_characters_are_parted_at_the_same_places() {
        for byte in 0..128u8 {
            let separates = is_separator(char::from(byte));
            assert_eq!(IS_SEPARATOR[usize::from(byte)], separates, "{byte}");
        }
        let key = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4";
        for text in [
            format!("id={key}"),
            format!("ü\u{a0}{key}"),
            format!("({key})"),
        ] {
            assert!(holds_random(&text), "{text}");
        }
        assert!(!holds_random(&format!("{key}ü")) && !holds_random(&format!("{key}.x")));
    }

    #[test]
    fn names_are_no_chance() {
        for name in [
            "checkout-service-production-eu-west-1",
            "anthropic/claude-sonnet-4-5-20250929-v1",
            "svc-0f2b5c1e-6c1f-4b8e-9a39-1d1f0a2f9b7c",
            "chatcmpl-aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU",
            "arn:aws:iam::123456789012:user/BedrockAPIKey-1",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "sk-proj-***..x9Zq",
        ] {
            assert!(!holds_random(name), "{name}");
            assert_eq!(random_runs(name).count(), 0, "{name}");
        }
    }

    #[test]
    fn what_chance_made_is_found_in_its_place() {
        for secret in [
            "0123456789abcdef0123456789abcdef",
            "aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW3xY5zA7b",
            "bKdHfJgLqWeRtYuIoPzXcVbNmAsDfGhJ",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY0"[..40].into(),
        ] {
            assert!(holds_random(secret), "{secret}");
            assert!(holds_random(&format!("Token: {secret}")), "{secret}");
            let text = format!("{{\"key\":\"{secret}\",\"x\":1}}");
            let found: Vec<&str> = random_runs(&text).map(|run| &text[run]).collect();
            assert_eq!(found, [secret]);
        }
    }
}
