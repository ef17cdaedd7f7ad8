//! A provider's payload bytes to usage events, or dead letters that say why not; redaction and fingerprints.
