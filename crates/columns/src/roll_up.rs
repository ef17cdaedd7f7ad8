//! Sums of calls by minute or hour, who called, and model: what dashboards ask for.

use std::sync::{Arc, LazyLock};

use arrow_array::builder::StringBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Date32Array, Decimal128Array, Int64Array, PrimitiveArray,
    RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use hashbrown::HashMap;
use model::{CountField, FlagField, Quality, TextField};

use crate::usage::{COST_TYPE, DAY_MICROS, MICROS_A_MILLI};

/// How long the windows of a roll-up are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Window {
    /// One minute.
    Minute,
    /// One hour.
    Hour,
}

impl Window {
    /// Returns the length in microseconds.
    pub const fn micros(self) -> i64 {
        match self {
            Self::Minute => 60_000_000,
            Self::Hour => 3_600_000_000,
        }
    }
}

/// What rows are summed by, beside the window.
const DIMENSIONS: [TextField; 5] = [
    TextField::Account,
    TextField::Project,
    TextField::Provider,
    TextField::Key,
    TextField::Model,
];

/// The counts that are summed.
const SUMMED: [CountField; 5] = [
    CountField::InputTokens,
    CountField::CacheReadTokens,
    CountField::CacheWriteTokens,
    CountField::OutputTokens,
    CountField::ReasoningTokens,
];

/// Returns the schema of a roll-up: the start of the window, what it is summed by, the sums, when
/// the newest of its rows became known, and the day that partitions the table.
pub fn roll_up_schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        let time = || DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let count = |name| Field::new(name, DataType::Int64, false);
        let mut fields = vec![Field::new("window_start", time(), false)];
        fields.extend(DIMENSIONS.map(|field| Field::new(field.sql_name(), DataType::Utf8, true)));
        fields.extend(["requests", "errors"].map(count));
        fields.extend(SUMMED.map(|field| count(field.name())));
        fields.push(Field::new("cost_usd", COST_TYPE, false));
        fields.push(count("unpriced_requests"));
        fields.push(Field::new("known_at", time(), false));
        fields.push(Field::new("event_date", DataType::Date32, false));
        Arc::new(Schema::new(fields))
    });
    SCHEMA.clone()
}

/// The most that a column of costs holds: eighteen digits.
const MOST_NANOS: i128 = 999_999_999_999_999_999;

/// The sums of one window, caller and model.
#[derive(Default)]
struct Sums {
    requests: i64,
    errors: i64,
    counts: [i64; SUMMED.len()],
    cost: i128,
    unpriced: i64,
    known_at: i64,
}

/// Sums the calls among usage rows.
///
/// What may be said again with other amounts (roll-ups, rows with a span) is left out, because a
/// sum that is written down could not take it back; so are rows of access only, of bills, and what
/// another topic counts. `batches` have [`crate::usage_schema`]. Windows come in the order in which
/// they are first met.
pub fn roll_up(batches: &[RecordBatch], window: Window) -> RecordBatch {
    let mut groups: HashMap<(i64, [Option<&str>; DIMENSIONS.len()]), usize> = HashMap::new();
    let mut keys = Vec::new();
    let mut sums: Vec<Sums> = Vec::new();
    for batch in batches {
        let rows = Rows::of(batch);
        for row in (0..batch.num_rows()).filter(|&row| rows.is_final(row)) {
            let time = rows.time(row);
            let start = time - time.rem_euclid(window.micros());
            let by = (start, rows.dimensions.map(|column| text(column, row)));
            let at = *groups.entry(by).or_insert_with(|| {
                keys.push(by);
                sums.push(Sums::default());
                sums.len() - 1
            });
            rows.add(row, &mut sums[at]);
        }
    }
    finish(&keys, &sums)
}

