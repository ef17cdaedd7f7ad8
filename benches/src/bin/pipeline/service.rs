//! The pipeline as the service has it, on a topic of the broker.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use casebook::Casebook;
use codec::{Codec, FingerprintSecret};
use columns::double::MemoryHistory;
use columns::{HistoryWriter, LiveRows};
use detector::{DetectorConfig, KeyDirectory};
use history::History;
use ingest::{KafkaConfig, KafkaSource, StopAt};
use model::{EventSource, Inventory, SystemClock};
use pipeline::{
    CheckpointConfig, Grouping, LiveTables, OnAlerts, Pipeline, PipelineVitals, Stages,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Failure;
use crate::broker::Broker;

/// Where casebook and history are.
#[derive(Clone, Debug)]
pub(crate) enum Keeps {
    InMemory,
    /// Below a folder.
    OnDisk(PathBuf),
}

/// What is run over a topic.
pub(crate) struct Service {
    config: KafkaConfig,
    folder: Option<PathBuf>,
}

/// A service that runs.
pub(crate) struct Running {
    pub(crate) vitals: Arc<PipelineVitals>,
    cancel: CancellationToken,
    pipeline: JoinHandle<Result<(), String>>,
    folder: Option<PathBuf>,
}

impl Service {
    /// Makes one on the topic of usage, with a group of its own.
    pub(crate) fn new(broker: &Broker, name: String, keeps: Keeps) -> Result<Self, Failure> {
        Self::on(broker, "usage", name, keeps)
    }

    /// Makes one on any topic.
    pub(crate) fn on(
        broker: &Broker,
        topic: &str,
        name: String,
        keeps: Keeps,
    ) -> Result<Self, Failure> {
        // Names of folders have no slashes.
        let name: String = name
            .chars()
            .filter(|c| c.is_alphanumeric() || *c == '-')
            .collect();
        let folder = match keeps {
            Keeps::InMemory => None,
            Keeps::OnDisk(below) => {
                let folder =
                    below.join(format!("spikewatch-pipeline-{}-{name}", std::process::id()));
                std::fs::create_dir_all(&folder)?;
                Some(folder)
            }
        };
        Ok(Self {
            config: broker.config(topic, &name),
            folder,
        })
    }

    /// Starts it.
    pub(crate) async fn start(
        self,
        inventory: &Inventory,
        on_alerts: OnAlerts,
    ) -> Result<Running, Failure> {
        let (casebook, history) = match &self.folder {
            None => (
                Casebook::in_memory().await?,
                Arc::new(MemoryHistory::default()) as Arc<dyn HistoryWriter>,
            ),
            Some(folder) => on_disk(folder).await?,
        };
        let vitals = Arc::new(PipelineVitals::default());
        let stages = Stages::new(
            Codec::new(FingerprintSecret::public_test_secret()),
            DetectorConfig::default(),
            Arc::new(KeyDirectory::new(inventory)),
            Grouping::ByPartition,
        );
        let pipeline = Pipeline {
            source: Box::new(KafkaSource::open(
                &self.config,
                BTreeMap::new(),
                StopAt::Never,
            )?),
            stages,
            threads: std::thread::available_parallelism()?,
            offsets: BTreeMap::new(),
            instances: None,
            snapshots: None,
            casebook,
            channels: Vec::new(),
            history,
            live: LiveRows::default(),
            tables: LiveTables::default(),
            dead_letter_topic: None,
            checkpoint: CheckpointConfig {
                rows: 100_000,
                interval: Duration::from_secs(5),
            },
            vitals: vitals.clone(),
            clock: Arc::new(SystemClock),
            on_alerts,
        };
        let cancel = CancellationToken::new();
        let running = pipeline.run(cancel.clone());
        let running = async { running.await.map(drop).map_err(|err| err.to_string()) };
        Ok(Running {
            vitals,
            cancel,
            pipeline: tokio::spawn(running),
            folder: self.folder,
        })
    }

    /// Runs over so many events until all are committed, and returns events a second, from the
    /// first on.
    pub(crate) async fn throughput(self, events: usize) -> Result<f64, Failure> {
        let running = self.start(&Inventory::default(), Box::new(|_| {})).await?;
        let count = || running.vitals.records.load(Ordering::Relaxed);
        let goes_on = || !running.pipeline.is_finished();
        while count() == 0 && goes_on() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (began, first) = (Instant::now(), count());
        while count() < events as u64 && goes_on() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let read = events as u64 - first;
        // The last rows are committed when it stops.
        running.stop().await?;
        Ok(read as f64 / began.elapsed().as_secs_f64())
    }
}

impl Running {
    /// Stops it with everything committed.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.cancel.cancel();
        self.pipeline.await??;
        if let Some(folder) = &self.folder {
            std::fs::remove_dir_all(folder)?;
        }
        Ok(())
    }
}

async fn on_disk(folder: &Path) -> Result<(Casebook, Arc<dyn HistoryWriter>), Failure> {
    let casebook = Casebook::open(&folder.join("casebook.db")).await?;
    let url = folder.join("history").display().to_string();
    Ok((casebook, Arc::new(History::open(&url, "bench").await?)))
}

/// Reads so many events by our source and does nothing with them; returns events a second.
pub(crate) async fn read(broker: &Broker, name: &str, events: usize) -> Result<f64, Failure> {
    let config = broker.config("usage", name);
    let mut source = KafkaSource::open(&config, BTreeMap::new(), StopAt::Never)?;
    let (mut read, mut first) = (0, None);
    while read < events {
        let Some(records) = source.next().await? else {
            break;
        };
        read += records.len();
        first.get_or_insert((Instant::now(), read));
    }
    let (began, before) = first.ok_or("nothing was read")?;
    Ok((read - before) as f64 / began.elapsed().as_secs_f64())
}
