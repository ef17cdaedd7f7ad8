//! Reading topics as a member of a consumer group.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{
    EventSource, OffsetRange, Partition, Rebalance, Rebalances, Records, SourceError, Timestamp,
};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::producer::BaseProducer;
use rdkafka::types::RDKafkaErrorCode;
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use crate::group::{GroupContext, Positions, Unread, report};
use crate::sparing::Sparing;
use crate::{Error, KafkaConfig, Lag, TopicConfig};

/// Records of one batch, and how long the first of them waits for company.
const BATCH_RECORDS: usize = 4096;
const BATCH_BYTES: usize = 1 << 20;
const BATCH_WAIT: Duration = Duration::from_millis(20);

/// Batches between the poll thread and the pipeline: at most some 8 MiB.
const CHANNEL_BATCHES: usize = 8;

/// How long `StopAt::End` waits for a topic to appear.
const TOPIC_WAIT: Duration = Duration::from_secs(30);

/// The property that has the address of the brokers.
const ADDRESS: &str = "bootstrap.servers";

/// How long an instance may have no partition until it has nothing to catch up with.
const EMPTY_PATIENCE: Duration = Duration::from_secs(10);

/// How long the poll thread may take to answer; it asks the broker now and then.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// How long it may take to leave the group and to have the last offsets taken. A broker that is
/// silent would take minutes, and nothing depends on either.
const LEAVE_WAIT: Duration = Duration::from_secs(5);

/// When a source has nothing more to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopAt {
    /// Never: the service.
    Never,
    /// When every partition has been read to the end offset seen at start.
    End,
}

/// Topics of one cluster, read as a member of a consumer group.
///
/// A thread of its own polls and never waits for the pipeline: when the pipeline is slow the
/// partitions are paused and polling goes on, so that the group does not lose the member.
pub struct KafkaSource {
    batches: mpsc::Receiver<Result<Records, Error>>,
    commands: std::sync::mpsc::Sender<Command>,
    caught_up: Arc<AtomicBool>,
    lag: Lag,
    unread: Unread,
    /// Whether it is one of several instances.
    is_shared: bool,
    thread: Option<std::thread::JoinHandle<()>>,
    /// Hangs up once the thread has ended.
    ended: std::sync::mpsc::Receiver<()>,
}

enum Command {
    Commit(Vec<OffsetRange>, oneshot::Sender<Result<(), KafkaError>>),
    Stop,
}

impl KafkaSource {
    /// Joins the group and begins to read; a partition without an entry in `start` is read from
    /// its beginning.
    ///
    /// # Errors
    /// [`Error::Setup`] when librdkafka does not accept the configuration.
    pub fn open(
        config: &KafkaConfig,
        start: BTreeMap<Partition, i64>,
        stop_at: StopAt,
    ) -> Result<Self, Error> {
        Self::join(config, config.consumer(), start, None, stop_at)
    }

    /// Joins the group as one of several instances, each with a name of its own that stays: after
    /// a short absence it has the same partitions again. From where each is read the second part
    /// of the answer is asked.
    ///
    /// # Errors
    /// [`Error::Setup`] when librdkafka does not accept the configuration.
    pub fn open_shared(
        config: &KafkaConfig,
        instance: &str,
        stop_at: StopAt,
    ) -> Result<(Self, GroupRebalances), Error> {
        let mut client = config.consumer();
        for (name, value) in [
            ("group.instance.id", instance),
            // What is known of a million keys is restored before anything is polled.
            ("max.poll.interval.ms", "300000"),
        ] {
            if !config.properties.contains_key(name) {
                client.set(name, value);
            }
        }
        // Unbounded, but whoever sends waits for each answer.
        let (keeper, rebalances) = mpsc::unbounded_channel();
        let source = Self::join(config, client, BTreeMap::new(), Some(keeper), stop_at)?;
        Ok((source, GroupRebalances(rebalances)))
    }

