//! What closed buckets teach that is not learned yet.

use columns::SnapshotError;
use columns::arrow::array::types::UInt32Type;

use crate::archive::{Archive, Lanes};
use crate::grain::Marks;
use crate::grid::Grid;

/// Buckets of a key that wait to be learned: learning stops short of the judged bucket by two.
const WAITING: usize = 2;
const NONE: i32 = i32::MIN;

/// What the tally of a closed bucket teaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TallyLesson {
    pub(crate) bucket: i32,
    /// 1, or less while evidence of slow theft is gathering.
    pub(crate) trust: f32,
    pub(crate) requests: f32,
    pub(crate) probes: f32,
    /// The logarithm of the dearest request's nano-dollars; minus infinity where none had a cost.
    pub(crate) dearest: f32,
    pub(crate) marks: Marks,
}

impl TallyLesson {
    pub(crate) fn new(bucket: i64, trust: f32) -> Self {
        Self {
            bucket: bucket as i32,
            trust,
            requests: 0.0,
            probes: 0.0,
            dearest: f32::NEG_INFINITY,
            marks: Marks::default(),
        }
    }
}

/// The columns of waiting lessons.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lessons {
    waiting: Grid<TallyLesson>,
}

impl Lessons {
    pub(crate) fn new() -> Self {
        Self {
            waiting: Grid::new(WAITING),
        }
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self { waiting } = self;
        archive.grid("waiting", waiting)
    }

    /// Begins a key in a slot that is new or was given back, of which nothing waits.
    pub(crate) fn begin(&mut self, slot: usize) {
        let none = TallyLesson::new(i64::from(NONE), 1.0);
        self.waiting.begin(slot, none);
    }

    /// Keeps the lesson of a bucket until it is learned; the one of two buckets before has been.
    pub(crate) fn insert(&mut self, slot: usize, lesson: TallyLesson) {
        let known = &mut self.waiting.row_mut(slot)[cell(i64::from(lesson.bucket))];
        debug_assert!(
            known.bucket == NONE,
            "a lesson is learned before the next but one"
        );
        *known = lesson;
    }

    /// Takes the lesson of a bucket.
    pub(crate) fn remove(&mut self, slot: usize, bucket: i64) -> Option<TallyLesson> {
        let known = &mut self.waiting.row_mut(slot)[cell(bucket)];
        if i64::from(known.bucket) != bucket {
            return None;
        }
        let lesson = *known;
        known.bucket = NONE;
        Some(lesson)
    }

    /// Returns the first bucket with a lesson from `first` up to and without `end`.
    pub(crate) fn next(&self, slot: usize, first: i64, end: i64) -> Option<i64> {
        let buckets = self.waiting.row(slot).iter();
        buckets
            .map(|lesson| i64::from(lesson.bucket))
            .filter(|bucket| (first..end).contains(bucket))
            .min()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.waiting.bytes()
    }
}

fn cell(bucket: i64) -> usize {
    bucket.rem_euclid(WAITING as i64) as usize
}

impl Lanes for TallyLesson {
    type Arrow = UInt32Type;

    const LANES: usize = 6;

    fn write(self, numbers: &mut Vec<u32>) {
        let floats = [self.trust, self.requests, self.probes, self.dearest];
        numbers.push(self.bucket.cast_unsigned());
        numbers.extend(floats.map(f32::to_bits));
        numbers.push(self.marks.bits());
    }

    fn read(numbers: &[u32]) -> Self {
        let float = |at: usize| f32::from_bits(numbers[at]);
        Self {
            bucket: numbers[0].cast_signed(),
            trust: float(1),
            requests: float(2),
            probes: float(3),
            dearest: float(4),
            marks: Marks::of_bits(numbers[5]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesson_is_learned_once() {
        let mut lessons = Lessons::new();
        lessons.begin(0);
        lessons.insert(0, TallyLesson::new(7, 1.0));
        lessons.insert(0, TallyLesson::new(8, 0.25));
        assert_eq!(lessons.next(0, 0, 100), Some(7));
        assert_eq!(lessons.next(0, 0, 7), None);
        assert!(lessons.remove(0, 6).is_none() && lessons.remove(0, 7).is_some());
        assert!(lessons.remove(0, 7).is_none());
        assert_eq!(lessons.next(0, 0, 100), Some(8));
        assert_eq!(lessons.remove(0, 8).map(|lesson| lesson.trust), Some(0.25));
        lessons.insert(0, TallyLesson::new(9, 1.0));
        lessons.begin(0);
        assert_eq!(lessons.next(0, 0, 100), None);
    }
}
