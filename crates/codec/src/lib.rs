//! A provider's payload bytes to usage events, or dead letters that say why not; redaction and fingerprints.
//!
//! [`Codec::decode`] takes the records of one partition and hands every row or dead letter to a
//! [`model::EventSink`], borrowed from the payload. What leaves it is free of keys: a secret in
//! the key field becomes a keyed fingerprint, anywhere else it is cut out ([`Redactor`]).
//! Given files in MaxMind's format ([`Networks`]), it fills in the network and the country of an
//! address where an event does not say them; given prices of models ([`Prices`]), what its tokens
//! cost.
//!
//! A record is read in the [`Format`] that the settings give its topic, or else in the one it looks
//! like; envelopes around it (gzip, arrays, pages, CloudEvents, Pub/Sub, frames of a schema
//! registry) are taken off on the way, and a record may hold many events.
//! The native event is read without a tree and is the fast one; `formats/` has a file for each of
//! the others, and `docs/formats/README.md` says how to add one.
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
mod depth;
mod draft;
mod envelope;
mod fingerprint;
mod formats;
mod json;
mod mapping;
mod meaning;
mod native;
mod networks;
mod plain;
mod prices;
mod protect;
mod randomness;
mod redact;
mod rejection;
mod rows;
mod scalar;
mod words;

pub use decode::{Codec, MAX_PAYLOAD_BYTES, RecordReader};
pub use fingerprint::{Fingerprint, FingerprintSecret};
pub use formats::{Confidence, DEFAULT_KEY_ATTRIBUTES, Format, UnknownFormat};
pub use json::Unit;
pub use mapping::{Mapping, MappingError};
pub use meaning::tokens::Convention;
pub use model::{SchemaError, SchemaId, Schemas};
pub use networks::{NetworkFileSummary, Networks, NetworksError};
pub use prices::{Price, Prices, PricesError, Unpriced};
pub use redact::Redactor;
pub use rows::Decoded;