    fn join(
        config: &KafkaConfig,
        client: ClientConfig,
        start: BTreeMap<Partition, i64>,
        keeper: Option<mpsc::UnboundedSender<Rebalance>>,
        stop_at: StopAt,
    ) -> Result<Self, Error> {
        let is_shared = keeper.is_some();
        let positions = Positions::default();
        *positions.lock() = start;
        let unread = Unread::default();
        let caught_up = Arc::new(AtomicBool::new(false));
        let context = GroupContext {
            positions: positions.clone(),
            ends: Positions::default(),
            unread: unread.clone(),
            assignments: AtomicU64::new(0),
            sparing: Sparing::default(),
            keeper,
            gone: Mutex::default(),
            caught_up: caught_up.clone(),
        };
        let consumer: BaseConsumer<GroupContext> =
            client.create_with_context(context).map_err(Error::Setup)?;
        let topics: Vec<&str> = config.topics.iter().map(TopicConfig::name).collect();
        consumer.subscribe(&topics).map_err(Error::Setup)?;

        let (batch_sender, batches) = mpsc::channel(CHANNEL_BATCHES);
        // Unbounded, but the only sender waits for each answer, and not for ever.
        let (commands, command_receiver) = std::sync::mpsc::channel();
        let lag = Lag::default();
        let poller = Poller {
            consumer,
            positions,
            stop_at,
            batches: batch_sender,
            commands: command_receiver,
            caught_up: caught_up.clone(),
            lag: lag.clone(),
            topics: topics.into_iter().map(str::to_owned).collect(),
            brokers: config.brokers.clone(),
            gathered: BTreeMap::new(),
            waiting: VecDeque::new(),
            targets: BTreeMap::new(),
            assignments_seen: 0,
            paused: false,
            paused_of: 0,
            empty_since: Instant::now(),
            opened_at: Instant::now(),
        };
        let (ends, ended) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("kafka-poll".into())
            .spawn(move || {
                let _ends_last = ends;
                poller.run();
            })
            .map_err(|_| Error::ThreadEnded)?;
        Ok(Self {
            batches,
            commands,
            caught_up,
            lag,
            unread,
            is_shared,
            thread: Some(thread),
            ended,
        })
    }

    /// Checks, without a broker, that librdkafka accepts the configuration.
    ///
    /// # Errors
    /// [`Error::Setup`] when it does not.
    pub fn check(config: &KafkaConfig) -> Result<(), Error> {
        // Without an address a client reaches nothing.
        let mut client = config.consumer();
        let consumer: Result<BaseConsumer, _> = client.remove(ADDRESS).create();
        consumer.map_err(Error::Setup)?;
        let mut client = config.producer();
        let producer: Result<BaseProducer, _> = client.remove(ADDRESS).create();
        producer.map(drop).map_err(Error::Setup)
    }

    /// Returns a handle on how many records are in the log and were not read yet, as far as the
    /// client knows; it asks every two seconds.
    pub fn lag(&self) -> Lag {
        self.lag.clone()
    }
}

#[async_trait]
impl EventSource for KafkaSource {
    async fn next(&mut self) -> Result<Option<Records>, SourceError> {
        match self.batches.recv().await {
            Some(Ok(records)) => Ok(Some(records)),
            Some(Err(error)) => Err(error.into()),
            None => Ok(None),
        }
    }

    async fn commit(&mut self, ranges: &[OffsetRange]) -> Result<(), SourceError> {
        let (answer, answered) = oneshot::channel();
        let ended = |_| SourceError::from(Error::ThreadEnded);
        self.commands
            .send(Command::Commit(ranges.to_vec(), answer))
            .map_err(|_| SourceError::from(Error::ThreadEnded))?;
        if self.is_shared {
            // The thread may be waiting for us to answer about partitions.
            return Ok(());
        }
        let could_not = |why: String| SourceError {
            message: format!("could not commit offsets: {why}"),
            transient: true,
        };
        tokio::time::timeout(ANSWER_WAIT, answered)
            .await
            .map_err(|_| could_not("the broker does not answer".into()))?
            .map_err(ended)?
            .map_err(|source| could_not(source.to_string()))
    }

