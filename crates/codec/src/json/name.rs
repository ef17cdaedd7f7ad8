//! NameSet as numbers.
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

#[cfg(test)]
mod tests {
    use super::*;

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
