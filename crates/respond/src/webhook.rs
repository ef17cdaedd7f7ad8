//! The generic connector: a service of the operator's freezes the key.
//!
//! It is asked by a signed message after Standard Webhooks 1.0.0. The service answers 2xx
//! when it has taken the request on. Whether the key is frozen it says at `status_url`;
//! without one an action becomes applied and is never called verified.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Action, Applied, Clock, Entity, KeyResponder, KeyStatus, RespondError, Rung, Secret};
use reqwest::Url;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Error;
use crate::config::{Coverage, checked_timeout};
use crate::guard::{check_literal, checked_url, is_loopback};
use crate::http::Http;
use crate::signature::Signer;
use crate::status_url::StatusUrl;

/// The specification asks for bodies below 20 kB; reasons are the one part without an end.
const MAX_REASON_CHARS: usize = 1_000;

/// `[respond.webhook]`: a service that freezes keys for us.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    /// Whether keys may be frozen here.
    pub enabled: bool,
    /// Where requests are posted. It may hold a token, so it is a secret.
    pub url: Secret<String>,
    /// Where a key's status is asked for, with `{key}` in the path or query; the answer is
    /// `{"status": "active"}`, `inactive` or `gone`. Without it nothing can be verified.
    pub status_url: Option<Secret<String>>,
    /// `whsec_` and base64 of 24 to 64 bytes, with which requests are signed.
    pub signing_secret: Secret<String>,
    /// The secret before, while the service still knows only that one.
    pub previous_signing_secret: Option<Secret<String>>,
    /// The providers, as events spell them, for whose keys it answers; empty answers for all.
    pub providers: Vec<String>,
    /// The accounts for whose keys it answers; empty answers for all.
    pub accounts: Vec<String>,
    /// Whether the service may live in a private network (10/8, 172.16/12, 192.168/16,
    /// 100.64/10, fc00::/7). Link-local addresses, where clouds keep their metadata, never.
    pub allow_private_network: bool,
    /// How long one request may take.
    pub timeout_secs: u64,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            url: Secret::default(),
            status_url: None,
            signing_secret: Secret::default(),
            previous_signing_secret: None,
            providers: Vec::new(),
            accounts: Vec::new(),
            allow_private_network: false,
            timeout_secs: 15,
        }
    }
}

/// Asks a service of the operator's to freeze and restore keys.
pub struct Webhook {
    http: Http,
    url: Url,
    status_url: Option<StatusUrl>,
    signer: Signer,
    coverage: Coverage,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("verifies", &self.status_url.is_some())
            .field("coverage", &self.coverage)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct StatusAnswer {
    status: KeyStatus,
}

impl Webhook {
    /// Checks the config; connects to nothing. The clock gives `webhook-timestamp`.
    ///
    /// # Errors
    /// [`Error::Config`] when a field does not do.
    pub fn new(config: WebhookConfig, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let timeout = checked_timeout("respond.webhook.timeout_secs", config.timeout_secs)?;
        let private_allowed = config.allow_private_network;
        let url = checked_url("respond.webhook.url", config.url.expose())?;
        check_literal("respond.webhook.url", &url, private_allowed)?;
        let mut all_loopback = is_loopback(&url);
        let mut secrets = secret_parts(&url);
        let status_url = match &config.status_url {
            None => None,
            Some(template) => {
                let field = "respond.webhook.status_url";
                let template = StatusUrl::new(field, template.expose())?;
                check_literal(field, template.example(), private_allowed)?;
                all_loopback &= is_loopback(template.example());
                secrets.extend(secret_parts(template.example()));
                Some(template)
            }
        };
        let mut signing = vec![("respond.webhook.signing_secret", &config.signing_secret)];
        if let Some(previous) = &config.previous_signing_secret {
            signing.push(("respond.webhook.previous_signing_secret", previous));
        }
        secrets.extend(signing.iter().map(|(_, secret)| secret.expose().clone()));
        Ok(Self {
            signer: Signer::new(&signing)?,
            http: Http::to_webhook(
                "the webhook",
                all_loopback,
                private_allowed,
                timeout,
                secrets,
            )?,
            url,
            status_url,
            coverage: Coverage {
                providers: config.providers,
                accounts: config.accounts,
            },
            clock,
        })
    }

