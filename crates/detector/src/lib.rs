//! Rolling baselines per key in columnar windows, scores, triage into alerts.
//!
//! The way of one row through this room:
//!
//! ```text
//! Dedup ─ KeyTable ─ Windows ─ (bucket begins) Baseline::predict ─ judge ─ Episodes ─ Alert
//!  a repeat?  slot    add to     what is usual here?      how rare?   one alert
//!                      rings                                          an episode
//! ```
//!
//! State is a structure of arrays: every column is a [`Grid`](grid::Grid) over all keys. Time is in the events:
//! the crate does no I/O, reads no clock and spawns nothing. One [`PartitionDetector`] owns one
//! partition; the same rows give the same alerts however they were cut into batches, and for any
//! interleaving within the allowed lateness the same alert ids.
//!
//! Why windows are ten minutes wide, judged while open, and by a threshold that is two
//! windows old, is written down in `docs/adr/0003`.

mod baseline;
mod brief;
mod calibration;
mod clock;
mod closing;
mod config;
mod dedup;
mod detector;
mod directory;
mod episode;
mod explain;
mod finding;
mod grain;
mod grid;
mod joint;
mod judge;
mod judging;
mod keys;
mod known;
mod level;
mod moments;
mod open;
mod peaks;
mod pool;
mod population;
mod profile;
mod signal;
mod sources;
mod spread;
mod state;
mod tail;
mod tally;
mod telling;
mod theft;
mod windows;

pub use config::DetectorConfig;
pub use dedup::Dedup;
pub use detector::{Findings, PartitionDetector, Vitals};
pub use directory::KeyDirectory;
pub use tail::{neg_ln_sf_log_normal, neg_ln_sf_negative_binomial, neg_ln_sf_normal};
