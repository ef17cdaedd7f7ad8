//! The traits at the edges. Edges implement them, the pipeline and the server use them,
//! the binary plugs them together.

mod event;
mod notify;
mod poll;
mod respond;
mod schema;

use std::time::{SystemTime, UNIX_EPOCH};

use crate::Timestamp;

pub use event::{
    EventSink, EventSource, Rebalance, Rebalanced, Rebalances, RecordSink, SharedLog, SourceError,
};
pub use notify::{AlertChannel, DeliveryError, Receipt};
pub use poll::PollPositions;
pub use respond::{ActionStore, Applied, KeyResponder, RespondError, StoreError};
pub use schema::{SchemaError, SchemaId, Schemas};

#[cfg(feature = "test-support")]
pub mod double;

/// The wall clock, for deadlines and display; decisions about usage never ask it.
pub trait Clock: Send + Sync {
    /// Returns the time now.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }
}
