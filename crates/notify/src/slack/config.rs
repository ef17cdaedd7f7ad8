//! `[notify.slack]`.

use model::Secret;
use serde::Deserialize;

/// `[notify.slack]`: one channel through one incoming webhook.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlackConfig {
    /// Whether Slack is told.
    pub enabled: bool,
    /// The address of the incoming webhook. Whoever has it can post, so it is a secret.
    pub webhook_url: Secret<String>,
    /// How long one delivery may take, from connecting to the end of the answer.
    pub timeout_secs: u64,
    /// The least time between two messages; Slack takes about one a second.
    pub min_interval_millis: u64,
}

impl Default for SlackConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            webhook_url: Secret::default(),
            timeout_secs: 10,
            min_interval_millis: 1_000,
        }
    }
}
