//! What can go wrong with Kafka.

use model::SourceError;
use rdkafka::error::KafkaError;

/// Why Kafka could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// librdkafka refused a setting or could not start.
    #[error("could not set up the Kafka client: {0}")]
    Setup(KafkaError),
    /// The broker was not reached or refused.
    #[error("Kafka at \"{brokers}\" did not do what it was asked: {source}")]
    Broker {
        /// The addresses tried.
        brokers: String,
        /// The cause.
        source: KafkaError,
    },
    /// A topic does not exist.
    #[error("topic \"{0}\" does not exist")]
    NoTopic(String),
    /// The poll thread is gone.
    #[error("the Kafka poll thread has ended")]
    ThreadEnded,
}

impl From<Error> for SourceError {
    fn from(error: Error) -> Self {
        let transient = matches!(error, Error::Broker { .. });
        SourceError {
            message: error.to_string(),
            transient,
        }
    }
}
