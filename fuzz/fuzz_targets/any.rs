//! A record of a topic that nothing is known of: envelopes, detection, and what is found.

#![no_main]

libfuzzer_sys::fuzz_target!(|payload: &[u8]| fuzz::check(None, payload));
