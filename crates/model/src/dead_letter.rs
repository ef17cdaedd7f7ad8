//! What a record got wrong, as a value.

use serde::{Deserialize, Serialize};

use crate::{Position, Timestamp};

/// Why a record is not usage, as a stable word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The record has no value.
    Empty,
    /// The record is longer than the limit.
    TooLarge,
    /// The bytes are not UTF-8.
    Encoding,
    /// The bytes are not JSON.
    Json,
    /// The JSON is not one object, or nests too deep.
    Shape,
    /// A field is named twice.
    DuplicateField,
    /// A field that must be present is not.
    MissingField,
    /// A field has another type than the schema says.
    WrongType,
    /// A time is no RFC 3339 time, or outside the years 2015 to 2100.
    Time,
    /// A count or an amount is negative, fractional or beyond its limit.
    Number,
    /// The record is in none of the formats that are known, or not in the one of its topic.
    UnknownFormat,
    /// The record is framed for a schema that is not at hand, or its frame is broken.
    Framing,
    /// The record or a part of it is compressed or in base64, and could not be unpacked.
    Compressed,
    /// The program crashed when it read the record: a defect of the program.
    Crash,
}

impl Reason {
    /// Returns the stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge => "too_large",
            Self::Encoding => "encoding",
            Self::Json => "json",
            Self::Shape => "shape",
            Self::DuplicateField => "duplicate_field",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::Time => "time",
            Self::Number => "number",
            Self::UnknownFormat => "unknown_format",
            Self::Framing => "framing",
            Self::Compressed => "compressed",
            Self::Crash => "crash",
        }
    }
}

/// A record that could not be read: where it lies, what is wrong, and what it said after redaction.
///
/// There is at most one a record, so that its place is its identity. Where a record holds many
/// events, the reason and the payload are those of the first bad one, `detail` says how many more
/// there are, and the good ones beside it are rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The stable word of what is wrong.
    pub reason: Reason,
    /// What is wrong in a sentence, without any value of the payload that could be secret.
    pub detail: String,
    /// Where the record lies.
    #[serde(flatten)]
    pub position: Position,
    /// The broker's time of the record, if it has one.
    pub record_time: Option<Timestamp>,
    /// The beginning of the payload after redaction.
    pub payload: String,
    /// The length of the whole payload in bytes.
    pub payload_bytes: u64,
}
