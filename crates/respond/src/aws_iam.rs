//! AWS: an access key of a user is set to Inactive and back.
//!
//! IAM is eventually consistent: for a while after the call a read may still say the old
//! status, and the key may still work. The responder reads back for a bounded time.
//! Sessions that were opened with the key live on until they expire.

use std::fmt::Debug;

use async_trait::async_trait;
use aws_sdk_iam::Client;
use aws_sdk_iam::config::retry::RetryConfig;
use aws_sdk_iam::config::timeout::TimeoutConfig;
use aws_sdk_iam::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_iam::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_iam::types::StatusType;
use model::{Action, Applied, Entity, KeyResponder, KeyStatus, RespondError, Rung, Secret};
use serde::Deserialize;
use serde_json::json;

use crate::Error;
use crate::config::{Coverage, checked_timeout};
use crate::guard::checked_url;
use crate::http::one_line;

/// Codes of errors that pass by themselves; everything else is refused for good.
const TRANSIENT_CODES: &[&str] = &[
    "EntityTemporarilyUnmodifiable",
    "ConcurrentModification",
    "InternalFailure",
    "RequestLimitExceeded",
    "ServiceFailure",
    "ServiceUnavailable",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// `[respond.aws_iam]`: access keys of the users of one AWS account.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AwsIamConfig {
    /// Whether keys may be frozen here.
    pub enabled: bool,
    /// The region of the endpoint; IAM itself has none.
    pub region: String,
    /// The id of our own access key. It needs `iam:GetAccessKeyLastUsed`,
    /// `iam:ListAccessKeys` and `iam:UpdateAccessKey`, and nothing else.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: Secret<String>,
    /// Its session token, if it is a temporary one.
    pub session_token: Option<Secret<String>>,
    /// Another endpoint than AWS's own, for tests.
    pub endpoint_url: Option<String>,
    /// The providers, as events spell them, for whose keys it answers; empty answers for all.
    pub providers: Vec<String>,
    /// The accounts for whose keys it answers; empty answers for all.
    pub accounts: Vec<String>,
    /// How long one request may take.
    pub timeout_secs: u64,
}

impl Default for AwsIamConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            region: "us-east-1".to_owned(),
            access_key_id: String::new(),
            secret_access_key: Secret::default(),
            session_token: None,
            endpoint_url: None,
            providers: vec!["aws.bedrock".to_owned()],
            accounts: Vec::new(),
            timeout_secs: 15,
        }
    }
}

/// Freezes and restores access keys of AWS users.
pub struct AwsIam {
    client: Client,
    coverage: Coverage,
    secrets: Vec<String>,
}

impl Debug for AwsIam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsIam")
            .field("coverage", &self.coverage)
            .finish_non_exhaustive()
    }
}

