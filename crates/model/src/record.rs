//! Records as they come from a log: bytes with a place.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// One partition of one topic; a file is a topic with the single partition 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Partition {
    /// The topic, or the path of a file.
    #[serde(with = "shared_text")]
    pub topic: Arc<str>,
    /// The number of the partition within its topic.
    pub number: i32,
}

impl Partition {
    /// Names partition `number` of `topic`.
    pub fn new(topic: impl Into<Arc<str>>, number: i32) -> Self {
        Self {
            topic: topic.into(),
            number,
        }
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.number)
    }
}

/// The place of one record: the offset of a topic's partition, or the line of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Position {
    /// The topic, or the path of a file.
    #[serde(with = "shared_text")]
    pub topic: Arc<str>,
    /// The partition within the topic.
    pub partition: i32,
    /// The offset within the partition, or the line of the file counted from 1.
    pub offset: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

/// Writes an `Arc<str>` as text.
mod shared_text {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<str>, D::Error> {
        String::deserialize(from).map(Arc::from)
    }
}

/// A half-open range of offsets of one partition, `[start, end)`: `end` is the next one to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetRange {
    /// The partition.
    pub partition: Partition,
    /// The first offset inside.
    pub start: i64,
    /// The next offset to read.
    pub end: i64,
}

/// One record, borrowed from the batch it came in.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The offset within the partition.
    pub offset: i64,
    /// The broker's time of the record, if it has one.
    pub time: Option<Timestamp>,
    /// The value; empty for a tombstone.
    pub payload: &'a [u8],
    /// What the producer wrote beside the value; most records have none.
    pub headers: Headers<'a>,
}

/// The headers of one record, borrowed from the batch it came in.
///
/// A name may be there more than once, in any spelling of its letters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    entries: &'a [HeaderEntry],
}

impl<'a> Headers<'a> {
    /// How many headers of a record are kept; the others are left out.
    pub const MAX_COUNT: usize = 64;
    /// The longest name and value together that are kept, in bytes; a longer header is left out.
    pub const MAX_BYTES: usize = 8 << 10;

    /// Iterates over names and values in the order of the record.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.entries.iter().filter_map(move |entry| {
            let (name, rest) = self
                .bytes
                .get(entry.start..)?
                .split_at_checked(entry.name_len)?;
            let name = std::str::from_utf8(name).ok()?;
            Some((name, rest.get(..entry.value_len)?))
        })
    }

    /// Returns the first value of that name, whatever the case of its letters.
    pub fn get(self, name: &str) -> Option<&'a [u8]> {
        self.iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Returns the first value of that name if it is text.
    pub fn text(self, name: &str) -> Option<&'a str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// Returns whether there is none.
    pub fn is_empty(self) -> bool {
        self.entries.is_empty()
    }
}

/// Where a header lies in the buffer of its batch.
#[derive(Clone, Copy, Debug)]
struct HeaderEntry {
    start: usize,
    name_len: usize,
    value_len: usize,
}

/// Records of one partition in offset order; their payloads share one buffer, and so do their
/// headers.
#[derive(Clone, Debug)]
pub struct Records {
    partition: Partition,
    payloads: Vec<u8>,
    entries: Vec<RecordEntry>,
    header_bytes: Vec<u8>,
    headers: Vec<HeaderEntry>,
    next_offset: i64,
}

#[derive(Clone, Copy, Debug)]
struct RecordEntry {
    offset: i64,
    time: Option<Timestamp>,
    payload_end: usize,
    headers_end: usize,
}

impl Records {
    /// Starts an empty batch of `partition` at `start_offset`.
    pub fn new(partition: Partition, start_offset: i64) -> Self {
        Self {
            partition,
            payloads: Vec::new(),
            entries: Vec::new(),
            header_bytes: Vec::new(),
            headers: Vec::new(),
            next_offset: start_offset,
        }
    }

    /// Appends a record without headers; offsets may have gaps but never go back.
    pub fn push(&mut self, offset: i64, time: Option<Timestamp>, payload: &[u8]) {
        self.push_with_headers(offset, time, payload, []);
    }

