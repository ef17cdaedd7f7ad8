//! The casebook on a PostgreSQL server: the tests of the one in a file, and what several
//! instances do to it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on panics, in its helpers too"
)]
#![allow(
    clippy::cloned_ref_to_slice_refs,
    reason = "a list of one alert reads better as a list"
)]

#[path = "../it/actions.rs"]
mod actions;
#[path = "../it/incidents.rs"]
mod incidents;
#[path = "../it/key_feeds.rs"]
mod key_feeds;
#[path = "../it/maker.rs"]
mod maker;
#[path = "../it/outbox.rs"]
mod outbox;
mod place;
mod server;
#[path = "../it/shelves.rs"]
mod shelves;
