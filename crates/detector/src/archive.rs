//! State on its way into a snapshot and back.
//!
//! Each part of the state lists its fields once, in one function that both writes and reads
//! them, so that the two cannot differ. Columns over all keys go as columns; what only few keys
//! have goes as one document (MessagePack with names) a row.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::Arc;

use columns::arrow::array::builder::BinaryBuilder;
use columns::arrow::array::cast::AsArray;
use columns::arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryArray, FixedSizeListArray, PrimitiveArray,
};
use columns::arrow::schema::{DataType, Field};
use columns::{SnapshotError, SnapshotReader, SnapshotWriter};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::grid::Grid;

/// The version of the state: it grows with every change after which an old snapshot would be
/// read wrongly. What is only added to a document needs none, if it has a default.
pub const STATE_VERSION: u32 = 5;

/// Numbers, and bytes of documents, of one array at most.
const ARRAY_NUMBERS: usize = 1 << 18;
const ARRAY_BYTES: usize = 1 << 20;

/// A cell of a column as numbers of one Arrow type.
pub(crate) trait Lanes: Copy {
    /// The type of the numbers.
    type Arrow: ArrowPrimitiveType;

    /// How many numbers one cell is.
    const LANES: usize = 1;

    /// Appends the numbers of a cell.
    fn write(self, numbers: &mut Vec<<Self::Arrow as ArrowPrimitiveType>::Native>);

    /// Makes a cell of its numbers.
    fn read(numbers: &[<Self::Arrow as ArrowPrimitiveType>::Native]) -> Self;
}

macro_rules! lanes {
    ($($number:ty: $arrow:ident),*) => {
        $(impl Lanes for $number {
            type Arrow = columns::arrow::array::types::$arrow;

            fn write(self, numbers: &mut Vec<$number>) {
                numbers.push(self);
            }

            fn read(numbers: &[$number]) -> Self {
                numbers[0]
            }
        })*
    };
}

lanes!(
    u8: UInt8Type, u16: UInt16Type, u32: UInt32Type, u64: UInt64Type,
    i32: Int32Type, i64: Int64Type, f32: Float32Type, f64: Float64Type
);

/// The way into a snapshot, or out of one.
pub struct Archive<'f> {
    way: Way<'f>,
    /// What the names of columns begin with.
    prefix: String,
}

