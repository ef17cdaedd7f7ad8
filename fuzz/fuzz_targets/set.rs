//! A record of a topic whose format is set: the first byte says which.

#![no_main]

use codec::Format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((first, payload)) = bytes.split_first() {
        let format = Format::ALL[usize::from(*first) % Format::ALL.len()];
        fuzz::check(Some(format), payload);
    }
});
