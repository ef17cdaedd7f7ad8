//! Carries events through the stages: batches, checkpoints, shutdown.
//!
//! ```text
//! EventSource ─► Stages (decode, drop repeats, detect) ─► casebook ─► live rows
//!                                                             │            │
//!                                     Deliverer ◄─ outbox ◄───┘   checkpoint: history, snapshot, offsets
//! ```
//!
//! - [`Stages`] is the pure middle: records in, columns, alerts and dead letters out. A backtest
//!   and a bench use it without anything around it.
//! - [`Pipeline`] runs it between an [`model::EventSource`], the casebook and history, and makes
//!   checkpoints in the one safe order: outbox, history, snapshot, offsets.
//! - [`SnapshotConfig`] finds at start what the stages knew, and from where the log is read on.
//! - [`Deliverer`] takes messages from the outbox to the channels, with retries.

mod backoff;
mod commit;
mod deliver;
mod effects;
mod error;
#[cfg(feature = "test-support")]
mod fault;
mod feeds;
mod idle;
mod instances;
mod joint;
mod keeper;
mod poison;
mod run;
mod shown;
mod snapshots;
mod stage;
mod stages;
mod upkeep;
mod vitals;
mod watch;
mod workers;

pub use deliver::Deliverer;
pub use error::Error;
pub use instances::Instances;
pub use keeper::{Restored, SnapshotConfig};
pub use poison::{AfterCrash, PoisonFile};
pub use run::{CheckpointConfig, DeadLetterTopic, OnAlerts, Pipeline, RunSummary};
pub use shown::{LiveTables, ScoreRow};
pub use snapshots::{Saved, Snapshot, SnapshotFolder};
pub use stage::Staged;
pub use stages::{Grouping, Stages};
pub use vitals::{PartitionVitals, PipelineVitals};
pub use watch::Watch;
