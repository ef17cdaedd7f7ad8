//! Parquet files from elsewhere, and scores for elsewhere.

use std::fs::File;
use std::path::Path;

use columns::Error;
use columns::arrow::array::RecordBatch;
use columns::arrow::schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::errors::ParquetError;

fn failed(what: &str, path: &Path) -> impl Fn(ParquetError) -> Error {
    let what = format!("could not {what} \"{}\"", path.display());
    move |err| Error::Storage {
        message: format!("{what}: {err}"),
        transient: false,
    }
}

/// Reads a Parquet file batch by batch, in file order.
///
/// # Errors
/// When the file cannot be opened or is not Parquet; the iterator fails at a damaged part.
pub fn read_parquet(
    path: &Path,
) -> Result<impl Iterator<Item = Result<RecordBatch, Error>> + use<>, Error> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(failed("read", path))?;
    Ok(reader.map(|batch| Ok(batch?)))
}

/// Writes batches of one schema to a Parquet file.
///
/// # Errors
/// When the file cannot be written.
pub fn write_parquet(path: &Path, schema: SchemaRef, batches: &[RecordBatch]) -> Result<(), Error> {
    let file = File::create(path)?;
    let mut writer = ArrowWriter::try_new(file, schema, None).map_err(failed("write", path))?;
    for batch in batches {
        writer.write(batch).map_err(failed("write", path))?;
    }
    writer.close().map_err(failed("write", path))?;
    Ok(())
}
