//! How many events a second pass through the whole pipeline from the embedded broker, against
//! the same broker read without doing anything?

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use benches::zipf_records;
use casebook::Casebook;
use codec::{Codec, FingerprintSecret};
use columns::LiveRows;
use columns::double::MemoryHistory;
use detector::{DetectorConfig, KeyDirectory};
use ingest::{EmbeddedBroker, KafkaConfig, KafkaSink, KafkaSource, StopAt};
use model::{EventSource, RecordSink, SystemClock};
use pipeline::{CheckpointConfig, Grouping, LiveTables, Pipeline, PipelineVitals, Stages};
use tokio_util::sync::CancellationToken;

const EVENTS: usize = 300_000;
const KEYS: usize = 10_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let records = zipf_records(EVENTS, KEYS, 21_000);
    let lines: Vec<(String, Vec<u8>)> = records
        .iter()
        .map(|record| (format!("{}", record.offset % 97), record.payload.to_vec()))
        .collect();
    println!("pipeline: {EVENTS} events of {KEYS} keys through the embedded broker");
    for round in 0..3 {
        let bare = bare(&lines).await?;
        let whole = whole(&lines).await?;
        println!(
            "  round {round}: read only {bare:9.0} events/s, decode + detect + casebook {whole:9.0} events/s, {:.0} %",
            100.0 * whole / bare
        );
    }
    Ok(())
}

fn config(broker: &EmbeddedBroker) -> KafkaConfig {
    KafkaConfig {
        brokers: broker.address(),
        group: "bench".into(),
        cluster: "bench".into(),
        topics: vec!["usage".into()],
        dead_letter_topic: "dead-letters".into(),
        properties: BTreeMap::new(),
    }
}

/// Writes the lines, never further ahead of `bytes_read` than the broker can hold.
async fn feed(
    config: KafkaConfig,
    lines: Vec<(String, Vec<u8>)>,
    bytes_read: Arc<AtomicU64>,
) -> Result<(), model::SourceError> {
    let sink = KafkaSink::open(&config)?;
    let mut written = 0u64;
    for chunk in lines.chunks(2_000) {
        written += chunk
            .iter()
            .map(|(_, payload)| payload.len() as u64)
            .sum::<u64>();
        while written.saturating_sub(bytes_read.load(Ordering::Relaxed))
            > EmbeddedBroker::SAFE_BYTES_AHEAD as u64
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sink.append("usage", chunk).await?;
    }
    Ok(())
}

async fn bare(lines: &[(String, Vec<u8>)]) -> Result<f64, Box<dyn std::error::Error>> {
    let broker = EmbeddedBroker::start(&[("usage", 4)])?;
    let config = config(&broker);
    let mut source = KafkaSource::open(&config, BTreeMap::new(), StopAt::Never)?;
    let bytes_read = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let feeder = tokio::spawn(feed(config, lines.to_vec(), bytes_read.clone()));
    let mut read = 0;
    while read < lines.len() {
        let Some(records) = source.next().await? else {
            break;
        };
        read += records.len();
        bytes_read.fetch_add(records.payload_bytes() as u64, Ordering::Relaxed);
    }
    feeder.await??;
    Ok(read as f64 / started.elapsed().as_secs_f64())
}

async fn whole(lines: &[(String, Vec<u8>)]) -> Result<f64, Box<dyn std::error::Error>> {
    let broker = EmbeddedBroker::start(&[("usage", 4)])?;
    let config = config(&broker);
    let source = KafkaSource::open(&config, BTreeMap::new(), StopAt::Never)?;
    let vitals = Arc::new(PipelineVitals::default());
    let codec = Codec::new(FingerprintSecret::public_test_secret());
    let directory = Arc::new(KeyDirectory::default());
    let pipeline = Pipeline {
        source: Box::new(source),
        stages: Stages::new(
            codec,
            DetectorConfig::default(),
            directory,
            Grouping::ByPartition,
        ),
        threads: std::thread::available_parallelism()?,
        offsets: BTreeMap::new(),
        snapshots: None,
        casebook: Casebook::in_memory().await?,
        channels: Vec::new(),
        history: Arc::new(MemoryHistory::default()),
        live: LiveRows::default(),
        tables: LiveTables::default(),
        dead_letter_topic: None,
        checkpoint: CheckpointConfig {
            rows: 100_000,
            interval: Duration::from_secs(5),
        },
        vitals: vitals.clone(),
        clock: Arc::new(SystemClock),
        on_alerts: Box::new(|_| {}),
    };
    let cancel = CancellationToken::new();
    let running = tokio::spawn(pipeline.run(cancel.clone()));
    let bytes_read = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let feeder = tokio::spawn(feed(config, lines.to_vec(), bytes_read.clone()));
    while vitals.records.load(Ordering::Relaxed) < lines.len() as u64 {
        bytes_read.store(vitals.bytes.load(Ordering::Relaxed), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    feeder.await??;
    cancel.cancel();
    running.await??;
    Ok(lines.len() as f64 / seconds)
}
