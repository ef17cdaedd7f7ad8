//! In-memory doubles of the doors, for tests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;

use super::{
    ActionStore, AlertChannel, Applied, Clock, DeliveryError, EventSink, EventSource, KeyResponder,
    PollPositions, Receipt, RecordSink, RespondError, SourceError, StoreError,
};
use crate::{
    Action, ActionId, AuditEntry, DeadLetter, Entity, KeyStatus, Notice, OffsetRange, Partition,
    Position, Records, Rung, SelfAlert, Timestamp, UsageRow,
};

/// A clock that stands where it was put.
#[derive(Clone, Copy, Debug)]
pub struct FixedClock(pub Timestamp);

impl Clock for FixedClock {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// A log in memory; what is committed can be looked at through a clone of `committed`.
#[derive(Default)]
pub struct MemorySource {
    /// The batches still to come.
    pub batches: VecDeque<Records>,
    /// The ranges committed so far.
    pub committed: Arc<Mutex<Vec<OffsetRange>>>,
}

#[async_trait]
impl EventSource for MemorySource {
    async fn next(&mut self) -> Result<Option<Records>, SourceError> {
        Ok(self.batches.pop_front())
    }

    async fn commit(&mut self, ranges: &[OffsetRange]) -> Result<(), SourceError> {
        self.committed
            .lock()
            .expect("no holder panics")
            .extend_from_slice(ranges);
        Ok(())
    }

    fn caught_up(&self) -> bool {
        self.batches.is_empty()
    }

    fn partitions(&self) -> BTreeMap<Partition, bool> {
        let batches = self.batches.iter();
        let unread = batches.map(|records| (records.partition().clone(), true));
        unread.collect()
    }
}

/// Keeps rows as canonical JSON, and dead letters.
#[derive(Debug, Default)]
pub struct MemorySink {
    /// Rows with their places.
    pub rows: Vec<(Position, serde_json::Value)>,
    /// Records that could not be read.
    pub dead_letters: Vec<DeadLetter>,
}

impl EventSink for MemorySink {
    fn row(&mut self, row: &UsageRow<'_>, position: &Position) {
        let json = serde_json::to_value(row).expect("a row is always JSON");
        self.rows.push((position.clone(), json));
    }

    fn dead_letter(&mut self, dead_letter: DeadLetter) {
        self.dead_letters.push(dead_letter);
    }
}

/// A topic's keyed records.
pub type TopicRecords = BTreeMap<String, Vec<(String, Vec<u8>)>>;

/// Keeps appended records by topic.
#[derive(Debug, Default)]
pub struct MemoryRecordSink {
    /// Records by topic.
    pub topics: Mutex<TopicRecords>,
}

#[async_trait]
impl RecordSink for MemoryRecordSink {
    async fn append(&self, topic: &str, records: &[(String, Vec<u8>)]) -> Result<(), SourceError> {
        let mut topics = self.topics.lock().expect("no holder panics");
        topics
            .entry(topic.to_owned())
            .or_default()
            .extend_from_slice(records);
        Ok(())
    }
}

/// Keeps notices; fails as often as it was told to.
#[derive(Debug, Default)]
pub struct MemoryChannel {
    /// What was delivered.
    pub delivered: Mutex<Vec<Notice>>,
    /// What was told of Spikewatch itself.
    pub told: Mutex<Vec<SelfAlert>>,
    /// How many more deliveries fail transiently.
    pub failures_left: Mutex<u32>,
}

impl MemoryChannel {
    fn fail_as_told(&self) -> Result<(), DeliveryError> {
        let mut failures_left = self.failures_left.lock().expect("no holder panics");
        let Some(left) = failures_left.checked_sub(1) else {
            return Ok(());
        };
        *failures_left = left;
        Err(DeliveryError {
            message: "told to fail".to_owned(),
            transient: true,
            retry_after: None,
        })
    }
}

fn kept() -> Receipt {
    Receipt {
        answer: "kept".to_owned(),
    }
}

#[async_trait]
impl AlertChannel for MemoryChannel {
    fn name(&self) -> &str {
        "memory"
    }

    async fn deliver(&self, notice: &Notice) -> Result<Receipt, DeliveryError> {
        self.fail_as_told()?;
        let mut delivered = self.delivered.lock().expect("no holder panics");
        delivered.push(notice.clone());
        Ok(kept())
    }

