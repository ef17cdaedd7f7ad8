//! A record of a topic of one of OpenTelemetry's signals: the first byte says which.

#![no_main]

use codec::Format;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Some((first, payload)) = bytes.split_first() {
        let signals = [Format::OtlpTraces, Format::OtlpMetrics, Format::OtlpLogs];
        fuzz::check(Some(signals[usize::from(*first) % 3]), payload);
    }
});
