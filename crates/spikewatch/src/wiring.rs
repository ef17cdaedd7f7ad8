//! Plugging the rooms of the house together.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use casebook::Casebook;
use codec::{Codec, FingerprintSecret, Unpriced};
use columns::LiveRows;
use detector::{KeyDirectory, ScoresWanted};
use history::{History, LiveSocket, Snapshots};
use ingest::{KafkaLog, KafkaSink, KafkaSource, Lag, Poller, SchemaRegistry, StopAt, WithSchemas};
use model::{AlertChannel, EventSource, Inventory, Partition, SystemClock, Timestamp};
use pipeline::{
    CheckpointConfig, DeadLetterTopic, Deliverer, Grouping, Instances, LiveTables, OnAlerts,
    Pipeline, PipelineVitals, PoisonFile, Restored, Stages, Watch,
};
use server::{AppState, FeedVitals, UnpricedModel, Vitals, VitalsSource};
use tracing::warn;

use crate::config::{self, CasebookPlace, Config, ConfigError, InstancesConfig};
use crate::lock::{DataDirLock, make_data_dir};
use crate::{decoding, files, polling, process};

/// How long the group may leave a partition with an instance that another has claimed.
const LOST_PATIENCE: Duration = Duration::from_secs(30);

/// Everything that one service consists of, ready to run.
pub(crate) struct Service {
    pub(crate) pipeline: Pipeline,
    pub(crate) pollers: Vec<Poller>,
    pub(crate) deliverer: Deliverer,
    pub(crate) watch: Watch,
    pub(crate) casebook: Casebook,
    pub(crate) vitals: Arc<PipelineVitals>,
    pub(crate) app_state: AppState,
    pub(crate) live_socket: Option<LiveSocket>,
    pub(crate) lock: DataDirLock,
    /// Where a stage of it crashed before.
    pub(crate) poison: PoisonFile,
}

/// What the callers of [`assemble`] decide.
pub(crate) struct Choices {
    pub(crate) stop_at: StopAt,
    /// Called with the alerts of each batch once they are durable.
    pub(crate) on_alerts: OnAlerts,
    /// Where incidents can be looked at.
    pub(crate) link_base: Option<String>,
}

/// Opens everything a service needs, in the order in which it can fail most cheaply.
pub(crate) async fn assemble(config: &Config, choices: Choices) -> anyhow::Result<Service> {
    // Before anything is made: a file that cannot be used is a wrong configuration.
    let mut codec = decoding::codec(config)?;
    let registry = schema_registry(config)?;
    if let Some(registry) = &registry {
        codec = codec.with_schemas(Arc::new(registry.clone()));
    }
    let lock = DataDirLock::take(&config.data_dir)?;
    let secret = fingerprint_secret(&config.fingerprint_secret_file())?;
    let channels = notify::channels(config.notify.clone()).context("set up [notify]")?;
    let casebook = open_casebook(config).await?;
    let inventory = load_inventory(config, &secret, &casebook).await?;
    let history = History::open(&config.history_url(), &config.kafka.cluster)
        .await
        .context("open history")?;
    let codec = codec.with_secret(secret);
    let directory = Arc::new(KeyDirectory::new(&inventory));
    let poison = config.poison_path();
    let poison = PoisonFile::open(&poison)
        .with_context(|| format!("read what crashed before from \"{}\"", poison.display()))?;
    let make_stages = || {
        let (codec, detector) = (codec.clone(), config.detector.clone());
        Stages::new(codec, detector, directory.clone(), Grouping::ByPartition)
            .with_scores(ScoresWanted::Notable)
            .with_poison(&poison)
    };
    let snapshots = config.snapshots();
    let restored = match config.instances {
        // What is known of a partition is restored when it comes.
        Some(_) => Restored {
            stages: make_stages(),
            offsets: BTreeMap::new(),
        },
        None => snapshots
            .restore(&history, make_stages)
            .await
            .context("restore a snapshot")?,
    };
    let (source, instances) = match &config.instances {
        Some(instances) => {
            let (source, instances) = share(config, instances, choices.stop_at)?;
            (source, Some(instances))
        }
        None => {
            let start = restored.offsets.clone();
            let source = KafkaSource::open(&config.kafka, start, choices.stop_at);
            (source.context("open Kafka")?, None)
        }
    };
    let sink = Arc::new(KafkaSink::open(&config.kafka).context("open Kafka")?);
    let pollers = polling::pollers(config, &config.poll, sink.clone(), &casebook)?;
    let vitals = Arc::new(PipelineVitals::default());
    let live = LiveRows::default();
    let tables = LiveTables::default();
    let mut lent = tables.sources();
    lent.push(Arc::new(live.clone()));
    let live_socket = match LiveSocket::bind(&config.live_socket(), lent) {
        Ok(socket) => Some(socket),
        Err(error) => {
            warn!(%error, "other processes cannot see rows before they are committed");
            None
        }
    };
    let app_vitals = AppVitals::new(vitals.clone(), source.lag(), codec);
    let clock = Arc::new(SystemClock);
    let pipeline = Pipeline {
        source: match registry {
            Some(registry) => Box::new(WithSchemas::new(source, registry)) as Box<dyn EventSource>,
            None => Box::new(source),
        },
        stages: restored.stages,
        threads: config.pipeline.threads(),
        offsets: restored.offsets,
        snapshots: Some(snapshots),
        casebook: casebook.clone(),
        channels: channels
            .iter()
            .map(|channel| channel.name().to_owned())
            .collect(),
        history: Arc::new(history),
        live,
        tables,
        dead_letter_topic: Some(DeadLetterTopic {
            sink,
            topic: config.kafka.dead_letter_topic.clone(),
        }),
        checkpoint: CheckpointConfig {
            rows: config.history.commit_rows.max(1),
            interval: Duration::from_secs(config.history.commit_interval_secs.max(1)),
        },
        vitals: vitals.clone(),
        clock: clock.clone(),
        on_alerts: choices.on_alerts,
        instances,
    };
    let watch = Watch::new(vitals.clone(), channels.clone(), clock.clone());
    let deliverer = Deliverer {
        instance: config
            .instances
            .as_ref()
            .map(|instances| instances.name.clone()),
        casebook: casebook.clone(),
        channels,
        vitals: vitals.clone(),
        clock,
        link_base: choices.link_base,
    };
    let app_state = AppState {
        casebook: casebook.clone(),
        vitals: Arc::new(app_vitals),
    };
    Ok(Service {
        pipeline,
        pollers,
        deliverer,
        watch,
        casebook,
        vitals,
        app_state,
        live_socket,
        lock,
        poison,
    })
}

