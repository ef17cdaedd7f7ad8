//! Kafka in and out: consumer group, back-pressure, start at a checkpoint; the embedded broker of the demo.
//!
//! - [`KafkaSource`] reads topics as a member of a consumer group, in offset order within each
//!   partition, holds a bounded amount in memory, and commits only when it is told to.
//! - [`KafkaSink`] appends records and waits for every acknowledgement.
//! - [`EmbeddedBroker`] is librdkafka's own mock cluster: the real protocol, in process, for the
//!   demo and for tests.
//!
//! This is the only room that names `rdkafka`.

mod broker;
mod config;
mod consumer;
mod error;
mod group;
mod sink;

pub use broker::EmbeddedBroker;
pub use config::{KafkaConfig, TopicConfig, TopicTable};
pub use consumer::{KafkaSource, StopAt};
pub use error::Error;
pub use sink::KafkaSink;
