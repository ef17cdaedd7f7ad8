//! The vocabulary (usage event, key, window, anomaly, alert, incident, action) and the traits at the edges.
//!
//! Everything that more than one room of the house talks about has its word here:
//!
//! - what comes in: [`UsageRow`], [`Inventory`], [`Change`], [`DeadLetter`];
//! - what is found: [`Anomaly`], [`Alert`], [`Incident`];
//! - what is done about it: [`Action`], [`Rung`];
//! - the doors to the outside: [`EventSource`], [`EventSink`], [`RecordSink`], [`AlertChannel`],
//!   [`KeyResponder`], [`ActionStore`], [`PollPositions`], [`Schemas`], [`Clock`].
//!
//! Money is an integer of nano-dollars, time is UTC milliseconds, windows and offset
//! ranges are half-open, and an unknown is `None`.
//!
//! ```
//! use model::{Nanos, Timestamp};
//! let time = Timestamp::parse("2026-05-04T12:00:00.123Z").unwrap();
//! assert_eq!(time.to_string(), "2026-05-04T12:00:00.123Z");
//! assert_eq!(Nanos::parse_usd("0.00183").unwrap().to_string(), "0.001830000");
//! ```

mod action;
mod alert;
mod anomaly;
mod dead_letter;
mod doors;
mod event;
mod identity;
mod incident;
mod inventory;
mod money;
mod record;
mod secret;
mod texts;
mod time;
mod trouble;

pub use action::{Action, ActionState, AuditEntry, KeyStatus, Rung};
pub use alert::{Alert, Contributor, Evidence, SeriesPoint};
pub use anomaly::{Anomaly, Detector, Metric, Severity};
pub use dead_letter::{DeadLetter, Reason};
#[cfg(feature = "test-support")]
pub use doors::double;
pub use doors::{
    ActionStore, AlertChannel, Applied, Clock, DeliveryError, EventSink, EventSource, KeyResponder,
    PollPositions, Rebalance, Rebalanced, Rebalances, Receipt, RecordSink, RespondError,
    SchemaError, SchemaId, Schemas, SharedLog, SourceError, StoreError, SystemClock,
};
pub use event::{CountField, FlagField, Quality, TextField, UsageRow};
pub use identity::{ActionId, AlertId, Entity, EntityLevel, IncidentId};
pub use incident::{Incident, IncidentState, Notice};
pub use inventory::{Change, HISTORY_ERASED, Inventory, KeyEntry, LEVEL_ACCEPTED};
pub use money::{MoneyError, Nanos};
pub use record::{Headers, OffsetRange, Partition, Position, Record, Records};
pub use secret::Secret;
pub use texts::Texts;
pub use time::{TimeError, Timestamp, Window};
pub use trouble::{SelfAlert, Trouble};
