//! Labelled usage by scenario and seed, and how a detector is scored on it.
