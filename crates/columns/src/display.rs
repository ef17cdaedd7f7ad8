//! Columns as people and programs read them: table, CSV, JSON lines, Arrow stream.

use std::io::Write;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_cast::display::FormatOptions;
use arrow_cast::pretty::pretty_format_batches_with_options;
use arrow_schema::{Schema, SchemaRef};

use crate::Error;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table for a terminal.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    Json,
    /// An Arrow IPC stream.
    Arrow,
}

/// Writes rows of one schema.
///
/// # Errors
/// When the rows cannot be formatted or the output cannot be written.
pub fn write_batches(
    out: &mut dyn Write,
    format: Format,
    schema: &SchemaRef,
    batches: &[RecordBatch],
) -> Result<(), Error> {
    match format {
        Format::Table => {
            let options = FormatOptions::default()
                .with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.3fZ"))
                .with_display_error(true);
            writeln!(
                out,
                "{}",
                pretty_format_batches_with_options(batches, &options)?
            )?;
        }
        Format::Csv => {
            let mut writer = arrow_csv::WriterBuilder::new()
                .with_header(true)
                .build(&mut *out);
            for batch in batches {
                writer.write(batch)?;
            }
        }
        Format::Json => {
            let mut writer = arrow_json::LineDelimitedWriter::new(&mut *out);
            writer.write_batches(&batches.iter().collect::<Vec<_>>())?;
            writer.finish()?;
        }
        Format::Arrow => {
            let mut writer = arrow_ipc::writer::StreamWriter::try_new(&mut *out, schema)?;
            for batch in batches {
                writer.write(batch)?;
            }
            writer.finish()?;
        }
    }
    Ok(())
}

/// Returns the batch with its columns under other names, in the same order.
///
/// # Errors
/// When there are not as many names as columns.
pub fn renamed(batch: &RecordBatch, names: &[String]) -> Result<RecordBatch, Error> {
    let schema = batch.schema();
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .zip(names)
        .map(|(field, name)| field.as_ref().clone().with_name(name))
        .collect();
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        batch.columns().to_vec(),
    )?)
}
