//! The columns of `usage_events`.

use std::sync::{Arc, LazyLock};

use arrow_array::builder::{
    ArrayBuilder, BooleanBuilder, Decimal128Builder, Int64Builder, PrimitiveBuilder, StringBuilder,
    TimestampMicrosecondBuilder,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Date32Array, Decimal128Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use model::{
    CountField, DeadLetter, EventSink, FlagField, Nanos, OffsetRange, Partition, Position, Quality,
    TextField, Timestamp, UsageRow,
};

/// Eighteen digits, nine of them decimals: nano-dollars below a thousand million dollars.
pub(crate) const COST_TYPE: DataType = DataType::Decimal128(18, 9);

/// Delta Lake keeps microseconds; events have milliseconds.
pub(crate) const MICROS_A_MILLI: i64 = 1000;

/// Microseconds of a day.
pub(crate) const DAY_MICROS: i64 = Timestamp::DAY * MICROS_A_MILLI;

fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Returns the schema of `usage_events`: four times, every canonical field under its SQL name,
/// the place of the record, and the day that partitions the table.
pub fn usage_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let mut fields = vec![
            Field::new("event_time", time_type(), false),
            Field::new("event_time_start", time_type(), true),
            Field::new("event_time_end", time_type(), true),
            Field::new("known_at", time_type(), false),
        ];
        let named = |name: &str, data_type: DataType| Field::new(name, data_type, true);
        fields.extend(
            TextField::ALL
                .iter()
                .map(|field| named(field.sql_name(), DataType::Utf8)),
        );
        fields.extend(
            CountField::ALL
                .iter()
                .map(|field| named(field.name(), DataType::Int64)),
        );
        fields.extend(
            FlagField::ALL
                .iter()
                .map(|field| named(field.name(), DataType::Boolean)),
        );
        fields.push(named("cost_usd", COST_TYPE));
        fields.extend(["other_units", "quality", "extra"].map(|name| named(name, DataType::Utf8)));
        fields.push(Field::new("topic", DataType::Utf8, false));
        fields.push(Field::new("partition", DataType::Int32, false));
        fields.push(Field::new("offset", DataType::Int64, false));
        fields.push(Field::new("event_date", DataType::Date32, false));
        Arc::new(Schema::new(fields))
    });
    SCHEMA.clone()
}

const TEXT_AT: usize = 4;
const COUNT_AT: usize = TEXT_AT + TextField::ALL.len();
const COST_AT: usize = COUNT_AT + CountField::ALL.len() + FlagField::ALL.len();
const QUALITY_AT: usize = COST_AT + 2;
const OFFSET_AT: usize = COST_AT + 1 + 3 + 2;

/// Usage rows of one partition as columns, and the offsets they cover.
#[derive(Clone, Debug)]
pub struct UsageBatch {
    columns: RecordBatch,
    range: OffsetRange,
}

impl UsageBatch {
    /// Takes columns of [`usage_schema`].
    pub(crate) fn whole(columns: RecordBatch, range: OffsetRange) -> Self {
        Self { columns, range }
    }

    /// Returns the columns, in the order of [`usage_schema`].
    pub fn columns(&self) -> &RecordBatch {
        &self.columns
    }

    /// Returns the offsets covered, those of dead letters and repeats included.
    pub fn range(&self) -> &OffsetRange {
        &self.range
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.columns.num_rows()
    }

    /// Returns the event time of a row.
    pub fn event_time(&self, row: usize) -> Timestamp {
        self.time(0, row).unwrap_or_default()
    }

    /// Returns the start of the roll-up that a row is, if it says so.
    pub fn span_start(&self, row: usize) -> Option<Timestamp> {
        self.time(1, row)
    }

    /// Returns the end of the roll-up that a row is, if it says so.
    pub fn span_end(&self, row: usize) -> Option<Timestamp> {
        self.time(2, row)
    }

    /// Returns when a row became known: the broker's time of its record, else its event time.
    pub fn known_at(&self, row: usize) -> Timestamp {
        self.time(3, row).unwrap_or_default()
    }