enum Way<'f> {
    Into(SnapshotWriter<&'f mut dyn Write>),
    OutOf(SnapshotReader<&'f mut dyn Read>),
}

impl<'f> Archive<'f> {
    /// Begins to write state.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn into(file: &'f mut dyn Write) -> Result<Self, SnapshotError> {
        Ok(Self {
            way: Way::Into(SnapshotWriter::new(file)?),
            prefix: String::new(),
        })
    }

    /// Begins to read state.
    ///
    /// # Errors
    /// When it is no snapshot.
    pub fn out_of(file: &'f mut dyn Read) -> Result<Self, SnapshotError> {
        Ok(Self {
            way: Way::OutOf(SnapshotReader::new(file)?),
            prefix: String::new(),
        })
    }

    /// Ends it.
    ///
    /// # Errors
    /// When the disk does not take it, or what was read is not all that is there.
    pub fn finish(self) -> Result<(), SnapshotError> {
        match self.way {
            Way::Into(writer) => writer.finish().map(drop),
            Way::OutOf(reader) => reader.finish(),
        }
    }

    /// Carries a part whose columns are named below `name`.
    pub(crate) fn part(
        &mut self,
        name: &str,
        carry: impl FnOnce(&mut Self) -> Result<(), SnapshotError>,
    ) -> Result<(), SnapshotError> {
        let outer = self.prefix.len();
        self.prefix.push_str(name);
        self.prefix.push('.');
        let carried = carry(self);
        self.prefix.truncate(outer);
        carried
    }

    /// Carries a column over all keys.
    pub(crate) fn grid<T: Lanes>(
        &mut self,
        name: &str,
        grid: &mut Grid<T>,
    ) -> Result<(), SnapshotError> {
        let name = format!("{}{name}", self.prefix);
        let width = grid.stride() * T::LANES;
        let data_type = grid_type::<T>(width);
        match &mut self.way {
            Way::Into(writer) => {
                let cells = (ARRAY_NUMBERS / width).max(1) * grid.stride();
                let arrays = grid.cells().chunks(cells);
                writer.column(
                    &name,
                    data_type,
                    arrays.map(|cells| numbers_of(cells, width)),
                )
            }
            Way::OutOf(reader) => {
                grid.clear();
                reader.column(&name, &data_type, &mut |array| {
                    let numbers = match width {
                        1 => array,
                        _ => array.as_fixed_size_list().values().clone(),
                    };
                    let numbers = numbers.as_primitive::<T::Arrow>().values();
                    grid.extend(numbers.chunks_exact(T::LANES).map(T::read));
                    Ok(())
                })
            }
        }
    }

    /// Carries one value.
    ///
    /// # Errors
    /// When the disk fails, or it is another one that is there.
    pub fn value<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        value: &mut T,
    ) -> Result<(), SnapshotError> {
        let mut read = Vec::new();
        let written = std::iter::once(&*value);
        self.documents(name, written, &mut read)?;
        if let Some(last) = read.pop() {
            *value = last;
        }
        Ok(())
    }

    /// Carries the values of a list.
    pub(crate) fn list<T: Serialize + DeserializeOwned>(
        &mut self,
        name: &str,
        list: &mut Vec<T>,
    ) -> Result<(), SnapshotError> {
        let mut read = Vec::new();
        self.documents(name, list.iter(), &mut read)?;
        if self.is_reading() {
            *list = read;
        }
        Ok(())
    }

    /// Carries the entries of a table, in the order of their keys.
    ///
    /// # Errors
    /// When the disk fails, or it is another one that is there.
    pub fn map<K, V, M>(&mut self, name: &str, map: &mut M) -> Result<(), SnapshotError>
    where
        K: Serialize + DeserializeOwned + Ord,
        V: Serialize + DeserializeOwned,
        M: FromIterator<(K, V)>,
        for<'m> &'m M: IntoIterator<Item = (&'m K, &'m V)>,
    {
        let mut entries: Vec<(&K, &V)> = (&*map).into_iter().collect();
        entries.sort_unstable_by(|one, other| one.0.cmp(other.0));
        let mut read: Vec<(K, V)> = Vec::new();
        self.documents(name, entries.into_iter(), &mut read)?;
        if self.is_reading() {
            *map = read.into_iter().collect();
        }
        Ok(())
    }

    /// Carries ids of 128 bits, in their order.
    pub(crate) fn set(&mut self, name: &str, ids: &mut HashSet<u128>) -> Result<(), SnapshotError> {
        let mut sorted: Vec<u128> = ids.iter().copied().collect();
        sorted.sort_unstable();
        let mut halves = Grid::new(2);
        halves.extend(sorted.iter().flat_map(|&id| [(id >> 64) as u64, id as u64]));
        self.grid(name, &mut halves)?;
        if self.is_reading() {
            let halves = halves.cells().chunks_exact(2);
            *ids = halves
                .map(|half| u128::from(half[0]) << 64 | u128::from(half[1]))
                .collect();
        }
        Ok(())
    }

    /// Returns whether state is read, so that what follows from it must be made anew.
    pub(crate) fn is_reading(&self) -> bool {
        matches!(self.way, Way::OutOf(_))
    }

    /// Writes `written`, or adds to `read`.
    fn documents<W: Serialize, R: DeserializeOwned>(
        &mut self,
        name: &str,
        written: impl Iterator<Item = W>,
        read: &mut Vec<R>,
    ) -> Result<(), SnapshotError> {
        let name = format!("{}{name}", self.prefix);
        match &mut self.way {
            Way::Into(writer) => {
                let mut failed = None;
                let arrays = Documents {
                    values: written,
                    failed: &mut failed,
                };
                writer.column(&name, DataType::Binary, arrays)?;
                match failed {
                    Some(error) => Err(SnapshotError::Damaged(format!("{name}: {error}"))),
                    None => Ok(()),
                }
            }
            Way::OutOf(reader) => reader.column(&name, &DataType::Binary, &mut |array| {
                let documents: &BinaryArray = array.as_binary();
                for document in documents.iter().flatten() {
                    let value = rmp_serde::from_slice(document)
                        .map_err(|err| SnapshotError::Version(format!("{name}: {err}")))?;
                    read.push(value);
                }
                Ok(())
            }),
        }
    }
}

