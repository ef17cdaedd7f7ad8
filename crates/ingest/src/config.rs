//! `[kafka]`.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::ClientConfig;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Where usage events are read from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KafkaConfig {
    /// Addresses of brokers, separated by commas.
    pub brokers: String,
    /// The consumer group; instances with the same group share the partitions.
    #[serde(default = "default_group")]
    pub group: String,
    /// A name for the cluster in the history's offsets; change it when you move to another one.
    #[serde(default = "default_cluster")]
    pub cluster: String,
    /// Topics with usage events: names, or tables of a name and the format of its records. A
    /// topic that does not exist yet is waited for.
    #[serde(default = "default_topics")]
    pub topics: Vec<TopicConfig>,
    /// The topic for records that could not be read.
    #[serde(default = "default_dead_letter_topic")]
    pub dead_letter_topic: String,
    /// Any property of librdkafka, for security and tuning; wins over our defaults.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
}

/// One topic: its name, or a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum TopicConfig {
    /// A topic whose records say by what they look like which format they have.
    Name(String),
    /// A topic whose records have one format.
    Table(TopicTable),
}

/// A topic, and what is so of all of its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicTable {
    /// The topic.
    pub name: String,
    /// The name of the format; without it each record is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Whose the events are that do not say it: the `account` of each of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// False where another topic reports the same calls: what this one says is kept, and
    /// counted in no sum and no baseline. Default true.
    #[serde(default = "counted", skip_serializing_if = "Clone::clone")]
    pub counts: bool,
}

fn counted() -> bool {
    true
}

/// Read by hand, so that a misspelt key of a table is named: of an untagged enum it is only said
/// that nothing fits.
impl<'de> Deserialize<'de> for TopicConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TopicVisitor)
    }
}

struct TopicVisitor;

impl<'de> Visitor<'de> for TopicVisitor {
    type Value = TopicConfig;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a topic, or a table with its name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<TopicConfig, E> {
        Ok(TopicConfig::Name(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<TopicConfig, A::Error> {
        TopicTable::deserialize(MapAccessDeserializer::new(table)).map(TopicConfig::Table)
    }
}

impl TopicConfig {
    /// Returns the topic's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Name(name) => name,
            Self::Table(table) => &table.name,
        }
    }

    /// Returns the account of events that do not say one, where it is set.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Name(_) => None,
            Self::Table(table) => table.account.as_deref(),
        }
    }

    /// Returns whether what it says is counted.
    pub fn counts(&self) -> bool {
        match self {
            Self::Name(_) => true,
            Self::Table(table) => table.counts,
        }
    }

    /// Returns the name of the format, where one is set.
    pub fn format(&self) -> Option<&str> {
        match self {
            Self::Name(_) => None,
            Self::Table(table) => table.format.as_deref(),
        }
    }
}

impl From<&str> for TopicConfig {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

fn default_group() -> String {
    "spikewatch".into()
}

fn default_cluster() -> String {
    "kafka".into()
}

fn default_topics() -> Vec<TopicConfig> {
    vec!["usage".into()]
}

fn default_dead_letter_topic() -> String {
    "dead-letters".into()
}

/// Properties that the delivery promises rest on; setting them is refused.
const OURS: &[&str] = &[
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "enable.partition.eof",
    "bootstrap.servers",
    "group.id",
];

impl KafkaConfig {
    /// Returns the properties set that the delivery promises do not allow to be set.
    pub fn refused_properties(&self) -> Vec<&str> {
        self.properties
            .keys()
            .map(String::as_str)
            .filter(|name| OURS.contains(name))
            .collect()
    }

    pub(crate) fn base_client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers);
        client.set("client.id", "spikewatch");
        client.set("socket.keepalive.enable", "true");
        client
    }

    /// Applies the user's properties that `role` (consumer or producer) understands.
    fn with_properties(&self, mut client: ClientConfig, other_role: &[&str]) -> ClientConfig {
        for (name, value) in &self.properties {
            if !other_role.contains(&name.as_str()) {
                client.set(name, value);
            }
        }
        client
    }

    pub(crate) fn consumer(&self) -> ClientConfig {
        let mut client = self.base_client();
        for (name, value) in [
            ("group.id", self.group.as_str()),
            // Offsets are committed by the checkpoint and nowhere else.
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            // A lost position is an error to be seen, not a silent jump.
            ("auto.offset.reset", "error"),
            ("enable.partition.eof", "true"),
            ("isolation.level", "read_committed"),
            ("check.crcs", "true"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("session.timeout.ms", "10000"),
            ("heartbeat.interval.ms", "2000"),
            ("max.poll.interval.ms", "60000"),
            ("statistics.interval.ms", "2000"),
            // The fetch queue is bounded small; the pipeline's own channel does the rest.
            ("fetch.wait.max.ms", "50"),
            ("fetch.max.bytes", "8388608"),
            ("max.partition.fetch.bytes", "1048576"),
            ("queued.max.messages.kbytes", "16384"),
            ("queued.min.messages", "20000"),
            // What one answer may hold, far beyond what is asked for: some brokers add up the
            // partitions beyond it, and an answer refused for its size is asked for again, for ever.
            ("receive.message.max.bytes", "100000000"),
        ] {
            client.set(name, value);
        }
        self.with_properties(client, PRODUCER_ONLY)
    }

    /// Returns the settings of who reads a topic whole, without a group.
    pub(crate) fn reader(&self) -> ClientConfig {
        let mut client = self.consumer();
        client.set("auto.offset.reset", "earliest");
        client.set("enable.partition.eof", "false");
        // Its client would log them.
        client.set("statistics.interval.ms", "0");
        client.remove("group.instance.id");
        client
    }

    pub(crate) fn producer(&self) -> ClientConfig {
        let mut client = self.base_client();
        for (name, value) in [
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("compression.type", "lz4"),
            ("linger.ms", "5"),
            ("message.timeout.ms", "30000"),
        ] {
            client.set(name, value);
        }
        self.with_properties(client, CONSUMER_ONLY)
    }
}

const CONSUMER_ONLY: &[&str] = &[
    "group.instance.id",
    "session.timeout.ms",
    "heartbeat.interval.ms",
    "max.poll.interval.ms",
    "partition.assignment.strategy",
    "isolation.level",
    "check.crcs",
    "fetch.wait.max.ms",
    "fetch.min.bytes",
    "fetch.max.bytes",
    "max.partition.fetch.bytes",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "group.protocol",
    "client.rack",
];

const PRODUCER_ONLY: &[&str] = &[
    "acks",
    "enable.idempotence",
    "compression.type",
    "linger.ms",
    "message.timeout.ms",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_of_one_role_stay_out_of_the_other() {
        let mut config = KafkaConfig {
            brokers: "127.0.0.1:1".into(),
            group: default_group(),
            cluster: default_cluster(),
            topics: default_topics(),
            dead_letter_topic: default_dead_letter_topic(),
            properties: BTreeMap::new(),
        };
        config
            .properties
            .insert("group.instance.id".into(), "one".into());
        config
            .properties
            .insert("enable.auto.commit".into(), "true".into());
        assert_eq!(config.consumer().get("group.instance.id"), Some("one"));
        assert_eq!(config.producer().get("group.instance.id"), None);
        assert_eq!(config.refused_properties(), ["enable.auto.commit"]);
    }
}
