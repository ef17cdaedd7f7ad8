//! Names as numbers.
//!
//! A decoder asks for fifty names and more, of which most are not there. A name has a number, and
//! two names of one number are rare: most questions are answered without a look at a text.

/// The number of a name, the same in capital and small letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NameHash(u16);

impl NameHash {
    /// Returns the number of a name, from its length, its first eight bytes and its last eight.
    pub(crate) const fn of(name: &[u8]) -> Self {
        // The bit by which small letters differ from capital ones.
        const SMALL: u64 = u64::MAX / 255 * 0x20;
        let (head, tail) = if let (Some(head), Some(tail)) = (name.first_chunk(), name.last_chunk())
        {
            (u64::from_le_bytes(*head), u64::from_le_bytes(*tail))
        } else if let (Some(head), Some(tail)) = (name.first_chunk(), name.last_chunk()) {
            let (head, tail) = (u32::from_le_bytes(*head), u32::from_le_bytes(*tail));
            (head as u64, tail as u64)
        } else {
            let head = if let Some(head) = name.first() {
                *head
            } else {
                0
            };
            let middle = if name.len() == 3 { name[1] } else { 0 };
            let tail = if let Some(tail) = name.last() {
                *tail
            } else {
                0
            };
            (head as u64, (middle as u64) << 8 | tail as u64)
        };
        let (head, tail) = (head | SMALL, (tail | SMALL).rotate_left(29));
        let mixed = (head ^ tail ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self((mixed >> 48) as u16)
    }

    /// Returns the bit of the number in a word.
    pub(super) const fn bit(self) -> u64 {
        1 << (self.0 % 64)
    }

    /// Returns the place of the number in a table of `SLOTS`, a power of two.
    pub(crate) const fn slot<const SLOTS: usize>(self) -> usize {
        self.0 as usize % SLOTS
    }
}

/// Which names there may be, for who asks for very many: as a rule one of fifty that are not there
/// is taken for one that is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NameSet([u64; NameSet::WORDS]);

impl NameSet {
    const WORDS: usize = 16;

    /// Adds a name, and returns whether its bit was still free.
    pub(crate) fn insert(&mut self, name: NameHash) -> bool {
        let word = &mut self.0[name.slot::<1024>() / 64];
        let before = *word;
        *word |= name.bit();
        before != *word
    }

    /// Returns whether a name may be there.
    pub(crate) const fn may_have(&self, name: NameHash) -> bool {
        self.0[name.slot::<1024>() / 64] & name.bit() != 0
    }
}

impl FromIterator<NameHash> for NameSet {
    fn from_iter<I: IntoIterator<Item = NameHash>>(hashes: I) -> Self {
        let mut names = Self::default();
        for hash in hashes {
            names.insert(hash);
        }
        names
    }
}

/// The names of an object of many members, and where they are: a decoder that asks such an object
/// for fifty names need not walk over its members fifty times.
#[derive(Clone, Debug)]
pub(super) struct NameIndex {
    names: NameSet,
    /// How far the first member of each slot is from its object; 0 is none, and the largest number
    /// one that is too far away.
    first: [u16; NameIndex::SLOTS],
}

/// What an index says of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Indexed {
    /// It is not there.
    Absent,
    /// Members with its number begin here, this far from the object.
    At(u32),
    /// Another name has its slot.
    Unknown,
}

impl NameIndex {
    const SLOTS: usize = 256;
    const FAR: u16 = u16::MAX;

    /// Adds the name of a member that is so far from its object, and returns whether no other can
    /// have its number. Members are added in their order.
    pub(super) fn insert(&mut self, name: NameHash, distance: usize) -> bool {
        let slot = &mut self.first[name.slot::<{ Self::SLOTS }>()];
        if *slot == 0 {
            *slot = u16::try_from(distance).unwrap_or(Self::FAR);
        }
        self.names.insert(name)
    }

    /// Returns where the first member is of which `has_number` says, given its distance, that its
    /// name has that number.
    pub(super) fn first(&self, name: NameHash, has_number: impl Fn(u32) -> bool) -> Indexed {
        if !self.names.may_have(name) {
            return Indexed::Absent;
        }
        match self.first[name.slot::<{ Self::SLOTS }>()] {
            0 => Indexed::Absent,
            distance if distance != Self::FAR && has_number(distance.into()) => {
                Indexed::At(distance.into())
            }
            _ => Indexed::Unknown,
        }
    }
}

impl Default for NameIndex {
    fn default() -> Self {
        Self {
            names: NameSet::default(),
            first: [0; Self::SLOTS],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_knows_the_first_of_a_number_and_says_when_it_does_not() {
        let (model, usage) = (NameHash::of(b"model"), NameHash::of(b"usage"));
        let mut index = NameIndex::default();
        assert_eq!(index.first(model, |_| true), Indexed::Absent);
        assert!(index.insert(model, 3) && !index.insert(model, 5));
        assert_eq!(index.first(model, |at| at == 3), Indexed::At(3));
        // Another name with its slot came first.
        assert_eq!(index.first(model, |_| false), Indexed::Unknown);
        assert_eq!(index.first(usage, |_| true), Indexed::Absent);
        index.insert(usage, 70_000);
        assert_eq!(index.first(usage, |_| true), Indexed::Unknown);
    }

    #[test]
    fn a_number_does_not_depend_on_the_case_and_tells_neighbours_apart() {
        let of = |name: &str| NameHash::of(name.as_bytes());
        assert_eq!(of("ResourceId"), of("resourceid"));
        let names = [
            "input_tokens",
            "inputTokens",
            "output_tokens",
            "id",
            "ip",
            "",
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(names.iter().skip(at + 1).all(|other| of(other) != of(name)));
        }
    }

    #[test]
    fn a_set_has_what_was_put_in() {
        let set: NameSet = [NameHash::of(b"usage"), NameHash::of(b"model")]
            .into_iter()
            .collect();
        assert!(set.may_have(NameHash::of(b"usage")) && set.may_have(NameHash::of(b"MODEL")));
        assert!(!set.may_have(NameHash::of(b"response")));
    }
}
