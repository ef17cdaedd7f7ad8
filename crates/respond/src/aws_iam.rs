//! AWS: an access key of a user is set to Inactive and back.
//!
//! IAM is eventually consistent: for a while after the call a read may still say the old
//! status, and the key may still work. The responder reads back for a bounded time.
//! Sessions that were opened with the key live on until they expire.

use std::sync::Arc;

use async_trait::async_trait;
use aws_credential_types::Credentials;
use model::{Action, Applied, Clock, Entity, KeyResponder, KeyStatus, RespondError, Rung, Secret};
use serde::Deserialize;
use serde_json::json;

use crate::Error;
use crate::aws_query::{Query, Service};
use crate::config::{Coverage, checked_timeout};
use crate::guard::checked_url;
use crate::http::{Http, one_line};

/// How the service is signed for, and the only version of its API.
const SERVICE: Service = Service {
    name: "iam",
    version: "2010-05-08",
};

/// IAM has one endpoint in each partition, signed for in one region of it, whichever region
/// is meant. The first column is what the names of the partition's regions begin with; every
/// other region is of the partition `aws`.
const PARTITIONS: &[(&str, &str, &str)] = &[
    (
        "cn-",
        "https://iam.cn-north-1.amazonaws.com.cn",
        "cn-north-1",
    ),
    (
        "us-gov-",
        "https://iam.us-gov.amazonaws.com",
        "us-gov-west-1",
    ),
    (
        "us-iso-",
        "https://iam.us-iso-east-1.c2s.ic.gov",
        "us-iso-east-1",
    ),
    (
        "us-isob-",
        "https://iam.us-isob-east-1.sc2s.sgov.gov",
        "us-isob-east-1",
    ),
    (
        "us-isof-",
        "https://iam.us-isof-south-1.csp.hci.ic.gov",
        "us-isof-south-1",
    ),
    (
        "eu-isoe-",
        "https://iam.eu-isoe-west-1.cloud.adc-e.uk",
        "eu-isoe-west-1",
    ),
    (
        "eusc-",
        "https://iam.eusc-de-east-1.amazonaws.eu",
        "eusc-de-east-1",
    ),
];

/// More pages than a user's keys can fill: AWS allows two keys.
const MAX_PAGES: usize = 50;

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
    query: Query,
    coverage: Coverage,
}