    /// Appends a record with its headers, as far as they are within the bounds of [`Headers`].
    pub fn push_with_headers<'h>(
        &mut self,
        offset: i64,
        time: Option<Timestamp>,
        payload: &[u8],
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) {
        debug_assert!(
            offset >= self.next_offset,
            "offsets of one partition only grow"
        );
        self.payloads.extend_from_slice(payload);
        let kept = headers
            .into_iter()
            .filter(|(name, value)| name.len() + value.len() <= Headers::MAX_BYTES)
            .take(Headers::MAX_COUNT);
        for (name, value) in kept {
            self.headers.push(HeaderEntry {
                start: self.header_bytes.len(),
                name_len: name.len(),
                value_len: value.len(),
            });
            self.header_bytes.extend_from_slice(name.as_bytes());
            self.header_bytes.extend_from_slice(value);
        }
        self.entries.push(RecordEntry {
            offset,
            time,
            payload_end: self.payloads.len(),
            headers_end: self.headers.len(),
        });
        self.next_offset = offset + 1;
    }

    /// Cuts it before an offset: the records below it, and the others. Either may be empty.
    pub fn cut(self, offset: i64) -> (Self, Self) {
        if self.next_offset <= offset {
            let nothing = Self::new(self.partition.clone(), self.next_offset);
            return (self, nothing);
        }
        let mut below = Self::new(self.partition.clone(), i64::MIN);
        let mut others = Self::new(self.partition.clone(), offset);
        for record in self.iter() {
            let part = match record.offset < offset {
                true => &mut below,
                false => &mut others,
            };
            let headers = record.headers.iter();
            part.push_with_headers(record.offset, record.time, record.payload, headers);
        }
        below.next_offset = offset;
        others.next_offset = self.next_offset;
        (below, others)
    }

    /// Returns the partition all records are from.
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// Returns the next offset to read after this batch.
    pub fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// Returns the number of records.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the bytes held by the payloads.
    pub fn payload_bytes(&self) -> usize {
        self.payloads.len()
    }

    /// Iterates over the records in offset order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        let ends = self.entries.iter();
        let ends = ends.map(|entry| (entry.payload_end, entry.headers_end));
        let starts = std::iter::once((0, 0)).chain(ends);
        self.entries
            .iter()
            .zip(starts)
            .map(|(entry, (payload_start, headers_start))| Record {
                offset: entry.offset,
                time: entry.time,
                payload: &self.payloads[payload_start..entry.payload_end],
                headers: Headers {
                    bytes: &self.header_bytes,
                    entries: &self.headers[headers_start..entry.headers_end],
                },
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back_as_they_went_in() {
        let mut records = Records::new(Partition::new("usage", 0), 5);
        assert_eq!(records.next_offset(), 5);
        records.push(5, None, b"a");
        records.push(7, Some(Timestamp::from_millis(1)), b"");
        records.push(8, None, b"ccc");
        let seen: Vec<_> = records
            .iter()
            .map(|r| (r.offset, r.payload.to_vec()))
            .collect();
        assert_eq!(
            seen,
            [(5, b"a".to_vec()), (7, vec![]), (8, b"ccc".to_vec())]
        );
        assert_eq!(records.next_offset(), 9);
    }

    #[test]
    fn a_cut_loses_nothing() {
        let mut records = Records::new(Partition::new("usage", 0), 5);
        for offset in [5, 7, 8] {
            records.push_with_headers(offset, None, b"a", [("n", &b"v"[..])]);
        }
        let offsets = |records: &Records| records.iter().map(|r| r.offset).collect::<Vec<_>>();
        for (at, below, others) in [
            (5, vec![], vec![5, 7, 8]),
            (6, vec![5], vec![7, 8]),
            (8, vec![5, 7], vec![8]),
            (9, vec![5, 7, 8], vec![]),
        ] {
            let (one, two) = records.clone().cut(at);
            assert_eq!((offsets(&one), offsets(&two)), (below, others), "{at}");
            assert_eq!((one.next_offset(), two.next_offset()), (at, 9));
            let mut headers = one.iter().chain(two.iter()).map(|r| r.headers);
            assert!(headers.all(|headers| headers.text("n") == Some("v")));
        }
    }

    #[test]
    fn headers_stay_with_their_record_and_within_their_bounds() {
        let mut records = Records::new(Partition::new("usage", 0), 0);
        let long = vec![b'x'; Headers::MAX_BYTES];
        let headers = [("ce_id", &b"1"[..]), ("long", &long), ("CE_Type", b"\xff")];
        records.push_with_headers(0, None, b"a", headers);
        records.push(1, None, b"b");
        records.push_with_headers(2, None, b"c", vec![("n", &b""[..]); 100]);
        let seen: Vec<_> = records.iter().map(|record| record.headers).collect();
        let names: Vec<_> = seen[0].iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["ce_id", "CE_Type"]);
        assert_eq!(seen[0].text("CE_ID"), Some("1"));
        assert_eq!(seen[0].get("ce_type"), Some(&b"\xff"[..]));
        assert_eq!(seen[0].text("ce_type"), None);
        assert!(seen[1].is_empty());
        assert_eq!(seen[2].iter().count(), Headers::MAX_COUNT);
    }
}