fn finish(keys: &[(i64, [Option<&str>; DIMENSIONS.len()])], sums: &[Sums]) -> RecordBatch {
    let utc = |micros: Vec<i64>| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from(micros).with_timezone("UTC"))
    };
    let ints = |of: &dyn Fn(&Sums) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(sums.iter().map(of)))
    };
    let mut columns = vec![utc(keys.iter().map(|(start, _)| *start).collect())];
    columns.extend((0..DIMENSIONS.len()).map(|at| {
        let mut texts = StringBuilder::new();
        for (_, by) in keys {
            texts.append_option(by[at]);
        }
        Arc::new(texts.finish()) as ArrayRef
    }));
    columns.push(ints(&|sums| sums.requests));
    columns.push(ints(&|sums| sums.errors));
    columns.extend((0..SUMMED.len()).map(|at| ints(&|sums| sums.counts[at])));
    let fitting = |sums: &Sums| sums.cost.clamp(-MOST_NANOS, MOST_NANOS);
    let costs = Decimal128Array::from_iter_values(sums.iter().map(fitting));
    columns.push(Arc::new(costs.with_data_type(COST_TYPE)));
    columns.push(ints(&|sums| sums.unpriced));
    columns.push(utc(sums.iter().map(|sums| sums.known_at).collect()));
    let days = keys.iter().map(|(start, _)| {
        i32::try_from(start.div_euclid(DAY_MICROS)).expect("an event's year is below 2100")
    });
    columns.push(Arc::new(Date32Array::from_iter_values(days)));
    RecordBatch::try_new(roll_up_schema(), columns)
        .expect("columns are filled in the order and types of the schema")
}