impl std::fmt::Debug for AwsIam {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsIam")
            .field("coverage", &self.coverage)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct GetAccessKeyLastUsedResponse {
    #[serde(rename = "GetAccessKeyLastUsedResult")]
    result: LastUsed,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct LastUsed {
    user_name: Option<String>,
}

#[derive(Deserialize)]
struct ListAccessKeysResponse {
    #[serde(rename = "ListAccessKeysResult")]
    result: KeyPage,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct KeyPage {
    #[serde(default)]
    access_key_metadata: Members,
    #[serde(default)]
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Default, Deserialize)]
struct Members {
    #[serde(default)]
    member: Vec<AccessKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AccessKey {
    access_key_id: Option<String>,
    status: Option<String>,
}

impl AwsIam {
    /// Checks the config; connects to nothing. The clock gives the time of each signature.
    ///
    /// # Errors
    /// [`Error::Config`] when a field does not do, [`Error::HttpClient`] when the HTTP client
    /// could not be built.
    pub fn new(config: AwsIamConfig, clock: Arc<dyn Clock>) -> Result<Self, Error> {
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
        let (endpoint, region) = match &config.endpoint_url {
            Some(endpoint) => (endpoint.as_str(), config.region.as_str()),
            None => of_partition(&config.region),
        };
        let endpoint = checked_url("respond.aws_iam.endpoint_url", endpoint)?;
        let region = region.to_owned();
        let secrets = std::iter::once(secret.clone())
            .chain(token.clone())
            .collect();
        Ok(Self {
            query: Query {
                http: Http::to_provider("aws", &endpoint, timeout, secrets)?,
                endpoint,
                region,
                service: SERVICE,
                credentials: Credentials::new(
                    config.access_key_id,
                    secret,
                    token,
                    None,
                    "spikewatch",
                ),
                clock,
            },
            coverage: Coverage {
                providers: config.providers,
                accounts: config.accounts,
            },
        })
    }

    /// Finds the user whose key it is.
    async fn user_name(&self, key: &str) -> Result<String, RespondError> {
        check_key_id(key)?;
        let answer: GetAccessKeyLastUsedResponse = self
            .query
            .read("GetAccessKeyLastUsed", &[("AccessKeyId", key)])
            .await?;
        let user_name = answer.result.user_name.filter(|name| !name.is_empty());
        user_name.ok_or_else(|| {
            RespondError::Refused(
                "aws names no user for the key; a key of the root user can be stopped by its \
                 owner only"
                    .to_owned(),
            )
        })
    }

    /// Finds the key among those of its user.
    async fn found(&self, user_name: &str, key: &str) -> Result<AccessKey, RespondError> {
        let mut marker: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let mut params = vec![("UserName", user_name)];
            params.extend(marker.as_deref().map(|marker| ("Marker", marker)));
            let answer: ListAccessKeysResponse = self.query.read("ListAccessKeys", &params).await?;
            let page = answer.result;
            let mut keys = page.access_key_metadata.member.into_iter();
            if let Some(key) = keys.find(|listed| listed.access_key_id.as_deref() == Some(key)) {
                return Ok(key);
            }
            if !page.is_truncated {
                return Err(RespondError::Gone);
            }
            let next = page.marker.filter(|marker| !marker.is_empty());
            // Without a way to the rest of the list nothing says that the key is gone.
            if next.is_none() || next == marker {
                break;
            }
            marker = next;
        }
        Err(RespondError::Refused(
            "aws gave no end of the user's list of keys".to_owned(),
        ))
    }

    async fn set(&self, action: &Action, status: &str) -> Result<String, RespondError> {
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
        let params = [
            ("UserName", user_name.as_str()),
            ("AccessKeyId", key),
            ("Status", status),
        ];
        self.query.write("UpdateAccessKey", &params).await?;
        Ok(user_name)
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
        let found = self.found(&user_name, &entity.key).await?;
        match found.status.as_deref() {
            Some("Active") => Ok(KeyStatus::Active),
            Some("Inactive") => Ok(KeyStatus::Inactive),
            // An expired key cannot be switched on again.
            Some("Expired") => Ok(KeyStatus::Gone),
            other => Err(RespondError::Refused(self.query.http.told(&format!(
                "aws gave the key an unknown status \"{}\"",
                other.unwrap_or("none")
            )))),
        }
    }

    async fn apply(&self, action: &Action) -> Result<Applied, RespondError> {
        let user_name = self.set(action, "Inactive").await?;
        Ok(Applied {
            undo: Some(json!({ "status": "Active", "user_name": user_name })),
        })
    }

    async fn undo(&self, action: &Action) -> Result<(), RespondError> {
        self.set(action, "Active").await.map(|_| ())
    }
}

/// Returns the endpoint for a region, and the region to sign for.
fn of_partition(region: &str) -> (&'static str, &'static str) {
    PARTITIONS
        .iter()
        .find(|(prefix, ..)| region.starts_with(prefix))
        .map_or(("https://iam.amazonaws.com", "us-east-1"), |row| {
            (row.1, row.2)
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partition_has_its_own_endpoint() {
        for (region, endpoint, signed) in [
            ("us-east-1", "https://iam.amazonaws.com", "us-east-1"),
            ("eu-central-1", "https://iam.amazonaws.com", "us-east-1"),
            (
                "cn-northwest-1",
                "https://iam.cn-north-1.amazonaws.com.cn",
                "cn-north-1",
            ),
            (
                "us-gov-east-1",
                "https://iam.us-gov.amazonaws.com",
                "us-gov-west-1",
            ),
            (
                "us-isob-west-1",
                "https://iam.us-isob-east-1.sc2s.sgov.gov",
                "us-isob-east-1",
            ),
        ] {
            assert_eq!(of_partition(region), (endpoint, signed), "{region}");
        }
        for (_, endpoint, _) in PARTITIONS {
            checked_url("f", endpoint).unwrap();
        }
    }
}
