//! A provider's payload bytes to usage events, or dead letters that say why not; redaction and fingerprints.
//!
//! [`Codec::decode`] takes the records of one partition and hands every row or dead letter to a
//! [`model::EventSink`], borrowed from the payload. What leaves it is free of keys: a secret in
//! the key field becomes a keyed fingerprint, anywhere else it is cut out ([`Redactor`]).
//! Given files in MaxMind's format ([`Networks`]), it fills in the network and the country of an
//! address where an event does not say them.
//! The crate does no I/O, reads no clock and spawns nothing.
//!
//! ```
//! use codec::{Codec, FingerprintSecret};
//! use model::{Partition, Records, double::MemorySink};
//!
//! let codec = Codec::new(FingerprintSecret::public_test_secret());
//! let mut records = Records::new(Partition::new("usage", 0), 0);
//! records.push(0, None, br#"{"time":"2026-05-04T12:00:00Z","key":"key_7f3a","input_tokens":812}"#);
//! records.push(1, None, b"not json");
//! let mut sink = MemorySink::default();
//! codec.decode(&records, &mut sink);
//! assert_eq!(sink.rows[0].1["input_tokens"], 812);
//! assert_eq!(sink.dead_letters[0].reason.as_str(), "json");
//! ```

mod dead_letter;
mod decode;
mod fingerprint;
mod native;
mod networks;
mod plain;
mod randomness;
mod redact;
mod scalar;

pub use decode::{Codec, MAX_PAYLOAD_BYTES};
pub use fingerprint::{Fingerprint, FingerprintSecret};
pub use networks::{NetworkFileSummary, Networks, NetworksError};
pub use redact::Redactor;