/// Values as arrays of documents.
struct Documents<'e, I> {
    values: I,
    failed: &'e mut Option<rmp_serde::encode::Error>,
}

impl<I: Iterator<Item: Serialize>> Iterator for Documents<'_, I> {
    type Item = ArrayRef;

    fn next(&mut self) -> Option<ArrayRef> {
        let mut builder = BinaryBuilder::new();
        while builder.values_slice().len() < ARRAY_BYTES {
            let Some(value) = self.values.next() else {
                break;
            };
            match rmp_serde::to_vec_named(&value) {
                Ok(document) => builder.append_value(document),
                Err(error) => {
                    *self.failed = Some(error);
                    return None;
                }
            }
        }
        let array = builder.finish();
        (!array.is_empty()).then(|| Arc::new(array) as ArrayRef)
    }
}

fn grid_type<T: Lanes>(width: usize) -> DataType {
    match width {
        1 => T::Arrow::DATA_TYPE,
        _ => DataType::FixedSizeList(item::<T>(), width as i32),
    }
}

fn item<T: Lanes>() -> Arc<Field> {
    Arc::new(Field::new("item", T::Arrow::DATA_TYPE, false))
}

fn numbers_of<T: Lanes>(cells: &[T], width: usize) -> ArrayRef {
    let mut numbers = Vec::with_capacity(cells.len() * T::LANES);
    for cell in cells {
        cell.write(&mut numbers);
    }
    let numbers = Arc::new(PrimitiveArray::<T::Arrow>::from_iter_values(numbers)) as ArrayRef;
    match width {
        1 => numbers,
        _ => Arc::new(FixedSizeListArray::new(
            item::<T>(),
            width as i32,
            numbers,
            None,
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use super::*;

    #[derive(Default)]
    struct Part {
        wide: Vec<(u32, f32)>,
        map: HashMap<u128, String>,
        value: BTreeMap<i64, [f64; 2]>,
    }

    impl Part {
        fn archive(
            &mut self,
            grid: &mut Grid<u16>,
            archive: &mut Archive<'_>,
        ) -> Result<(), SnapshotError> {
            let Self { wide, map, value } = self;
            archive.part("inner", |archive| {
                archive.grid("grid", grid)?;
                archive.list("wide", wide)?;
                archive.map("map", map)
            })?;
            archive.value("value", value)
        }
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let mut grid = Grid::new(3);
        for slot in 0..200_000 {
            grid.begin(slot, slot as u16);
        }
        let mut part = Part {
            wide: vec![(1, f32::NEG_INFINITY), (2, 0.1)],
            map: (0..5000).map(|at| (at << 90, at.to_string())).collect(),
            value: [(i64::MIN, [0.1 + 0.2, f64::INFINITY])].into(),
        };
        let mut bytes = Vec::new();
        let mut archive = Archive::into(&mut bytes).unwrap();
        part.archive(&mut grid, &mut archive).unwrap();
        archive.finish().unwrap();

        let (mut read, mut read_grid) = (Part::default(), Grid::new(3));
        let mut from = bytes.as_slice();
        let mut archive = Archive::out_of(&mut from).unwrap();
        read.archive(&mut read_grid, &mut archive).unwrap();
        archive.finish().unwrap();
        assert_eq!(read_grid, grid);
        assert_eq!(
            (read.wide, read.map, read.value),
            (part.wide, part.map, part.value)
        );
    }

    #[test]
    fn a_column_of_another_width_is_another_version() {
        let mut bytes = Vec::new();
        let mut grid = Grid::new(3);
        grid.begin(0, 1u16);
        let mut archive = Archive::into(&mut bytes).unwrap();
        archive.grid("grid", &mut grid).unwrap();
        archive.finish().unwrap();
        let mut from = bytes.as_slice();
        let mut archive = Archive::out_of(&mut from).unwrap();
        let error = archive.grid("grid", &mut Grid::<u16>::new(2)).unwrap_err();
        assert!(matches!(error, SnapshotError::Version(_)), "{error}");
    }
}
