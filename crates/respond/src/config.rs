//! The `[respond]` section: which connectors there are, and for whose keys.

use std::sync::Arc;
use std::time::Duration;

use model::{Clock, Entity, KeyResponder};
use serde::Deserialize;

use crate::{
    Anthropic, AnthropicConfig, AwsIam, AwsIamConfig, Error, Patience, Webhook, WebhookConfig,
};

/// `[respond]`: one table for each connector. Nothing is enabled by default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RespondConfig {
    /// Keys of an Anthropic organisation.
    pub anthropic: AnthropicConfig,
    /// Access keys of AWS users.
    pub aws_iam: AwsIamConfig,
    /// Everything else, through a service of yours.
    pub webhook: WebhookConfig,
    /// How often a provider is asked again; for [`crate::Responder::with_patience`].
    pub patience: Patience,
}

/// Builds the enabled connectors, the webhook last, because it may answer for every provider.
///
/// # Errors
/// [`Error`] when an enabled connector cannot be built; one that is not enabled is not looked at.
pub fn connectors(
    config: RespondConfig,
    clock: &Arc<dyn Clock>,
) -> Result<Vec<Box<dyn KeyResponder>>, Error> {
    let mut connectors: Vec<Box<dyn KeyResponder>> = Vec::new();
    if config.anthropic.enabled {
        connectors.push(Box::new(Anthropic::new(config.anthropic)?));
    }
    if config.aws_iam.enabled {
        connectors.push(Box::new(AwsIam::new(config.aws_iam, Arc::clone(clock))?));
    }
    if config.webhook.enabled {
        connectors.push(Box::new(Webhook::new(config.webhook, Arc::clone(clock))?));
    }
    Ok(connectors)
}

/// For whose keys a connector answers. An empty list answers for all.
#[derive(Clone, Debug)]
pub(crate) struct Coverage {
    pub(crate) providers: Vec<String>,
    pub(crate) accounts: Vec<String>,
}

impl Coverage {
    pub(crate) fn covers(&self, entity: &Entity) -> bool {
        let names = |list: &[String], name: &str| {
            list.is_empty() || list.iter().any(|listed| listed.eq_ignore_ascii_case(name))
        };
        names(&self.providers, &entity.provider) && names(&self.accounts, &entity.account)
    }
}

/// Checks a deadline, so that neither zero nor an hour can be typed.
pub(crate) fn checked_timeout(field: &'static str, timeout_secs: u64) -> Result<Duration, Error> {
    if (1..=120).contains(&timeout_secs) {
        Ok(Duration::from_secs(timeout_secs))
    } else {
        Err(Error::Config {
            field,
            reason: "it must lie between 1 and 120",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_list_answers_for_all_and_a_name_only_for_itself() {
        let entity = |provider: &str, account: &str| Entity {
            provider: provider.to_owned(),
            account: account.to_owned(),
            key: "k".to_owned(),
        };
        let coverage = Coverage {
            providers: vec!["Anthropic".to_owned()],
            accounts: Vec::new(),
        };
        assert!(coverage.covers(&entity("anthropic", "acme")));
        assert!(!coverage.covers(&entity("openai", "acme")));
        assert!(!coverage.covers(&entity("", "acme")));
        let coverage = Coverage {
            providers: Vec::new(),
            accounts: vec!["acme".to_owned()],
        };
        assert!(coverage.covers(&entity("anything", "acme")));
        assert!(!coverage.covers(&entity("anything", "globex")));
    }

    #[test]
    fn unknown_fields_are_refused_and_secrets_do_not_print() {
        let refused = serde_json::from_str::<RespondConfig>(r#"{"anthropic": {"admin": "a"}}"#);
        assert!(refused.unwrap_err().to_string().contains("admin"));
        let config: RespondConfig = serde_json::from_str(
            r#"{"anthropic": {"admin_key": "hunter2"},
                "aws_iam": {"secret_access_key": "hunter2", "session_token": "hunter2"},
                "webhook": {"url": "hunter2", "signing_secret": "hunter2"}}"#,
        )
        .unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
