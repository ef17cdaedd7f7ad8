//! The files of one version of a table, and what the log says is in them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use columns::Error;
use columns::arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use columns::arrow::schema::SchemaRef;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, ScalarValue};
use delta_kernel::expressions::Scalar;
use deltalake_core::DeltaTable;
use deltalake_core::kernel::scalars::ScalarExt;
use deltalake_core::kernel::{LogicalFileView, Remove};
use futures::TryStreamExt;

use crate::error::storage;
use crate::table::DAY_COLUMN;

/// One file of the table and the day it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct DayFile {
    pub(crate) path: String,
    pub(crate) size: u64,
    /// Days since the epoch.
    pub(crate) day: i32,
    rows: Option<u64>,
    /// Whether its rows are sorted by who is asked about.
    pub(crate) is_sorted: bool,
    /// The least and the greatest value of the columns that the log has them for.
    bounds: HashMap<String, (ScalarValue, ScalarValue)>,
    /// How many rows have nothing in a column, as far as the log says.
    nulls: HashMap<String, u64>,
    /// How a commit says that it is there no more.
    pub(crate) remove: Remove,
}

impl DayFile {
    fn of(view: &LogicalFileView) -> Result<Self, Error> {
        let path = view.object_store_path().to_string();
        let values = view.partition_values();
        let day = values.as_ref().and_then(|values| values.values().first());
        let day = day.and_then(|day| days_since_epoch(&day.serialize()));
        let day = day.ok_or_else(|| Error::Storage {
            message: format!("file \"{path}\" has no day"),
            transient: false,
        })?;
        Ok(Self {
            size: view.size().unsigned_abs(),
            day,
            rows: view.num_records().map(|rows| rows as u64),
            is_sorted: is_sorted(view),
            bounds: bounds_of(view.min_values(), view.max_values()),
            nulls: nulls_of(view.null_counts()),
            remove: view.remove_action(true),
            path,
        })
    }

    #[cfg(test)]
    pub(crate) fn for_test(size: u64, keys: (&str, &str)) -> Self {
        let [least, greatest] = [keys.0, keys.1].map(|key| ScalarValue::Utf8(Some(key.to_owned())));
        Self {
            path: "event_date=2026-05-04/part.parquet".to_owned(),
            size,
            day: 20_577,
            rows: None,
            is_sorted: true,
            nulls: HashMap::new(),
            bounds: [("key_id".to_owned(), (least, greatest))].into(),
            remove: Remove::default(),
        }
    }

    /// Returns the least and the greatest value of a column, if the log has them.
    pub(crate) fn bounds(&self, column: &str) -> Option<&(ScalarValue, ScalarValue)> {
        self.bounds.get(column)
    }
}

/// Lists the files of the loaded version.
pub(crate) async fn files_of(table: &DeltaTable) -> Result<Vec<DayFile>, Error> {
    let snapshot = table
        .snapshot()
        .map_err(storage("list the history's files"))?;
    let views: Vec<_> = snapshot
        .snapshot()
        .file_views(table.log_store().as_ref(), None)
        .try_collect()
        .await
        .map_err(storage("list the history's files"))?;
    views.iter().map(DayFile::of).collect()
}

/// The tag of a file whose rows are sorted, and how.
pub(crate) const SORTED_TAG: &str = "spikewatch.sorted_by";

#[expect(deprecated, reason = "nothing else shows the tags of a file")]
fn is_sorted(view: &LogicalFileView) -> bool {
    let tags = view.add_action().tags;
    tags.is_some_and(|tags| tags.contains_key(SORTED_TAG))
}

fn bounds_of(
    least: Option<Scalar>,
    greatest: Option<Scalar>,
) -> HashMap<String, (ScalarValue, ScalarValue)> {
    let (Some(Scalar::Struct(least)), Some(Scalar::Struct(greatest))) = (least, greatest) else {
        return HashMap::new();
    };
    let greatest: HashMap<&str, &Scalar> = greatest
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .zip(greatest.values())
        .collect();
    let bounds = least.fields().iter().zip(least.values());
    bounds
        .filter_map(|(field, least)| {
            let greatest = greatest.get(field.name().as_str())?;
            Some((field.name().clone(), (value(least)?, value(greatest)?)))
        })
        .collect()
}

fn nulls_of(counts: Option<Scalar>) -> HashMap<String, u64> {
    let Some(Scalar::Struct(counts)) = counts else {
        return HashMap::new();
    };
    let named = counts.fields().iter().zip(counts.values());
    named
        .filter_map(|(field, count)| match count {
            Scalar::Long(count) => Some((field.name().clone(), count.unsigned_abs())),
            _ => None,
        })
        .collect()
}

fn value(scalar: &Scalar) -> Option<ScalarValue> {
    match scalar {
        Scalar::String(text) => Some(ScalarValue::Utf8(Some(text.clone()))),
        Scalar::Timestamp(micros) => Some(ScalarValue::TimestampMicrosecond(
            Some(*micros),
            Some("UTC".into()),
        )),
        Scalar::Integer(number) => Some(ScalarValue::Int32(Some(*number))),
        Scalar::Long(number) => Some(ScalarValue::Int64(Some(*number))),
        _ => None,
    }
}

fn days_since_epoch(day: &str) -> Option<i32> {
    let midnight = model::Timestamp::parse(&format!("{day}T00:00:00Z")).ok()?;
    i32::try_from(midnight.millis() / model::Timestamp::DAY).ok()
}

/// Files as the query engine asks which of them a condition can leave out.
pub(crate) struct Bounds<'f> {
    pub(crate) files: &'f [DayFile],
    pub(crate) schema: SchemaRef,
}

impl Bounds<'_> {
    fn values(
        &self,
        column: &Column,
        of: impl Fn(&(ScalarValue, ScalarValue)) -> ScalarValue,
    ) -> Option<ArrayRef> {
        let field = self.schema.field_with_name(&column.name).ok()?;
        let unknown = ScalarValue::try_from(field.data_type()).ok()?;
        let values = self.files.iter().map(|file| {
            if column.name == DAY_COLUMN {
                return ScalarValue::Date32(Some(file.day));
            }
            let known = file.bounds(&column.name).map(&of);
            let known = known.and_then(|value| value.cast_to(field.data_type()).ok());
            known.unwrap_or_else(|| unknown.clone())
        });
        ScalarValue::iter_to_array(values).ok()
    }
}

impl PruningStatistics for Bounds<'_> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |(least, _)| least.clone())
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |(_, greatest)| greatest.clone())
    }

    fn num_containers(&self) -> usize {
        self.files.len()
    }

    fn null_counts(&self, column: &Column) -> Option<ArrayRef> {
        let nulls = self.files.iter();
        let nulls: UInt64Array = nulls
            .map(|file| file.nulls.get(&column.name).copied())
            .collect();
        Some(Arc::new(nulls))
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        let rows: UInt64Array = self.files.iter().map(|file| file.rows).collect();
        Some(Arc::new(rows))
    }

    fn contained(&self, _: &Column, _: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        None
    }
}
