//! The server from outside, over a real connection.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on panics, in its helpers too"
)]

mod api;
mod client;
mod doors;
mod maker;
mod pages;
