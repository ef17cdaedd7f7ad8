//! From the outbox to people.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use casebook::{Casebook, OutboxEntry};
use model::{AlertChannel, Clock, DeliveryError, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::PipelineVitals;

/// How often the outbox is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Waits between attempts: from one second, doubling, to five minutes.
const FIRST_WAIT_MILLIS: i64 = 1_000;
const LONGEST_WAIT_MILLIS: i64 = 5 * 60 * 1_000;

/// A message that nobody took for a day is given up.
const PATIENCE_MILLIS: i64 = Timestamp::DAY;

/// News older than this, against the newest event, pages nobody: it is a replay.
const STALE_MILLIS: i64 = Timestamp::DAY;

/// Takes due messages from the outbox to their channels.
pub struct Deliverer {
    /// The outbox.
    pub casebook: Casebook,
    /// The channels.
    pub channels: Vec<Arc<dyn AlertChannel>>,
    /// Whether the pipeline has caught up: nobody is told before.
    pub vitals: Arc<PipelineVitals>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where an incident can be looked at.
    pub link_base: Option<String>,
}

impl Deliverer {
    /// Delivers until `cancel` says stop.
    pub async fn run(&self, cancel: CancellationToken) {
        while !self.vitals.caught_up.load(Ordering::Relaxed) {
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        self.suppress_stale().await;
        loop {
            self.deliver_due().await;
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Delivers what is due now and what becomes due, until nothing waits or `patience` ends.
    pub async fn drain(&self, patience: Duration) {
        if !self.vitals.caught_up.load(Ordering::Relaxed) {
            return;
        }
        self.suppress_stale().await;
        let deadline = tokio::time::Instant::now() + patience;
        while tokio::time::Instant::now() < deadline {
            self.deliver_due().await;
            match self.casebook.outbox_counts().await {
                Ok(counts) if counts.pending > 0 => {
                    tokio::time::sleep(LOOK.min(Duration::from_millis(100))).await;
                }
                _ => return,
            }
        }
        warn!("some messages are still waiting; the next run delivers them");
    }

    async fn suppress_stale(&self) {
        let Some(watermark) = self.vitals.watermark() else {
            return;
        };
        let limit = watermark.plus(-STALE_MILLIS);
        match self
            .casebook
            .suppress_pending_before(limit, "older than a day when read")
            .await
        {
            Ok(0) => {}
            Ok(count) => info!(count, "messages about the past were suppressed"),
            Err(error) => warn!(%error, "could not suppress stale messages"),
        }
    }

    async fn deliver_due(&self) {
        let entries = match self.casebook.due_notices(self.clock.now(), 20).await {
            Ok(entries) => entries,
            Err(error) => {
                warn!(%error, "could not read the outbox");
                return;
            }
        };
        for entry in entries {
            if let Err(error) = self.deliver(&entry).await {
                warn!(%error, channel = entry.channel, "could not book a delivery");
            }
        }
    }

    async fn deliver(&self, entry: &OutboxEntry) -> Result<(), casebook::Error> {
        let channel = self
            .channels
            .iter()
            .find(|channel| channel.name() == entry.channel);
        let Some(channel) = channel else {
            let error = "the channel is not configured any more";
            return self.casebook.failed(entry, error, None).await;
        };
        if !self
            .casebook
            .attempt_started(entry, self.clock.now())
            .await?
        {
            return Ok(());
        }
        // Rendered only now: news recorded before the attempt began is told by this message.
        let notice = self
            .casebook
            .notice(entry, self.link_base.as_deref())
            .await?;
        match channel.deliver(&notice).await {
            Ok(receipt) => {
                info!(channel = entry.channel, incident = %entry.incident_id, "told people");
                self.casebook
                    .delivered(entry, &receipt, self.clock.now())
                    .await
            }
            Err(error) => {
                let retry_at = retry_at(entry, &error, self.clock.now());
                warn!(channel = entry.channel, %error, retries = retry_at.is_some(), "not delivered");
                let message = error.to_string();
                self.casebook.failed(entry, &message, retry_at).await
            }
        }
    }
}

/// Returns when to try again, or `None` to give up.
fn retry_at(entry: &OutboxEntry, error: &DeliveryError, now: Timestamp) -> Option<Timestamp> {
    let first = entry.first_attempt_at.unwrap_or(now);
    if !error.transient || now.millis() - first.millis() > PATIENCE_MILLIS {
        return None;
    }
    let doubled = FIRST_WAIT_MILLIS << entry.attempts.min(20);
    let asked = error
        .retry_after
        .map_or(0, |wait| wait.as_millis().min(1 << 40) as i64);
    // Half of the wait is spread by the message's own identity, so that many do not come at once.
    let wait = doubled.min(LONGEST_WAIT_MILLIS);
    let spread = entry
        .idempotency_key
        .bytes()
        .fold(0i64, |sum, byte| (sum * 31 + i64::from(byte)) % 997);
    Some(now.plus((wait / 2 + wait / 2 * spread / 997).max(asked)))
}