impl AwsIam {
    /// Checks the config; connects to nothing.
    ///
    /// # Errors
    /// [`Error::Config`] when a field does not do.
    pub fn new(config: AwsIamConfig) -> Result<Self, Error> {
        let timeout = checked_timeout("respond.aws_iam.timeout_secs", config.timeout_secs)?;
        let secret = config.secret_access_key.expose().clone();
        let token = config
            .session_token
            .as_ref()
            .map(|token| token.expose().clone());
        for (field, value) in [
            ("respond.aws_iam.region", &config.region),
            ("respond.aws_iam.access_key_id", &config.access_key_id),
            ("respond.aws_iam.secret_access_key", &secret),
        ] {
            if value.trim().is_empty() {
                return Err(Error::Config {
                    field,
                    reason: "it is empty",
                });
            }
        }
        let credentials = Credentials::new(
            config.access_key_id,
            secret.clone(),
            token.clone(),
            None,
            "spikewatch",
        );
        let mut builder = aws_sdk_iam::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(config.region))
            .credentials_provider(credentials)
            .timeout_config(TimeoutConfig::builder().operation_timeout(timeout).build())
            // The responder tries again; two that do would multiply.
            .retry_config(RetryConfig::disabled());
        if let Some(endpoint) = &config.endpoint_url {
            let endpoint = checked_url("respond.aws_iam.endpoint_url", endpoint)?;
            builder = builder.endpoint_url(endpoint.as_str());
        }
        Ok(Self {
            client: Client::from_conf(builder.build()),
            coverage: Coverage {
                providers: config.providers,
                accounts: config.accounts,
            },
            secrets: [Some(secret), token].into_iter().flatten().collect(),
        })
    }

    /// Finds the user whose key it is.
    async fn user_name(&self, key: &str) -> Result<String, RespondError> {
        check_key_id(key)?;
        let request = self.client.get_access_key_last_used().access_key_id(key);
        let output = request.send().await.map_err(|err| self.sorted(&err))?;
        output.user_name().map(str::to_owned).ok_or_else(|| {
            RespondError::Refused(
                "aws names no user for the key; a key of the root user can be stopped by its \
                 owner only"
                    .to_owned(),
            )
        })
    }

    async fn set(&self, action: &Action, status: StatusType) -> Result<String, RespondError> {
        let key = &action.entity.key;
        // The name found before the freeze still holds, and saves a call during an undo.
        let known = action
            .undo
            .as_ref()
            .and_then(|undo| undo.get("user_name")?.as_str());
        let user_name = match known {
            Some(user_name) => user_name.to_owned(),
            None => self.user_name(key).await?,
        };
        let request = self.client.update_access_key();
        let request = request
            .user_name(&user_name)
            .access_key_id(key)
            .status(status);
        request.send().await.map_err(|err| self.sorted(&err))?;
        Ok(user_name)
    }

    /// Sorts an error by its code, and takes what is secret out of its words.
    fn sorted<E, R>(&self, err: &SdkError<E, R>) -> RespondError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: Debug,
    {
        let SdkError::ServiceError(service) = err else {
            return match err {
                SdkError::ConstructionFailure(_) => {
                    RespondError::Refused("could not build the request to aws".to_owned())
                }
                SdkError::TimeoutError(_) => {
                    RespondError::Transient("aws did not answer in time".to_owned())
                }
                SdkError::DispatchFailure(_) => {
                    RespondError::Transient("could not connect to aws".to_owned())
                }
                _ => RespondError::Transient("could not read the answer of aws".to_owned()),
            };
        };
        let code = service.err().code().unwrap_or("without a code");
        if code == "NoSuchEntity" {
            return RespondError::Gone;
        }
        let words = service.err().message().unwrap_or_default();
        let answer = format!("aws answered {code}: {words}");
        let answer = self.secrets.iter().fold(answer, |answer, secret| {
            answer.replace(secret, "[redacted]")
        });
        if TRANSIENT_CODES.contains(&code) || code == "without a code" {
            RespondError::Transient(one_line(&answer))
        } else {
            RespondError::Refused(one_line(&answer))
        }
    }
}

#[async_trait]
impl KeyResponder for AwsIam {
    fn name(&self) -> &str {
        "aws_iam"
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
        let user_name = self.user_name(&entity.key).await?;
        let mut pages = self
            .client
            .list_access_keys()
            .user_name(user_name)
            .into_paginator()
            .items()
            .send();
        while let Some(key) = pages.next().await {
            let key = key.map_err(|err| self.sorted(&err))?;
            if key.access_key_id() != Some(entity.key.as_str()) {
                continue;
            }
            return match key.status() {
                Some(StatusType::Active) => Ok(KeyStatus::Active),
                Some(StatusType::Inactive) => Ok(KeyStatus::Inactive),
                // An expired key cannot be switched on again.
                Some(StatusType::Expired) => Ok(KeyStatus::Gone),
                other => {
                    let status = other.map_or("none", StatusType::as_str);
                    Err(RespondError::Refused(one_line(&format!(
                        "aws gave the key an unknown status \"{status}\""
                    ))))
                }
            };
        }
        Err(RespondError::Gone)
    }

    async fn apply(&self, action: &Action) -> Result<Applied, RespondError> {
        let user_name = self.set(action, StatusType::Inactive).await?;
        Ok(Applied {
            undo: Some(json!({ "status": "Active", "user_name": user_name })),
        })
    }

    async fn undo(&self, action: &Action) -> Result<(), RespondError> {
        self.set(action, StatusType::Active).await.map(|_| ())
    }
}

/// Refuses what is no access key id, such as a fingerprint, before AWS calls it unknown.
fn check_key_id(key: &str) -> Result<(), RespondError> {
    let looks_right = (16..=128).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
    if looks_right {
        Ok(())
    } else {
        Err(RespondError::Refused(format!(
            "\"{}\" does not look like an aws access key id",
            one_line(key)
        )))
    }
}
