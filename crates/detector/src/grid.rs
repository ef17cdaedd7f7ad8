//! One column over all keys.

/// A column with `stride` cells for each key, contiguous over all keys.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grid<T> {
    stride: usize,
    cells: Vec<T>,
}

impl<T: Copy + Default> Grid<T> {
    pub(crate) fn new(stride: usize) -> Self {
        Self {
            stride,
            cells: Vec::new(),
        }
    }

    /// Makes room for one more key.
    pub(crate) fn grow(&mut self) {
        self.cells
            .resize(self.cells.len() + self.stride, T::default());
    }

    /// Returns the number of keys.
    pub(crate) fn rows(&self) -> usize {
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

    /// Returns the bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.cells.capacity() * size_of::<T>()
    }
}