    fn caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire) && self.batches.is_empty()
    }

    fn partitions(&self) -> BTreeMap<Partition, bool> {
        let unread = self.unread.lock();
        let lags = self.lag.by_partition().into_keys();
        lags.map(|partition| {
            let has_unread = unread.contains(&partition);
            (partition, has_unread)
        })
        .collect()
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        // The thread may have ended by itself; then there is nobody to tell.
        let _ = self.commands.send(Command::Stop);
        self.batches.close();
        if let Err(RecvTimeoutError::Timeout) = self.ended.recv_timeout(LEAVE_WAIT) {
            warn!(
                "the broker does not answer: the group finds out by itself that this member left"
            );
            return;
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What happens to the partitions of an instance, see [`KafkaSource::open_shared`].
pub struct GroupRebalances(mpsc::UnboundedReceiver<Rebalance>);

#[async_trait]
impl Rebalances for GroupRebalances {
    async fn next(&mut self) -> Rebalance {
        match self.0.recv().await {
            Some(rebalance) => rebalance,
            None => std::future::pending().await,
        }
    }
}

/// The poll thread's own state.
struct Poller {
    consumer: BaseConsumer<GroupContext>,
    positions: Positions,
    stop_at: StopAt,
    batches: mpsc::Sender<Result<Records, Error>>,
    commands: std::sync::mpsc::Receiver<Command>,
    caught_up: Arc<AtomicBool>,
    lag: Lag,
    topics: Vec<String>,
    brokers: String,
    /// Batches still filling, by partition.
    gathered: BTreeMap<Partition, Records>,
    /// Batches the channel had no room for, in order.
    waiting: VecDeque<Records>,
    /// The end offset of each assigned partition when it was assigned.
    targets: BTreeMap<Partition, i64>,
    assignments_seen: u64,
    paused: bool,
    /// The assignment that is paused, or not.
    paused_of: u64,
    /// When there was a partition last.
    empty_since: Instant,
    opened_at: Instant,
}

/// Whether the poll loop goes on.
enum Flow {
    Continue,
    Stop,
}

impl Poller {
    fn run(mut self) {
        let mut gathering_since: Option<Instant> = None;
        loop {
            if let Flow::Stop = self.obey() {
                return;
            }
            self.poll_once();
            if self.gathered.is_empty() {
                gathering_since = None;
            } else {
                gathering_since.get_or_insert_with(Instant::now);
            }
            let full = self.gathered.values().any(|records| {
                records.len() >= BATCH_RECORDS || records.payload_bytes() >= BATCH_BYTES
            });
            if full || gathering_since.is_some_and(|since| since.elapsed() >= BATCH_WAIT) {
                self.waiting
                    .extend(std::mem::take(&mut self.gathered).into_values());
                gathering_since = None;
            }
            if let Flow::Stop = self.hand_over() {
                return;
            }
            self.watch_ends();
            let drained = self.gathered.is_empty() && self.waiting.is_empty();
            if self.stop_at == StopAt::End && self.caught_up.load(Ordering::Acquire) && drained {
                info!("every partition has been read to the end seen at start");
                break;
            }
        }
        self.serve_commits_until_dropped();
    }

    /// After the last batch: closes the channel, but goes on polling (a member that does not
    /// poll is thrown out) and committing until the source is dropped.
    fn serve_commits_until_dropped(mut self) {
        let (closed, _) = mpsc::channel(1);
        self.batches = closed;
        if let Ok(assignment) = self.consumer.assignment()
            && let Err(error) = self.consumer.pause(&assignment)
        {
            warn!(%error, "could not pause partitions after their end");
        }
        while let Flow::Continue = self.obey() {
            drop(self.consumer.poll(Duration::from_millis(20)));
        }
    }

    fn obey(&mut self) -> Flow {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Commit(ranges, answer)) => {
                    let outcome = self.commit(&ranges);
                    // The asker may have given up; the commit stands.
                    let _ = answer.send(outcome);
                }
                Ok(Command::Stop) | Err(std::sync::mpsc::TryRecvError::Disconnected) => {
                    return Flow::Stop;
                }
                Err(std::sync::mpsc::TryRecvError::Empty) => return Flow::Continue,
            }
        }
    }

    fn commit(&self, ranges: &[OffsetRange]) -> Result<(), KafkaError> {
        let mut list = TopicPartitionList::new();
        for range in ranges {
            let Partition { topic, number } = &range.partition;
            list.add_partition_offset(topic, *number, Offset::Offset(range.end))?;
        }
        if list.count() == 0 {
            Ok(())
        } else {
            // Whoever polls does not wait; what came of it is told to the context.
            self.consumer.commit(&list, CommitMode::Async)
        }
    }

    fn poll_once(&mut self) {
        let deadline = Instant::now() + BATCH_WAIT;
        let mut wait = if self.paused {
            Duration::from_millis(5)
        } else {
            BATCH_WAIT
        };
        for _ in 0..BATCH_RECORDS {
            let polled = self.consumer.poll(wait);
            // Before what was polled, which may be of one that has come again.
            let gone = self.consumer.context().take_gone();
            if !gone.is_empty() {
                // It is read again from where it was saved.
                self.gathered
                    .retain(|partition, _| !gone.contains(partition));
                self.waiting
                    .retain(|records| !gone.contains(records.partition()));
                self.targets
                    .retain(|partition, _| !gone.contains(partition));
                // What has come at the same moment has its end looked for.
                self.assignments_seen = 0;
            }
            match polled {
                None => return,
                Some(Ok(message)) => {
                    let partition = Partition::new(message.topic(), message.partition());
                    let offset = message.offset();
                    let mut positions = self.positions.lock();
                    let position = positions.entry(partition.clone()).or_insert(offset);
                    // A rebalance may deliver again what was delivered before.
                    if offset >= *position {
                        let start = *position;
                        *position = offset + 1;
                        let records = self
                            .gathered
                            .entry(partition.clone())
                            .or_insert_with(|| Records::new(partition, start));
                        let time = message.timestamp().to_millis().filter(|&millis| millis > 0);
                        let payload = message.payload().unwrap_or_default();
                        let time = time.map(Timestamp::from_millis);
                        let headers = message.headers().into_iter().flat_map(Headers::iter);
                        let headers =
                            headers.map(|header| (header.key, header.value.unwrap_or_default()));
                        records.push_with_headers(offset, time, payload, headers);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(number))) => self.reached_end(number),
                Some(Err(error)) => self.report(error),
            }
            if Instant::now() >= deadline {
                return;
            }
            wait = Duration::ZERO;
        }
    }

    /// The end of a partition may lie behind control records that are never delivered.
    fn reached_end(&mut self, number: i32) {
        let mut of_number = self
            .targets
            .keys()
            .filter(|partition| partition.number == number);
        if let (Some(partition), None) = (of_number.next().cloned(), of_number.next()) {
            self.targets.insert(partition, 0);
        }
    }

    fn report(&mut self, error: KafkaError) {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                if self.stop_at == StopAt::End && self.opened_at.elapsed() > TOPIC_WAIT {
                    self.fail(Error::NoTopic(self.topics.join(", ")));
                } else {
                    warn!(topics = ?self.topics, "topic does not exist yet, waiting for it");
                }
            }
            Some(
                RDKafkaErrorCode::AutoOffsetReset
                | RDKafkaErrorCode::OffsetOutOfRange
                | RDKafkaErrorCode::Fatal
                | RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed,
            ) => {
                self.fail(Error::Broker {
                    brokers: self.brokers.clone(),
                    source: error,
                });
            }
            // Told by the context, too, with its reason.
            _ => report(&self.consumer.context().sparing, &error, "read"),
        }
    }

    fn fail(&mut self, error: Error) {
        // The pipeline ends on the first error; later ones have no reader.
        let _ = self.batches.blocking_send(Err(error));
    }

    /// Hands batches to the pipeline as far as there is room; without room the partitions rest.
    fn hand_over(&mut self) -> Flow {
        while let Some(records) = self.waiting.pop_front() {
            match self.batches.try_send(Ok(records)) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(Ok(records))) => {
                    self.waiting.push_front(records);
                    break;
                }
                Err(_) => return Flow::Stop,
            }
        }
        let rest = !self.waiting.is_empty();
        // A partition that has come is not paused with the others, or still is from before.
        let assignments = self.consumer.context().assignments.load(Ordering::Acquire);
        if (rest != self.paused || assignments != self.paused_of)
            && let Ok(assignment) = self.consumer.assignment()
        {
            let outcome = if rest {
                self.consumer.pause(&assignment)
            } else {
                self.consumer.resume(&assignment)
            };
            match outcome {
                Ok(()) => (self.paused, self.paused_of) = (rest, assignments),
                Err(error) => warn!(%error, rest, "could not pause or resume"),
            }
        }
        Flow::Continue
    }

    /// Asks for the ends of newly assigned partitions, and says when all have been reached.
    fn watch_ends(&mut self) {
        let assignments = self.consumer.context().assignments.load(Ordering::Acquire);
        if assignments != self.assignments_seen {
            let Ok(assignment) = self.consumer.assignment() else {
                return;
            };
            let assigned: BTreeSet<Partition> = assignment
                .elements()
                .iter()
                .map(|element| Partition::new(element.topic(), element.partition()))
                .collect();
            self.targets
                .retain(|partition, _| assigned.contains(partition));
            for element in assignment.elements() {
                let partition = Partition::new(element.topic(), element.partition());
                if self.targets.contains_key(&partition) {
                    continue;
                }
                let wait = Duration::from_secs(10);
                match self
                    .consumer
                    .fetch_watermarks(element.topic(), element.partition(), wait)
                {
                    Ok((low, high)) => {
                        self.positions
                            .lock()
                            .entry(partition.clone())
                            .or_insert(low);
                        self.targets.insert(partition, high);
                    }
                    Err(error) => {
                        warn!(%error, %partition, "could not ask for the end offset, trying again");
                        return;
                    }
                }
            }
            self.assignments_seen = assignments;
        }
        if self.targets.is_empty() {
            let is_shared = self.consumer.context().keeper.is_some();
            if is_shared && self.empty_since.elapsed() > EMPTY_PATIENCE {
                self.caught_up.store(true, Ordering::Release);
            }
            return;
        }
        self.empty_since = Instant::now();
        let positions = self.positions.lock();
        let unread = |partition: &Partition, end: i64| {
            (end - positions.get(partition).copied().unwrap_or(0)).max(0)
        };
        let lag: i64 = self
            .targets
            .iter()
            .map(|(partition, end)| unread(partition, *end))
            .sum();
        let ends = self.consumer.context().ends.lock();
        // The client learns of newer ends only now and then.
        let known_end = |partition: &Partition| ends.get(partition).copied().unwrap_or(0);
        let newest_lag = self
            .targets
            .iter()
            .map(|(p, end)| (p, unread(p, known_end(p).max(*end)).unsigned_abs()));
        self.lag.set(newest_lag);
        if lag == 0 && self.gathered.is_empty() && self.waiting.is_empty() {
            self.caught_up.store(true, Ordering::Release);
        }
    }
}
