//! Texts inside the query engine are views: what is grouped and compared is not copied for it.
//! Outside, they are what they are everywhere in the house.

use std::sync::Arc;

use columns::Error;
use columns::arrow::array::{ArrayRef, RecordBatch};
use columns::arrow::schema::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use datafusion::arrow::compute::cast;

/// Returns the schema with views in place of texts.
pub(crate) fn viewed_schema(schema: &Schema) -> SchemaRef {
    let viewed = |data_type: &DataType| match data_type {
        DataType::Utf8 => DataType::Utf8View,
        other => other.clone(),
    };
    with_types(schema, viewed)
}

/// Returns rows with views in place of texts.
pub(crate) fn viewed(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    cast_to(batch, viewed_schema(&batch.schema()))
}

/// Returns the schema with texts in place of views.
pub(crate) fn plain_schema(schema: &Schema) -> SchemaRef {
    with_types(schema, plain_type)
}

/// Returns rows with texts in place of views.
pub(crate) fn plain(batch: &RecordBatch) -> Result<RecordBatch, Error> {
    cast_to(batch, plain_schema(&batch.schema()))
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View => DataType::Utf8,
        DataType::List(item) => DataType::List(with_type(item, plain_type)),
        DataType::Struct(fields) => {
            let fields: Fields = fields
                .iter()
                .map(|field| with_type(field, plain_type))
                .collect();
            DataType::Struct(fields)
        }
        other => other.clone(),
    }
}

fn with_types(schema: &Schema, of: impl Fn(&DataType) -> DataType) -> SchemaRef {
    let fields: Fields = schema
        .fields()
        .iter()
        .map(|field| with_type(field, &of))
        .collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn with_type(field: &FieldRef, of: impl Fn(&DataType) -> DataType) -> FieldRef {
    let data_type = of(field.data_type());
    if data_type == *field.data_type() {
        return field.clone();
    }
    Arc::new(Field::clone(field).with_data_type(data_type))
}

fn cast_to(batch: &RecordBatch, schema: SchemaRef) -> Result<RecordBatch, Error> {
    if schema == batch.schema() {
        return Ok(batch.clone());
    }
    let columns = batch.columns().iter().zip(schema.fields());
    let columns: Result<Vec<ArrayRef>, Error> = columns
        .map(|(column, field)| Ok(cast(column, field.data_type())?))
        .collect();
    Ok(RecordBatch::try_new(schema, columns?)?)
}

#[cfg(test)]
mod tests {
    use columns::arrow::array::{Int64Array, StringArray};

    use super::*;

    #[test]
    fn texts_come_back_as_they_were() {
        let texts = StringArray::from(vec![Some("a text that is longer than a view"), None]);
        let numbers = Int64Array::from(vec![1, 2]);
        let fields = vec![
            Field::new("text", DataType::Utf8, true),
            Field::new("number", DataType::Int64, false),
        ];
        let schema = Arc::new(Schema::new(fields));
        let columns: Vec<ArrayRef> = vec![Arc::new(texts), Arc::new(numbers)];
        let batch = RecordBatch::try_new(schema, columns).unwrap();
        let inside = viewed(&batch).unwrap();
        assert_eq!(*inside.column(0).data_type(), DataType::Utf8View);
        assert_eq!(plain(&inside).unwrap(), batch);
    }

    #[test]
    fn views_in_lists_are_texts_too() {
        let of = |item| DataType::List(Arc::new(Field::new("item", item, true)));
        let field = |data_type| Schema::new(vec![Field::new("list", data_type, true)]);
        let inside = field(of(DataType::Utf8View));
        assert_eq!(*plain_schema(&inside), field(of(DataType::Utf8)));
        let numbers = field(of(DataType::Int32));
        assert_eq!(*plain_schema(&numbers), numbers);
        let nothing = RecordBatch::new_empty(Arc::new(inside));
        assert_eq!(
            plain(&nothing).unwrap().schema(),
            Arc::new(field(of(DataType::Utf8)))
        );
    }
}
