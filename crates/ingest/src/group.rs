//! Which partitions are ours, and from where each is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::{Partition, Rebalance, Rebalanced};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use rdkafka::{Offset, Statistics, TopicPartitionList};
use tokio::sync::mpsc;
use tracing::{error, info, warn};

use crate::sparing::Sparing;

/// The next offset of each partition that the pipeline has been given, shared with the callbacks.
///
/// A lock and not a channel, because the callback must answer before the client goes on;
/// it is held for a map access only.
#[derive(Clone, Default)]
pub(crate) struct Positions(Arc<Mutex<BTreeMap<Partition, i64>>>);

impl Positions {
    pub(crate) fn lock(&self) -> MutexGuard<'_, BTreeMap<Partition, i64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Partitions that have more to read, as of the client's newest statistics.
#[derive(Clone, Default)]
pub(crate) struct Unread(Arc<Mutex<BTreeSet<Partition>>>);

impl Unread {
    pub(crate) fn lock(&self) -> MutexGuard<'_, BTreeSet<Partition>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The callbacks of our consumer.
pub(crate) struct GroupContext {
    pub(crate) positions: Positions,
    /// The newest end of each partition that the client knows of.
    pub(crate) ends: Positions,
    /// The partitions of which the client knows that there is more to read.
    pub(crate) unread: Unread,
    /// Grows with every assignment, so that the poll thread sees that there was one.
    pub(crate) assignments: std::sync::atomic::AtomicU64,
    pub(crate) sparing: Sparing,
    /// Whoever restores what is known of a partition before it is read, and saves it before it
    /// goes; without one, partitions are read from the positions.
    pub(crate) keeper: Option<mpsc::UnboundedSender<Rebalance>>,
    /// Partitions that have gone since the poll thread last looked.
    pub(crate) gone: Mutex<BTreeSet<Partition>>,
    /// Whether all of the log has been read that was there when it was assigned.
    pub(crate) caught_up: Arc<AtomicBool>,
}

impl ClientContext for GroupContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error
            | RDKafkaLogLevel::Warning => warn!(facility, message, "librdkafka"),
            _ => tracing::debug!(facility, message, "librdkafka"),
        }
    }

    fn stats(&self, statistics: Statistics) {
        let mut ends = self.ends.lock();
        let mut unread = self.unread.lock();
        let positions = self.positions.lock();
        for topic in statistics.topics.values() {
            for partition in topic
                .partitions
                .values()
                .filter(|partition| partition.hi_offset >= 0)
            {
                let name = Partition::new(topic.topic.as_str(), partition.partition);
                // The next offset to fetch lies behind control records, which nobody reads; the
                // last stable one is where a transaction that goes on begins.
                let is_fetched = partition.next_offset >= partition.ls_offset;
                // The client counts one queue for all partitions.
                let position = positions.get(&name).copied().unwrap_or_default();
                let is_queued = partition.fetchq_cnt > 0 && position < partition.next_offset;
                if is_fetched && !is_queued {
                    unread.remove(&name);
                } else {
                    unread.insert(name.clone());
                }
                ends.insert(name, partition.hi_offset);
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // The end of a partition is what we asked to be told, and no error.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::PartitionEOF) {
            return;
        }
        report(&self.sparing, &error, reason);
    }
}

/// Logs what a client reports of its connections, which it tries to mend by itself.
pub(crate) fn report(sparing: &Sparing, error: &KafkaError, reason: &str) {
    if let Some(kept_back) = sparing.says(&error.to_string(), Instant::now()) {
        warn!(%error, reason, kept_back, "kafka client reports an error");
    }
}

impl ConsumerContext for GroupContext {
    /// The group's offsets are information; the next commit is further anyway.
    fn commit_callback(&self, result: KafkaResult<()>, _offsets: &TopicPartitionList) {
        if let Err(error) = result {
            warn!(%error, "could not commit offsets");
        }
    }