    /// Posts one message. Attempts at the same message have the same id and body, so that
    /// the service can drop a repeat; only the timestamp is new.
    async fn post(&self, id: &str, kind: &str, action: &Action) -> Result<(), RespondError> {
        let body = message(kind, action).to_string();
        let request = self.signed(self.http.post(self.url.clone()), id, body.as_bytes());
        let request = request
            .header("content-type", "application/json")
            .body(body);
        // Not found is the service's address here, not the key.
        self.http
            .send(request)
            .await
            .map_err(|failure| failure.about_the_service())?;
        Ok(())
    }

    fn signed(
        &self,
        request: reqwest::RequestBuilder,
        id: &str,
        body: &[u8],
    ) -> reqwest::RequestBuilder {
        let timestamp_secs = self.clock.now().millis().div_euclid(1_000);
        request
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp_secs)
            .header(
                "webhook-signature",
                self.signer.sign(id, timestamp_secs, body),
            )
    }
}

#[async_trait]
impl KeyResponder for Webhook {
    fn name(&self) -> &str {
        "webhook"
    }

    fn covers(&self, entity: &Entity) -> bool {
        self.coverage.covers(entity)
    }

    fn supports(&self, rung: Rung) -> bool {
        rung == Rung::Freeze
    }

    fn reversible(&self, rung: Rung) -> bool {
        rung == Rung::Freeze
    }

    /// Asks at `status_url`, signed over an empty body, so that the service knows who asks.
    async fn status(&self, entity: &Entity) -> Result<KeyStatus, RespondError> {
        let Some(template) = &self.status_url else {
            return Err(RespondError::Unsupported(
                "the webhook has no status_url, so nothing can be verified".to_owned(),
            ));
        };
        let refused = |why: &str| RespondError::Refused(why.to_owned());
        let url = template.of(&entity.key)?;
        let digest = Sha256::digest(entity.key.as_bytes());
        let hex: String = digest
            .iter()
            .take(10)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let request = self.signed(self.http.get(url), &format!("status_{hex}"), b"");
        let answer = self
            .http
            .send(request)
            .await
            .map_err(|failure| failure.about_the_service())?;
        let StatusAnswer { status } = serde_json::from_slice(&answer.body).map_err(|_| {
            refused("the webhook's status_url did not answer with active, inactive or gone")
        })?;
        Ok(status)
    }

    async fn apply(&self, action: &Action) -> Result<Applied, RespondError> {
        let kind = "key.freeze.requested";
        self.post(&message_id(action), kind, action).await?;
        Ok(Applied {
            undo: Some(json!({ "type": "key.restore.requested" })),
        })
    }

    async fn undo(&self, action: &Action) -> Result<(), RespondError> {
        // Another message needs another id, or the service would drop it as a repeat.
        let id = format!("{}_restore", message_id(action));
        self.post(&id, "key.restore.requested", action).await
    }
}

fn message(kind: &str, action: &Action) -> Value {
    let Entity {
        provider,
        account,
        key,
    } = &action.entity;
    json!({
        "type": kind,
        "timestamp": action.requested_at,
        "data": {
            "action_id": action.action_id,
            "rung": action.rung,
            "provider": provider,
            "account": account,
            "key": key,
            "reason": action.reason.chars().take(MAX_REASON_CHARS).collect::<String>(),
            "actor": action.actor,
        },
    })
}

/// The action's id, without the dot that separates the signed parts.
fn message_id(action: &Action) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    action
        .action_id
        .as_str()
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect()
}

/// What of an address could be a token: itself, its long path segments, its query.
fn secret_parts(url: &Url) -> Vec<String> {
    let segments = url.path_segments().into_iter().flatten();
    let long = segments
        .chain(url.query())
        .filter(|part| part.len() >= 16)
        .map(str::to_owned);
    std::iter::once(url.to_string()).chain(long).collect()
}
