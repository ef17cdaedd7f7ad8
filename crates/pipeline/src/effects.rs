//! What a batch makes others know before its offset is passed: dead letters, keys, alerts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use casebook::{Casebook, KeySighting};
use model::{Alert, DeadLetter};
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::backoff::Backoff;
use crate::{DeadLetterTopic, Error, OnAlerts, PipelineVitals};

/// Writes to the casebook and to the topic of dead letters. What is down is waited for; what
/// was written already is known by its place or its id, and not written again.
pub(crate) struct Effects {
    pub(crate) casebook: Casebook,
    pub(crate) channels: Vec<String>,
    pub(crate) dead_letter_topic: Option<DeadLetterTopic>,
    pub(crate) on_alerts: OnAlerts,
    pub(crate) vitals: Arc<PipelineVitals>,
    pub(crate) cancel: CancellationToken,
}

impl Effects {
    /// Writes dead letters to the casebook and the topic.
    pub(crate) async fn put_dead_letters(&self, dead_letters: &[DeadLetter]) -> Result<(), Error> {
        if dead_letters.is_empty() {
            return Ok(());
        }
        let mut retry = self.retry("the place of dead letters");
        while let Err(error) = self.try_put_dead_letters(dead_letters).await {
            retry.after(error).await?;
        }
        self.note_success();
        Ok(())
    }

    /// The topic first, with what the casebook does not have: a replay does not repeat it, and
    /// a crash in between repeats it at most once.
    async fn try_put_dead_letters(&self, dead_letters: &[DeadLetter]) -> Result<(), String> {
        let unknown = self.casebook.unknown_dead_letters(dead_letters).await;
        let unknown = unknown.map_err(|err| err.chain())?;
        if let Some(topic) = &self.dead_letter_topic
            && !unknown.is_empty()
        {
            let records: Vec<_> = unknown
                .iter()
                .map(|letter| (letter.position.to_string(), json(letter)))
                .collect();
            let appended = topic.sink.append(&topic.topic, &records).await;
            appended.map_err(|err| err.to_string())?;
        }
        let put = self.casebook.put_dead_letters(&unknown).await;
        put.map(drop).map_err(|err| err.chain())
    }

    /// Writes down what lists and audit logs say of keys.
    pub(crate) async fn observe_keys(&self, sightings: &[KeySighting]) -> Result<(), Error> {
        if sightings.is_empty() {
            return Ok(());
        }
        let mut retry = self.retry("the casebook");
        while let Err(error) = self.casebook.observe_keys(sightings).await {
            retry.after(error.chain()).await?;
        }
        self.note_success();
        Ok(())
    }

    /// Writes alerts and their messages down before anything else sees them; returns how many
    /// were new.
    pub(crate) async fn record_alerts(&mut self, alerts: &[Alert]) -> Result<u64, Error> {
        if alerts.is_empty() {
            return Ok(0);
        }
        let mut retry = self.retry("the casebook");
        let recorded = loop {
            match self.casebook.record_alerts(alerts, &self.channels).await {
                Ok(recorded) => break recorded,
                Err(error) => retry.after(error.chain()).await?,
            }
        };
        self.note_success();
        let new = u64::from(recorded.new);
        self.vitals.alerts.fetch_add(new, Ordering::Relaxed);
        (self.on_alerts)(&recorded.applied);
        Ok(new)
    }

    fn note_success(&self) {
        self.vitals.casebook_fails.store(false, Ordering::Relaxed);
    }

    fn retry(&self, what: &'static str) -> Retry {
        Retry {
            what,
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(30)),
            vitals: self.vitals.clone(),
            cancel: self.cancel.clone(),
        }
    }
}

/// Tries again and again, until the run is to stop.
struct Retry {
    what: &'static str,
    backoff: Backoff,
    vitals: Arc<PipelineVitals>,
    cancel: CancellationToken,
}

impl Retry {
    /// Tells of a failure, and waits until it may be tried again.
    async fn after(&mut self, error: String) -> Result<(), Error> {
        error!(error, "could not write to {}, waiting", self.what);
        self.vitals.set_error(error);
        let failures = &self.vitals.effect_failures;
        failures.fetch_add(1, Ordering::Relaxed);
        self.vitals.casebook_fails.store(true, Ordering::Relaxed);
        tokio::select! {
            () = self.cancel.cancelled() => Err(Error::Interrupted(self.what)),
            () = tokio::time::sleep(self.backoff.wait()) => Ok(()),
        }
    }
}

fn json(letter: &DeadLetter) -> Vec<u8> {
    // A dead letter is plain data; its serialization cannot fail.
    serde_json::to_vec(letter).unwrap_or_default()
}
