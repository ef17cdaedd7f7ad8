//! Tells people when Spikewatch itself is not well.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::{AlertChannel, Clock, SelfAlert, Timestamp, Trouble};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::PipelineVitals;

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(5);

/// How long something must be wrong before anybody is told: what mends itself is in the log.
const PATIENCE_MILLIS: i64 = 5 * Timestamp::MINUTE;
/// The same of snapshots, without which all works.
const SNAPSHOT_PATIENCE_MILLIS: i64 = 15 * Timestamp::MINUTE;
/// How long nothing arrives before that is told. Reports of providers come by the hour, and some
/// only in the morning.
const SILENCE_MILLIS: i64 = 6 * Timestamp::HOUR;
/// How long after a message the same trouble is not told again.
const REST_MILLIS: i64 = Timestamp::HOUR;
/// How long it is tried to deliver a message.
const DELIVERY_MILLIS: i64 = Timestamp::DAY;
/// Waits between attempts: from five seconds, doubling, to five minutes.
const FIRST_WAIT_MILLIS: i64 = 5_000;
const LONGEST_WAIT_MILLIS: i64 = 5 * Timestamp::MINUTE;

/// Looks at the pipeline's vitals and tells people by every channel.
///
/// It needs neither the casebook nor history, which may be what is wrong. What it has told is
/// forgotten with the process: what is wrong after a restart is told again.
pub struct Watch {
    vitals: Arc<PipelineVitals>,
    channels: Vec<Arc<dyn AlertChannel>>,
    clock: Arc<dyn Clock>,
    episodes: BTreeMap<Trouble, Episode>,
    /// When each trouble was told last.
    told: BTreeMap<Trouble, Timestamp>,
    pending: Vec<Pending>,
    /// Records and crashes that were seen at the last look, and when there were more.
    records: (u64, Timestamp),
    crashes: u64,
    /// Configurations that were refused at the last look.
    refused: u64,
}

/// Something that is wrong.
struct Episode {
    since: Timestamp,
    is_told: bool,
}

/// A message that a channel has not taken yet.
struct Pending {
    channel: usize,
    alert: SelfAlert,
    made_at: Timestamp,
    try_at: Timestamp,
    attempts: u32,
}

impl Watch {
    /// Watches the vitals; tells by these channels.
    pub fn new(
        vitals: Arc<PipelineVitals>,
        channels: Vec<Arc<dyn AlertChannel>>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let now = clock.now();
        Self {
            vitals,
            channels,
            clock,
            episodes: BTreeMap::new(),
            told: BTreeMap::new(),
            pending: Vec::new(),
            records: (0, now),
            crashes: 0,
            refused: 0,
        }
    }

