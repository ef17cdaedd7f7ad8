//! Ranges of numbers, each with what is known of it.

/// Ranges that do not overlap, in ascending order, found by halving.
///
/// Neighbours of which the same is known become one: a file has a range for each network that
/// was ever given out, and there are a few hundred countries.
pub(super) struct Ranges<N, T> {
    /// The first and the last number of each range, both inside.
    firsts: Vec<N>,
    lasts: Vec<N>,
    known: Vec<T>,
}

impl<N, T> Default for Ranges<N, T> {
    fn default() -> Self {
        Self {
            firsts: Vec::new(),
            lasts: Vec::new(),
            known: Vec::new(),
        }
    }
}

/// An address as a number.
pub(super) trait Number: Copy + Ord {
    /// Returns the next number, or `None` after the last.
    fn next(self) -> Option<Self>;
}

impl Number for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Number for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl<N: Number, T: PartialEq> Ranges<N, T> {
    /// Adds a range that lies behind all others.
    pub(super) fn push(&mut self, first: N, last: N, known: T) {
        debug_assert!(first <= last, "a range ends where it begins or later");
        debug_assert!(
            self.lasts.last().is_none_or(|before| *before < first),
            "ranges come in ascending order"
        );
        if let (Some(before), Some(known_before)) = (self.lasts.last_mut(), self.known.last())
            && *known_before == known
            && before.next() == Some(first)
        {
            *before = last;
            return;
        }
        self.firsts.push(first);
        self.lasts.push(last);
        self.known.push(known);
    }

    /// Gives room back that further ranges would have needed.
    pub(super) fn shrink(&mut self) {
        self.firsts.shrink_to_fit();
        self.lasts.shrink_to_fit();
        self.known.shrink_to_fit();
    }

    /// Returns what is known of the range that a number lies in.
    pub(super) fn find(&self, number: N) -> Option<&T> {
        let at = self.firsts.partition_point(|first| *first <= number);
        let at = at.checked_sub(1)?;
        self.known.get(at).filter(|_| number <= self.lasts[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(given: &[(u32, u32, char)]) -> Ranges<u32, char> {
        let mut ranges = Ranges::default();
        for (first, last, known) in given {
            ranges.push(*first, *last, *known);
        }
        ranges
    }

    #[test]
    fn a_number_is_in_its_range_or_in_none() {
        let ranges = ranges(&[(2, 4, 'a'), (5, 5, 'b'), (9, u32::MAX, 'c')]);
        let found = |number| ranges.find(number).copied();
        for (number, expected) in [
            (0, None),
            (1, None),
            (2, Some('a')),
            (4, Some('a')),
            (5, Some('b')),
            (6, None),
            (8, None),
            (9, Some('c')),
            (u32::MAX, Some('c')),
        ] {
            assert_eq!(found(number), expected, "{number}");
        }
        assert_eq!(Ranges::<u32, char>::default().find(0), None);
    }

    #[test]
    fn equal_neighbours_become_one() {
        let joined = ranges(&[(0, 1, 'a'), (2, 3, 'a'), (5, 6, 'a'), (7, 7, 'b')]);
        assert_eq!(joined.firsts, [0, 5, 7]);
        assert_eq!(joined.lasts, [3, 6, 7]);
        let at_the_end = ranges(&[(0, u32::MAX, 'a')]);
        assert_eq!(at_the_end.find(u32::MAX), Some(&'a'));
    }
}
