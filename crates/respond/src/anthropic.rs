//! Anthropic's Admin API: a key's status is set and read at one address.

use async_trait::async_trait;
use model::{Action, Applied, Entity, KeyResponder, KeyStatus, RespondError, Rung, Secret};
use reqwest::Url;
use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::json;

use crate::Error;
use crate::config::{Coverage, checked_timeout};
use crate::guard::checked_url;
use crate::http::{Answer, Http, one_line};

const WHO: &str = "anthropic";
const API_VERSION: &str = "2023-06-01";
const MAX_KEY_CHARS: usize = 128;

/// `[respond.anthropic]`: keys of one Anthropic organisation.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnthropicConfig {
    /// Whether keys may be frozen here.
    pub enabled: bool,
    /// An admin key (`sk-ant-admin...`) of the organisation that owns the keys.
    pub admin_key: Secret<String>,
    /// Where the API is.
    pub base_url: String,
    /// The providers, as events spell them, for whose keys it answers; empty answers for all.
    pub providers: Vec<String>,
    /// The accounts for whose keys it answers; empty answers for all. Name them when there is
    /// more than one organisation: a key of another one looks to Anthropic like a key that
    /// does not exist.
    pub accounts: Vec<String>,
    /// What a key's id begins with. Anything else, such as a fingerprint, is refused, because
    /// Anthropic would say that it does not exist and the key would pass for gone.
    pub key_prefix: String,
    /// How long one request may take.
    pub timeout_secs: u64,
}

impl Default for AnthropicConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            admin_key: Secret::default(),
            base_url: "https://api.anthropic.com".to_owned(),
            providers: vec!["anthropic".to_owned()],
            accounts: Vec::new(),
            key_prefix: "apikey_".to_owned(),
            timeout_secs: 15,
        }
    }
}

/// Freezes and restores keys of an Anthropic organisation.
pub struct Anthropic {
    http: Http,
    base_url: Url,
    admin_key: HeaderValue,
    coverage: Coverage,
    key_prefix: String,
}

impl std::fmt::Debug for Anthropic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Anthropic")
            .field("base_url", &self.base_url.as_str())
            .field("coverage", &self.coverage)
            .finish_non_exhaustive()
    }
}

/// What the API says about a key, as far as it matters here.
#[derive(Deserialize)]
struct ApiKey {
    status: String,
}

impl Anthropic {
    /// Checks the config; connects to nothing.
    ///
    /// # Errors
    /// [`Error::Config`] when a field does not do.
    pub fn new(config: AnthropicConfig) -> Result<Self, Error> {
        let base_url = checked_url("respond.anthropic.base_url", &config.base_url)?;
        let timeout = checked_timeout("respond.anthropic.timeout_secs", config.timeout_secs)?;
        let refused = |reason| Error::Config {
            field: "respond.anthropic.admin_key",
            reason,
        };
        let text = config.admin_key.expose().trim();
        if text.is_empty() {
            return Err(refused("it is empty"));
        }
        let mut admin_key =
            HeaderValue::from_str(text).map_err(|_| refused("it is not printable ASCII"))?;
        admin_key.set_sensitive(true);
        Ok(Self {
            http: Http::to_provider(WHO, &base_url, timeout, vec![text.to_owned()])?,
            base_url,
            admin_key,
            coverage: Coverage {
                providers: config.providers,
                accounts: config.accounts,
            },
            key_prefix: config.key_prefix,
        })
    }

    /// Returns the key's address, or refuses an id that is none of Anthropic's.
    fn address(&self, key: &str) -> Result<Url, RespondError> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        let looks_right = key.starts_with(&self.key_prefix)
            && (1..=MAX_KEY_CHARS).contains(&key.len())
            && key.bytes().all(is_word);
        let refused = || {
            RespondError::Refused(format!(
                "\"{}\" does not look like the id of an anthropic key, which begins with \"{}\"",
                one_line(key),
                self.key_prefix
            ))
        };
        if !looks_right {
            return Err(refused());
        }
        let mut url = self.base_url.clone();
        // Each segment is percent-encoded, so that an id can never become a path.
        url.path_segments_mut()
            .map_err(|()| refused())?
            .pop_if_empty()
            .extend(["v1", "organizations", "api_keys", key]);
        Ok(url)
    }

    fn signed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request
            .header("x-api-key", self.admin_key.clone())
            .header("anthropic-version", API_VERSION)
    }

    async fn set(&self, key: &str, status: &str) -> Result<(), RespondError> {
        let request = self
            .http
            .post(self.address(key)?)
            .json(&json!({ "status": status }));
        self.http
            .send(self.signed(request))
            .await
            .map_err(|failure| failure.about_a_key())?;
        // The body repeats the status, but only the read-back is believed.
        Ok(())
    }

    fn understood(&self, answer: &Answer) -> Result<KeyStatus, RespondError> {
        let ApiKey { status } = serde_json::from_slice(&answer.body).map_err(|_| {
            RespondError::Refused(format!(
                "anthropic answered {} without a key's status",
                answer.status.as_u16()
            ))
        })?;
        match status.as_str() {
            "active" => Ok(KeyStatus::Active),
            "inactive" => Ok(KeyStatus::Inactive),
            // Expired cannot be changed, and archived is treated as final until proven
            // otherwise: neither opens the API, and neither is ours to bring back.
            "archived" | "expired" => Ok(KeyStatus::Gone),
            other => Err(RespondError::Refused(self.http.told(&format!(
                "anthropic gave the key an unknown status \"{other}\""
            )))),
        }
    }
}

#[async_trait]
impl KeyResponder for Anthropic {
    fn name(&self) -> &str {
        WHO
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

    async fn status(&self, entity: &Entity) -> Result<KeyStatus, RespondError> {
        let request = self.signed(self.http.get(self.address(&entity.key)?));
        let answer = self
            .http
            .send(request)
            .await
            .map_err(|failure| failure.about_a_key())?;
        self.understood(&answer)
    }

    async fn apply(&self, action: &Action) -> Result<Applied, RespondError> {
        self.set(&action.entity.key, "inactive").await?;
        Ok(Applied {
            undo: Some(json!({ "status": "active" })),
        })
    }

    async fn undo(&self, action: &Action) -> Result<(), RespondError> {
        self.set(&action.entity.key, "active").await
    }
}
