//! The program from outside: the real binary, a broker process, another program that produces.
//!
//! The tools (broker, Kafka client, mail server) are found by `SPIKEWATCH_TEST_TOOLS`, which
//! `scripts/test` sets; a test that needs one says loudly that it is skipped where it is not set.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod all_readers;
mod backfill;
mod check;
#[cfg(feature = "ballista")]
mod cluster;
mod erase;
mod files;
mod full_disk;
mod gateway;
mod graceful_stop;
mod instances;
mod instances_long;
mod kill_nine;
mod malformed;
mod network;
mod networks;
mod object_storage;
mod poison;
mod real_trace;
mod reload;
mod secrets;
mod soak;
mod sql;
mod story;
mod support;
mod tables;
mod transactions;
