//! How many events a second pass through the stages in process, on one thread and on two?
//!
//! No broker: the records are in memory, in four partitions, a key's events in one of them.
//! Casebook and history are in memory too.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::{ROUNDS, partitioned, zipf_records};
use casebook::Casebook;
use codec::{Codec, FingerprintSecret};
use columns::LiveRows;
use columns::double::MemoryHistory;
use detector::{DetectorConfig, KeyDirectory};
use model::double::MemorySource;
use model::{Records, SystemClock};
use pipeline::{CheckpointConfig, Grouping, LiveTables, Pipeline, PipelineVitals, Stages};
use serde::de::IgnoredAny;
use tokio_util::sync::CancellationToken;

const EVENTS: usize = 600_000;
const PARTITIONS: usize = 4;
const BATCH: usize = 4096;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("workers: {EVENTS} events in {PARTITIONS} partitions, in process");
    for keys in [10_000, 100_000] {
        let records = zipf_records(EVENTS, keys, 21_000);
        let batches = partitioned(&records, PARTITIONS, BATCH);
        let mut medians = Vec::new();
        let mut rates: [Vec<f64>; 3] = Default::default();
        for _ in 0..ROUNDS / 3 {
            rates[0].push(parse(&records));
            rates[1].push(stages(&batches, 1).await?);
            rates[2].push(stages(&batches, 2).await?);
        }
        for (name, rates) in ["bare JSON parse", "one thread", "two threads"]
            .iter()
            .zip(&mut rates)
        {
            rates.sort_by(f64::total_cmp);
            let median = rates[rates.len() / 2];
            medians.push(median);
            println!(
                "  {keys:>7} keys {name:16} {median:9.0} events/s, {:.2} of the parse",
                median / medians[0]
            );
        }
        println!(
            "  {keys:>7} keys two threads over one: {:.2}",
            medians[2] / medians[1]
        );
    }
    Ok(())
}

/// Reads the records as JSON and keeps nothing.
fn parse(records: &Records) -> f64 {
    let started = Instant::now();
    for record in records.iter() {
        std::hint::black_box(serde_json::from_slice::<IgnoredAny>(record.payload).is_ok());
    }
    records.len() as f64 / started.elapsed().as_secs_f64()
}

async fn stages(
    batches: &VecDeque<Records>,
    threads: usize,
) -> Result<f64, Box<dyn std::error::Error>> {
    let codec = Codec::new(FingerprintSecret::public_test_secret());
    let directory = Arc::new(KeyDirectory::default());
    let pipeline = Pipeline {
        source: Box::new(MemorySource {
            batches: batches.clone(),
            committed: Arc::default(),
        }),
        stages: Stages::new(
            codec,
            DetectorConfig::default(),
            directory,
            Grouping::ByPartition,
        ),
        threads: NonZeroUsize::new(threads).ok_or("a thread at least")?,
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
        vitals: Arc::new(PipelineVitals::default()),
        clock: Arc::new(SystemClock),
        on_alerts: Box::new(|_| {}),
        instances: None,
    };
    let summary = pipeline.run(CancellationToken::new()).await?;
    Ok(summary.events as f64 / summary.seconds)
}
