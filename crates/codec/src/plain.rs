//! Text as its reader sees it: escapes resolved, invisible characters left out.
//!
//! A key spelt `\u0073k-proj-…` or `sk%2Dproj%2D…`, or with a soft hyphen inside, fits no shape
//! and is still a key. [`Plain`] is a copy that the shapes fit, and remembers for each byte where
//! it was read from, so that what is found in the copy can be cut out of the original.

use std::ops::Range;

/// A readable copy of a text.
pub(crate) struct Plain {
    text: String,
    /// Where each byte of the copy was read from, and where the original ends.
    origins: Vec<usize>,
}

impl Plain {
    /// Returns whether bytes are of ASCII that everybody sees, or its white space, without what
    /// begins an escape: the quickest look, for all but a few documents the only one.
    pub(crate) fn is_printable(bytes: &[u8]) -> bool {
        // Without branches, so that sixteen bytes are looked at at once.
        let odd = |&byte: &u8| byte == b'\\' || byte == b'%' || byte >= 0x7f;
        !bytes.iter().fold(false, |any, byte| any | odd(byte))
    }

    /// Returns whether a text is read as it stands: ASCII that everybody sees and white space,
    /// without what begins an escape, and without control characters.
    pub(crate) fn is_plain(bytes: &[u8]) -> bool {
        let odd = |&byte: &u8| {
            let control = byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r');
            control || byte == b'\\' || byte == b'%' || byte >= 0x7f
        };
        !bytes.iter().fold(false, |any, byte| any | odd(byte))
    }

    /// Returns whether bytes may hold escapes, or the one control character that JSON leaves as
    /// it is.
    pub(crate) fn has_escapes(bytes: &[u8]) -> bool {
        memchr::memchr3(b'\\', b'%', 0x7f, bytes).is_some()
    }

    /// Returns whether bytes may hold escapes other than those of JSON, by which a key could be
    /// spelt: `%2F` stands in every second log, and no key has a slash in its beginning.
    pub(crate) fn has_other_escapes(bytes: &[u8]) -> bool {
        memchr::memchr2_iter(b'%', 0x7f, bytes).any(|at| {
            let rest = bytes.get(at..).unwrap_or_default();
            rest.first() != Some(&b'%') || rest.get(1..3).is_some_and(spells_part_of_a_key)
        })
    }

    /// Returns whether a text may be read otherwise than it stands.
    pub(crate) fn is_unusual(text: &[u8]) -> bool {
        !Self::is_plain(text)
            && (Self::has_escapes(text) || Self::has_invisible(text) || Self::has_control(text))
    }

    /// Returns whether bytes hold control characters that nobody sees.
    fn has_control(bytes: &[u8]) -> bool {
        bytes.iter().any(|&byte| is_control(byte.into()))
    }

    /// Returns whether UTF-8 holds characters that [`is_invisible`] means beyond ASCII.
    pub(crate) fn has_invisible(bytes: &[u8]) -> bool {
        memchr::memchr3_iter(0xc2, 0xe2, 0xef, bytes).any(|at| {
            matches!(
                bytes.get(at..).unwrap_or_default(),
                [0xc2, 0xad, ..]
                    | [0xe2, 0x80, 0x8b..=0x8f | 0xaa..=0xae, ..]
                    | [0xe2, 0x81, 0xa0..=0xaf, ..]
                    | [0xef, 0xb8, 0x80..=0x8f, ..]
                    | [0xef, 0xbb, 0xbf, ..]
                    | [0xef, 0xbf, 0xbd, ..]
            )
        })
    }

