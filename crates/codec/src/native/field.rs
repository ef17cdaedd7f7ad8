//! The fields of the wire.

use model::{CountField, FlagField, TextField};

/// What a field of the wire is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldKind {
    Time,
    TimeStart,
    TimeEnd,
    Text(TextField),
    Count(CountField),
    Flag(FlagField),
    Cost,
    OtherUnits,
    Extra,
    /// Names that only Spikewatch itself gives; an event that claims them is not believed.
    Reserved,
}

impl FieldKind {
    pub(super) fn of(name: &str) -> Option<Self> {
        Some(match name {
            "time" => Self::Time,
            "time_start" => Self::TimeStart,
            "time_end" => Self::TimeEnd,
            "cost_usd" => Self::Cost,
            "other_units" => Self::OtherUnits,
            "extra" => Self::Extra,
            "quality" | "known_at" | "topic" | "partition" | "offset" => Self::Reserved,
            _ => {
                if let Some(field) = TextField::from_name(name) {
                    Self::Text(field)
                } else if let Some(field) = CountField::from_name(name) {
                    Self::Count(field)
                } else {
                    Self::Flag(FlagField::from_name(name)?)
                }
            }
        })
    }

    /// Returns the place among all fields, below [`FieldKind::COUNT`].
    pub(super) const fn index(self) -> usize {
        match self {
            Self::Time => 0,
            Self::TimeStart => 1,
            Self::TimeEnd => 2,
            Self::Cost => 3,
            Self::OtherUnits => 4,
            Self::Extra => 5,
            Self::Reserved => 6,
            Self::Text(field) => TEXT_AT + field as usize,
            Self::Count(field) => COUNT_AT + field as usize,
            Self::Flag(field) => FLAG_AT + field as usize,
        }
    }

    /// Returns whether its value stands in quotes.
    pub(super) const fn is_quoted(self) -> bool {
        matches!(
            self,
            Self::Time | Self::TimeStart | Self::TimeEnd | Self::Text(_)
        )
    }

    /// How many fields there are; fewer than 64, so that a set of them is one word.
    pub(super) const COUNT: usize = FLAG_AT + FlagField::ALL.len();
}

const TEXT_AT: usize = 7;
const COUNT_AT: usize = TEXT_AT + TextField::ALL.len();
const FLAG_AT: usize = COUNT_AT + CountField::ALL.len();
const _: () = assert!(FieldKind::COUNT < FIELDS);

/// Room for the fields and a few more; a power of two, so that no index is beyond it.
pub(super) const FIELDS: usize = 64;

/// A field that has a scalar, and how it begins in an event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) kind: FieldKind,
    /// Its place among all fields, and the bit at that place.
    pub(super) index: usize,
    pub(super) bit: u64,
    pub(super) lead: Lead,
}

/// The fields that have a scalar each, by their index; in the two ways in which programs write
/// JSON: without blanks, and with one behind each comma and colon.
pub(super) static EXPECTED: [[Option<Expected>; FIELDS]; 2] = [expected(false), expected(true)];

const fn expected(is_spaced: bool) -> [Option<Expected>; FIELDS] {
    let mut expected = [const { None }; FIELDS];
    let plain = [
        (FieldKind::Time, "time"),
        (FieldKind::TimeStart, "time_start"),
        (FieldKind::TimeEnd, "time_end"),
        (FieldKind::Cost, "cost_usd"),
    ];
    let mut at = 0;
    while at < FieldKind::COUNT {
        let (kind, name) = if at < plain.len() {
            plain[at]
        } else if at < TEXT_AT {
            at += 1;
            continue;
        } else if at < COUNT_AT {
            let field = TextField::ALL[at - TEXT_AT];
            (FieldKind::Text(field), field.name())
        } else if at < FLAG_AT {
            let field = CountField::ALL[at - COUNT_AT];
            (FieldKind::Count(field), field.name())
        } else {
            let field = FlagField::ALL[at - FLAG_AT];
            (FieldKind::Flag(field), field.name())
        };
        let lead = Lead::of(name, kind.is_quoted(), is_spaced);
        expected[at] = Some(Expected {
            kind,
            index: at,
            bit: 1 << at,
            lead,
        });
        at += 1;
    }
    expected
}

