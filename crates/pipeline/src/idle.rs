//! Partitions that others need not wait for.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use model::Partition;

/// How long a partition of which all was read is waited for. One that is only read more slowly
/// than others has more to read all the time.
const READ_PATIENCE: Duration = Duration::from_secs(30);

/// How long it is waited for a partition of which the log is known to have more, and of which
/// nothing comes: its broker may be gone for days.
const UNREAD_PATIENCE: Duration = Duration::from_secs(300);

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long the loop may be busy with something else and still have read.
const STUCK_AFTER: Duration = Duration::from_secs(3);

/// For how long each partition has had nothing more to read, by a clock of the process that stands
/// while nothing can be read.
///
/// The one thing about decisions that no event says: where nothing is written, time stands still.
#[derive(Debug)]
pub(crate) struct Idleness {
    started: Instant,
    passed: Instant,
    /// How long nothing could be read until now.
    blocked: Duration,
    seen: BTreeMap<Partition, Seen>,
    looked: Option<Instant>,
}

/// Moments of one partition.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// When something came of it.
    heard: Duration,
    /// When it was known last to have more to read.
    unread: Duration,
    has_unread: bool,
}

impl Idleness {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            started: now,
            passed: now,
            blocked: Duration::ZERO,
            seen: BTreeMap::new(),
            looked: None,
        }
    }

    /// Lets time pass, in which there could be read or not.
    pub(crate) fn pass(&mut self, could_read: bool, now: Instant) {
        let passed = now.duration_since(self.passed);
        self.passed = now;
        if !could_read || passed >= STUCK_AFTER {
            self.blocked += passed;
        }
    }

    fn time(&self) -> Duration {
        let passed = self.passed.duration_since(self.started);
        passed.saturating_sub(self.blocked)
    }

    /// Notes that something came of a partition.
    pub(crate) fn hear(&mut self, partition: &Partition) {
        let time = self.time();
        self.seen(partition).heard = time;
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

    /// Takes note of which partitions are read, and which of them have more to read.
    pub(crate) fn look(&mut self, partitions: &BTreeMap<Partition, bool>) {
        let time = self.time();
        for (partition, has_unread) in partitions {
            let seen = self.seen(partition);
            seen.has_unread = *has_unread;
            if *has_unread {
                seen.unread = time;
            }
        }
    }

    /// Forgets a partition, which comes or goes.
    pub(crate) fn forget(&mut self, partition: &Partition) {
        self.seen.remove(partition);
    }

    /// Returns whether it was looked at a partition.
    pub(crate) fn knows(&self, partition: &Partition) -> bool {
        self.seen.contains_key(partition)
    }

    /// Returns whether others need not wait for a partition.
    pub(crate) fn is_idle(&self, partition: &Partition) -> bool {
        let never = Seen {
            heard: Duration::ZERO,
            unread: Duration::ZERO,
            has_unread: false,
        };
        let seen = self.seen.get(partition).unwrap_or(&never);
        let time = self.time();
        match seen.has_unread {
            true => time.saturating_sub(seen.heard) >= UNREAD_PATIENCE,
            false => time.saturating_sub(seen.unread) >= READ_PATIENCE,
        }
    }

    fn seen(&mut self, partition: &Partition) -> &mut Seen {
        let now = self.time();
        self.seen.entry(partition.clone()).or_insert(Seen {
            heard: now,
            unread: now,
            has_unread: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Hand {
        idleness: Idleness,
        now: Instant,
        partition: Partition,
    }

    impl Hand {
        fn new() -> Self {
            let now = Instant::now();
            Self {
                idleness: Idleness::new(now),
                now,
                partition: Partition::new("usage", 0),
            }
        }

        /// Lets seconds pass in turns of 50 ms, every other of which may read or not.
        fn pass(&mut self, seconds: u64, has_unread: bool, every_other_reads: bool) {
            for turn in 0..seconds * 20 {
                self.now += Duration::from_millis(50);
                self.idleness
                    .pass(every_other_reads || turn % 2 == 0, self.now);
                let partitions = BTreeMap::from([(self.partition.clone(), has_unread)]);
                self.idleness.look(&partitions);
            }
        }

        fn is_idle(&self) -> bool {
            self.idleness.is_idle(&self.partition)
        }
    }

    #[test]
    fn a_partition_is_idle_once_all_of_it_was_read_for_a_while_though_it_speaks() {
        let mut hand = Hand::new();
        hand.pass(29, false, true);
        assert!(!hand.is_idle());
        hand.idleness.hear(&hand.partition.clone());
        hand.pass(2, false, true);
        assert!(hand.is_idle(), "its lateness is its own");
        hand.pass(1, true, true);
        assert!(!hand.is_idle(), "there is more to read");
    }

    #[test]
    fn one_with_more_to_read_is_waited_for_longer() {
        let mut hand = Hand::new();
        hand.pass(299, true, true);
        assert!(!hand.is_idle());
        hand.pass(2, true, true);
        assert!(hand.is_idle(), "nothing comes of it");
        hand.idleness.hear(&hand.partition.clone());
        assert!(!hand.is_idle());
    }

    #[test]
    fn time_in_which_nothing_can_be_read_does_not_count_and_the_rest_does() {
        let mut hand = Hand::new();
        hand.pass(58, false, false);
        assert!(!hand.is_idle());
        hand.pass(4, false, false);
        assert!(hand.is_idle(), "half of the time there was read");
        // A turn that was stuck for an hour.
        let mut hand = Hand::new();
        hand.now += Duration::from_secs(3600);
        hand.pass(29, false, true);
        assert!(!hand.is_idle());
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