    fn time(&self, column: usize, row: usize) -> Option<Timestamp> {
        let column = self
            .columns
            .column(column)
            .as_primitive::<TimestampMicrosecondType>();
        let micros = (!column.is_null(row)).then(|| column.value(row))?;
        Some(Timestamp::from_millis(micros.div_euclid(MICROS_A_MILLI)))
    }

    /// Returns a text column.
    pub fn text(&self, field: TextField) -> &StringArray {
        self.columns
            .column(TEXT_AT + field as usize)
            .as_string::<i32>()
    }

    /// Returns a count column.
    pub fn count(&self, field: CountField) -> &Int64Array {
        self.columns
            .column(COUNT_AT + field as usize)
            .as_primitive::<Int64Type>()
    }

    /// Returns a flag column.
    pub fn flag(&self, field: FlagField) -> &arrow_array::BooleanArray {
        self.columns
            .column(COUNT_AT + CountField::ALL.len() + field as usize)
            .as_boolean()
    }

    /// Returns the words of quality, separated by commas.
    pub fn quality(&self) -> &StringArray {
        self.columns.column(QUALITY_AT).as_string::<i32>()
    }

    /// Returns the costs in nano-dollars.
    pub fn costs(&self) -> &Decimal128Array {
        self.columns
            .column(COST_AT)
            .as_primitive::<Decimal128Type>()
    }

    /// Returns the offsets of the records.
    pub fn offsets(&self) -> &Int64Array {
        self.columns.column(OFFSET_AT).as_primitive::<Int64Type>()
    }
}

/// Returns the nano-dollars behind a decimal of the `cost_usd` column.
pub fn decimal_cost(decimal: i128) -> Nanos {
    Nanos::new(i64::try_from(decimal).unwrap_or(i64::MAX))
}

/// Fills the columns of one partition row by row.
pub struct UsageBatchBuilder {
    partition: Partition,
    start_offset: i64,
    event_time: Vec<i64>,
    time_start: Sparse<TimestampMicrosecondBuilder>,
    time_end: Sparse<TimestampMicrosecondBuilder>,
    known_at: Vec<i64>,
    record_time: Option<Timestamp>,
    text: [Sparse<StringBuilder>; TextField::ALL.len()],
    counts: [Sparse<Int64Builder>; CountField::ALL.len()],
    flags: [Sparse<BooleanBuilder>; FlagField::ALL.len()],
    cost: Sparse<Decimal128Builder>,
    other_units: Sparse<StringBuilder>,
    quality: Sparse<StringBuilder>,
    extra: Sparse<StringBuilder>,
    offset: Vec<i64>,
    dead_letters: Vec<DeadLetter>,
}

impl UsageBatchBuilder {
    /// Starts columns of `partition` for records from `start_offset` on.
    pub fn new(partition: Partition, start_offset: i64) -> Self {
        Self {
            partition,
            start_offset,
            event_time: Vec::new(),
            time_start: Sparse::default(),
            time_end: Sparse::default(),
            known_at: Vec::new(),
            record_time: None,
            text: std::array::from_fn(|_| Sparse::default()),
            counts: std::array::from_fn(|_| Sparse::default()),
            flags: std::array::from_fn(|_| Sparse::default()),
            cost: Sparse::default(),
            other_units: Sparse::default(),
            quality: Sparse::default(),
            extra: Sparse::default(),
            offset: Vec::new(),
            dead_letters: Vec::new(),
        }
    }

    /// Says when the following rows became known: the broker's time of their record.
    pub fn set_record_time(&mut self, record_time: Option<Timestamp>) {
        self.record_time = record_time;
    }

    /// Returns the number of rows so far.
    pub fn rows(&self) -> usize {
        self.event_time.len()
    }

    /// Takes the dead letters gathered so far.
    pub fn take_dead_letters(&mut self) -> Vec<DeadLetter> {
        std::mem::take(&mut self.dead_letters)
    }

