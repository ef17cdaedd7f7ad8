//! Commits batches to Delta Lake, answers SQL over them and over what is not yet committed.
//!
//! - [`History`] is the [`columns::HistoryWriter`]: rows and the offsets they cover become one
//!   atomic commit, so that every record is there exactly once whatever crashed.
//! - [`LiveSocket`] lends the [`columns::LiveRows`] that are not committed yet to other processes
//!   as an Arrow stream.
//! - [`Lake`] is the [`columns::HistoryReader`]: SQL over both at once, each row exactly once,
//!   read-only, with bounds on memory, time and size. It plans on the runtime's workers, which
//!   need stacks of [`STACK_BYTES`]. `views.rs` has the views over the table.
//!   It is the [`columns::SqlGate`] too, for programs that speak PostgreSQL: `gate.rs`.
//!
//! This is the only room that names `datafusion` and `deltalake`.

mod commit;
mod config;
mod error;
mod functions;
mod gate;
mod lake;
mod live;
mod parquet_file;
mod provider;
mod session;
mod settings;
mod views;

pub use commit::History;
pub use config::{HistoryConfig, QueryLimits};
pub use lake::{Lake, STACK_BYTES};
pub use live::{LiveSocket, SocketRows};
pub use parquet_file::{read_parquet, write_parquet};
