//! The configuration: raw form first (what was typed), checked form after.

mod casebook;
mod error;
mod instances;
mod load;
mod secrets;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use codec::{Format, Mapping};
use detector::DetectorConfig;
use gateway::{TlsConfig, UserConfig};
use history::{HistoryConfig, QueryLimits};
use ingest::{KafkaConfig, PollConfig, RegistryConfig};
use notify::NotifyConfig;
use pipeline::{SnapshotConfig, SnapshotFolder};
use respond::RespondConfig;
use serde::Deserialize;
use server::ServerConfig;

pub(crate) use casebook::{CasebookConfig, CasebookPlace};
pub(crate) use error::ConfigError;
pub(crate) use instances::InstancesConfig;
pub(crate) use load::{find, load, load_or_default, refused, shown};

/// `spikewatch.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// The file it was read from.
    #[serde(skip)]
    pub(crate) file: PathBuf,
    /// History, casebook and secrets live below it unless their own url says otherwise.
    pub(crate) data_dir: PathBuf,
    /// Where usage events are read from.
    pub(crate) kafka: KafkaConfig,
    #[serde(default)]
    pub(crate) detector: DetectorConfig,
    #[serde(default)]
    pub(crate) history: HistoryConfig,
    #[serde(default)]
    pub(crate) pipeline: PipelineConfig,
    #[serde(default)]
    pub(crate) snapshots: SnapshotsConfig,
    #[serde(default)]
    pub(crate) casebook: CasebookConfig,
    pub(crate) instances: Option<InstancesConfig>,
    #[serde(default)]
    pub(crate) inventory: InventoryConfig,
    #[serde(default)]
    pub(crate) networks: NetworksConfig,
    #[serde(default)]
    pub(crate) formats: FormatsConfig,
    #[serde(default)]
    pub(crate) prices: PricesConfig,
    #[serde(default)]
    pub(crate) poll: PollConfig,
    #[serde(default)]
    pub(crate) registry: RegistryConfig,
    #[serde(default)]
    pub(crate) notify: NotifyConfig,
    #[serde(default)]
    pub(crate) respond: RespondConfig,
    #[serde(default)]
    pub(crate) server: ServerConfig,
    #[serde(default)]
    pub(crate) sql: SqlConfig,
    #[serde(default)]
    pub(crate) identity: IdentityConfig,
}

/// `[pipeline]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PipelineConfig {
    /// Threads that decode and judge; without it as many as there are cores.
    pub(crate) threads: Option<NonZeroUsize>,
}

impl PipelineConfig {
    pub(crate) fn threads(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(cores)
    }
}

/// `[snapshots]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SnapshotsConfig {
    /// Seconds between two snapshots of what the detector knows, at least.
    pub(crate) interval_secs: u64,
    /// Whether the state is copied, so that reading goes on while it is written.
    pub(crate) copy: bool,
    /// Where instances find each other's: a folder that all see, or s3, gs, az.
    pub(crate) url: Option<String>,
}

impl Default for SnapshotsConfig {
    fn default() -> Self {
        Self {
            interval_secs: 60,
            copy: true,
            url: None,
        }
    }
}

/// `[inventory]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct InventoryConfig {
    /// A file as of `schemas/inventory.v1.schema.json`, read at start.
    pub(crate) file: Option<PathBuf>,
}

/// `[networks]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct NetworksConfig {
    /// A file in MaxMind's format with `autonomous_system_number`, read at start.
    pub(crate) asn_file: Option<PathBuf>,
    /// A file in MaxMind's format with `country.iso_code`, read at start.
    pub(crate) country_file: Option<PathBuf>,
}

/// `[formats]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FormatsConfig {
    /// Where the fields are in the JSON of a topic, by the topic's name.
    pub(crate) mappings: BTreeMap<String, Mapping>,
    /// Attributes of OpenTelemetry's signals that name the key, the first that is there; without
    /// it the usual ones.
    pub(crate) key_attributes: Option<Vec<String>>,
}

/// `[prices]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PricesConfig {
    /// Whether a price list says what tokens cost where their source does not.
    pub(crate) enabled: bool,
    /// Prices that go before the list's, in the form of LiteLLM's
    /// `model_prices_and_context_window.json`, read at start.
    pub(crate) override_file: Option<PathBuf>,
}

impl Default for PricesConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            override_file: None,
        }
    }
}

/// `[sql]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SqlConfig {
    /// Where the PostgreSQL wire listens; without it there is none.
    pub(crate) listen: Option<std::net::SocketAddr>,
    /// Where Arrow Flight SQL listens; without it there is none.
    pub(crate) flight_listen: Option<std::net::SocketAddr>,
    /// The certificate, without which only loopback is listened on.
    pub(crate) tls: Option<TlsConfig>,
    /// Who may sign in, by name; without any, `analyst` with a password below `data_dir`.
    pub(crate) users: BTreeMap<String, UserConfig>,
    /// Connections at one time.
    pub(crate) max_connections: usize,
    /// Seconds that whoever connects may take to sign in, 60 at most.
    pub(crate) sign_in_timeout_secs: u64,
    /// Queries of one user at one time.
    pub(crate) max_queries_per_user: usize,
    /// The memory from which on the gateway's process is ended, in bytes.
    pub(crate) process_memory_bytes: u64,
    /// Bytes of working memory of one query.
    pub(crate) memory_bytes: usize,
    /// Seconds that one query may take.
    pub(crate) timeout_secs: u64,
    /// Rows that one query may return.
    pub(crate) max_rows: usize,
    /// Rows that one query may return over Flight SQL, where they come as a stream.
    pub(crate) flight_max_rows: usize,
}

