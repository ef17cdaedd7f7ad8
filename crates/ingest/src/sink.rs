//! Writing records and waiting for every acknowledgement.

use std::time::Duration;

use async_trait::async_trait;
use model::{RecordSink, SourceError};
use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};

use crate::group::report;
use crate::sparing::Sparing;
use crate::{Error, KafkaConfig, TopicConfig};

/// Records that wait for an acknowledgement at a time.
const IN_FLIGHT: usize = 2_000;

/// A producer that has written a record only when all in-sync replicas have it.
pub struct KafkaSink {
    producer: FutureProducer<SinkContext>,
}

/// Hears what the producer's client reports.
#[derive(Default)]
struct SinkContext(Sparing);

impl ClientContext for SinkContext {
    fn error(&self, error: KafkaError, reason: &str) {
        report(&self.0, &error, reason);
    }
}

impl KafkaSink {
    /// Makes a producer; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::Setup`] when librdkafka does not accept the configuration.
    pub fn open(config: &KafkaConfig) -> Result<Self, Error> {
        let producer = config
            .producer()
            .create_with_context(SinkContext::default())
            .map_err(Error::Setup)?;
        Ok(Self { producer })
    }

    /// Reaches a broker and returns the partitions of each topic; 0 where there is no such topic.
    ///
    /// # Errors
    /// [`Error::Broker`] when no broker answers.
    pub fn probe(config: &KafkaConfig, wait: Duration) -> Result<Vec<(String, usize)>, Error> {
        let sink = Self::open(config)?;
        let metadata = sink
            .producer
            .client()
            .fetch_metadata(None, wait)
            .map_err(|source| Error::Broker {
                brokers: config.brokers.clone(),
                source,
            })?;
        let partitions_of = |topic: &TopicConfig| {
            let name = topic.name();
            let topic = metadata.topics().iter().find(|topic| topic.name() == name);
            (
                name.to_owned(),
                topic.map_or(0, |topic| topic.partitions().len()),
            )
        };
        Ok(config.topics.iter().map(partitions_of).collect())
    }
}

#[async_trait]
impl RecordSink for KafkaSink {
    async fn append(&self, topic: &str, records: &[(String, Vec<u8>)]) -> Result<(), SourceError> {
        let refused = |source: KafkaError| SourceError {
            message: format!("topic \"{topic}\" did not take a record: {source}"),
            transient: true,
        };
        let mut outcome = Ok(());
        // A bounded number is in flight; librdkafka batches them.
        for chunk in records.chunks(IN_FLIGHT) {
            let mut deliveries = Vec::with_capacity(chunk.len());
            for (key, payload) in chunk {
                let record = FutureRecord::to(topic).key(key).payload(payload);
                match self.producer.send_result(record) {
                    Ok(delivery) => deliveries.push(delivery),
                    Err((source, _)) => outcome = Err(refused(source)),
                }
            }
            for delivery in deliveries {
                match delivery.await {
                    Ok(Ok(_)) => {}
                    Ok(Err((source, _))) => outcome = Err(refused(source)),
                    Err(_) => outcome = Err(refused(KafkaError::Canceled)),
                }
            }
        }
        outcome
    }
}
