//! NameSet as numbers.
//!
//! A decoder asks for fifty names and more, of which most are not there. A name has a number, and
//! two names of one number are rare: most questions are answered without a look at a text.

/// The number of a name, the same in capital and small letters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct NameHash(u16);

impl NameHash {
    /// Returns the number of a name, from its length and five of its bytes.
    pub(crate) const fn of(name: &[u8]) -> Self {
        let length = name.len();
        if length == 0 {
            return Self(0);
        }
        let (quarter, last) = (length / 4, length - 1);
        let places = [0, quarter, length / 2, last - quarter, last];
        let mut hash = length as u32;
        let mut at = 0;
        while at < places.len() {
            // The bit by which small letters differ from capital ones.
            let byte = name[places[at]] | 0x20;
            hash = (hash ^ byte as u32).wrapping_mul(0x0100_0193);
            at += 1;
        }
        Self((hash.wrapping_mul(0x9e37_79b1) >> 16) as u16)
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

    /// Adds a name.
    pub(crate) fn insert(&mut self, name: NameHash) {
        self.0[name.slot::<1024>() / 64] |= name.bit();
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
