//! Words inside of texts, in capital or small letters.

/// Some words in small letters, to be found in a text in one walk and without a copy of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    words: &'static [&'static str],
    /// A bit for each letter that a word begins with.
    starts: u32,
}

impl Words {
    /// Takes words of small letters, none of them empty.
    pub(crate) const fn new(words: &'static [&'static str]) -> Self {
        let (mut starts, mut at) = (0, 0);
        while at < words.len() {
            starts |= 1 << (words[at].as_bytes()[0] & 31);
            at += 1;
        }
        Self { words, starts }
    }

    /// Returns whether any of the words is in a text.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        let text = text.as_bytes();
        (0..text.len()).any(|at| {
            let rest = text.get(at..).unwrap_or_default();
            let starts = rest
                .first()
                .is_some_and(|byte| self.starts >> (byte & 31) & 1 == 1);
            starts && self.words.iter().any(|word| begins(rest, word))
        })
    }

    /// Returns whether a text ends with any of the words.
    pub(crate) fn end(&self, text: &str) -> bool {
        let text = text.as_bytes();
        self.words.iter().any(|word| {
            let tail = text.len().checked_sub(word.len());
            tail.and_then(|at| text.get(at..))
                .is_some_and(|tail| begins(tail, word))
        })
    }
}

fn begins(text: &[u8], word: &str) -> bool {
    let head = text.get(..word.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case() {
        const WORDS: Words = Words::new(&["key", "auth", "1h"]);
        for text in ["key", "my_Key", "x-api-KEYS", "xAuthx", "write_1H", "kekey"] {
            assert!(WORDS.are_in(text), "{text}");
        }
        for text in ["", "ke", "k ey", "aut", "Q", "1", "h1"] {
            assert!(!WORDS.are_in(text), "{text}");
        }
        assert!(WORDS.end("api_Key") && !WORDS.end("keys") && !WORDS.end(""));
    }
}
