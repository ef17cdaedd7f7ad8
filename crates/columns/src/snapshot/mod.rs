//! The file of a snapshot: columns, one after another, in blocks that are checked.
//!
//! ```text
//! magic (16 bytes) ─ block ─ block ─ … ─ empty block
//! block   = length (u32) ─ XXH3-64 of its number and bytes (u64) ─ bytes
//! content = one Arrow IPC stream a column, its name in the metadata of the schema
//! ```
//!
//! All numbers are little-endian. A reader gives out no byte that it has not checked, and the
//! empty block at the end says that nothing is missing. What is in the columns, and in which
//! order, is the business of who writes them; the magic tells one generation of this file from
//! the next.

mod blocks;

use std::io::{Read, Write};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema};

use blocks::{BlockReader, BlockWriter};

/// Begins every snapshot.
const MAGIC: [u8; 16] = *b"spikewatch.snap1";

/// The metadata that names a column.
const NAME: &str = "name";

/// Why a snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The disk did not take or give bytes.
    #[error("could not read or write it: {0}")]
    Io(#[from] std::io::Error),
    /// It is not what was written, or not all of it.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It was made by a program that keeps other state.
    #[error("it is of another version: {0}")]
    Version(String),
}

impl From<ArrowError> for SnapshotError {
    fn from(error: ArrowError) -> Self {
        match error {
            // What the blocks found, or the disk said, comes back through Arrow.
            ArrowError::IoError(_, source) => damaged_or_io(source),
            other => Self::Damaged(other.to_string()),
        }
    }
}

fn damaged_or_io(error: std::io::Error) -> SnapshotError {
    use std::io::ErrorKind::{InvalidData, UnexpectedEof};
    match error.kind() {
        InvalidData | UnexpectedEof => SnapshotError::Damaged(error.to_string()),
        _ => SnapshotError::Io(error),
    }
}

/// Writes the columns of a snapshot, one after another.
pub struct SnapshotWriter<W: Write> {
    blocks: BlockWriter<W>,
}

impl<W: Write> SnapshotWriter<W> {
    /// Begins a snapshot.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn new(mut inner: W) -> Result<Self, SnapshotError> {
        inner.write_all(&MAGIC)?;
        Ok(Self {
            blocks: BlockWriter::new(inner),
        })
    }

    /// Writes one column, in as many arrays as there are.
    ///
    /// # Errors
    /// When the disk does not take it, or an array is of another type.
    pub fn column(
        &mut self,
        name: &str,
        data_type: DataType,
        arrays: impl Iterator<Item = ArrayRef>,
    ) -> Result<(), SnapshotError> {
        let field = Field::new("value", data_type, false);
        let schema = Schema::new(vec![field]);
        let schema = schema.with_metadata([(NAME.to_owned(), name.to_owned())].into());
        let schema = Arc::new(schema);
        let mut stream = StreamWriter::try_new(&mut self.blocks, &schema)?;
        for array in arrays {
            stream.write(&RecordBatch::try_new(schema.clone(), vec![array])?)?;
        }
        stream.finish()?;
        Ok(())
    }

    /// Ends the snapshot and returns what it was written to.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn finish(self) -> Result<W, SnapshotError> {
        Ok(self.blocks.finish()?)
    }
}

/// Reads the columns of a snapshot in the order in which they were written.
pub struct SnapshotReader<R: Read> {
    blocks: BlockReader<R>,
}

impl<R: Read> SnapshotReader<R> {
    /// Begins to read.
    ///
    /// # Errors
    /// When it is no snapshot of this generation.
    pub fn new(mut inner: R) -> Result<Self, SnapshotError> {
        let mut magic = [0; MAGIC.len()];
        inner.read_exact(&mut magic).map_err(damaged_or_io)?;
        if magic != MAGIC {
            return Err(SnapshotError::Version(
                "it does not begin as snapshots of this program do".to_owned(),
            ));
        }
        Ok(Self {
            blocks: BlockReader::new(inner),
        })
    }

    /// Reads the next column, which must have this name and type, and hands out its arrays.
    ///
    /// # Errors
    /// When it is damaged, or another column comes next.
    pub fn column(
        &mut self,
        name: &str,
        data_type: &DataType,
        take: &mut dyn FnMut(ArrayRef) -> Result<(), SnapshotError>,
    ) -> Result<(), SnapshotError> {
        let stream = StreamReader::try_new(&mut self.blocks, None)?;
        let schema = stream.schema();
        let found = schema.metadata().get(NAME).map(String::as_str);
        if found != Some(name) {
            return Err(SnapshotError::Version(format!(
                "column \"{name}\" was expected and \"{}\" is there",
                found.unwrap_or_default()
            )));
        }
        let types: Vec<&DataType> = schema.fields().iter().map(|f| f.data_type()).collect();
        if types != [data_type] {
            return Err(SnapshotError::Version(format!(
                "column \"{name}\" is of type {types:?} and not {data_type}"
            )));
        }
        for batch in stream {
            take(batch?.column(0).clone())?;
        }
        Ok(())
    }

    /// Makes sure that nothing follows, and nothing is missing.
    ///
    /// # Errors
    /// When it is damaged, or more columns follow.
    pub fn finish(mut self) -> Result<(), SnapshotError> {
        let mut rest = [0];
        match self.blocks.read(&mut rest).map_err(damaged_or_io)? {
            0 => Ok(()),
            _ => Err(SnapshotError::Version("more columns follow".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array, Int32Array};

    use super::*;

    fn written(values: &[i32]) -> Vec<u8> {
        let mut writer = SnapshotWriter::new(Vec::new()).unwrap();
        for name in ["first", "second"] {
            let arrays = values
                .chunks(100)
                .map(|chunk| Arc::new(Int32Array::from(chunk.to_vec())) as ArrayRef);
            writer.column(name, DataType::Int32, arrays).unwrap();
        }
        writer.finish().unwrap()
    }

    fn read(bytes: &[u8], names: &[&str]) -> Result<Vec<i32>, SnapshotError> {
        let mut values = Vec::new();
        let mut reader = SnapshotReader::new(bytes)?;
        for name in names {
            reader.column(name, &DataType::Int32, &mut |array| {
                let array = array.as_any().downcast_ref::<Int32Array>().unwrap();
                values.extend_from_slice(array.values());
                Ok(())
            })?;
        }
        reader.finish()?;
        Ok(values)
    }

    #[test]
    fn columns_are_read_as_they_were_written() {
        let values: Vec<i32> = (0..700_000).collect();
        let bytes = written(&values);
        let both = [values.clone(), values].concat();
        assert_eq!(read(&bytes, &["first", "second"]).unwrap(), both);
    }

    #[test]
    fn another_order_is_another_version() {
        let bytes = written(&[1, 2, 3]);
        for names in [&["second"][..], &["first"], &["first", "second", "third"]] {
            assert!(read(&bytes, names).is_err(), "{names:?}");
        }
    }

    #[test]
    fn no_changed_byte_and_no_missing_end_goes_unnoticed() {
        let bytes = written(&[1, 2, 3]);
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x10;
            assert!(read(&changed, &["first", "second"]).is_err(), "byte {at}");
            let cut = read(&bytes[..at], &["first", "second"]);
            assert!(cut.is_err(), "cut at {at}");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert!(read(&longer, &["first", "second"]).is_err());
    }
}
