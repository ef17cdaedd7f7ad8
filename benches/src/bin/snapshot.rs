//! How much memory do a million keys take, how long does copying and saving them take, and how
//! long does it take until they are back?
//!
//! ```sh
//! cargo run --release -p benches --bin snapshot -- [KEYS] [FOLDER]
//! ```
//!
//! Every key calls four times in two days. The folder should be on the disk that is meant.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use codec::{Codec, FingerprintSecret};
use detector::{DetectorConfig, KeyDirectory};
use model::{Partition, Records, Timestamp};
use pipeline::{Grouping, SnapshotFolder, Stages};

const PARTITIONS: i32 = 4;
const BATCH: usize = 8192;
/// The hours at which every key calls.
const CALLS: [i64; 4] = [0, 1, 25, 48];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let keys: usize = args.next().map_or(Ok(1_000_000), |keys| keys.parse())?;
    let root = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let root = root.join(format!("spikewatch-snapshot-{}", std::process::id()));
    let before = resident()?;
    let (mut stages, mut offsets) = (stages(), BTreeMap::new());
    for hour in CALLS {
        for partition in 0..PARTITIONS {
            call_all(&mut stages, &mut offsets, partition, keys, hour);
        }
    }
    let (known, state_bytes, _) = stages.vitals();
    println!("snapshot: {known} keys in {PARTITIONS} partitions");
    println!(
        "  memory {:8.0} MiB resident, {:.0} bytes a key; {:.0} by our own count",
        (resident()? - before) as f64 / 1048576.0,
        (resident()? - before) as f64 / known as f64,
        state_bytes as f64 / known as f64
    );
    // The service judges nothing for so long; each thread copies its partitions.
    let began = Instant::now();
    let copy = stages.clone();
    println!(
        "  copy    {:8.2} s, by one thread",
        began.elapsed().as_secs_f64()
    );
    drop(copy);
    let folder = SnapshotFolder::new(root.clone(), "bench");
    let mut written = None;
    for name in ["first", "again, nothing read since"] {
        let began = Instant::now();
        let saved = folder.save(&mut stages, &offsets)?;
        println!(
            "  save    {:8.2} s, {:.0} MiB ({name})",
            began.elapsed().as_secs_f64(),
            saved.bytes as f64 / 1048576.0
        );
        written.get_or_insert(saved);
    }
    drop(stages);
    let began = Instant::now();
    let mut restored = self::stages();
    let snapshots = folder.snapshots();
    let newest = snapshots.first().ok_or("a snapshot was saved")?;
    newest.restore(&mut restored)?;
    println!("  restore {:8.2} s", began.elapsed().as_secs_f64());
    if restored.vitals().0 != known {
        return Err("keys are missing".into());
    }
    std::fs::remove_dir_all(root)?;
    Ok(())
}

fn stages() -> Stages {
    let codec = Codec::new(FingerprintSecret::public_test_secret());
    let config = DetectorConfig::default();
    Stages::new(
        codec,
        config,
        Arc::new(KeyDirectory::default()),
        Grouping::ByPartition,
    )
}

/// Has every key of a partition call once in an hour.
fn call_all(
    stages: &mut Stages,
    offsets: &mut BTreeMap<Partition, i64>,
    number: i32,
    keys: usize,
    hour: i64,
) {
    let partition = Partition::new("usage", number);
    let offset = offsets.entry(partition.clone()).or_insert(0);
    let start = Timestamp::from_millis(1_777_852_800_000 + hour * Timestamp::HOUR);
    let own: Vec<usize> = (number as usize..keys)
        .step_by(PARTITIONS as usize)
        .collect();
    for chunk in own.chunks(BATCH) {
        let mut records = Records::new(partition.clone(), *offset);
        for key in chunk {
            let time = start.plus((*key as i64 * 3_000_000) / keys as i64);
            let line = format!(
                r#"{{"id":"{key}-{hour}","time":"{time}","provider":"openai","account":"acct_{}","key":"key_{key:07}","model":"gpt-5-mini","requests":1,"input_tokens":900,"output_tokens":90,"cost_usd":0.0004,"source_ip":"198.51.{}.7"}}"#,
                key % 5000,
                key % 200
            );
            records.push(*offset, None, line.as_bytes());
            *offset += 1;
        }
        stages.process(&records);
    }
}

/// Returns the bytes of this process that are in memory.
fn resident() -> Result<u64, Box<dyn std::error::Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .ok_or("no VmRSS")?
        .trim()
        .trim_end_matches(" kB")
        .parse()?;
    Ok(kib * 1024)
}
