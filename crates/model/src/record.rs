//! Records as they come from a log: bytes with a place.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// One partition of one topic; a file is a topic with the single partition 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition {
    /// The topic, or the path of a file.
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
}

/// Records of one partition in offset order; their payloads share one buffer.
#[derive(Clone, Debug)]
pub struct Records {
    partition: Partition,
    payloads: Vec<u8>,
    entries: Vec<RecordEntry>,
    next_offset: i64,
}

#[derive(Clone, Copy, Debug)]
struct RecordEntry {
    offset: i64,
    time: Option<Timestamp>,
    payload_end: usize,
}

impl Records {
    /// Starts an empty batch of `partition` at `start_offset`.
    pub fn new(partition: Partition, start_offset: i64) -> Self {
        Self {
            partition,
            payloads: Vec::new(),
            entries: Vec::new(),
            next_offset: start_offset,
        }
    }

    /// Appends a record; offsets may have gaps but never go back.
    pub fn push(&mut self, offset: i64, time: Option<Timestamp>, payload: &[u8]) {
        debug_assert!(
            offset >= self.next_offset,
            "offsets of one partition only grow"
        );
        self.payloads.extend_from_slice(payload);
        self.entries.push(RecordEntry {
            offset,
            time,
            payload_end: self.payloads.len(),
        });
        self.next_offset = offset + 1;
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
        let starts = std::iter::once(0).chain(self.entries.iter().map(|entry| entry.payload_end));
        self.entries
            .iter()
            .zip(starts)
            .map(|(entry, start)| Record {
                offset: entry.offset,
                time: entry.time,
                payload: &self.payloads[start..entry.payload_end],
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
}
