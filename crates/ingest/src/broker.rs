//! A Kafka broker inside the process.

use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

use crate::Error;

/// librdkafka's mock cluster: real sockets on loopback and the real protocol, but no disk.
///
/// It silently drops the oldest records of a partition beyond about 5 MiB: whoever writes must
/// not run further ahead of the reader than [`EmbeddedBroker::SAFE_BYTES_AHEAD`].
pub struct EmbeddedBroker {
    cluster: MockCluster<'static, DefaultProducerContext>,
}

impl EmbeddedBroker {
    /// How many bytes may wait unread in one partition without being dropped.
    pub const SAFE_BYTES_AHEAD: usize = 2 << 20;

    /// Starts a broker and creates topics with their numbers of partitions.
    ///
    /// # Errors
    /// [`Error::Setup`] when librdkafka cannot start it.
    pub fn start(topics: &[(&str, i32)]) -> Result<Self, Error> {
        let cluster = MockCluster::new(1).map_err(Error::Setup)?;
        for (topic, partitions) in topics {
            cluster
                .create_topic(topic, *partitions, 1)
                .map_err(Error::Setup)?;
        }
        Ok(Self { cluster })
    }

    /// Returns the address to connect to.
    pub fn address(&self) -> String {
        self.cluster.bootstrap_servers()
    }
}
