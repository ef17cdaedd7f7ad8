//! `[instances]`: several instances that share the partitions.

use serde::Deserialize;

use super::{CasebookPlace, Config};

/// `[instances]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InstancesConfig {
    /// The name of this one, which no other has and which stays.
    pub(crate) name: String,
    /// The topic of one partition that they talk over; it is made if there is none.
    #[serde(default = "default_topic")]
    pub(crate) topic: String,
}

fn default_topic() -> String {
    "spikewatch-instances".to_owned()
}

impl InstancesConfig {
    /// Returns what is missing that instances have to share: a key, and what is wrong with it.
    pub(super) fn missing(&self, config: &Config) -> Option<(&'static str, String)> {
        let is_name = |name: &str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !name.is_empty() && name.len() <= 200 && name.chars().all(is_plain)
        };
        if !is_name(&self.name) {
            let message = "is not a name of letters, digits, \".\", \"-\" and \"_\"".to_owned();
            return Some(("instances.name", format!("\"{}\" {message}", self.name)));
        }
        if self.topic == config.kafka.dead_letter_topic {
            let message = format!("\"{}\" is the topic of dead letters", self.topic);
            return Some(("instances.topic", message));
        }
        if config
            .kafka
            .topics
            .iter()
            .any(|topic| topic.name() == self.topic)
        {
            let message = format!("\"{}\" is a topic of usage events", self.topic);
            return Some(("instances.topic", message));
        }
        if config.kafka.properties.contains_key("group.instance.id") {
            let message = "\"group.instance.id\" is instances.name".to_owned();
            return Some(("kafka.properties", message));
        }
        let place = config.casebook.place(&config.data_dir);
        if !matches!(place, Ok(CasebookPlace::Server(_))) {
            let message =
                "instances share a casebook: name a database, postgres://USER@HOST/DATABASE";
            return Some(("casebook.url", message.to_owned()));
        }
        let shared = [
            ("history.url", config.history.url.is_some(), "history"),
            (
                "snapshots.url",
                config.snapshots.url.is_some(),
                "place for snapshots",
            ),
            (
                "identity.fingerprint_secret_file",
                config.identity.fingerprint_secret_file.is_some(),
                "secret of fingerprints",
            ),
        ];
        let (key, _, what) = shared.into_iter().find(|(_, is_there, _)| !is_there)?;
        Some((
            key,
            format!("instances share a {what}: say where it is for all of them"),
        ))
    }
}