    /// Assigns once, with our own offsets: a seek after the assignment would race with the
    /// first fetch.
    fn rebalance(
        &self,
        base_consumer: &BaseConsumer<Self>,
        err: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let cooperative = matches!(
            base_consumer.rebalance_protocol(),
            RebalanceProtocol::Cooperative
        );
        let outcome = match err {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.begin(list);
                self.set_offsets(base_consumer, list);
                let outcome = if cooperative {
                    base_consumer.incremental_assign(list)
                } else {
                    base_consumer.assign(list)
                };
                self.assignments.fetch_add(1, Ordering::Release);
                outcome
            }
            _ => {
                self.end(list);
                if cooperative {
                    base_consumer.incremental_unassign(list)
                } else {
                    base_consumer.unassign()
                }
            }
        };
        let partitions: Vec<String> = list
            .elements()
            .iter()
            .map(|element| {
                format!(
                    "{}/{}@{:?}",
                    element.topic(),
                    element.partition(),
                    element.offset()
                )
            })
            .collect();
        match outcome {
            Ok(()) => info!(event = ?err, ?partitions, "partitions changed"),
            Err(error) => error!(%error, ?partitions, "could not change partitions"),
        }
    }
}

/// How long a broker may take to say where a partition begins.
const ASK_WAIT: Duration = Duration::from_secs(5);

impl GroupContext {
    /// Returns the partitions that have gone since this was asked last.
    pub(crate) fn take_gone(&self) -> BTreeSet<Partition> {
        if self.keeper.is_none() {
            return BTreeSet::new();
        }
        std::mem::take(&mut *self.gone.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Has what is known of partitions restored, and learns from where each is read. The client
    /// waits: records of a partition that nobody has would be of no use. One that waits too long
    /// is thrown out by the group, and the partitions go to another.
    fn begin(&self, list: &TopicPartitionList) {
        let partitions = places(list);
        if partitions.is_empty() {
            return;
        }
        if self.keeper.is_some() {
            self.caught_up.store(false, Ordering::Release);
        }
        if let Some(starts) = self.ask(Rebalanced::Assigned, &partitions) {
            let mut positions = self.positions.lock();
            for partition in &partitions {
                positions.remove(partition);
            }
            positions.extend(starts);
        }
    }

    /// Has what is known of partitions saved before they go.
    fn end(&self, list: &TopicPartitionList) {
        let partitions = places(list);
        if self.ask(Rebalanced::Revoked, &partitions).is_some() {
            let mut positions = self.positions.lock();
            for partition in &partitions {
                positions.remove(partition);
            }
            let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
            gone.extend(partitions);
        }
    }

    /// Returns the answer, or nothing where there is nobody to ask, or not any more.
    fn ask(
        &self,
        change: Rebalanced,
        partitions: &[Partition],
    ) -> Option<BTreeMap<Partition, i64>> {
        let (answer, answered) = std::sync::mpsc::channel();
        let rebalance = Rebalance::new(change, partitions.to_vec(), move |starts| {
            // Who asked waits for it.
            let _ = answer.send(starts);
        });
        self.keeper.as_ref()?.send(rebalance).ok()?;
        answered.recv().ok()
    }

    fn set_offsets(&self, consumer: &BaseConsumer<Self>, list: &mut TopicPartitionList) {
        for partition in places(list) {
            let known = self.positions.lock().get(&partition).copied();
            let offset = match known {
                Some(known) => {
                    let begin = beginning_from(consumer, &partition, known);
                    self.positions.lock().insert(partition.clone(), begin);
                    Offset::Offset(begin)
                }
                None => Offset::Beginning,
            };
            let Partition { topic, number } = &partition;
            if let Err(error) = list.set_partition_offset(topic, *number, offset) {
                error!(%error, %partition, "could not set the start offset");
            }
        }
    }
}

fn places(list: &TopicPartitionList) -> Vec<Partition> {
    let elements = list.elements();
    let places = elements.iter();
    places
        .map(|element| Partition::new(element.topic(), element.partition()))
        .collect()
}

/// Returns where to read on: where it was left, or where the log begins by now.
fn beginning_from(consumer: &BaseConsumer<GroupContext>, partition: &Partition, known: i64) -> i64 {
    match consumer.fetch_watermarks(&partition.topic, partition.number, ASK_WAIT) {
        Ok((low, _)) if low > known => {
            error!(
                %partition,
                read_until = known,
                begins_at = low,
                "the log has dropped records before they were read"
            );
            low
        }
        Ok(_) => known,
        Err(error) => {
            warn!(%error, %partition, "could not ask where the log begins");
            known
        }
    }
}
