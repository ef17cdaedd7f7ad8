//! Partitions of which nothing comes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use model::Partition;

/// How long nothing has come of a partition that is idle. A partition that is only read more
/// slowly than others is heard of all the time.
const IDLE_AFTER: Duration = Duration::from_secs(30);

/// How often it is looked for idle ones.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When something last came of each partition, by a clock of the process.
///
/// The one thing about decisions that no event says: where nothing is written, time stands still.
#[derive(Debug)]
pub(crate) struct Idleness {
    started: Instant,
    heard: BTreeMap<Partition, Instant>,
    looked: Instant,
}

impl Idleness {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            started: now,
            heard: BTreeMap::new(),
            looked: now,
        }
    }

    /// Notes that something came of a partition.
    pub(crate) fn hear(&mut self, partition: &Partition, now: Instant) {
        match self.heard.get_mut(partition) {
            Some(heard) => *heard = now,
            None => {
                self.heard.insert(partition.clone(), now);
            }
        }
    }

    /// Returns whether it is time to look again, and takes note of it.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now.duration_since(self.looked) >= LOOK_EVERY;
        if is_due {
            self.looked = now;
        }
        is_due
    }

    /// Returns whether nothing has come of a partition for a while.
    pub(crate) fn is_silent(&self, partition: &Partition, now: Instant) -> bool {
        let heard = self.heard.get(partition).unwrap_or(&self.started);
        now.duration_since(*heard) >= IDLE_AFTER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_silent_some_time_after_it_was_heard_of_or_after_the_start() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (one, other) = (Partition::new("usage", 0), Partition::new("usage", 1));
        let mut idleness = Idleness::new(start);
        idleness.hear(&one, at(20));
        assert!(!idleness.is_silent(&one, at(49)) && idleness.is_silent(&one, at(50)));
        assert!(!idleness.is_silent(&other, at(29)) && idleness.is_silent(&other, at(30)));
    }

    #[test]
    fn it_is_looked_for_once_a_second() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut idleness = Idleness::new(start);
        let due = [500, 1000, 1500, 2000].map(|millis| idleness.is_due(at(millis)));
        assert_eq!(due, [false, true, false, true]);
    }
}
