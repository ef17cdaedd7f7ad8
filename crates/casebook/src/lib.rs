//! Alerts, incidents, key inventory, outbox, actions and audit chain, in SQLite or, for several
//! instances, in PostgreSQL.
//!
//! [`Casebook`] is the one handle; cloning it shares the connections. Alerts go in by
//! [`Casebook::record_alerts`], which assigns each to an [`Incident`](model::Incident) and
//! writes the messages to people into the outbox in the same transaction. A deliverer takes
//! [`Casebook::due_notices`], notes each [`Casebook::attempt_started`], renders it with
//! [`Casebook::notice`] and says how it went.
//! What lists and audit logs of providers say of keys comes in by [`Casebook::observe_keys`].
//! Actions come in through the door [`ActionStore`](model::ActionStore), each step with one
//! line of the audit chain.
//!
//! Nothing here reads the clock, and a replay of what is known already changes nothing.
//!
//! ```
//! # async fn example() -> Result<(), casebook::Error> {
//! let casebook = casebook::Casebook::in_memory().await?;
//! casebook.set_meta("first_started", "2026-05-04T12:00:00.000Z").await?;
//! assert!(casebook.incidents(10).await?.is_empty());
//! # Ok(())
//! # }
//! ```

mod actions;
mod alerts;
mod audit;
mod dead_letters;
mod error;
mod incidents;
mod inventory;
mod leases;
mod links;
mod meta;
mod migrations;
mod outbox;
mod positions;
mod record;
mod row;
mod seen_keys;
mod standings;
mod store;

pub use alerts::{AlertFilter, AlertRevision};
pub use audit::Event as AuditEvent;
pub use error::Error;
pub use incidents::OpenTotals;
pub use inventory::Acceptance;
pub use links::Links;
pub use outbox::{Delivery, DeliveryState, OutboxCounts, OutboxEntry};
pub use record::RecordedAlerts;
pub use seen_keys::{KeyChange, KeyFact, KeySighting, SeenKey, SightingSource};
pub use store::Casebook;
