//! Changes to records that keep much of what they were, all from one seed.

/// A generator of numbers that is the same on every machine: splitmix64.
pub(crate) struct Seed(pub(crate) u64);

impl Seed {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`, or 0 where that is 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound.max(1)
    }

    pub(crate) fn one_of<'a, T: ?Sized>(&mut self, all: &[&'a T]) -> &'a T {
        all[self.below(all.len())]
    }
}

/// Bytes that mean something to one of the parsers.
const BYTES: &[u8] =
    b"\"{}[]:,;-+.0159eEtfnN\\/u \t\r\n=%&#@\x00\x01\x03\x0a\x12\x1f\x80\xc3\xed\xef\xff";

/// Values that stand where another did.
const VALUES: [&str; 28] = [
    "null",
    "true",
    "[]",
    "{}",
    "\"\"",
    "\"-\"",
    "-1",
    "0",
    "1e400",
    "-1e400",
    "1e12",
    "1000000000001",
    "18446744073709551616",
    "0.5",
    "1e-400",
    "\"NaN\"",
    "\"1e3\"",
    "\"+5\"",
    "253370764800",
    "\"9999-12-31T23:59:59Z\"",
    "\"1970-01-01T00:00:00Z\"",
    "\"\\u0000\"",
    "\"Bearer sk-EXAMPLE0EXAMPLE0\"",
    "\"{\\\"a\\\":1}\"",
    "\"{\"",
    "[null,[1,[2]]]",
    "{\"a\":1,\"a\":2}",
    "\"2026-05-04T12:00:00Z\"",
];

/// Returns a record with one to six changes; `other` is a record to take parts from.
pub(crate) fn mutate(seed: &mut Seed, record: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = record.to_vec();
    for _ in 0..=seed.below(6) {
        change(seed, &mut bytes, other);
    }
    bytes.truncate(1 << 20);
    bytes
}

fn change(seed: &mut Seed, bytes: &mut Vec<u8>, other: &[u8]) {
    if bytes.is_empty() {
        bytes.extend(other);
        return;
    }
    let at = seed.below(bytes.len());
    match seed.below(10) {
        0 => bytes[at] ^= 1 << seed.below(8),
        1 => bytes[at] = BYTES[seed.below(BYTES.len())],
        2 => bytes.insert(at, BYTES[seed.below(BYTES.len())]),
        3 => bytes.truncate(at),
        4 => {
            let end = (at + 1 + seed.below(24)).min(bytes.len());
            bytes.drain(at..end);
        }
        // A part twice: a member, an element, a field of a message.
        5 => {
            let end = (at + 1 + seed.below(400)).min(bytes.len());
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        6 => {
            let from = seed.below(other.len());
            let end = (from + seed.below(400)).min(other.len());
            bytes.splice(at..at, other[from..end].iter().copied());
        }
        7 => bytes
            .splice(at.., other[seed.below(other.len())..].iter().copied())
            .for_each(drop),
        8 => {
            if let Some(value) = value_at(bytes, at) {
                let new = seed.one_of(&VALUES);
                bytes.splice(value, new.bytes());
            }
        }
        _ => {
            if let (Some(to), from) = (value_at(bytes, at), seed.below(bytes.len())) {
                let part = value_at(bytes, from).map(|from| bytes[from].to_vec());
                bytes.splice(to, part.unwrap_or_default());
            }
        }
    }
}

/// Returns where the first value behind a colon after `at` is, as far as its first comma or bracket.
fn value_at(bytes: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let start = at + bytes[at..].iter().position(|byte| *byte == b':')? + 1;
    let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']');
    let length = bytes[start..].iter().position(ends)?;
    Some(start..start + length)
}