    /// Ends the batch before offset `next_offset`.
    pub fn finish(mut self, next_offset: i64) -> UsageBatch {
        let rows = self.event_time.len();
        let days = self.event_time.iter().map(|millis| {
            i32::try_from(millis.div_euclid(Timestamp::DAY)).expect("an event's year is below 2100")
        });
        let event_date: ArrayRef = Arc::new(Date32Array::from_iter_values(days));
        let utc = |millis: Vec<i64>| -> ArrayRef {
            let micros = millis.into_iter().map(|millis| millis * MICROS_A_MILLI);
            Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"))
        };
        let mut columns: Vec<ArrayRef> = vec![
            utc(self.event_time),
            Arc::new(self.time_start.at(rows).finish().with_timezone("UTC")),
            Arc::new(self.time_end.at(rows).finish().with_timezone("UTC")),
            utc(self.known_at),
        ];
        columns.extend(
            self.text
                .iter_mut()
                .map(|text| Arc::new(text.at(rows).finish()) as ArrayRef),
        );
        columns.extend(
            self.counts
                .iter_mut()
                .map(|counts| Arc::new(counts.at(rows).finish()) as ArrayRef),
        );
        columns.extend(
            self.flags
                .iter_mut()
                .map(|flags| Arc::new(flags.at(rows).finish()) as ArrayRef),
        );
        columns.push(Arc::new(
            self.cost.at(rows).finish().with_data_type(COST_TYPE),
        ));
        columns.push(Arc::new(self.other_units.at(rows).finish()));
        columns.push(Arc::new(self.quality.at(rows).finish()));
        columns.push(Arc::new(self.extra.at(rows).finish()));
        let topic = std::iter::repeat_n(&*self.partition.topic, rows);
        columns.push(Arc::new(StringArray::from_iter_values(topic)));
        columns.push(Arc::new(Int32Array::from_value(
            self.partition.number,
            rows,
        )));
        columns.push(Arc::new(Int64Array::from(self.offset)));
        columns.push(event_date);
        let columns = RecordBatch::try_new(usage_schema(), columns)
            .expect("columns are filled in the order and types of the schema");
        let range = OffsetRange {
            partition: self.partition,
            start: self.start_offset,
            end: next_offset,
        };
        UsageBatch { columns, range }
    }
}

/// A column that is touched by the rows that have a value only: of sixty columns an event fills
/// some fifteen.
#[derive(Default)]
struct Sparse<B>(B);

impl<B: Nulls> Sparse<B> {
    /// Returns the builder with nulls for all rows before `row` that it does not have.
    fn at(&mut self, row: usize) -> &mut B {
        let missing = row - self.0.len();
        if missing > 0 {
            self.0.append_nulls(missing);
        }
        &mut self.0
    }
}

/// A builder that takes many nulls at once.
trait Nulls: ArrayBuilder {
    fn append_nulls(&mut self, count: usize);
}

impl<T: ArrowPrimitiveType> Nulls for PrimitiveBuilder<T> {
    fn append_nulls(&mut self, count: usize) {
        self.append_nulls(count);
    }
}

impl Nulls for BooleanBuilder {
    fn append_nulls(&mut self, count: usize) {
        self.append_nulls(count);
    }
}

impl Nulls for StringBuilder {
    fn append_nulls(&mut self, count: usize) {
        self.append_nulls(count);
    }
}

