//! How the partitions are doing that are read, and whether anything of them can be read.

use std::collections::BTreeMap;

use model::{Clock, Partition, Timestamp};
use serde_json::{Value, json};
use tracing::{error, info};

use crate::stage::Staged;

/// A partition is judged by so many records at least, and then anew by the next.
const JUDGED_BY: u64 = 100;

/// It is unreadable where more than this share of them were dead letters, in hundredths.
const UNREADABLE_PERCENT: u64 = 95;

/// How each partition is doing, since the process began to read it.
#[derive(Debug, Default)]
pub(crate) struct Feeds(BTreeMap<Partition, Feed>);

#[derive(Debug, Default)]
struct Feed {
    next_offset: i64,
    records: u64,
    rows: u64,
    dead_letters: u64,
    duplicates: u64,
    newest_event_time: Option<Timestamp>,
    newest_known_at: Option<Timestamp>,
    read_at: Option<Timestamp>,
    /// Records and dead letters since it was judged.
    recent: (u64, u64),
    is_unreadable: bool,
}

impl Feeds {
    /// Takes note of a batch that was worked on.
    pub(crate) fn note(&mut self, staged: &Staged, records: u64, clock: &dyn Clock) {
        let range = staged.usage_batch.range();
        let feed = self.0.entry(range.partition.clone()).or_default();
        feed.next_offset = range.end;
        feed.records += records;
        feed.rows += staged.usage_batch.rows() as u64;
        feed.dead_letters += staged.dead_letters.len() as u64;
        feed.duplicates += staged.duplicates;
        let rows = 0..staged.usage_batch.rows();
        let event_time = rows.clone().map(|row| staged.usage_batch.event_time(row));
        feed.newest_event_time = feed.newest_event_time.max(event_time.max());
        let known_at = rows.map(|row| staged.usage_batch.known_at(row));
        feed.newest_known_at = feed.newest_known_at.max(known_at.max());
        feed.read_at = Some(clock.now());
        feed.judge(&range.partition, records, staged.dead_letters.len() as u64);
    }

    /// Returns the partitions of which next to nothing can be read.
    pub(crate) fn unreadable(&self) -> Vec<Partition> {
        let unreadable = self.0.iter().filter(|(_, feed)| feed.is_unreadable);
        unreadable.map(|(partition, _)| partition.clone()).collect()
    }

    /// Returns a row for each partition.
    pub(crate) fn rows(&self, now: Timestamp) -> Vec<Value> {
        let feeds = self.0.iter();
        feeds
            .map(|(partition, feed)| feed.row(partition, now))
            .collect()
    }
}

impl Feed {
    /// Says once when a partition turns unreadable, and once when it is no more. A dead letter can
    /// be one of several of a record, so there may be more of them than records.
    fn judge(&mut self, partition: &Partition, records: u64, dead_letters: u64) {
        let (all, dead) = &mut self.recent;
        *all += records;
        *dead += dead_letters;
        if *all < JUDGED_BY {
            return;
        }
        let is_unreadable = *dead * 100 > *all * UNREADABLE_PERCENT;
        if is_unreadable && !self.is_unreadable {
            error!(
                %partition,
                records = *all,
                dead_letters = *dead,
                "next to nothing of a partition can be read: is its format right? Its dead letters \
                 say why"
            );
        } else if self.is_unreadable && !is_unreadable {
            info!(%partition, "a partition can be read again");
        }
        self.is_unreadable = is_unreadable;
        self.recent = (0, 0);
    }

    fn row(&self, partition: &Partition, now: Timestamp) -> Value {
        json!({
            "topic": &*partition.topic,
            "partition": partition.number,
            "next_offset": self.next_offset,
            "records": self.records,
            "rows": self.rows,
            "dead_letters": self.dead_letters,
            "duplicates": self.duplicates,
            "newest_event_time": self.newest_event_time,
            "newest_known_at": self.newest_known_at,
            "read_at": self.read_at,
            "unreadable": self.is_unreadable,
            "known_at": now,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_unreadable_until_something_of_it_is_read() {
        let partition = Partition::new("usage", 0);
        let mut feed = Feed::default();
        let mut after = |records, dead_letters| {
            feed.judge(&partition, records, dead_letters);
            feed.is_unreadable
        };
        assert!(!after(99, 99), "too few to say");
        assert!(after(1, 1));
        assert!(after(60, 0), "it is judged by the next hundred");
        assert!(!after(60, 60));
        assert!(!after(1000, 950));
        assert!(after(1000, 951));
    }
}