/// Joins the group as one of several instances.
fn share(
    config: &Config,
    instances: &InstancesConfig,
    stop_at: StopAt,
) -> anyhow::Result<(KafkaSource, Instances)> {
    let url = config.snapshots.url.as_deref().unwrap_or_default();
    let store = Snapshots::open(url).context("open [snapshots]")?;
    let log = KafkaLog::open(&config.kafka, &instances.topic).context("open Kafka")?;
    let (source, rebalances) =
        KafkaSource::open_shared(&config.kafka, &instances.name, stop_at).context("open Kafka")?;
    let instances = Instances {
        name: instances.name.clone(),
        rebalances: Box::new(rebalances),
        log: Box::new(log),
        log_name: instances.topic.clone(),
        store: Arc::new(store),
        cluster: config.kafka.cluster.clone(),
        patience: LOST_PATIENCE,
    };
    Ok((source, instances))
}

/// Makes the client of the schema registry, where one is named.
pub(crate) fn schema_registry(config: &Config) -> Result<Option<SchemaRegistry>, ConfigError> {
    if config.registry.url.is_none() {
        return Ok(None);
    }
    SchemaRegistry::new(&config.registry, Arc::new(SystemClock))
        .map(Some)
        .map_err(|err| config::refused(config, "registry", err.to_string()))
}

/// Opens the casebook of a data folder, and makes both where there is none.
pub(crate) async fn open_casebook(config: &Config) -> anyhow::Result<Casebook> {
    make_data_dir(&config.data_dir)?;
    match config.casebook()? {
        CasebookPlace::File(path) => Casebook::open(&path)
            .await
            .with_context(|| format!("open casebook \"{}\"", path.display())),
        CasebookPlace::Server(url) => Ok(Casebook::connect(url.expose()).await?),
    }
}

/// Opens the casebook of a data folder that must be there already.
pub(crate) async fn existing_casebook(config: &Config) -> anyhow::Result<Casebook> {
    if let CasebookPlace::File(path) = config.casebook()?
        && !path.exists()
    {
        bail!(
            "there is no casebook at \"{}\" yet; `spikewatch run` makes it",
            path.display()
        );
    }
    open_casebook(config).await
}

/// Reads the inventory file, keeps keys out of it as out of events, and puts it into the casebook.
pub(crate) async fn load_inventory(
    config: &Config,
    secret: &FingerprintSecret,
    casebook: &Casebook,
) -> anyhow::Result<Inventory> {
    if let Some(file) = &config.inventory.file {
        let inventory = protected(files::inventory(file)?, secret);
        casebook
            .put_inventory(&inventory)
            .await
            .context("store the inventory")?;
    }
    casebook.inventory().await.context("read the inventory")
}

/// Gives keys of an inventory the same identity as the codec gives those of events.
pub(crate) fn protected(mut inventory: Inventory, secret: &FingerprintSecret) -> Inventory {
    let identify = |key: &mut String| {
        if let Some(fingerprint) = secret.identify(key, true) {
            *key = fingerprint.key;
        }
    };
    for entry in &mut inventory.keys {
        identify(&mut entry.key);
        entry.replaces.iter_mut().for_each(identify);
    }
    inventory
        .changes
        .iter_mut()
        .filter_map(|change| change.key.as_mut())
        .for_each(identify);
    inventory
}

