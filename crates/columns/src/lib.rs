//! Arrow schema of every table; rows to columns and back; the traits for history and tables.
//!
//! - [`UsageBatchBuilder`] takes decoded rows (it is an [`model::EventSink`]) and makes a
//!   [`UsageBatch`]: one Arrow record batch and the offsets it covers. The detector reads its
//!   columns, history stores them, SQL shows them: nobody converts.
//! - [`roll_up()`] sums calls by minute or hour.
//! - [`Table`] gives the schema of each table that the casebook feeds and turns its rows into columns.
//! - [`LiveRows`] holds the batches that are not committed yet.
//! - [`SnapshotWriter`] and [`SnapshotReader`] are the file that a detector's state is kept in.
//! - [`HistoryWriter`], [`HistoryReader`] and [`TableSource`] are the doors to what stores and asks.
//!
//! This is the only room that names `arrow-*`; others say [`arrow`].
//!
//! ```
//! use columns::{UsageBatchBuilder, arrow::array::Array};
//! use model::{EventSink, Partition, Position, Timestamp, UsageRow};
//!
//! let mut builder = UsageBatchBuilder::new(Partition::new("usage", 0), 7);
//! let row = UsageRow::at(Timestamp::parse("2026-05-04T12:00:00Z").unwrap());
//! builder.row(&row, &Position { topic: "usage".into(), partition: 0, offset: 7 });
//! let usage_batch = builder.finish(8);
//! assert_eq!((usage_batch.rows(), usage_batch.range().end), (1, 8));
//! ```

mod display;
mod doors;
mod error;
mod live;
mod roll_up;
mod snapshot;
mod table;
mod usage;
mod usage_row;

pub use display::{
    Format, renamed, schema_without_structures, texts, without_structures, write_batches,
};
pub use doors::{
    Answer, Asker, CommitReceipt, Description, HistoryCommit, HistoryReader, HistoryWriter,
    SnapshotStore, SqlGate, Statement, StatementKind, TableEntry, TableSource,
};
pub use error::Error;
pub use live::{LiveRows, LiveTable};
pub use roll_up::{Window, roll_up, roll_up_schema};
pub use snapshot::{SnapshotError, SnapshotReader, SnapshotWriter};
pub use table::Table;
pub use usage::{UsageBatch, UsageBatchBuilder, decimal_cost, usage_schema};

/// The doubles of this room's doors.
#[cfg(feature = "test-support")]
pub use doors::double;

/// The one Arrow version of the house.
pub mod arrow {
    pub use arrow_array as array;
    pub use arrow_ipc as ipc;
    pub use arrow_schema as schema;
    pub use arrow_select as select;
}
