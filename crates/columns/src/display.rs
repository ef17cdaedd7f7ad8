//! Columns as people and programs read them: table, CSV, JSON lines, Arrow stream.

use std::io::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_cast::cast;
use arrow_cast::display::FormatOptions;
use arrow_cast::pretty::pretty_format_batches_with_options;
use arrow_json::writer::{EncoderOptions, make_encoder};
use arrow_schema::{DataType, Field, FieldRef, Schema, SchemaRef};

use crate::Error;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A table for a terminal.
    Table,
    /// Comma-separated values with a header; a list or a structure is JSON in its cell.
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
                writer.write(&flat(batch, DataType::is_nested)?)?;
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

/// Returns the values of the first row as texts.
///
/// # Errors
/// When a value has no text.
pub fn texts(batch: &RecordBatch) -> Result<Vec<Option<String>>, Error> {
    let columns = batch.columns().iter();
    columns
        .map(|column| {
            let text = cast(&column.slice(0, 1), &DataType::Utf8)?;
            let text = text.as_string::<i32>();
            Ok(text.is_valid(0).then(|| text.value(0).to_owned()))
        })
        .collect()
}

/// Returns the batch with structures as JSON texts, for programs that know lists and no structures.
///
/// # Errors
/// When a structure cannot be written.
pub fn without_structures(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    flat(batch, is_structure)
}

/// Returns the schema that [`without_structures`] gives a batch of this one.
pub fn schema_without_structures(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        if is_structure(field.data_type()) {
            text_field(field)
        } else {
            field.clone()
        }
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Returns whether there is more in a type than values, and lists of them.
fn is_structure(data_type: &DataType) -> bool {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) => item.data_type().is_nested(),
        other => other.is_nested(),
    }
}

fn text_field(field: &Field) -> FieldRef {
    Arc::new(Field::new(field.name(), DataType::Utf8, true))
}

/// Returns the batch with some columns as JSON texts, for what has no word for them.
fn flat(batch: &RecordBatch, is_flattened: fn(&DataType) -> bool) -> Result<RecordBatch, Error> {
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns());
    let flat = columns
        .map(|(field, column)| match is_flattened(field.data_type()) {
            true => flat_column(field, column),
            false => Ok((field.clone(), column.clone())),
        })
        .collect::<Result<Vec<(FieldRef, ArrayRef)>, Error>>()?;
    let (fields, columns): (Vec<FieldRef>, Vec<ArrayRef>) = flat.into_iter().unzip();
    Ok(RecordBatch::try_new(
        Arc::new(Schema::new(fields)),
        columns,
    )?)
}

fn flat_column(field: &FieldRef, column: &ArrayRef) -> Result<(FieldRef, ArrayRef), Error> {
    let options = EncoderOptions::default();
    let mut encoder = make_encoder(field, column.as_ref(), &options)?;
    let mut json = Vec::new();
    let texts: StringArray = (0..column.len())
        .map(|row| {
            json.clear();
            let known = !encoder.is_null(row);
            known.then(|| {
                encoder.encode(row, &mut json);
                String::from_utf8_lossy(&json).into_owned()
            })
        })
        .collect();
    Ok((text_field(field), Arc::new(texts)))
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

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;

    use crate::Table;

    use super::*;

    #[test]
    fn structures_are_json_and_lists_of_values_stay() {
        let alert = serde_json::json!({ "key_ids": ["a"], "evidence": [{ "family": "volume" }] });
        let batch = Table::Alerts
            .batch(&[alert, serde_json::json!({})])
            .unwrap();
        let plain = without_structures(&batch).unwrap();
        assert_eq!(plain.schema(), schema_without_structures(&batch.schema()));
        let column = |name: &str| plain.column_by_name(name).unwrap();
        assert_eq!(
            column("key_ids").data_type(),
            batch.column_by_name("key_ids").unwrap().data_type()
        );
        let evidence = column("evidence").as_string::<i32>();
        assert!(
            evidence.value(0).contains(r#""family":"volume""#),
            "{evidence:?}"
        );
        assert!(evidence.is_null(1));
    }

    #[test]
    fn lists_are_json_in_a_cell_of_csv() {
        let rows = [
            serde_json::json!({ "key_id": "key_1", "vendors": ["a", "b \"c\""] }),
            serde_json::json!({ "key_id": "key_2" }),
        ];
        let batch = Table::Keys.batch(&rows).unwrap();
        let batch = batch.project(&[0, 7]).unwrap();
        let mut text = Vec::new();
        write_batches(&mut text, Format::Csv, &batch.schema(), &[batch]).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "key_id,vendors\nkey_1,\"[\"\"a\"\",\"\"b \\\"\"c\\\"\"\"\"]\"\nkey_2,\n"
        );
    }
}