/// Reads the secret that keys fingerprints, or makes one that only its owner can read.
pub(crate) fn fingerprint_secret(path: &Path) -> anyhow::Result<FingerprintSecret> {
    let secret = files::own_secret(path, "fingerprint secret")?;
    Ok(FingerprintSecret::new(secret.into_bytes()))
}

/// The pipeline's vitals as the pages want them.
struct AppVitals {
    vitals: Arc<PipelineVitals>,
    lag: Lag,
    /// Knows what had no price.
    codec: Codec,
    started: Instant,
    started_at: Timestamp,
    rate: std::sync::Mutex<(Instant, u64, f64)>,
}

impl AppVitals {
    fn new(vitals: Arc<PipelineVitals>, lag: Lag, codec: Codec) -> Self {
        let started = Instant::now();
        let rate = std::sync::Mutex::new((started, 0, 0.0));
        Self {
            vitals,
            lag,
            codec,
            started,
            started_at: process::now(),
            rate,
        }
    }

    /// Returns how each partition is doing, those too of which nothing has come yet.
    fn feeds(&self) -> Vec<FeedVitals> {
        let (lags, known) = (self.lag.by_partition(), self.vitals.partitions());
        let all: BTreeSet<&Partition> = lags.keys().chain(known.keys()).collect();
        let feed = |partition: &Partition| {
            let vitals = known.get(partition).copied().unwrap_or_default();
            FeedVitals {
                topic: partition.topic.to_string(),
                partition: partition.number,
                lag_records: lags.get(partition).copied(),
                watermark: vitals.watermark,
                newest_record: vitals.newest_record,
                is_idle: vitals.is_idle,
            }
        };
        all.into_iter().map(feed).collect()
    }

    /// Returns records a second over at least the last second.
    fn events_per_second(&self, records: u64) -> f64 {
        let mut rate = self
            .rate
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let (since, before, last) = *rate;
        let elapsed = since.elapsed().as_secs_f64();
        if elapsed < 1.0 {
            let whole = self.started.elapsed().as_secs_f64().max(0.001);
            return if last > 0.0 {
                last
            } else {
                records as f64 / whole
            };
        }
        let now = (records - before) as f64 / elapsed;
        *rate = (Instant::now(), records, now);
        now
    }
}

impl VitalsSource for AppVitals {
    fn vitals(&self) -> Vitals {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let events = count(&self.vitals.records);
        Vitals {
            started_at: self.started_at,
            events,
            events_per_second: self.events_per_second(events),
            rows: count(&self.vitals.rows),
            dead_letters: count(&self.vitals.dead_letters),
            duplicates: count(&self.vitals.duplicates),
            alerts: count(&self.vitals.alerts),
            keys_tracked: count(&self.vitals.keys),
            lag_records: Some(self.lag.total()),
            watermark: self.vitals.watermark(),
            caught_up: self.vitals.caught_up.load(Ordering::Relaxed),
            last_checkpoint: self.vitals.last_checkpoint(),
            history_rows: count(&self.vitals.history_rows),
            state_bytes: count(&self.vitals.state_bytes),
            snapshots: count(&self.vitals.snapshots),
            snapshot_failures: count(&self.vitals.snapshot_failures),
            snapshot_bytes: count(&self.vitals.snapshot_bytes),
            snapshot_seconds: count(&self.vitals.snapshot_millis) as f64 / 1e3,
            snapshot_pause_seconds: count(&self.vitals.snapshot_pause_millis) as f64 / 1e3,
            unpriced: self.codec.unpriced().into_iter().map(unpriced).collect(),
            unreadable: self
                .vitals
                .unreadable()
                .into_iter()
                .map(|partition| (partition.topic.to_string(), partition.number))
                .collect(),
            batches_in_work: count(&self.vitals.batches_in_work),
            rows_waiting: count(&self.vitals.rows_waiting),
            rows_waiting_limit: count(&self.vitals.rows_waiting_limit),
            commit_seconds: count(&self.vitals.commit_millis) as f64 / 1e3,
            commit_failures: count(&self.vitals.commit_failures),
            effect_failures: count(&self.vitals.effect_failures),
            partitions: self.feeds(),
            last_error: self.vitals.last_error(),
        }
    }
}

fn unpriced(unpriced: Unpriced) -> UnpricedModel {
    let Unpriced {
        provider,
        model,
        events,
        tokens,
    } = unpriced;
    UnpricedModel {
        provider,
        model,
        events,
        tokens,
    }
}

/// Names the channels that are configured.
pub(crate) fn channel_names(channels: &[Arc<dyn AlertChannel>]) -> Vec<String> {
    channels
        .iter()
        .map(|channel| channel.name().to_owned())
        .collect()
}
