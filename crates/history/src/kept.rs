//! The tables that the stream keeps in the lake, and which rows are whose.

use columns::arrow::array::cast::AsArray;
use columns::arrow::array::{Array, BooleanArray, RecordBatch, StringArray};
use columns::arrow::schema::SchemaRef;
use columns::arrow::select::filter::filter_record_batch;
use columns::{Error, Window, roll_up, roll_up_schema, usage_schema};

/// A table of the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kept {
    /// Calls: what was used, and who had access.
    UsageEvents,
    /// Lines of bills.
    CostLines,
    /// What lists and audit logs of providers say of keys.
    KeyEvents,
    /// Sums of calls by minute.
    Minutes,
    /// Sums of calls by hour.
    Hours,
}

impl Kept {
    /// Every table, in the order in which they are committed: what rows are missed by is that of
    /// the last, so that it never is ahead of another.
    pub(crate) const ALL: [Kept; 5] = [
        Kept::Minutes,
        Kept::Hours,
        Kept::KeyEvents,
        Kept::CostLines,
        Kept::UsageEvents,
    ];

    /// Returns the name in SQL, and that of the folder.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::UsageEvents => "usage_events",
            Self::CostLines => "cost_events",
            Self::KeyEvents => "key_events",
            Self::Minutes => "calls_1m",
            Self::Hours => "calls_1h",
        }
    }

    /// Returns the schema, the day last.
    pub(crate) fn schema(self) -> SchemaRef {
        match self {
            Self::Minutes | Self::Hours => roll_up_schema(),
            _ => usage_schema(),
        }
    }

    /// Returns the columns by which files are sorted inside a day: who is asked about, and when.
    pub(crate) const fn sorted_by(self) -> [&'static str; 2] {
        match self {
            Self::Minutes | Self::Hours => ["key_id", "window_start"],
            _ => ["key_id", "event_time"],
        }
    }

    /// Returns the columns whose least and greatest values the log has for each file. Nothing that
    /// may name a person is among them: the log is older than the rows.
    pub(crate) const fn bounded(self) -> &'static str {
        match self {
            Self::Minutes | Self::Hours => "window_start,key_id,account,provider,model,known_at",
            _ => {
                "event_time,event_time_start,event_time_end,known_at,key_id,account,provider,model,\
                 aggregate,topic,partition,offset"
            }
        }
    }

    /// Returns what usage rows mean for this table.
    pub(crate) fn rows_of(self, usage: &[RecordBatch]) -> Result<Vec<RecordBatch>, Error> {
        let window = match self {
            Self::Minutes => Window::Minute,
            Self::Hours => Window::Hour,
            _ => return usage.iter().map(|batch| self.kinds_of(batch)).collect(),
        };
        Ok(vec![roll_up(usage, window)])
    }

    /// Returns the rows of the kinds that are this table's; the batch itself if that is all.
    fn kinds_of(self, usage: &RecordBatch) -> Result<RecordBatch, Error> {
        let Some(kinds) = usage.column_by_name("kind") else {
            return Err(Error::Query("usage rows lack column \"kind\"".to_owned()));
        };
        let kinds: &StringArray = kinds.as_string();
        let is_of = |row| {
            let kind = kinds.is_valid(row).then(|| kinds.value(row));
            self == Self::of_kind(kind)
        };
        let keep: BooleanArray = (0..kinds.len()).map(|row| Some(is_of(row))).collect();
        match keep.true_count() {
            all if all == usage.num_rows() => Ok(usage.clone()),
            0 => Ok(usage.slice(0, 0)),
            _ => Ok(filter_record_batch(usage, &keep)?),
        }
    }

    fn of_kind(kind: Option<&str>) -> Self {
        match kind {
            Some("cost") => Self::CostLines,
            Some("key" | "audit") => Self::KeyEvents,
            _ => Self::UsageEvents,
        }
    }
}
