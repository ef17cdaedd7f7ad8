//! Kafka in and out: consumer group, back-pressure, start at a checkpoint; pollers that feed it, schemas of a registry; the embedded broker of the demo.
//!
//! - [`KafkaSource`] reads topics as a member of a consumer group, in offset order within each
//!   partition, holds a bounded amount in memory, and commits only when it is told to.
//! - [`KafkaSink`] appends records and waits for every acknowledgement.
//! - [`KafkaLog`] is a topic of one partition that several instances talk over.
//! - [`Poller`] asks providers for the feeds that exist only as APIs, and produces them.
//! - [`SchemaRegistry`] has the schemas of Avro and Protobuf at hand before records are decoded.
//! - [`EmbeddedBroker`] is librdkafka's own mock cluster: the real protocol, in process, for the
//!   demo and for tests.
//!
//! This is the only room that names `rdkafka`, and one of three that name `reqwest`.

mod broker;
mod config;
mod consumer;
mod error;
mod group;
mod http;
mod lag;
mod poll;
mod registry;
mod shared_log;
mod sink;
mod sparing;

pub use broker::EmbeddedBroker;
pub use config::{KafkaConfig, TopicConfig, TopicTable};
pub use consumer::{GroupRebalances, KafkaSource, StopAt};
pub use error::Error;
pub use lag::Lag;
pub use poll::{
    AnthropicPollConfig, FeedReport, FeedStatus, OpenaiPollConfig, PollConfig, PollDoors,
    PollError, PollLimits, Poller, RealSleep, Sleep,
};
pub use registry::{RegistryConfig, RegistryError, SchemaRegistry, WithSchemas};
pub use shared_log::KafkaLog;
pub use sink::KafkaSink;
