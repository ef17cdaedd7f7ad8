//! A text that secrets are taken out of: what is taken out once stays out.

#![no_main]

use codec::Redactor;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let redacted = Redactor::redact(text);
    assert_eq!(Redactor::redact(&redacted), redacted);
    Redactor::redact_strictly(text);
});
