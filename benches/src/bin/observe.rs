//! How long does one event take to enter all windows and be judged, by number of keys?

use std::sync::Arc;
use std::time::Instant;

use benches::zipf_records;
use codec::{Codec, FingerprintSecret};
use columns::UsageBatchBuilder;
use detector::{DetectorConfig, KeyDirectory, PartitionDetector};
use model::{Alert, Records};

const EVENTS: usize = 1_000_000;
const BATCH: usize = 8192;

fn main() {
    println!("observe: windows, learning and judging ({EVENTS} events, Zipf 1.1, 21,000 a minute)");
    for keys in [1_000, 10_000, 100_000] {
        let records = zipf_records(EVENTS, keys, 21_000);
        let batches = columns_of(&records);
        let mut times = Vec::new();
        let mut vitals = None;
        for _ in 0..3 {
            let directory = Arc::new(KeyDirectory::default());
            let mut detector = PartitionDetector::new(DetectorConfig::default(), directory);
            let mut alerts: Vec<Alert> = Vec::new();
            let started = Instant::now();
            for batch in &batches {
                detector.observe(batch, &mut alerts);
            }
            times.push(started.elapsed().as_nanos() as f64 / EVENTS as f64);
            vitals = Some(detector.vitals());
        }
        times.sort_by(f64::total_cmp);
        let vitals = vitals.expect("there was a round");
        println!(
            "  {keys:>8} keys {:8.0} ns/event, {:6} bytes of state a key ({} keys seen)",
            times[1],
            vitals.state_bytes / vitals.keys.max(1),
            vitals.keys,
        );
    }
}

fn columns_of(records: &Records) -> Vec<columns::UsageBatch> {
    let codec = Codec::new(FingerprintSecret::public_test_secret());
    let all: Vec<_> = records.iter().collect();
    all.chunks(BATCH)
        .map(|chunk| {
            let mut builder = UsageBatchBuilder::new(records.partition().clone(), chunk[0].offset);
            let mut reader = codec.reader(records.partition());
            for record in chunk {
                reader.read(record, &mut builder);
            }
            builder.finish(chunk[chunk.len() - 1].offset + 1)
        })
        .collect()
}
