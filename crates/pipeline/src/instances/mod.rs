//! Several instances that share the partitions ([ADR 0019]).
//!
//! ```text
//!              ┌ partition 0 ─ stage ┐ shown, by partition          ┌ campaigns, ledgers
//!   instance a ┤                     ├──────────┐             ┌─────┤ (the same in each)
//!              └ partition 1 ─ stage ┘          ▼             │     └ casebook: once, by id
//!                                       log of one order ─────┤
//!              ┌ partition 2 ─ stage ┐          ▲             │     ┌ campaigns, ledgers
//!   instance b ┤                     ├──────────┘             └─────┤
//!              └ partition 3 ─ stage ┘                              └
//!                    ▲      │
//!                    └──────┴── snapshots by partition, where every instance reaches them
//! ```
//!
//! What one partition knows is a function of its part of the input log up to an offset, whoever
//! has computed it. So an instance that gets a partition takes its newest snapshot, by whomever,
//! and reads on from there.
//!
//! What the partitions show together is computed by every instance from one log, in the log's
//! order, and is the same in each; the casebook keeps what has the same id once. An instance takes
//! a partition by writing so into that log: the offset of that message is the *epoch* of its
//! ownership. What an older epoch says after it is ignored by everybody, and an instance that
//! reads of a newer one than its own knows that it has lost the partition.
//!
//! [ADR 0019]: ../../../docs/adr/0019-instances.md

mod handover;
mod message;
mod replica;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use columns::SnapshotStore;
use model::{Partition, Rebalance, Rebalances, SharedLog, SourceError};

use crate::stage::Reach;

pub(crate) use handover::{Handover, StateFile};
pub(crate) use message::{Message, messages};
pub(crate) use replica::{Heard, Replica};

/// What an instance needs to share partitions with others.
pub struct Instances {
    /// Its name, which no other has.
    pub name: String,
    /// Tells which partitions come and go.
    pub rebalances: Box<dyn Rebalances>,
    /// The log that all instances write to and read.
    pub log: Box<dyn SharedLog>,
    /// The name of that log.
    pub log_name: String,
    /// Where snapshots are, for every instance.
    pub store: Arc<dyn SnapshotStore>,
    /// Names the cluster whose offsets the snapshots have.
    pub cluster: String,
    /// How long the group may leave a partition with an instance that another has claimed: longer
    /// than it takes to notice a member that hung. Then the run ends with [`Error::Lost`].
    ///
    /// [`Error::Lost`]: crate::Error::Lost
    pub patience: Duration,
}

/// An instance among others, under way.
pub(crate) struct Sharing {
    pub(crate) name: String,
    rebalances: Box<dyn Rebalances>,
    pub(crate) log: Box<dyn SharedLog>,
    pub(crate) handover: Handover,
    pub(crate) owned: BTreeMap<Partition, Owned>,
    /// A partition that another instance has claimed, which the group has not taken away, and
    /// since when.
    pub(crate) lost: Option<(Partition, Instant)>,
    pub(crate) patience: Duration,
    /// The offset of the last message that this instance has written.
    pub(crate) written: Option<i64>,
}

/// A partition that is this instance's.
pub(crate) struct Owned {
    /// The offset of the message by which it was taken.
    pub(crate) epoch: i64,
    /// What it shows below this offset others have said already.
    pub(crate) said_until: i64,
    /// How far it had come when that was last said, and whether it was idle.
    pub(crate) reach: Option<Reach>,
    pub(crate) is_idle: bool,
}

/// Something that others have done.
pub(crate) enum Event {
    /// Partitions come or go.
    Rebalance(Rebalance),
    /// A message of the log, and its offset.
    Message(i64, Vec<u8>),
}

impl Sharing {
    pub(crate) fn new(instances: Instances) -> Self {
        Self {
            name: instances.name,
            rebalances: instances.rebalances,
            log: instances.log,
            handover: Handover::new(instances.store, &instances.cluster, &instances.log_name),
            owned: BTreeMap::new(),
            lost: None,
            patience: instances.patience,
            written: None,
        }
    }

    /// Waits for what comes next. Dropping the future loses nothing.
    async fn next(&mut self) -> Result<Event, SourceError> {
        tokio::select! {
            biased;
            rebalance = self.rebalances.next() => Ok(Event::Rebalance(rebalance)),
            message = self.log.next() => {
                let (offset, message) = message?;
                Ok(Event::Message(offset, message))
            }
        }
    }
}

/// Waits for what others do; for ever where there are none.
pub(crate) async fn next(sharing: &mut Option<Sharing>) -> Result<Event, SourceError> {
    match sharing {
        Some(sharing) => sharing.next().await,
        None => std::future::pending().await,
    }
}