/// The columns of usage rows that sums need.
struct Rows<'b> {
    event_time: &'b TimestampMicrosecondArray,
    spans: [&'b TimestampMicrosecondArray; 2],
    known_at: &'b TimestampMicrosecondArray,
    kind: &'b StringArray,
    dimensions: [&'b StringArray; DIMENSIONS.len()],
    requests: &'b Int64Array,
    status: &'b Int64Array,
    counts: [&'b Int64Array; SUMMED.len()],
    aggregate: &'b arrow_array::BooleanArray,
    cost: &'b Decimal128Array,
    quality: &'b StringArray,
}

impl<'b> Rows<'b> {
    fn of(batch: &'b RecordBatch) -> Self {
        let column = |name: &str| -> &'b ArrayRef {
            let column = batch.column_by_name(name);
            column.expect("usage rows have the columns of their schema")
        };
        let times = |name| column(name).as_primitive::<TimestampMicrosecondType>();
        let texts = |field: TextField| column(field.sql_name()).as_string::<i32>();
        let counts = |field: CountField| column(field.name()).as_primitive::<Int64Type>();
        Self {
            event_time: times("event_time"),
            spans: ["event_time_start", "event_time_end"].map(times),
            known_at: times("known_at"),
            kind: texts(TextField::Kind),
            dimensions: DIMENSIONS.map(texts),
            requests: counts(CountField::Requests),
            status: counts(CountField::Status),
            counts: SUMMED.map(counts),
            aggregate: column(FlagField::Aggregate.name()).as_boolean(),
            cost: column("cost_usd").as_primitive::<Decimal128Type>(),
            quality: column("quality").as_string::<i32>(),
        }
    }

    /// Returns whether a row is of usage that counts here and will not be said again.
    fn is_final(&self, row: usize) -> bool {
        text(self.kind, row) == Some("usage")
            && self.spans.iter().all(|span| span.is_null(row))
            && !(self.aggregate.is_valid(row) && self.aggregate.value(row))
            && text(self.quality, row).is_none_or(|words| !is_counted_elsewhere(words))
    }

    /// Returns the time by which a row belongs to a window. That of a roll-up is its end, and the
    /// end of a minute is the start of the next.
    fn time(&self, row: usize) -> i64 {
        let is_rolled_up = value(self.requests, row).is_some_and(|requests| requests > 1);
        self.event_time.value(row) - i64::from(is_rolled_up) * MICROS_A_MILLI
    }

    fn add(&self, row: usize, sums: &mut Sums) {
        let requests = value(self.requests, row).unwrap_or(0);
        sums.requests = sums.requests.saturating_add(requests);
        if value(self.status, row).is_some_and(|status| status >= 400) {
            sums.errors = sums.errors.saturating_add(requests);
        }
        for (sum, column) in sums.counts.iter_mut().zip(self.counts) {
            *sum = sum.saturating_add(value(column, row).unwrap_or(0));
        }
        match value(self.cost, row) {
            Some(cost) => sums.cost += cost,
            None => sums.unpriced = sums.unpriced.saturating_add(requests),
        }
        sums.known_at = sums.known_at.max(self.known_at.value(row));
    }
}

/// The word of [`Quality::COUNTED_ELSEWHERE`] among the words of a row.
fn is_counted_elsewhere(words: &str) -> bool {
    let mut elsewhere = Quality::COUNTED_ELSEWHERE.words();
    elsewhere.any(|word| words.split(',').any(|of_row| of_row == word))
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

fn value<T: ArrowPrimitiveType>(column: &PrimitiveArray<T>, row: usize) -> Option<T::Native> {
    column.is_valid(row).then(|| column.value(row))
}

#[cfg(test)]
mod tests {
    use model::{EventSink, Nanos, Partition, Position, Timestamp, UsageRow};

    use super::*;
    use crate::UsageBatchBuilder;

    fn batch(rows: &[UsageRow<'_>]) -> RecordBatch {
        let mut builder = UsageBatchBuilder::new(Partition::new("usage", 0), 0);
        let position = Position {
            topic: "usage".into(),
            partition: 0,
            offset: 0,
        };
        for row in rows {
            builder.row(row, &position);
        }
        builder.finish(1).columns().clone()
    }

    fn call(time: &str) -> UsageRow<'static> {
        let mut row = UsageRow::at(Timestamp::parse(time).unwrap());
        row.set_text(TextField::Kind, "usage");
        row.set_text(TextField::Key, "key_1");
        row.set_count(CountField::Requests, 1);
        row.set_count(CountField::InputTokens, 10);
        row.cost = Some(Nanos::new(5));
        row
    }

    fn ints(batch: &RecordBatch, name: &str) -> Vec<i64> {
        let column = batch.column_by_name(name).unwrap();
        column.as_primitive::<Int64Type>().values().to_vec()
    }

    #[test]
    fn calls_are_summed_by_window_and_model() {
        let mut failed = call("2026-05-04T12:00:59.999Z");
        failed.set_count(CountField::Status, 429);
        failed.cost = None;
        let mut other = call("2026-05-04T12:00:01Z");
        other.set_text(TextField::Model, "m");
        let rows = [
            call("2026-05-04T12:00:00Z"),
            failed,
            other,
            call("2026-05-04T12:01:00Z"),
        ];
        let minutes = roll_up(&[batch(&rows)], Window::Minute);
        assert_eq!(ints(&minutes, "requests"), [2, 1, 1]);
        assert_eq!(ints(&minutes, "errors"), [1, 0, 0]);
        assert_eq!(ints(&minutes, "input_tokens"), [20, 10, 10]);
        assert_eq!(ints(&minutes, "unpriced_requests"), [1, 0, 0]);
        let cost = minutes.column_by_name("cost_usd").unwrap();
        assert_eq!(cost.as_primitive::<Decimal128Type>().values(), &[5, 5, 5]);
        let hours = roll_up(&[batch(&rows[..2]), batch(&rows[2..])], Window::Hour);
        assert_eq!(ints(&hours, "requests"), [3, 1]);
    }

    #[test]
    fn what_may_be_said_again_or_is_counted_elsewhere_is_left_out() {
        let time = "2026-05-04T12:00:00Z";
        let mut spanned = call(time);
        spanned.time_start = Some(spanned.time);
        let mut aggregate = call(time);
        aggregate.flags[FlagField::Aggregate as usize] = Some(true);
        let mut elsewhere = call(time);
        elsewhere.quality.insert(Quality::REDACTED);
        elsewhere.quality.insert(Quality::COUNTED_ELSEWHERE);
        let mut bill = call(time);
        bill.set_text(TextField::Kind, "cost");
        let left_out = roll_up(
            &[batch(&[spanned, aggregate, elsewhere, bill])],
            Window::Minute,
        );
        assert_eq!(left_out.num_rows(), 0);
        assert_eq!(left_out.schema(), roll_up_schema());
    }
}