    /// Returns the readable copy, or `None` where it would be the text itself.
    pub(crate) fn of(text: &str) -> Option<Self> {
        // Control characters cannot stand in a JSON text, only in what is none.
        if !Self::is_unusual(text.as_bytes()) {
            return None;
        }
        let mut plain = Self {
            text: String::with_capacity(text.len()),
            origins: Vec::with_capacity(text.len() + 1),
        };
        let mut rest = text;
        while let Some((character, length)) = read(rest) {
            if let Some(character) = character.filter(|&c| !is_invisible(c)) {
                plain.text.push(character);
                plain
                    .origins
                    .resize(plain.text.len(), text.len() - rest.len());
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        plain.origins.push(text.len());
        (plain.text != text).then_some(plain)
    }

    /// Returns the copy of the copy, for escapes inside escapes; ranges still mean the original.
    pub(crate) fn again(&self) -> Option<Self> {
        let mut plain = Self::of(&self.text)?;
        for origin in &mut plain.origins {
            *origin = self.origin(*origin);
        }
        Some(plain)
    }

    /// Returns the readable text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the part of the original that a part of the copy was read from.
    pub(crate) fn original(&self, range: Range<usize>) -> Range<usize> {
        self.origin(range.start)..self.origin(range.end)
    }

    fn origin(&self, at: usize) -> usize {
        self.origins.get(at).copied().unwrap_or_default()
    }
}

/// Returns the first character as its reader sees it, if at all, and how many bytes spell it.
fn read(text: &str) -> Option<(Option<char>, usize)> {
    let first = text.chars().next()?;
    let as_it_stands = (Some(first), first.len_utf8());
    Some(match first {
        '\\' => read_backslash(text).unwrap_or(as_it_stands),
        '%' => match hex(text, 1, 2) {
            // Beyond ASCII it would be half a character.
            Some(code @ 0..=0x7f) => (char::from_u32(code), 3),
            _ => as_it_stands,
        },
        _ => as_it_stands,
    })
}

fn read_backslash(text: &str) -> Option<(Option<char>, usize)> {
    Some(match text.as_bytes().get(1)? {
        b'u' => match hex(text, 2, 4)? {
            0xd800..=0xdbff if text.get(6..8) == Some("\\u") => {
                // A pair spells a character outside every alphabet of keys; which one is all the same.
                let low = hex(text, 8, 4).is_some_and(|low| (0xdc00..=0xdfff).contains(&low));
                if low { (Some('?'), 12) } else { (None, 6) }
            }
            code => (char::from_u32(code), 6),
        },
        b'x' => (char::from_u32(hex(text, 2, 2)?), 4),
        b'n' | b'r' | b't' | b'b' | b'f' => (Some(' '), 2),
        byte @ (b'\\' | b'/' | b'"' | b'\'') => (Some(char::from(*byte)), 2),
        _ => return None,
    })
}

/// Reads `length` hex digits from byte `at` on.
fn hex(text: &str, at: usize, length: usize) -> Option<u32> {
    let digits = text.get(at..at + length)?;
    let all_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all_hex.then(|| u32::from_str_radix(digits, 16).ok())?
}

/// Returns whether two hex digits are a character of a key, of another escape, or one that is not
/// seen.
fn spells_part_of_a_key(digits: &[u8]) -> bool {
    let code = std::str::from_utf8(digits).ok();
    let code = code
        .and_then(|digits| hex(digits, 0, 2))
        .map(char::from_u32);
    matches!(
        code,
        Some(Some('a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' | '%' | '\\'))
    ) || code.flatten().is_some_and(is_control)
}

fn is_control(character: char) -> bool {
    character.is_ascii_control() && !matches!(character, '\t' | '\n' | '\r')
}

/// Returns whether a character is not seen: control characters, soft hyphen, joiners, marks of
/// direction, variation selectors, byte order mark, and the replacement character that stands
/// for broken bytes.
fn is_invisible(character: char) -> bool {
    is_control(character)
        || matches!(
            character,
            '\u{ad}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{fffd}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        let plain = Plain::of(text);
        assert_eq!(plain.as_ref().map(Plain::text), expected, "{text}");
        if let Some(plain) = plain {
            assert_eq!(plain.origins.len(), plain.text.len() + 1);
            assert_eq!(plain.original(0..plain.text.len()).end, text.len());
        }
    }

    #[test]
    fn escapes_are_resolved_and_invisible_characters_left_out() {
        check("plain – and ünïcode", None);
        check("100 % of C:\\users", None);
        check("\\u0073k-a", Some("sk-a"));
        check("\\u0073\\u006B\\/b\\n\\\"c", Some("sk/b \"c"));
        check("sk%2Dproj%2d%C3%BC", Some("sk-proj-%C3%BC"));
        check("a\u{200b}b\u{ad}c\u{feff}d\u{0}e\u{7f}", Some("abcde"));
        check("\\u200b\\ud83d\\ude00\\ud800x\\x73", Some("?xs"));
        check("\\u00", None);
        check("\\", None);
        check("%4", None);
    }

    #[test]
    fn bytes_and_characters_agree_on_what_is_invisible() {
        for character in ('\u{80}'..='\u{10ffff}').filter(|c| !c.is_control()) {
            let text = character.to_string();
            assert_eq!(
                Plain::has_invisible(text.as_bytes()),
                is_invisible(character),
                "{character:?}"
            );
        }
    }

    #[test]
    fn only_what_may_spell_a_key_is_an_escape_of_one() {
        let has = |text: &str| Plain::has_other_escapes(text.as_bytes());
        for text in [
            "%2d",
            "s%6B-",
            "sk%2Dproj",
            "%252D",
            "a%00b",
            "%5Cu0073",
            "\u{7f}",
            "%7F",
        ] {
            assert!(has(text), "{text}");
        }
        for text in [
            "",
            "100 % of it",
            "a%2Fb",
            "q%3Da%20b%26",
            "%C3%BC",
            "%zz",
            "%",
            "%2",
        ] {
            assert!(!has(text), "{text}");
        }
    }

    #[test]
    fn a_part_of_the_copy_leads_to_its_part_of_the_original() {
        let text = r"a \\u0073k b";
        let twice = Plain::of(text).unwrap().again().unwrap();
        assert_eq!(twice.text(), "a sk b");
        assert_eq!(&text[twice.original(2..4)], r"\\u0073k");
        assert!(twice.again().is_none());
    }
}
