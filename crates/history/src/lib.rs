//! Commits batches to Delta Lake, answers SQL over them and over what is not yet committed.
//!
//! - [`History`] is the [`columns::HistoryWriter`]: rows and the offsets they cover become one
//!   atomic commit, so that every record is there exactly once whatever crashed.
//! - [`LiveRows`] holds what has been read and is not committed yet; [`LiveSocket`] lends it to
//!   other processes as an Arrow stream.
//! - [`Lake`] is the [`columns::HistoryReader`]: SQL over both at once, each row exactly once,
//!   read-only, with bounds on memory, time and size.
//!
//! This is the only room that names `datafusion` and `deltalake`.

mod commit;
mod config;
mod error;
mod lake;
mod live;
mod provider;
mod session;

pub use commit::History;
pub use config::{HistoryConfig, QueryLimits};
pub use lake::Lake;
pub use live::{LiveRows, LiveSocket, SocketRows};
