//! The casebook from outside: replay, coalescing, tampering, crash and reopen.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on panics, in its helpers too"
)]
#![allow(
    clippy::cloned_ref_to_slice_refs,
    reason = "a list of one alert reads better as a list"
)]

mod actions;
mod incidents;
mod key_feeds;
mod maker;
mod outbox;
mod place;
mod shelves;
mod store;
