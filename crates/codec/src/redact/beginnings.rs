//! Where a secret may begin: the quick look, a no for nearly every event.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, packed};

/// How shapes begin; of one it is what comes after the first letter, as `api` begins many a name.
pub(super) const BEGINNINGS: [&str; 20] = [
    "sk-",
    "sk_",
    "pk-lf",
    "gsk_",
    "xai-",
    "AIza",
    "AQ.",
    "hf_",
    "pi_org_",
    "pcsk_",
    "r8_",
    "pplx-",
    "nvapi-",
    "dapi",
    "lsv2_",
    "ABSK",
    "bedrock-api-key",
    "whsec_",
    "whsk_",
    "eyJ",
];

/// Three letters each of bearer and basic, whose case is free. All ways of writing more of them are
/// too many texts to search at once.
pub(super) const WORDS: [&str; 2] = ["rer", "sic"];

/// All ways of writing a word of three letters.
fn cases(word: &str) -> impl Iterator<Item = String> {
    (0..1 << word.len()).map(move |upper| {
        let letter = |(at, letter): (usize, char)| match upper >> at & 1 {
            0 => letter,
            _ => letter.to_ascii_uppercase(),
        };
        word.chars().enumerate().map(letter).collect()
    })
}

/// Whether bytes might hold a shape: its beginning only, a quick no for nearly every event.
static MIGHT_HOLD: LazyLock<AnyOf> = LazyLock::new(|| {
    let beginnings = BEGINNINGS.into_iter().map(str::to_owned);
    AnyOf::new(
        beginnings
            .chain(WORDS.into_iter().flat_map(cases))
            .collect(),
    )
});

/// Looks for any of a few texts.
enum AnyOf {
    /// By vector instructions, many bytes at once.
    Packed(packed::Searcher),
    /// Where there are none.
    Automaton(AhoCorasick),
}

impl AnyOf {
    fn new(texts: Vec<String>) -> Self {
        match packed::Searcher::new(&texts) {
            Some(packed) => Self::Packed(packed),
            None => Self::Automaton(AhoCorasick::new(&texts).expect("the texts are few")),
        }
    }

    fn is_in(&self, text: &[u8]) -> bool {
        match self {
            Self::Packed(packed) => packed.find(text).is_some(),
            Self::Automaton(automaton) => automaton.is_match(text),
        }
    }

    fn first_in(&self, text: &[u8], from: usize) -> Option<usize> {
        let span = aho_corasick::Span::from(from..text.len());
        let found = match self {
            Self::Packed(packed) => packed.find_in(text, span),
            Self::Automaton(automaton) => automaton.find(aho_corasick::Input::new(text).span(span)),
        };
        found.map(|found| found.start())
    }
}

/// A bit for the first three bytes of each beginning, in any case.
///
/// To start the search of many literals takes longer than to walk over a short text.
static FIRST_THREE: [u64; 64] = {
    let mut bits = [0; 64];
    let mut at = 0;
    while at < BEGINNINGS.len() + WORDS.len() {
        let text = match at.checked_sub(BEGINNINGS.len()) {
            None => BEGINNINGS[at].as_bytes(),
            Some(at) => WORDS[at].as_bytes(),
        };
        let place = place_of(text[0], text[1], text[2]);
        bits[place / 64] |= 1 << (place % 64);
        at += 1;
    }
    bits
};

const fn place_of(first: u8, second: u8, third: u8) -> usize {
    let three = u32::from_le_bytes([first | 0x20, second | 0x20, third | 0x20, 0]);
    (three.wrapping_mul(0x9e37_79b1) >> 20) as usize
}

/// The longest text that is walked over.
pub(super) const SHORT_BYTES: usize = 48;

/// Returns whether three bytes may be those of a beginning.
pub(super) fn begins(three: &[u8]) -> bool {
    match three {
        [first, second, third] => {
            let place = place_of(*first, *second, *third);
            FIRST_THREE[place / 64] >> (place % 64) & 1 == 1
        }
        _ => false,
    }
}

/// Returns whether a shape may be in a text: a quick no for nearly every event.
pub(super) fn might_hold(text: &[u8]) -> bool {
    (text.len() > SHORT_BYTES || text.windows(3).any(begins)) && MIGHT_HOLD.is_in(text)
}

/// Returns where a shape may begin next, from a place on.
pub(super) fn next_in(texts: &[u8], from: usize) -> Option<usize> {
    MIGHT_HOLD.first_in(texts, from)
}
