//! The responder on a provider in memory, and the connectors against servers of our own.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod anthropic;
mod aws;
mod door;
mod http_server;
mod responder;
mod sample;
mod scripted;
mod webhook;
