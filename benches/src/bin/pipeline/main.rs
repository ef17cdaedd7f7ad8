//! How many events a second come from a broker's process through everything to the disk, and how
//! long does it take until an alert is durable?
//!
//! ```sh
//! cargo run --release -p benches --bin pipeline -- --tools target/test-tools
//! ```
//!
//! The broker is a process of its own on the same cores; a consumer that does nothing, librdkafka's
//! batches in another program, is measured in turns with ours. `./scripts/test` makes the tools.

mod broker;
mod latency;
mod service;

use std::path::PathBuf;
use std::time::Duration;

use benches::zipf_records;
use clap::Parser;

use broker::Broker;
use service::{Keeps, Service};

type Failure = Box<dyn std::error::Error>;

#[derive(Parser)]
struct Args {
    /// The folder of the tests' tools, with a broker and a consumer in it.
    #[arg(long, default_value = "target/test-tools")]
    tools: PathBuf,
    /// A broker that runs already, in place of one that is started.
    #[arg(long)]
    brokers: Option<String>,
    /// Where history and casebook are written; the disk that is meant.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
    #[arg(long, default_value_t = 1_000_000)]
    events: usize,
    #[arg(long, default_value_t = 10_000)]
    keys: usize,
    #[arg(long, default_value_t = 4)]
    partitions: usize,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Events a second while latency is measured; half of the throughput if nothing is said.
    #[arg(long)]
    rate: Option<f64>,
    /// How long latency is measured; 0 leaves it out.
    #[arg(long, default_value_t = 20)]
    latency_secs: u64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let broker = Broker::at(&args.tools, args.brokers.clone())?;
    let records = zipf_records(args.events, args.keys, 21_000);
    eprintln!("writing {} events to the broker", args.events);
    broker.write("usage", args.partitions, &records).await?;
    println!(
        "pipeline: {} events of {} keys in {} partitions from a broker's process, lz4",
        args.events, args.keys, args.partitions
    );
    let names = [
        "librdkafka, batches, nothing done",
        "our source, nothing done",
        "decode, detect, alerts",
        "the same, and history on disk",
    ];
    let mut rates: [Vec<f64>; 4] = Default::default();
    for round in 0..args.rounds {
        let service = |keeps| Service::new(&broker, format!("{round}-{keeps:?}"), keeps);
        rates[0].push(broker.consume("usage", args.events)?);
        rates[1].push(service::read(&broker, &format!("{round}-read"), args.events).await?);
        let in_memory = service(Keeps::InMemory)?;
        rates[2].push(in_memory.throughput(args.events).await?);
        let on_disk = service(Keeps::OnDisk(args.folder.clone()))?;
        rates[3].push(on_disk.throughput(args.events).await?);
    }
    let mut medians = Vec::new();
    for (name, rates) in names.iter().zip(&mut rates) {
        rates.sort_by(f64::total_cmp);
        let median = rates[rates.len() / 2];
        medians.push(median);
        println!(
            "  {name:34} {median:9.0} events/s, {:3.0} % ({:.0} to {:.0})",
            100.0 * median / medians[0],
            rates[0],
            rates[rates.len() - 1]
        );
    }
    if args.latency_secs > 0 {
        let rate = args.rate.unwrap_or(medians[3] / 2.0);
        let time = Duration::from_secs(args.latency_secs);
        latency::measure(&broker, &args.folder, rate, time).await?;
    }
    Ok(())
}
