//! Rows back from the columns.

use arrow_array::{Array, RecordBatch};
use model::{CountField, FlagField, OffsetRange, TextField, UsageRow};

use crate::Error;
use crate::usage::{UsageBatch, decimal_cost, usage_schema};

impl UsageBatch {
    /// Takes rows that history kept, in the order of their offsets.
    ///
    /// # Errors
    /// [`Error::Query`] when they do not have the columns of [`usage_schema`].
    pub fn of_columns(columns: &RecordBatch, range: OffsetRange) -> Result<Self, Error> {
        let columns = RecordBatch::try_new(usage_schema(), columns.columns().to_vec());
        let columns =
            columns.map_err(|err| Error::Query(format!("these are no usage rows: {err}")))?;
        Ok(Self::whole(columns, range))
    }

    /// Returns a row as its decoder said it, without what only people read: other units, quality
    /// and unknown fields.
    pub fn row(&self, row: usize) -> UsageRow<'_> {
        let mut usage = UsageRow::at(self.event_time(row));
        usage.time_start = self.span_start(row);
        usage.time_end = self.span_end(row);
        for field in TextField::ALL {
            let texts = self.text(*field);
            if texts.is_valid(row) {
                usage.set_text(*field, texts.value(row));
            }
        }
        for field in CountField::ALL {
            let counts = self.count(*field);
            let count = counts.is_valid(row).then(|| counts.value(row));
            usage.counts[*field as usize] = count.and_then(|count| u64::try_from(count).ok());
        }
        for field in FlagField::ALL {
            let flags = self.flag(*field);
            usage.flags[*field as usize] = flags.is_valid(row).then(|| flags.value(row));
        }
        let costs = self.costs();
        usage.cost = costs.is_valid(row).then(|| decimal_cost(costs.value(row)));
        usage
    }
}

#[cfg(test)]
mod tests {
    use model::{EventSink, Nanos, Partition, Position, Timestamp};

    use super::*;
    use crate::UsageBatchBuilder;

    #[test]
    fn a_row_comes_back_as_it_was() {
        let mut row = UsageRow::at(Timestamp::from_millis(1_777_896_000_123));
        row.time_start = Some(Timestamp::from_millis(1_777_892_400_000));
        row.time_end = Some(Timestamp::from_millis(1_777_896_000_456));
        row.set_text(TextField::Key, "key_1");
        row.set_text(TextField::Id, "e1");
        row.set_count(CountField::Requests, 2);
        row.flags[FlagField::Aggregate as usize] = Some(true);
        row.cost = Some(Nanos::new(-5));
        let position = Position {
            topic: "usage".into(),
            partition: 3,
            offset: 41,
        };
        let mut builder = UsageBatchBuilder::new(Partition::new("usage", 3), 40);
        builder.row(
            &UsageRow::at(Timestamp::from_millis(1_777_896_000_000)),
            &position,
        );
        builder.row(&row, &position);
        let written = builder.finish(44);
        let read = UsageBatch::of_columns(written.columns(), written.range().clone()).unwrap();
        let json = |row: &UsageRow<'_>| serde_json::to_value(row).unwrap();
        assert_eq!(json(&read.row(1)), json(&row));
        assert_eq!(read.row(0).text(TextField::Key), None);
        let half = written.columns().project(&[0, 1]).unwrap();
        assert!(UsageBatch::of_columns(&half, written.range().clone()).is_err());
    }
}
