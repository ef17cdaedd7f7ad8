//! The lake as its writer, its readers and its upkeep see it, on a disk.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod erase;
mod evolve;
mod support;
mod tables;
mod upkeep;
mod vendors;
