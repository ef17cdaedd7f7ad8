//! The Slack channel: paced, answers classified.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use model::{AlertChannel, DeliveryError, Notice, Receipt, SelfAlert};
use reqwest::StatusCode;
use serde_json::json;
use tokio::time::Instant;

use super::client::{Answer, Client};
use super::{SlackConfig, SlackMessage};
use crate::Error;
use crate::config::checked_timeout;

/// Posts one message per notice to one incoming webhook.
pub struct SlackChannel {
    client: Client,
    timeout: Duration,
    min_interval: Duration,
    /// When the next message may leave. A std mutex, because it is never held over an await.
    next_slot: Mutex<Instant>,
}

impl std::fmt::Debug for SlackChannel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SlackChannel")
            .field("webhook_url", &"[redacted]")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl SlackChannel {
    /// Checks the config; connects to nothing.
    ///
    /// # Errors
    /// [`Error`] when the address is not https, or a field is out of range.
    pub fn new(config: SlackConfig) -> Result<Self, Error> {
        let timeout = checked_timeout("notify.slack.timeout_secs", config.timeout_secs)?;
        if config.webhook_url.expose().trim().is_empty() {
            return Err(Error::Empty {
                field: "notify.slack.webhook_url",
            });
        }
        Ok(Self {
            client: Client::new(config.webhook_url.expose().trim(), timeout)?,
            timeout,
            min_interval: Duration::from_millis(config.min_interval_millis.min(60_000)),
            next_slot: Mutex::new(Instant::now()),
        })
    }

    /// Takes the next slot and waits for it, or says how long the wait would be if it is
    /// longer than a delivery may take.
    async fn wait_for_slot(&self) -> Result<(), DeliveryError> {
        let now = Instant::now();
        let slot = {
            let mut next_slot = self
                .next_slot
                .lock()
                .unwrap_or_else(|poison| poison.into_inner());
            let slot = (*next_slot).max(now);
            let wait = slot.saturating_duration_since(now);
            if wait > self.timeout {
                return Err(transient("slack asked for a pause".to_owned(), Some(wait)));
            }
            *next_slot = slot + self.min_interval;
            slot
        };
        tokio::time::sleep_until(slot).await;
        Ok(())
    }

    /// Lets nothing leave before `pause` is over, whoever asks.
    fn pause(&self, pause: Duration) {
        let mut next_slot = self
            .next_slot
            .lock()
            .unwrap_or_else(|poison| poison.into_inner());
        *next_slot = (*next_slot).max(Instant::now() + pause);
    }

    /// Posts a message once, when it is its turn.
    async fn send(&self, message: &SlackMessage) -> Result<Receipt, DeliveryError> {
        self.wait_for_slot().await?;
        let answer = self.post(message.body()).await?;
        if answer.status == StatusCode::OK && answer.words == "ok" {
            return Ok(Receipt {
                answer: "200 ok".to_owned(),
            });
        }
        Err(self.refused(&answer))
    }

    async fn post(&self, body: &serde_json::Value) -> Result<Answer, DeliveryError> {
        self.client.post(body).await.map_err(|err| {
            let what = if err.is_timeout() {
                format!("slack did not answer within {} s", self.timeout.as_secs())
            } else if err.is_connect() {
                "could not connect to slack".to_owned()
            } else {
                "could not finish the request to slack".to_owned()
            };
            transient(what, None)
        })
    }

    /// Sorts an answer that is not the wanted one.
    fn refused(&self, answer: &Answer) -> DeliveryError {
        let (status, words) = (answer.status, &answer.words);
        let message = format!("slack answered {}: \"{words}\"", status.as_u16());
        match status {
            StatusCode::TOO_MANY_REQUESTS => {
                if let Some(pause) = answer.retry_after {
                    self.pause(pause);
                }
                transient(message, answer.retry_after)
            }
            StatusCode::REQUEST_TIMEOUT => transient(message, answer.retry_after),
            status if status.is_server_error() => transient(message, answer.retry_after),
            status if status.is_redirection() => permanent(format!(
                "slack answered {}, a redirect, which is not followed",
                status.as_u16()
            )),
            _ => permanent(message),
        }
    }
}

#[async_trait]
impl AlertChannel for SlackChannel {
    fn name(&self) -> &str {
        "slack"
    }

    async fn deliver(&self, notice: &Notice) -> Result<Receipt, DeliveryError> {
        self.send(&SlackMessage::render(notice)).await
    }

    async fn tell(&self, alert: &SelfAlert) -> Result<Receipt, DeliveryError> {
        self.send(&SlackMessage::of_self_alert(alert)).await
    }

    /// Posts a message without text: a live webhook refuses it by that name, a dead one by another.
    async fn probe(&self) -> Result<(), DeliveryError> {
        self.wait_for_slot().await?;
        let answer = self.post(&json!({})).await?;
        let alive = [
            "no_text",
            "missing_text_or_fallback_or_attachments",
            "invalid_payload",
        ];
        if answer.status == StatusCode::BAD_REQUEST && alive.contains(&answer.words.as_str()) {
            return Ok(());
        }
        Err(self.refused(&answer))
    }
}

fn transient(message: String, retry_after: Option<Duration>) -> DeliveryError {
    DeliveryError {
        message,
        transient: true,
        retry_after,
    }
}

fn permanent(message: String) -> DeliveryError {
    DeliveryError {
        message,
        transient: false,
        retry_after: None,
    }
}