impl EventSink for UsageBatchBuilder {
    fn row(&mut self, row: &UsageRow<'_>, position: &Position) {
        self.event_time.push(row.time.millis());
        let micros = |time: Option<Timestamp>| time.map(|time| time.millis() * MICROS_A_MILLI);
        let rows = self.offset.len();
        if let Some(start) = micros(row.time_start) {
            self.time_start.at(rows).append_value(start);
        }
        if let Some(end) = micros(row.time_end) {
            self.time_end.at(rows).append_value(end);
        }
        self.known_at
            .push(self.record_time.unwrap_or(row.time).millis());
        for (column, field) in self.text.iter_mut().zip(TextField::ALL) {
            if let Some(text) = row.text(*field) {
                column.at(rows).append_value(text);
            }
        }
        for (column, value) in self.counts.iter_mut().zip(&row.counts) {
            if let Some(count) = *value {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                column.at(rows).append_value(count);
            }
        }
        for (column, value) in self.flags.iter_mut().zip(&row.flags) {
            if let Some(flag) = *value {
                column.at(rows).append_value(flag);
            }
        }
        if let Some(cost) = row.cost {
            self.cost.at(rows).append_value(cost.get().into());
        }
        if let Some(units) = json_object(&row.other_units) {
            self.other_units.at(rows).append_value(units);
        }
        if let Some(extra) = json_object(&row.extra) {
            self.extra.at(rows).append_value(extra);
        }
        if row.quality != Quality::default() {
            let words: Vec<&str> = row.quality.words().collect();
            self.quality.at(rows).append_value(words.join(","));
        }
        self.offset.push(position.offset);
    }

    fn dead_letter(&mut self, dead_letter: DeadLetter) {
        self.dead_letters.push(dead_letter);
    }
}

/// Returns pairs as a JSON object, if there are any.
fn json_object<K, V>(pairs: &[(K, V)]) -> Option<String>
where
    K: AsRef<str>,
    V: serde::Serialize,
{
    if pairs.is_empty() {
        return None;
    }
    let object: std::collections::BTreeMap<&str, &V> = pairs
        .iter()
        .map(|(name, value)| (name.as_ref(), value))
        .collect();
    serde_json::to_string(&object).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_comes_back_from_its_columns() {
        let mut builder = UsageBatchBuilder::new(Partition::new("usage", 3), 40);
        let mut row = UsageRow::at(Timestamp::from_millis(1_777_896_000_123));
        row.set_text(TextField::Key, "key_1");
        row.set_text(TextField::UserAgent, "x/1");
        row.set_count(CountField::Requests, 2);
        row.set_count(CountField::OutputTokens, 7);
        row.cost = Some(Nanos::new(-5));
        row.extra.push(("a".into(), "b\"".into()));
        let position = Position {
            topic: "usage".into(),
            partition: 3,
            offset: 41,
        };
        builder.row(&row, &position);
        let mut rolled = UsageRow::at(Timestamp::from_millis(1_777_896_000_124));
        rolled.time_start = Some(Timestamp::from_millis(1_777_892_400_000));
        rolled.time_end = Some(Timestamp::from_millis(1_777_896_000_000));
        builder.row(&rolled, &position);
        let usage_batch = builder.finish(44);

        assert_eq!(usage_batch.rows(), 2);
        assert_eq!(usage_batch.event_time(0).millis(), 1_777_896_000_123);
        assert_eq!(usage_batch.known_at(0), usage_batch.event_time(0));
        assert_eq!(usage_batch.span_end(0), None);
        assert_eq!(usage_batch.span_start(1), rolled.time_start);
        assert_eq!(usage_batch.span_end(1), rolled.time_end);
        assert_eq!(usage_batch.text(TextField::Key).value(0), "key_1");
        assert_eq!(usage_batch.text(TextField::UserAgent).value(0), "x/1");
        assert_eq!(usage_batch.count(CountField::Requests).value(0), 2);
        assert_eq!(usage_batch.count(CountField::OutputTokens).value(0), 7);
        assert_eq!(decimal_cost(usage_batch.costs().value(0)), Nanos::new(-5));
        assert_eq!(usage_batch.offsets().value(0), 41);
        assert_eq!(usage_batch.costs().null_count_of_row_one(), 1);
        let extra = usage_batch
            .columns()
            .column_by_name("extra")
            .unwrap()
            .as_string::<i32>();
        assert_eq!(extra.value(0), r#"{"a":"b\""}"#);
    }

    trait NullCount {
        fn null_count_of_row_one(&self) -> usize;
    }

    impl NullCount for Decimal128Array {
        fn null_count_of_row_one(&self) -> usize {
            usize::from(self.is_null(1))
        }
    }
}
