//! The Spikewatch binary.
fn main() {}