impl Default for SqlConfig {
    fn default() -> Self {
        let limits = QueryLimits::default();
        Self {
            listen: None,
            flight_listen: None,
            tls: None,
            users: BTreeMap::new(),
            max_connections: 64,
            sign_in_timeout_secs: 60,
            max_queries_per_user: 4,
            process_memory_bytes: 4 << 30,
            memory_bytes: limits.memory_bytes,
            timeout_secs: limits.timeout_secs,
            max_rows: limits.rows,
            flight_max_rows: 100_000_000,
        }
    }
}

impl SqlConfig {
    pub(crate) fn limits(&self) -> QueryLimits {
        QueryLimits {
            memory_bytes: self.memory_bytes,
            timeout_secs: self.timeout_secs,
            rows: self.max_rows,
            ..QueryLimits::default()
        }
    }
}

/// `[identity]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct IdentityConfig {
    /// The secret that keys fingerprints; instances share it. Made below `data_dir` if not given.
    pub(crate) fingerprint_secret_file: Option<PathBuf>,
}

impl Config {
    /// Returns where what does not fit into memory goes while files of history are sorted.
    pub(crate) fn spill_dir(&self) -> PathBuf {
        self.data_dir.join("spill")
    }

    /// Returns where the history lies.
    pub(crate) fn history_url(&self) -> String {
        let below = || self.data_dir.join("history").display().to_string();
        self.history.url.clone().unwrap_or_else(below)
    }

    /// Returns where the casebook lies.
    ///
    /// # Errors
    /// What is wrong with `casebook.url`.
    pub(crate) fn casebook(&self) -> Result<CasebookPlace, ConfigError> {
        let place = self.casebook.place(&self.data_dir);
        place.map_err(|what| refused(self, "casebook.url", what))
    }

    /// Returns where it is kept at which records a stage crashed.
    pub(crate) fn poison_path(&self) -> PathBuf {
        self.data_dir.join("poison.json")
    }

    /// Returns where and how often snapshots are made.
    pub(crate) fn snapshots(&self) -> SnapshotConfig {
        // Among instances it is only on its way to where all find it.
        let folder = match self.instances {
            Some(_) => self.data_dir.join("handover"),
            None => self.data_dir.join("snapshots"),
        };
        SnapshotConfig {
            folder: SnapshotFolder::new(folder, &self.kafka.cluster),
            interval: Duration::from_secs(self.snapshots.interval_secs),
            copy: self.snapshots.copy,
        }
    }

    /// Returns where the password of the one user lies that there is without `[sql.users]`.
    pub(crate) fn sql_password_file(&self) -> PathBuf {
        self.data_dir.join("sql-password")
    }

    /// Returns where live rows are lent.
    pub(crate) fn live_socket(&self) -> PathBuf {
        self.data_dir.join("live.sock")
    }

    /// Returns where the fingerprint secret lies.
    pub(crate) fn fingerprint_secret_file(&self) -> PathBuf {
        let below = || self.data_dir.join("fingerprint-secret");
        self.identity
            .fingerprint_secret_file
            .clone()
            .unwrap_or_else(below)
    }

    /// Checks what the types cannot say.
    pub(crate) fn validate(&self, file: &Path) -> Result<(), ConfigError> {
        let refuse = |key: &str, message: String| Err(ConfigError::value(file, key, message));
        if self.kafka.topics.is_empty() {
            return refuse("kafka.topics", "names no topic".to_owned());
        }
        for (at, topic) in self.kafka.topics.iter().enumerate() {
            if let Some(Err(err)) = topic.format().map(str::parse::<Format>) {
                return refuse(&format!("kafka.topics[{at}].format"), err.to_string());
            }
        }
        let names_topic = |name: &String| self.kafka.topics.iter().any(|t| t.name() == name);
        if let Some(name) = self.formats.mappings.keys().find(|name| !names_topic(name)) {
            return refuse(
                &format!("formats.mappings.{name}"),
                format!("\"{name}\" is none of kafka.topics"),
            );
        }
        if let Some(property) = self.kafka.refused_properties().first() {
            return refuse(
                "kafka.properties",
                format!("\"{property}\" cannot be set: the delivery promises rest on it"),
            );
        }
        let secure = self.kafka.properties.get("security.protocol");
        if !cfg!(feature = "kafka-tls")
            && secure.is_some_and(|protocol| protocol.to_lowercase() != "plaintext")
        {
            let message = "this binary was built without TLS and SASL to Kafka; build it with \
                           --features kafka-tls, or use the container image";
            return refuse("kafka.properties", message.to_owned());
        }
        if let Err(what) = self.casebook.place(&self.data_dir) {
            return refuse("casebook.url", what);
        }
        match &self.instances {
            Some(instances) => {
                if let Some((key, what)) = instances.missing(self) {
                    return refuse(key, what);
                }
            }
            None if self.snapshots.url.is_some() => {
                let what =
                    "is for several instances; without [instances] snapshots are below data_dir";
                return refuse("snapshots.url", what.to_owned());
            }
            None => {}
        }
        let budget = self.detector.false_alerts_per_1000_key_days;
        if !(0.001..=1000.0).contains(&budget) {
            return refuse(
                "detector.false_alerts_per_1000_key_days",
                format!("{budget} is not between 0.001 and 1000"),
            );
        }
        let max_keys = self.detector.max_keys_per_partition;
        if !(1000..=100_000_000).contains(&max_keys) {
            return refuse(
                "detector.max_keys_per_partition",
                format!("{max_keys} is not between 1000 and 100000000"),
            );
        }
        let patience = self.sql.sign_in_timeout_secs;
        if !(1..=60).contains(&patience) {
            return refuse(
                "sql.sign_in_timeout_secs",
                format!("{patience} is not between 1 and 60"),
            );
        }
        if let Err(err) = self.server.validate() {
            return refuse("server", err.to_string());
        }
        Ok(())
    }
}
