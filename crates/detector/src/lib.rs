//! Rolling baselines per key in columnar windows, scores, triage into alerts.
//!
//! The way of one row through this room:
//!
//! ```text
//! Dedup ─ KeyTable ─ Windows, Tally ─ Baseline ─ judge ─ Calibration ─ Round ─ Episode ─ Alert
//!  a repeat?  slot    add          what is usual? how rare? how often? together?  └ Sign ─ Campaigns
//! ```
//!
//! State is a structure of arrays: every column is a `Grid` over all keys, and
//! what only few keys have stands in sparse tables beside them. Time is in the events: the crate
//! does no I/O, reads no clock and spawns nothing. One [`PartitionDetector`] owns one partition;
//! the same rows give the same alerts however they were cut into batches, and for any
//! interleaving within the allowed lateness the same alert ids. [`Campaigns`] joins what the
//! keys of all partitions show. [`Ledgers`] judges what has no key: usage without one, which goes
//! the same way as that of keys but in a state of its own, and billing lines.
//!
//! An [`Archive`] carries all of it into a snapshot and back.
//!
//! How it decides is in `docs/detection.md`; why windows are judged while open in
//! `docs/adr/0003`, why families share a budget in `docs/adr/0009`, what is judged without a key
//! in `docs/adr/0011`, who has room in `docs/adr/0012`.

mod acceptance;
mod admission;
mod archive;
mod baseline;
mod brief;
mod calibration;
mod campaign;
mod clock;
mod closing;
mod config;
mod dedup;
mod detector;
mod directory;
mod episode;
mod explain;
mod finding;
mod flood;
mod grain;
mod grid;
mod highest;
mod joint;
mod judge;
mod judging;
mod keys;
mod known;
mod ledger;
mod lessons;
mod level;
mod moments;
mod open;
mod peaks;
mod pool;
mod population;
mod probation;
mod profile;
mod restated;
mod ring;
mod rows;
mod scope;
mod signal;
mod sketch;
mod sources;
mod spread;
mod standing;
mod state;
mod stub;
mod tail;
mod tally;
mod telling;
mod theft;
mod usual;
mod windows;

pub use archive::{Archive, STATE_VERSION};
pub use campaign::{Campaigns, Sign};
pub use config::DetectorConfig;
pub use dedup::Dedup;
pub use detector::{Findings, PartitionDetector, ScoresWanted, Vitals};
pub use directory::KeyDirectory;
pub use ledger::{Ledgers, Unkeyed};
pub use standing::{FamilyStanding, Standing};
pub use tail::{neg_ln_sf_log_normal, neg_ln_sf_negative_binomial, neg_ln_sf_normal};
pub use usual::Usual;
