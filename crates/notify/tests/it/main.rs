//! The channels against servers of our own, and what their messages look like.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod email;
mod hostile;
mod http_server;
mod sample;
mod slack;
mod smtp_server;
mod snapshots;
