//! Commits batches to Delta Lake, answers SQL over them and over what is not yet committed.
//!
//! - [`History`] is the [`columns::HistoryWriter`]: rows and the offsets they cover become one
//!   atomic commit, so that every record is there exactly once whatever crashed.
//! - [`Upkeep`] merges and sorts its files, takes away what is older than is kept, and erases what
//!   is to be forgotten.
//! - [`LiveSocket`] lends the [`columns::LiveRows`] that are not committed yet to other processes
//!   as an Arrow stream.
//! - [`Lake`] is the [`columns::HistoryReader`]: SQL over both at once, each row exactly once,
//!   read-only, with bounds on memory, time and size. It plans on the runtime's workers, which
//!   need stacks of [`STACK_BYTES`]. `views.rs` has the views over the table.
//!   It is the [`columns::SqlGate`] too, for programs that speak PostgreSQL: `gate.rs`.
//!
//! This is the only room that names `datafusion` and `deltalake`.

mod answer;
#[cfg(feature = "ballista")]
mod cluster;
mod config;
mod day_file;
mod dialect;
mod error;
mod evolve;
mod files;
mod functions;
mod gate;
mod history;
mod kept;
mod lake;
mod live;
mod location;
mod parquet_file;
mod plan;
mod provider;
mod reader;
mod session;
mod settings;
mod snapshot_store;
mod stores;
mod table;
mod text;
mod upkeep;
mod views;

pub use config::{HistoryConfig, QueryLimits};
pub use history::History;
pub use lake::{Lake, STACK_BYTES};
pub use live::{LiveSocket, SocketTable};
pub use location::reach;
pub use parquet_file::{read_parquet, write_parquet};
pub use snapshot_store::Snapshots;
pub use upkeep::{Erasure, Upkeep, UpkeepReport};
