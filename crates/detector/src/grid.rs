//! One column over all keys.

/// A column with `stride` cells for each key, contiguous over all keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grid<T> {
    stride: usize,
    cells: Vec<T>,
}

impl<T: Copy> Grid<T> {
    pub(crate) fn new(stride: usize) -> Self {
        Self {
            stride,
            cells: Vec::new(),
        }
    }

    /// Begins a key in a slot, the first one behind all others or one that was given back: its
    /// cells all hold `value`.
    ///
    /// Room grows by a thirty-second and not by doubling: with a kilobyte a key, half of a
    /// doubled column would be the largest thing in memory, and an allocator moves large blocks
    /// by their pages and not by their bytes.
    pub(crate) fn begin(&mut self, slot: usize, value: T) {
        if slot < self.row_count() {
            self.row_mut(slot).fill(value);
            return;
        }
        debug_assert_eq!(slot, self.row_count());
        let needed = self.cells.len() + self.stride;
        if needed > self.cells.capacity() {
            let rows = self.cells.len() / self.stride;
            self.cells.reserve_exact((rows / 32 + 16) * self.stride);
        }
        self.cells.resize(needed, value);
    }

    /// Returns the number of keys.
    pub(crate) fn row_count(&self) -> usize {
        self.cells.len() / self.stride
    }

    /// Returns the cells of a key.
    pub(crate) fn row(&self, slot: usize) -> &[T] {
        &self.cells[slot * self.stride..(slot + 1) * self.stride]
    }

    /// Returns the cells of a key for change.
    pub(crate) fn row_mut(&mut self, slot: usize) -> &mut [T] {
        &mut self.cells[slot * self.stride..(slot + 1) * self.stride]
    }

    /// Returns the only or first cell of a key.
    pub(crate) fn get(&self, slot: usize) -> T {
        self.cells[slot * self.stride]
    }

    /// Sets the only or first cell of a key.
    pub(crate) fn set(&mut self, slot: usize, value: T) {
        self.cells[slot * self.stride] = value;
    }

    /// Returns how many cells each key has.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// Returns the cells of all keys.
    pub(crate) fn cells(&self) -> &[T] {
        &self.cells
    }

    /// Forgets all keys.
    pub(crate) fn clear(&mut self) {
        self.cells.clear();
    }

    /// Appends cells of further keys.
    pub(crate) fn extend(&mut self, cells: impl Iterator<Item = T>) {
        self.cells.reserve_exact(cells.size_hint().0);
        self.cells.extend(cells);
    }

    /// Returns the bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_a_key_stand_together_and_start_as_given() {
        let mut grid = Grid::new(3);
        grid.begin(0, 7u32);
        grid.begin(1, 9);
        grid.row_mut(0)[2] = 1;
        assert_eq!(grid.row(0), [7, 7, 1]);
        assert_eq!(grid.row(1), [9, 9, 9]);
        grid.begin(0, 8);
        assert_eq!(grid.row(0), [8, 8, 8]);
        assert_eq!(grid.row_count(), 2);
    }
}
