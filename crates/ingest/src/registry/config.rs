//! `[registry]`.

use model::Secret;
use serde::Deserialize;

/// `[registry]`: a schema registry of Confluent's kind, for records in Avro or Protobuf.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryConfig {
    /// Where it is: `https://registry.example`, or `https://apicurio.example/apis/ccompat/v7`.
    /// Without it framed records are read only if they hold JSON.
    pub url: Option<String>,
    /// The user, if it asks for one.
    pub user: Option<String>,
    /// The password of the user. Also as `password_file`.
    pub password: Secret<String>,
    /// Seconds that one request may take. Default 5.
    pub timeout_secs: u64,
    /// Milliseconds that a batch waits for schemas that are not at hand. Default 2000.
    pub wait_millis: u64,
    /// Seconds before a schema that the registry does not have is asked for again. Default 60.
    pub unknown_secs: u64,
    /// Seconds that a registry that did not answer is left alone. Default 60.
    pub away_secs: u64,
    /// Schemas that are kept at hand. Default 1000.
    pub max_schemas: usize,
    /// Bytes of one schema. Default 1048576.
    pub max_schema_bytes: usize,
}

impl Default for RegistryConfig {
    fn default() -> Self {
        Self {
            url: None,
            user: None,
            password: Secret::default(),
            timeout_secs: 5,
            wait_millis: 2_000,
            unknown_secs: 60,
            away_secs: 60,
            max_schemas: 1_000,
            max_schema_bytes: 1 << 20,
        }
    }
}

/// Why a registry cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A setting does not do.
    #[error("registry.{field}: {reason}")]
    Config {
        /// The setting.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The build has no Avro and no Protobuf.
    #[error(
        "this binary was built without Avro and Protobuf; build it with --features schemas, or \
         use the container image"
    )]
    NotBuilt,
    /// No client could be built.
    #[error("could not set up the HTTP client")]
    HttpClient(#[source] reqwest::Error),
}