    async fn tell(&self, alert: &SelfAlert) -> Result<Receipt, DeliveryError> {
        self.fail_as_told()?;
        let mut told = self.told.lock().expect("no holder panics");
        told.push(alert.clone());
        Ok(kept())
    }

    async fn probe(&self) -> Result<(), DeliveryError> {
        Ok(())
    }
}

/// A provider in memory whose keys have a status.
#[derive(Debug, Default)]
pub struct MemoryResponder {
    /// Status by key.
    pub keys: Mutex<BTreeMap<String, KeyStatus>>,
    /// Whether calls are accepted without any effect, as a broken provider would.
    pub ignores_calls: bool,
}

impl MemoryResponder {
    fn set(&self, key: &str, status: KeyStatus) -> Result<(), RespondError> {
        let mut keys = self.keys.lock().expect("no holder panics");
        let entry = keys.get_mut(key).ok_or(RespondError::Gone)?;
        if !self.ignores_calls {
            *entry = status;
        }
        Ok(())
    }
}

#[async_trait]
impl KeyResponder for MemoryResponder {
    fn name(&self) -> &str {
        "memory"
    }

    fn covers(&self, _entity: &Entity) -> bool {
        true
    }

    fn supports(&self, rung: Rung) -> bool {
        rung == Rung::Freeze
    }

    fn reversible(&self, rung: Rung) -> bool {
        rung == Rung::Freeze
    }

    async fn status(&self, entity: &Entity) -> Result<KeyStatus, RespondError> {
        let keys = self.keys.lock().expect("no holder panics");
        keys.get(&entity.key).copied().ok_or(RespondError::Gone)
    }

    async fn apply(&self, action: &Action) -> Result<Applied, RespondError> {
        self.set(&action.entity.key, KeyStatus::Inactive)?;
        Ok(Applied {
            undo: Some(serde_json::json!({ "status": "active" })),
        })
    }

    async fn undo(&self, action: &Action) -> Result<(), RespondError> {
        self.set(&action.entity.key, KeyStatus::Active)
    }
}

/// Actions and audit lines in memory; the chain is not hashed.
#[derive(Debug, Default)]
pub struct MemoryActionStore {
    /// Actions by id.
    pub actions: Mutex<BTreeMap<ActionId, Action>>,
    /// Audit lines in order.
    pub audit: Mutex<Vec<AuditEntry>>,
}

#[async_trait]
impl ActionStore for MemoryActionStore {
    async fn record(
        &self,
        action: &Action,
        time: Timestamp,
        actor: &str,
        event: &str,
        details: serde_json::Value,
    ) -> Result<(), StoreError> {
        let mut actions = self.actions.lock().expect("no holder panics");
        actions.insert(action.action_id.clone(), action.clone());
        let mut audit = self.audit.lock().expect("no holder panics");
        let sequence = i64::try_from(audit.len()).expect("a test's audit fits") + 1;
        audit.push(AuditEntry {
            sequence,
            time,
            actor: actor.to_owned(),
            event: event.to_owned(),
            subject: action.action_id.to_string(),
            details,
            hash: String::new(),
        });
        Ok(())
    }

    async fn action(&self, id: &ActionId) -> Result<Option<Action>, StoreError> {
        Ok(self
            .actions
            .lock()
            .expect("no holder panics")
            .get(id)
            .cloned())
    }
}

/// Positions in memory, by feed.
#[derive(Debug, Default)]
pub struct MemoryPollPositions {
    /// What was stored last.
    pub positions: Mutex<BTreeMap<String, String>>,
}

#[async_trait]
impl PollPositions for MemoryPollPositions {
    async fn position(&self, feed: &str) -> Result<Option<String>, StoreError> {
        let positions = self.positions.lock().expect("no holder panics");
        Ok(positions.get(feed).cloned())
    }

    async fn set_position(
        &self,
        feed: &str,
        position: &str,
        _time: Timestamp,
    ) -> Result<(), StoreError> {
        let mut positions = self.positions.lock().expect("no holder panics");
        positions.insert(feed.to_owned(), position.to_owned());
        Ok(())
    }
}
