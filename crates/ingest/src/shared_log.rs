//! A topic of one partition that every instance writes to and reads whole.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{SharedLog, SourceError};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{Client, ClientContext, DefaultClientContext};
use rdkafka::consumer::{Consumer, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use tracing::{info, warn};

use crate::{Error, KafkaConfig};

/// How long a broker may take to answer.
const ASK_WAIT: Duration = Duration::from_secs(10);

/// How long messages are kept: longer than the oldest snapshot that is read on from, by far.
const RETENTION_MILLIS: &str = "604800000";

/// The largest message that is sent; instances keep theirs well below it.
const MESSAGE_BYTES: &str = "4194304";

/// One partition of one topic, see the module.
pub struct KafkaLog {
    config: KafkaConfig,
    topic: String,
    producer: FutureProducer,
    consumer: Arc<StreamConsumer>,
}

impl KafkaLog {
    /// Makes the clients; nothing is reached yet.
    ///
    /// # Errors
    /// [`Error::Setup`] when librdkafka does not accept the configuration.
    pub fn open(config: &KafkaConfig, topic: &str) -> Result<Self, Error> {
        let mut producer = config.producer();
        producer.set("message.max.bytes", MESSAGE_BYTES);
        // Somebody waits for each.
        producer.set("linger.ms", "0");
        producer.set("message.timeout.ms", "5000");
        Ok(Self {
            config: config.clone(),
            topic: topic.to_owned(),
            producer: producer.create().map_err(Error::Setup)?,
            consumer: Arc::new(config.reader().create().map_err(Error::Setup)?),
        })
    }

    /// Makes the topic if there is none; one of several partitions has no one order.
    async fn make_topic(&self) -> Result<(), SourceError> {
        if let Some(partitions) = self.partitions().await? {
            return self.refuse_other_than_one(partitions);
        }
        let admin: AdminClient<DefaultClientContext> =
            self.config.producer().create().map_err(Error::Setup)?;
        let topic = NewTopic::new(&self.topic, 1, TopicReplication::Fixed(-1))
            .set("retention.ms", RETENTION_MILLIS)
            .set("max.message.bytes", MESSAGE_BYTES);
        let options = AdminOptions::new().operation_timeout(Some(ASK_WAIT));
        let made = admin.create_topics([&topic], &options).await;
        let made = made.map_err(|err| self.broker(err))?;
        for outcome in made {
            match outcome {
                Ok(_) => info!(topic = self.topic, "made the topic that instances share"),
                // Another instance was faster.
                Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(self.broker(KafkaError::AdminOp(code)).into()),
            }
        }
        match self.partitions().await? {
            Some(partitions) => self.refuse_other_than_one(partitions),
            None => Err(SourceError {
                message: format!("topic \"{}\" is not there yet", self.topic),
                transient: true,
            }),
        }
    }

    async fn partitions(&self) -> Result<Option<usize>, SourceError> {
        let (consumer, topic) = (self.consumer.clone(), self.topic.clone());
        let asking = move || partitions(consumer.client(), &topic);
        self.ask(asking).await
    }

    /// Returns the offsets at which the log begins and ends.
    async fn ends(&self) -> Result<(i64, i64), SourceError> {
        let (consumer, topic) = (self.consumer.clone(), self.topic.clone());
        let asking = move || consumer.fetch_watermarks(&topic, 0, ASK_WAIT);
        self.ask(asking).await
    }

    /// Asks a broker, which takes a thread for as long as it takes.
    async fn ask<T: Send + 'static>(
        &self,
        asking: impl FnOnce() -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, SourceError> {
        let answer = tokio::task::spawn_blocking(asking).await;
        let answer = answer.map_err(|_| Error::ThreadEnded)?;
        answer.map_err(|err| self.broker(err).into())
    }

    fn refuse_other_than_one(&self, partitions: usize) -> Result<(), SourceError> {
        if partitions == 1 {
            return Ok(());
        }
        Err(SourceError {
            message: format!(
                "topic \"{}\", which instances share, has {partitions} partitions, and must have \
                 one; name another as instances.topic",
                self.topic
            ),
            transient: false,
        })
    }

    fn broker(&self, source: KafkaError) -> Error {
        Error::Broker {
            brokers: self.config.brokers.clone(),
            source,
        }
    }
}

/// Returns how many partitions a topic has, or nothing where there is none.
fn partitions<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
) -> Result<Option<usize>, KafkaError> {
    // All topics, because asking for one by its name may make it.
    let metadata = client.fetch_metadata(None, ASK_WAIT)?;
    let mut topics = metadata.topics().iter();
    let found = topics.find(|found| found.name() == topic);
    Ok(found
        .map(|found| found.partitions().len())
        .filter(|&partitions| partitions > 0))
}

#[async_trait]
impl SharedLog for KafkaLog {
    async fn read_from(&mut self, offset: Option<i64>) -> Result<bool, SourceError> {
        self.make_topic().await?;
        if let Some(offset) = offset {
            let (begin, end) = self.ends().await?;
            if end < offset {
                return Ok(false);
            }
            if begin > offset {
                warn!(
                    offset,
                    begin, "the log of the instances begins later by now"
                );
            }
        }
        let offset = offset.map_or(Offset::Beginning, Offset::Offset);
        let mut list = TopicPartitionList::new();
        let assigned = list
            .add_partition_offset(&self.topic, 0, offset)
            .and_then(|()| self.consumer.assign(&list));
        assigned.map_err(|err| self.broker(err))?;
        Ok(true)
    }

    async fn next(&mut self) -> Result<(i64, Vec<u8>), SourceError> {
        loop {
            match self.consumer.recv().await {
                Ok(message) => {
                    let payload = message.payload().unwrap_or_default().to_vec();
                    return Ok((message.offset(), payload));
                }
                // The client goes on trying.
                Err(error) if !is_final(&error) => {
                    warn!(%error, topic = self.topic, "could not read what instances share");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                Err(error) => return Err(self.broker(error).into()),
            }
        }
    }

    async fn append(&self, message: Vec<u8>) -> Result<i64, SourceError> {
        let record: FutureRecord<'_, (), _> =
            FutureRecord::to(&self.topic).partition(0).payload(&message);
        match self.producer.send(record, ASK_WAIT).await {
            Ok(delivery) if delivery.offset >= 0 => Ok(delivery.offset),
            Ok(_) => Err(SourceError {
                message: format!("topic \"{}\" does not say where a message is", self.topic),
                transient: true,
            }),
            Err((error, _)) => {
                let transient = !is_final(&error);
                let message = self.broker(error).to_string();
                Err(SourceError { message, transient })
            }
        }
    }
}

/// Returns whether trying again does not help.
fn is_final(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::Fatal
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::InvalidRecord
                | RDKafkaErrorCode::InvalidTopic
        )
    )
}
