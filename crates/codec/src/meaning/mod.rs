//! What the same word means in different formats: one place for every trap they share.
//!
//! A decoder reads names; whether its `input_tokens` include cached ones, what its epoch counts,
//! which provider it calls `azure`, is said here once for all of them.

pub(crate) mod caller;
pub(crate) mod http;
pub(crate) mod instant;
pub(crate) mod metered;
pub(crate) mod provider;
pub(crate) mod status;
pub(crate) mod tokens;
pub(crate) mod usage;
