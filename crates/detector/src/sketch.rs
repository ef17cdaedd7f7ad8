//! How often each of very many ids has come of late, in a megabyte.

use columns::SnapshotError;

use crate::archive::Archive;

/// Cells, each of one byte.
const CELLS: usize = 1 << 20;

/// A count-min sketch (Cormode and Muthukrishnan 2005) with two cells an id and conservative
/// update, of one bucket of event time: it never says less than what has come, and more where
/// ids share both cells.
#[derive(Clone, Default)]
pub(crate) struct Sketch {
    /// Empty until it is first needed.
    cells: Vec<u8>,
    bucket: i64,
}

impl Sketch {
    /// Adds to the count of an id; returns the counts before and after.
    ///
    /// Counting begins anew with every bucket.
    pub(crate) fn add(&mut self, bucket: i64, id: u128, amount: u64) -> (u8, u8) {
        if self.cells.is_empty() {
            self.cells = vec![0; CELLS];
        } else if bucket > self.bucket {
            self.cells.fill(0);
        }
        self.bucket = self.bucket.max(bucket);
        let places = [id as usize % CELLS, (id >> 64) as usize % CELLS];
        let before = places.map(|place| self.cells[place]).into_iter().min();
        let before = before.unwrap_or(0);
        let after = before.saturating_add(u8::try_from(amount).unwrap_or(u8::MAX));
        for place in places {
            self.cells[place] = self.cells[place].max(after);
        }
        (before, after)
    }

    /// Carries every column into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self { cells, bucket } = self;
        archive.value("bucket", bucket)?;
        archive.value("cells", cells)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.cells.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_an_id_add_up_within_a_bucket() {
        let mut sketch = Sketch::default();
        let id = 7 | 9 << 64;
        assert_eq!(sketch.bytes(), 0, "nothing is held before it is needed");
        assert_eq!(sketch.add(1, id, 2), (0, 2));
        assert_eq!(sketch.add(1, id, 400), (2, 255));
        assert_eq!(
            sketch.add(1, 8 | 9 << 64, 1),
            (0, 1),
            "the other cell is its own"
        );
        assert_eq!(sketch.add(2, id, 1), (0, 1));
    }
}
