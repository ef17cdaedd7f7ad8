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

    /// How many fields there are; fewer than 64, so that a set of them is one word.
    pub(super) const COUNT: usize = FLAG_AT + FlagField::ALL.len();
}

const TEXT_AT: usize = 7;
const COUNT_AT: usize = TEXT_AT + TextField::ALL.len();
const FLAG_AT: usize = COUNT_AT + CountField::ALL.len();
const _: () = assert!(FieldKind::COUNT < FIELDS);

/// Room for the fields and a few more; a power of two, so that no index is beyond it.
pub(super) const FIELDS: usize = 64;

/// The fields that have a scalar each, by their index, with their names in quotes and the colon
/// behind.
pub(super) static SCALARS: [Option<(FieldKind, QuotedName)>; FIELDS] = {
    let mut scalars = [const { None }; FIELDS];
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
        scalars[at] = Some((kind, QuotedName::of(name)));
        at += 1;
    }
    scalars
};

/// A name as it stands in an event, `"name":`, compared eight bytes at a time.
#[derive(Clone, Copy, Debug)]
pub(super) struct QuotedName {
    words: [u64; QuotedName::WORDS],
    masks: [u64; QuotedName::WORDS],
    length: usize,
}

impl QuotedName {
    const WORDS: usize = 3;
    /// How many bytes are looked at, whatever the length.
    const BYTES: usize = 8 * Self::WORDS;

    const fn of(name: &str) -> Self {
        let name = name.as_bytes();
        let length = name.len() + 3;
        assert!(length <= Self::BYTES, "no name of the wire is longer");
        let (mut words, mut masks) = ([0; Self::WORDS], [0; Self::WORDS]);
        let mut at = 0;
        while at < length {
            let byte = match at {
                0 => b'"',
                _ if at == length - 2 => b'"',
                _ if at == length - 1 => b':',
                _ => name[at - 1],
            };
            words[at / 8] |= (byte as u64) << (8 * (at % 8));
            masks[at / 8] |= 0xff << (8 * (at % 8));
            at += 1;
        }
        Self {
            words,
            masks,
            length,
        }
    }

    /// Returns the length in bytes if `text` begins with the name.
    #[inline(always)]
    pub(super) fn begins(&self, text: &[u8]) -> Option<usize> {
        let near_end;
        let bytes = match text.first_chunk::<{ Self::BYTES }>() {
            Some(bytes) => bytes,
            None => {
                near_end = padded(text);
                &near_end
            }
        };
        let (words, _) = bytes.as_chunks::<8>();
        let differs = words.iter().zip(self.words.iter().zip(self.masks)).fold(
            0,
            |differs, (word, (expected, mask))| {
                differs | ((u64::from_le_bytes(*word) ^ expected) & mask)
            },
        );
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
    fn a_name_is_known_in_its_quotes_and_by_its_index() {
        for (index, scalar) in SCALARS.iter().enumerate() {
            let Some((kind, name)) = scalar else { continue };
            assert_eq!(kind.index(), index);
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
            let text = format!("\"{wire}\":{}", " ".repeat(24));
            assert_eq!(name.begins(text.as_bytes()), Some(wire.len() + 3), "{wire}");
            let whole = wire.len() + 3;
            assert_eq!(
                name.begins(&text.as_bytes()[..whole]),
                Some(whole),
                "the end"
            );
            assert_eq!(name.begins(&text.as_bytes()[..whole - 1]), None, "cut");
            for other in [
                text.replace("\":", "s\":"),
                text.replace(':', " :"),
                text.to_uppercase(),
            ] {
                assert_eq!(name.begins(other.as_bytes()), None, "{other}");
            }
        }
        let scalars = SCALARS.iter().flatten().count();
        assert_eq!(scalars, FieldKind::COUNT - 3, "units, extra, reserved");
    }
}
