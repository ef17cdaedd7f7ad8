//! `[poll]`.

use model::Secret;
use serde::Deserialize;

/// `[poll]`: feeds that exist only as APIs. Nothing is enabled by default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PollConfig {
    /// Feeds of an OpenAI organisation.
    pub openai: OpenaiPollConfig,
    /// Feeds of an Anthropic organisation.
    pub anthropic: AnthropicPollConfig,
}

/// `[poll.openai]`: usage, costs, audit log and keys of one OpenAI organisation.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OpenaiPollConfig {
    /// Whether OpenAI is polled. Default false.
    pub enabled: bool,
    /// An admin key (`sk-admin-…`) that may read usage, audit logs and keys; its own, so that it
    /// can be revoked without touching anything else. Also as `admin_key_file`.
    pub admin_key: Secret<String>,
    /// Where the API is. Default `https://api.openai.com`.
    pub base_url: String,
    /// The topic that records are produced to. Default "usage".
    pub topic: String,
    /// The endpoints of the usage report, as they are called in its addresses. Default all.
    pub usage_endpoints: Vec<String>,
    /// The buckets of the usage report: "1m", "1h" or "1d". Default "1m". Another width gives
    /// other rows for the same usage: change it only together with the topic.
    pub bucket_width: String,
    /// Seconds between two readings of usage; 0 turns it off. Default 60.
    pub usage_secs: u64,
    /// Minutes of buckets that are read again each time, for what was still open or came late.
    /// Default 60.
    pub usage_overlap_minutes: u64,
    /// Seconds between two readings of costs; 0 turns it off. Default 3600.
    pub costs_secs: u64,
    /// Days of costs that are read again each time, because bills are corrected. Default 3.
    pub costs_overlap_days: u64,
    /// Seconds between two readings of the audit log; 0 turns it off. Default 60.
    pub audit_secs: u64,
    /// Minutes of the audit log that are read again each time. Default 15.
    pub audit_overlap_minutes: u64,
    /// Seconds between two readings of the lists of keys; 0 turns it off. Default 600.
    pub keys_secs: u64,
    /// Hours of usage and audit log that the very first reading goes back; costs go back a week
    /// at least. Default 24.
    pub start_back_hours: u64,
    /// What is bounded.
    pub limits: PollLimits,
}

impl Default for OpenaiPollConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            admin_key: Secret::default(),
            base_url: "https://api.openai.com".to_owned(),
            topic: "usage".to_owned(),
            usage_endpoints: super::feed::OPENAI_USAGE
                .iter()
                .map(|(name, _)| (*name).to_owned())
                .collect(),
            bucket_width: "1m".to_owned(),
            usage_secs: 60,
            usage_overlap_minutes: 60,
            costs_secs: 3_600,
            costs_overlap_days: 3,
            audit_secs: 60,
            audit_overlap_minutes: 15,
            keys_secs: 600,
            start_back_hours: 24,
            limits: PollLimits::default(),
        }
    }
}

/// `[poll.anthropic]`: usage, costs, keys and activities of one Anthropic organisation.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnthropicPollConfig {
    /// Whether Anthropic is polled. Default false.
    pub enabled: bool,
    /// An admin key (`sk-ant-admin…`); its own, so that it can be revoked without touching
    /// anything else. Also as `admin_key_file`.
    pub admin_key: Secret<String>,
    /// Where the API is. Default `https://api.anthropic.com`.
    pub base_url: String,
    /// The topic that records are produced to. Default "usage".
    pub topic: String,
    /// The buckets of the usage report: "1m", "1h" or "1d". Default "1m". Another width gives
    /// other rows for the same usage: change it only together with the topic.
    pub bucket_width: String,
    /// Seconds between two readings of usage; 0 turns it off. Anthropic asks for 60 at least.
    /// Default 60.
    pub usage_secs: u64,
    /// Minutes of buckets that are read again each time, for what was still open or came late.
    /// Default 60.
    pub usage_overlap_minutes: u64,
    /// Seconds between two readings of costs; 0 turns it off. Default 3600.
    pub costs_secs: u64,
    /// Days of costs that are read again each time, because bills are corrected. Default 3.
    pub costs_overlap_days: u64,
    /// Seconds between two readings of the list of keys; 0 turns it off. Default 600.
    pub keys_secs: u64,
    /// Seconds between two readings of the compliance activities; 0 turns it off. Default 0,
    /// because Anthropic enables the Compliance API only on request.
    pub activities_secs: u64,
    /// Minutes of activities that are read again each time. Default 15.
    pub activities_overlap_minutes: u64,
    /// Hours of usage and activities that the very first reading goes back; costs go back a week
    /// at least. Default 24.
    pub start_back_hours: u64,
    /// What is bounded.
    pub limits: PollLimits,
}

impl Default for AnthropicPollConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            admin_key: Secret::default(),
            base_url: "https://api.anthropic.com".to_owned(),
            topic: "usage".to_owned(),
            bucket_width: "1m".to_owned(),
            usage_secs: 60,
            usage_overlap_minutes: 60,
            costs_secs: 3_600,
            costs_overlap_days: 3,
            keys_secs: 600,
            activities_secs: 0,
            activities_overlap_minutes: 15,
            start_back_hours: 24,
            limits: PollLimits::default(),
        }
    }
}

/// `[poll.<provider>.limits]`: what bounds requests, retries and memory.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PollLimits {
    /// Seconds that one request may take. Default 30.
    pub timeout_secs: u64,
    /// Bytes of one answer that are read; a longer page is asked for in smaller pages.
    /// Default 16777216.
    pub max_body_bytes: usize,
    /// Pages of one feed that are read in a row. Default 500.
    pub max_pages: u32,
    /// How often a request is tried before the feed waits for its next turn. Default 6.
    pub max_attempts: u32,
    /// Milliseconds before the second attempt; each later pause is about twice as long.
    /// Default 1000.
    pub first_pause_millis: u64,
    /// Seconds that a pause between attempts is at most. Default 60.
    pub max_pause_secs: u64,
    /// Seconds of `Retry-After` that are waited for in place; a longer one ends the turn, and the
    /// provider is left alone for as long as it asked. Default 120.
    pub max_retry_after_secs: u64,
    /// Seconds before a feed that was refused (a key that does not do, no such feed) is asked for
    /// again. Default 900.
    pub refused_pause_secs: u64,
    /// Records that are remembered by their content for each feed, 24 bytes each, so that what
    /// did not change is not produced again. Default 200000.
    pub max_remembered: usize,
}

impl Default for PollLimits {
    fn default() -> Self {
        Self {
            timeout_secs: 30,
            max_body_bytes: 16 << 20,
            max_pages: 500,
            max_attempts: 6,
            first_pause_millis: 1_000,
            max_pause_secs: 60,
            max_retry_after_secs: 120,
            refused_pause_secs: 900,
            max_remembered: 200_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_fields_are_refused_and_secrets_do_not_print() {
        let refused = serde_json::from_str::<PollConfig>(r#"{"openai": {"admin": "a"}}"#);
        assert!(refused.unwrap_err().to_string().contains("admin"));
        let refused =
            serde_json::from_str::<PollConfig>(r#"{"anthropic": {"limits": {"pages": 1}}}"#);
        assert!(refused.unwrap_err().to_string().contains("max_pages"));
        let config: PollConfig =
            serde_json::from_str(r#"{"openai": {"admin_key": "hunter2", "usage_secs": 300}}"#)
                .unwrap();
        assert_eq!(config.openai.usage_secs, 300);
        assert!(!config.openai.enabled);
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
