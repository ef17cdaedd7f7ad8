//! From the outbox to people.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use casebook::{Casebook, OutboxEntry};
use model::{AlertChannel, Clock, DeliveryError, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::PipelineVitals;
use crate::run::{CATCHING_UP, LEASE_MILLIS};

/// The lease of the instance that delivers, and how often leases are renewed.
const DELIVERS: &str = "deliver";
const RENEW_MILLIS: i64 = 5_000;

/// How often the outbox is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Waits between attempts: from one second, doubling, to five minutes.
const FIRST_WAIT_MILLIS: i64 = 1_000;
const LONGEST_WAIT_MILLIS: i64 = 5 * 60 * 1_000;

/// A message that nobody took for a day is given up.
const PATIENCE_MILLIS: i64 = Timestamp::DAY;

/// News older than this, against the newest event, pages nobody: it is a replay.
const STALE_MILLIS: i64 = Timestamp::DAY;

/// News younger than this by the wall clock is no replay, and waits for no instance that reads
/// what is old: one that can never catch up silences nobody.
const LIVE_MILLIS: i64 = Timestamp::HOUR;

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
    /// The name of this instance, if there are several: one of them delivers.
    pub instance: Option<String>,
}

/// Whose turn it is to deliver, among several instances.
#[derive(Default)]
struct Turn {
    /// When the leases were renewed.
    renewed: Option<Timestamp>,
    /// Whether this instance had read all that is old by then; unknown at first.
    caught_up: Option<bool>,
    /// Whether it is this one's.
    delivers: bool,
    /// Whether others still read what is old: of what may be that nobody is told.
    others_catch_up: bool,
}

impl Deliverer {
    /// Delivers until `cancel` says stop.
    pub async fn run(&self, cancel: CancellationToken) {
        let mut turn = Turn::default();
        let mut was_open = false;
        loop {
            let is_open = self.is_open(&mut turn).await;
            let all_have_caught_up = is_open && !turn.others_catch_up;
            if all_have_caught_up && !was_open {
                self.suppress_stale().await;
            }
            if is_open {
                self.deliver_due(&mut turn).await;
            }
            was_open = all_have_caught_up;
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Returns whether people may be told, and by this instance: all that is old has been read.
    async fn is_open(&self, turn: &mut Turn) -> bool {
        let caught_up = self.vitals.caught_up.load(Ordering::Relaxed);
        let Some(instance) = &self.instance else {
            return caught_up;
        };
        match self.is_open_among(instance, caught_up, turn).await {
            Ok(is_open) => is_open,
            Err(error) => {
                warn!(%error, "could not ask who delivers");
                false
            }
        }
    }

    /// Tells others whether this instance still reads what is old; returns whether it is this one
    /// that delivers.
    async fn is_open_among(
        &self,
        instance: &str,
        caught_up: bool,
        turn: &mut Turn,
    ) -> Result<bool, casebook::Error> {
        let (casebook, now) = (&self.casebook, self.clock.now());
        let is_due = turn
            .renewed
            .is_none_or(|at| now.millis() - at.millis() >= RENEW_MILLIS);
        if turn.caught_up != Some(caught_up) || is_due {
            let until = now.plus(LEASE_MILLIS);
            let catching_up = self.catching_up();
            if caught_up {
                if turn.caught_up != Some(true) {
                    casebook.release(&catching_up, instance).await?;
                }
                turn.delivers = casebook.lease(DELIVERS, instance, now, until).await?;
            } else {
                casebook.lease(&catching_up, instance, now, until).await?;
                turn.delivers = false;
            }
            (turn.caught_up, turn.renewed) = (Some(caught_up), Some(now));
        }
        turn.others_catch_up = casebook.leases(CATCHING_UP, now).await? > 0;
        Ok(turn.delivers)
    }

    /// Lets another instance deliver at once, at the end.
    async fn hand_on(&self) {
        for name in [DELIVERS.to_owned(), self.catching_up()] {
            let instance = self.instance.as_deref().unwrap_or_default();
            if let Err(error) = self.casebook.release(&name, instance).await {
                warn!(%error, "another instance delivers only when a lease has ended");
            }
        }
    }

    fn catching_up(&self) -> String {
        let instance = self.instance.as_deref().unwrap_or_default();
        format!("{CATCHING_UP}{instance}")
    }

    /// Delivers what is due now and what becomes due, until nothing waits or `patience` ends.
    pub async fn drain(&self, patience: Duration) {
        let mut turn = Turn::default();
        if self.is_open(&mut turn).await {
            self.deliver_rest(&mut turn, patience).await;
        }
        if self.instance.is_some() {
            self.hand_on().await;
        }
    }

    async fn deliver_rest(&self, turn: &mut Turn, patience: Duration) {
        self.suppress_stale().await;
        let deadline = tokio::time::Instant::now() + patience;
        while tokio::time::Instant::now() < deadline {
            self.deliver_due(turn).await;
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
        let mut newest = self.vitals.watermark();
        if self.instance.is_some() {
            // Others may have read what is newer than anything here.
            match self.casebook.newest_news().await {
                Ok(news) => newest = newest.max(news),
                Err(error) => return warn!(%error, "could not look for the newest news"),
            }
        }
        let Some(newest) = newest else {
            return;
        };
        let limit = newest.plus(-STALE_MILLIS);
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

    async fn deliver_due(&self, turn: &mut Turn) {
        let entries = match self.casebook.due_notices(self.clock.now(), 20).await {
            Ok(entries) => entries,
            Err(error) => {
                warn!(%error, "could not read the outbox");
                return;
            }
        };
        for entry in entries {
            if !self.is_open(turn).await {
                return;
            }
            let age = self.clock.now().millis() - entry.raised_at.millis();
            if turn.others_catch_up && age > LIVE_MILLIS {
                continue;
            }
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
