//! What holds for the house as a whole, read from its manifests.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod floors;
