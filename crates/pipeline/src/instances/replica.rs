//! Who has which partition, and what each has said: the same in every instance that has read as
//! far in the log.

use std::collections::BTreeMap;

use model::Partition;
use serde::{Deserialize, Serialize};

use super::message::{End, Message, Part};
use crate::stage::Reach;

/// What is known from the log, up to an offset.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Replica {
    /// The next message.
    next: Option<i64>,
    owners: BTreeMap<Partition, Owner>,
}

/// Whose a partition is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Owner {
    epoch: i64,
    instance: String,
    /// What it shows below this offset has been said, by whomever.
    said_until: i64,
    /// What the owner has said and not ended yet.
    begun: Vec<Part>,
}

/// What a message says that holds.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Nothing: it is of an older epoch, or there is more to come.
    Nothing,
    /// A partition has another owner.
    Claim(Partition),
    /// A partition has come so far, and has shown this.
    Shown(Partition, Reach, Vec<Part>),
    /// A partition is idle, or is not any more.
    Idle(Partition, bool),
}

impl Replica {
    /// Takes the message of an offset. One that was taken before says nothing.
    pub(crate) fn hear(&mut self, offset: i64, message: Message) -> Heard {
        if self.next.is_some_and(|next| offset < next) {
            return Heard::Nothing;
        }
        self.next = Some(offset + 1);
        match message {
            Message::Claim {
                partition,
                instance,
            } => {
                let owner = self.owners.entry(partition.clone()).or_default();
                (owner.epoch, owner.instance) = (offset, instance);
                // What the one before did not end, this one says again.
                owner.begun.clear();
                Heard::Claim(partition)
            }
            Message::Shown {
                partition,
                epoch,
                number,
                part,
                end,
            } => match self.owner(&partition, epoch) {
                Some(owner) => owner.shown(partition, number, *part, end),
                None => Heard::Nothing,
            },
            Message::Idle {
                partition,
                epoch,
                is_idle,
            } => match self.owner(&partition, epoch) {
                Some(_) => Heard::Idle(partition, is_idle),
                None => Heard::Nothing,
            },
        }
    }

    /// Passes over a message that nobody understands.
    pub(crate) fn skip(&mut self, offset: i64) {
        self.next = self.next.max(Some(offset + 1));
    }

    /// Returns the offset of the next message, unless the log is read from its beginning.
    pub(crate) fn next(&self) -> Option<i64> {
        self.next
    }

    /// Returns whose a partition is, and since when.
    pub(crate) fn owner_of(&self, partition: &Partition) -> Option<(&str, i64)> {
        let owner = self.owners.get(partition)?;
        Some((&owner.instance, owner.epoch))
    }

    /// Returns the offset of a partition below which all has been said that it shows.
    pub(crate) fn said_until(&self, partition: &Partition) -> i64 {
        let owner = self.owners.get(partition);
        owner.map_or(0, |owner| owner.said_until)
    }

    fn owner(&mut self, partition: &Partition, epoch: i64) -> Option<&mut Owner> {
        let owner = self.owners.get_mut(partition);
        owner.filter(|owner| owner.epoch == epoch)
    }
}

impl Owner {
    fn shown(
        &mut self,
        partition: Partition,
        number: usize,
        part: Part,
        end: Option<End>,
    ) -> Heard {
        if number == 0 {
            // It began before and could not go on, and says all of it again.
            self.begun.clear();
        }
        // A part that is here already was written twice, because nobody knew whether it was there.
        if number == self.begun.len() {
            self.begun.push(part);
        }
        match end {
            Some(end) if end.offset > self.said_until => {
                self.said_until = end.offset;
                Heard::Shown(partition, end.reach, std::mem::take(&mut self.begun))
            }
            Some(_) => {
                self.begun.clear();
                Heard::Nothing
            }
            None => Heard::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use detector::Unkeyed;

    struct Log {
        replica: Replica,
        end: i64,
    }

    impl Log {
        fn new() -> Self {
            Self {
                replica: Replica::default(),
                end: 0,
            }
        }

        fn say(&mut self, message: Message) -> Heard {
            self.end += 1;
            self.replica.hear(self.end - 1, message)
        }

        fn claim(&mut self, instance: &str) -> i64 {
            let claim = Message::Claim {
                partition: partition(),
                instance: instance.into(),
            };
            assert!(matches!(self.say(claim), Heard::Claim(_)));
            self.end - 1
        }
    }

    fn partition() -> Partition {
        Partition::new("usage", 0)
    }

    fn shown(epoch: i64, number: usize, end: Option<i64>) -> Message {
        let reach = Reach {
            open_from: end,
            read_until: end,
        };
        Message::Shown {
            partition: partition(),
            epoch,
            number,
            part: Box::new(Part {
                unkeyed: Unkeyed::default(),
                ..Part::default()
            }),
            end: end.map(|offset| End { offset, reach }),
        }
    }

    #[track_caller]
    fn parts(heard: Heard) -> usize {
        match heard {
            Heard::Shown(_, _, parts) => parts.len(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_an_older_epoch_says_is_not_heard_though_it_is_written_later() {
        let mut log = Log::new();
        let first = log.claim("a");
        assert_eq!(parts(log.say(shown(first, 0, Some(100)))), 1);
        let second = log.claim("b");
        assert_eq!(log.replica.said_until(&partition()), 100);
        assert!(matches!(
            log.say(shown(first, 0, Some(150))),
            Heard::Nothing
        ));
        assert_eq!(log.replica.said_until(&partition()), 100);
        assert_eq!(parts(log.say(shown(second, 0, Some(130)))), 1);
        let idle = Message::Idle {
            partition: partition(),
            epoch: first,
            is_idle: true,
        };
        assert!(matches!(log.say(idle), Heard::Nothing));
        assert_eq!(log.replica.owner_of(&partition()), Some(("b", second)));
    }

    #[test]
    fn what_is_said_in_parts_counts_with_its_end_and_once() {
        let mut log = Log::new();
        let first = log.claim("a");
        assert!(matches!(log.say(shown(first, 0, None)), Heard::Nothing));
        assert!(matches!(log.say(shown(first, 1, None)), Heard::Nothing));
        // The second was not acknowledged, and is written again.
        assert!(matches!(log.say(shown(first, 1, None)), Heard::Nothing));
        assert_eq!(parts(log.say(shown(first, 2, Some(50)))), 3);
        assert!(matches!(log.say(shown(first, 2, Some(50))), Heard::Nothing));
        // The owner ends in the middle: the next one says it from the beginning.
        assert!(matches!(log.say(shown(first, 0, None)), Heard::Nothing));
        let second = log.claim("b");
        assert!(matches!(log.say(shown(second, 0, None)), Heard::Nothing));
        assert_eq!(parts(log.say(shown(second, 1, Some(80)))), 2);
    }

    #[test]
    fn a_message_that_is_read_again_says_nothing() {
        let mut log = Log::new();
        let epoch = log.claim("a");
        log.say(shown(epoch, 0, Some(10)));
        let again = log.replica.hear(1, shown(epoch, 0, Some(20)));
        assert!(matches!(again, Heard::Nothing));
        assert_eq!(log.replica.next(), Some(2));
    }
}
