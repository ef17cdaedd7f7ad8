//! The `[notify]` section: which channels there are.

use std::sync::Arc;

use model::AlertChannel;
use serde::Deserialize;

use crate::{EmailChannel, EmailConfig, Error, SlackChannel, SlackConfig};

/// `[notify]`: one table for each channel.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotifyConfig {
    /// E-mail.
    pub email: EmailConfig,
    /// Slack.
    pub slack: SlackConfig,
}

/// Builds the enabled channels, in the order of the config.
///
/// # Errors
/// [`Error`] when an enabled channel cannot be built; a channel that is not enabled is not looked at.
pub fn channels(config: NotifyConfig) -> Result<Vec<Arc<dyn AlertChannel>>, Error> {
    let mut channels: Vec<Arc<dyn AlertChannel>> = Vec::new();
    if config.email.enabled {
        channels.push(Arc::new(EmailChannel::new(config.email)?));
    }
    if config.slack.enabled {
        channels.push(Arc::new(SlackChannel::new(config.slack)?));
    }
    Ok(channels)
}

/// Returns whether `host` names this machine and nothing else.
pub(crate) fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Checks a deadline, so that neither zero nor an hour can be typed.
pub(crate) fn checked_timeout(
    field: &'static str,
    timeout_secs: u64,
) -> Result<std::time::Duration, Error> {
    if (1..=300).contains(&timeout_secs) {
        Ok(std::time::Duration::from_secs(timeout_secs))
    } else {
        Err(Error::Timeout {
            field,
            timeout_secs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_loopback() {
        for host in [
            "localhost",
            "LOCALHOST",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "[::1]",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "0.0.0.0",
            "10.0.0.1",
            "localhost.example.com",
            "127.0.0.1.nip.io",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn unknown_fields_are_refused_and_secrets_do_not_print() {
        let refused = serde_json::from_str::<NotifyConfig>(r#"{"email": {"hots": "a"}}"#);
        assert!(refused.unwrap_err().to_string().contains("hots"));
        let config: NotifyConfig = serde_json::from_str(
            r#"{"email": {"password": "hunter2"}, "slack": {"webhook_url": "https://h/hunter2"}}"#,
        )
        .unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn nothing_is_enabled_by_default() {
        assert!(channels(NotifyConfig::default()).unwrap().is_empty());
    }
}
