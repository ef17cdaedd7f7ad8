//! The lake as its writer, its readers and its upkeep see it, on a disk.

mod erase;
mod support;
mod tables;
mod upkeep;
mod vendors;