    /// Watches until `cancel` says stop.
    pub async fn run(mut self, cancel: CancellationToken) {
        loop {
            self.look().await;
            tokio::select! {
                () = cancel.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Looks once, and delivers what is due.
    pub async fn look(&mut self) {
        let now = self.clock.now();
        let wrong = self.wrong(now);
        let over = self
            .episodes
            .extract_if(.., |trouble, _| !wrong.contains_key(trouble));
        let over: Vec<(Trouble, Episode)> = over.collect();
        for (trouble, episode) in over {
            if episode.is_told {
                self.tell(trouble, episode.since, Some(now), now);
            }
        }
        for (trouble, (since, patience)) in wrong {
            let episode = self.episodes.entry(trouble.clone()).or_insert(Episode {
                since,
                is_told: false,
            });
            let (since, is_told) = (episode.since, episode.is_told);
            let told = self.told.get(&trouble);
            let rests = told.is_some_and(|told| now.millis() - told.millis() < REST_MILLIS);
            if !is_told && !rests && now.millis() - since.millis() >= patience {
                episode.is_told = true;
                self.told.insert(trouble.clone(), now);
                self.tell(trouble, since, None, now);
            }
        }
        self.deliver(now).await;
    }

    /// Returns what is wrong now, since when if that is known, and how long that is waited for.
    fn wrong(&mut self, now: Timestamp) -> BTreeMap<Trouble, (Timestamp, i64)> {
        let vitals = self.vitals.clone();
        let mut wrong = BTreeMap::new();
        for (trouble, fails, patience) in [
            (Trouble::History, &vitals.history_fails, PATIENCE_MILLIS),
            (Trouble::Casebook, &vitals.casebook_fails, PATIENCE_MILLIS),
            (
                Trouble::Snapshots,
                &vitals.snapshots_fail,
                SNAPSHOT_PATIENCE_MILLIS,
            ),
        ] {
            if fails.load(Ordering::Relaxed) {
                wrong.insert(trouble, (now, patience));
            }
        }
        for partition in vitals.unreadable() {
            wrong.insert(Trouble::Unreadable(partition), (now, 0));
        }
        let records = vitals.records.load(Ordering::Relaxed);
        if records != self.records.0 {
            self.records = (records, now);
        }
        // Only what is certain: while something else is down, nothing is read. An instance without
        // a partition has nothing to read.
        if vitals.awaits_nothing() {
            self.records = (records, now);
        }
        let (_, read_at) = self.records;
        if wrong.is_empty() && now.millis() - read_at.millis() >= SILENCE_MILLIS {
            wrong.insert(Trouble::Silence, (read_at, SILENCE_MILLIS));
        }
        let crashes = vitals.crashes.load(Ordering::Relaxed);
        if std::mem::replace(&mut self.crashes, crashes) < crashes {
            wrong.insert(Trouble::Crash, (now, 0));
        }
        let (refused, _) = vitals.refused();
        if std::mem::replace(&mut self.refused, refused) < refused {
            wrong.insert(Trouble::Configuration, (now, 0));
        }
        wrong
    }

    fn tell(
        &mut self,
        trouble: Trouble,
        since: Timestamp,
        ended: Option<Timestamp>,
        now: Timestamp,
    ) {
        // These are moments, and never over.
        if matches!(trouble, Trouble::Crash | Trouble::Configuration) && ended.is_some() {
            return;
        }
        let detail = match trouble {
            Trouble::Silence | Trouble::Crash | Trouble::Unreadable(_) => None,
            Trouble::Configuration => Some(self.vitals.refused().1),
            Trouble::History | Trouble::Casebook | Trouble::Snapshots => self.vitals.last_error(),
        };
        let alert = SelfAlert {
            trouble,
            since,
            ended,
            detail: detail.filter(|_| ended.is_none()),
        };
        warn!(
            title = alert.title(),
            "people are told about Spikewatch itself"
        );
        self.pending
            .extend((0..self.channels.len()).map(|channel| Pending {
                channel,
                alert: alert.clone(),
                made_at: now,
                try_at: now,
                attempts: 0,
            }));
    }

    async fn deliver(&mut self, now: Timestamp) {
        let mut waiting = Vec::new();
        for mut pending in std::mem::take(&mut self.pending) {
            if pending.try_at > now {
                waiting.push(pending);
                continue;
            }
            let Some(channel) = self.channels.get(pending.channel) else {
                continue;
            };
            match channel.tell(&pending.alert).await {
                Ok(_) => info!(
                    channel = channel.name(),
                    "told people about Spikewatch itself"
                ),
                Err(error) => {
                    let gives_up = !error.transient
                        || now.millis() - pending.made_at.millis() > DELIVERY_MILLIS;
                    warn!(channel = channel.name(), %error, retries = !gives_up, "not delivered");
                    if gives_up {
                        continue;
                    }
                    let wait = FIRST_WAIT_MILLIS << pending.attempts.min(10);
                    let asked = error.retry_after.map_or(0, |wait| wait.as_millis() as i64);
                    pending.try_at = now.plus(wait.min(LONGEST_WAIT_MILLIS).max(asked));
                    pending.attempts += 1;
                    waiting.push(pending);
                }
            }
        }
        self.pending = waiting;
    }
}
