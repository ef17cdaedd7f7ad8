//! Partitions of which nothing comes.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use model::Partition;

/// How long nothing has come of a partition that is idle. A partition that is only read more
/// slowly than others is heard of all the time.
const IDLE_AFTER: Duration = Duration::from_secs(30);

/// How long it is waited for a partition of which the log is known to have more: its broker may
/// be gone for days.
const UNREAD_IDLE_AFTER: Duration = Duration::from_secs(300);

/// How often it is looked for idle ones.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When something last came of each partition, by a clock of the process.
///
/// The one thing about decisions that no event says: where nothing is written, time stands still.
#[derive(Debug)]
pub(crate) struct Idleness {
    /// Until when nothing could come: nothing was read.
    held: Instant,
    heard: BTreeMap<Partition, Instant>,
    looked: Option<Instant>,
}

impl Idleness {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            held: now,
            heard: BTreeMap::new(),
            looked: None,
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

    /// Notes that nothing is read now.
    pub(crate) fn hold(&mut self, now: Instant) {
        self.held = now;
    }

    /// Returns whether it is time to look again, and takes note of it.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self
            .looked
            .is_none_or(|looked| now.duration_since(looked) >= LOOK_EVERY);
        if is_due {
            self.looked = Some(now);
        }
        is_due
    }

    /// Returns whether others need not wait for a partition, of which the log has more or not.
    pub(crate) fn is_idle(&self, partition: &Partition, has_unread: bool, now: Instant) -> bool {
        let heard = self.heard.get(partition).copied();
        let since = heard.map_or(self.held, |heard| heard.max(self.held));
        let patience = match has_unread {
            true => UNREAD_IDLE_AFTER,
            false => IDLE_AFTER,
        };
        now.duration_since(since) >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_is_idle_some_time_after_it_was_heard_of_or_could_have_been() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let (one, other) = (Partition::new("usage", 0), Partition::new("usage", 1));
        let mut idleness = Idleness::new(start);
        idleness.hear(&one, at(20));
        let idle = |idleness: &Idleness, partition, seconds| {
            idleness.is_idle(partition, false, at(seconds))
        };
        assert!(!idle(&idleness, &one, 49) && idle(&idleness, &one, 50));
        assert!(!idle(&idleness, &other, 29) && idle(&idleness, &other, 30));
        assert!(!idleness.is_idle(&one, true, at(319)) && idleness.is_idle(&one, true, at(320)));
        // Nothing was read for long: that says nothing about them.
        idleness.hold(at(1000));
        assert!(!idle(&idleness, &one, 1029) && idle(&idleness, &one, 1030));
    }

    #[test]
    fn it_is_looked_for_at_once_and_then_once_a_second() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut idleness = Idleness::new(start);
        let due = [0, 500, 1000, 1500, 2000].map(|millis| idleness.is_due(at(millis)));
        assert_eq!(due, [true, false, true, false, true]);
    }
}