/// What stands between two values, compared eight bytes at a time: the comma, the name, the colon,
/// and the quote that opens a text, as in `,"model":"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lead {
    words: [u64; Lead::WORDS],
    masks: [u64; Lead::WORDS],
    length: usize,
}

impl Lead {
    const WORDS: usize = 4;
    /// How many bytes are looked at, whatever the length.
    const BYTES: usize = 8 * Self::WORDS;

    const fn of(name: &str, is_quoted: bool, is_spaced: bool) -> Self {
        let mut lead = Self {
            words: [0; Self::WORDS],
            masks: [0; Self::WORDS],
            length: 0,
        };
        let (before, behind) = match is_spaced {
            true => (", \"", "\": "),
            false => (",\"", "\":"),
        };
        lead.push(before);
        lead.push(name);
        lead.push(behind);
        if is_quoted {
            lead.push("\"");
        }
        lead
    }

    const fn push(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            assert!(self.length < Self::BYTES, "no name of the wire is longer");
            let (word, shift) = (self.length / 8, 8 * (self.length % 8));
            self.words[word] |= (bytes[at] as u64) << shift;
            self.masks[word] |= 0xff << shift;
            self.length += 1;
            at += 1;
        }
    }

    /// Returns the length in bytes if `text` begins with it; `ignored` are bits of the first eight
    /// bytes that may be others.
    #[inline(always)]
    pub(super) fn begins(&self, text: &[u8], ignored: u64) -> Option<usize> {
        let near_end;
        let bytes = match text.first_chunk::<{ Self::BYTES }>() {
            Some(bytes) => bytes,
            None => {
                near_end = padded(text);
                &near_end
            }
        };
        let (words, _) = bytes.as_chunks::<8>();
        let differs = |at: usize| (u64::from_le_bytes(words[at]) ^ self.words[at]) & self.masks[at];
        let differs = (differs(0) & !ignored) | differs(1) | differs(2) | differs(3);
        (differs == 0).then_some(self.length)
    }
}

/// Returns the last bytes of a text with zeros behind, which no text of JSON has.
#[inline(always)]
pub(super) fn padded<const BYTES: usize>(end: &[u8]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (byte, of) in bytes.iter_mut().zip(end) {
        *byte = *of;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_known_by_its_index_and_by_what_stands_before_its_value() {
        for (expected, blank) in EXPECTED.iter().zip(["", " "]) {
            for (index, expected) in expected.iter().enumerate() {
                let Some(expected) = expected else { continue };
                let Expected { kind, lead, .. } = expected;
                assert_eq!((kind.index(), expected.index), (index, index));
                assert_eq!(expected.bit, 1 << index);
                let wire = match kind {
                    FieldKind::Text(field) => field.name(),
                    FieldKind::Count(field) => field.name(),
                    FieldKind::Flag(field) => field.name(),
                    FieldKind::Cost => "cost_usd",
                    FieldKind::TimeStart => "time_start",
                    FieldKind::TimeEnd => "time_end",
                    _ => "time",
                };
                assert_eq!(FieldKind::of(wire), Some(*kind));
                let quote = if kind.is_quoted() { "\"" } else { "" };
                let whole = format!(",{blank}\"{wire}\":{blank}{quote}");
                let behind = format!("{whole}{}", "9".repeat(32));
                let begins = |text: &str| lead.begins(text.as_bytes(), 0);
                assert_eq!(begins(&behind), Some(whole.len()), "{wire}");
                assert_eq!(begins(&whole), Some(whole.len()), "{wire} at the end");
                assert_eq!(begins(&whole[..whole.len() - 1]), None, "{wire} cut");
                let first = behind.replacen(',', "{", 1);
                assert_eq!(begins(&first), None);
                assert_eq!(lead.begins(first.as_bytes(), 0xff), Some(whole.len()));
                for other in [
                    behind.replace("\":", "s\":"),
                    behind.replace(':', " :"),
                    behind.to_uppercase(),
                ] {
                    assert_eq!(begins(&other), None, "{other}");
                }
            }
        }
        let scalars = EXPECTED[0].iter().flatten().count();
        assert_eq!(scalars, FieldKind::COUNT - 3, "units, extra, reserved");
    }
}
