//! `spikewatch demo`: the story `braintrust` through the real pipeline.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use ingest::{EmbeddedBroker, KafkaConfig, KafkaSink, StopAt};
use model::{Alert, Nanos, RecordSink, Severity, Timestamp};
use pipeline::PipelineVitals;
use simulator::{AbuseLabel, Simulation};
use tokio_util::sync::CancellationToken;

use crate::cli::DemoArgs;
use crate::config::{self, Config};
use crate::{lake, process, wiring};

const TOPIC: &str = "usage";
const PARTITIONS: i32 = 4;
/// Events of one send; a few hundred bytes each.
const CHUNK: usize = 2_000;
/// How long the reader may stand still before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The first revision of each alert, by its id, with the highest severity it has reached.
type FirstAlerts = Arc<Mutex<BTreeMap<String, Alert>>>;

pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    let cancel = process::stop_on_signal()?;
    let temporary = tempfile::Builder::new()
        .prefix("spikewatch-demo-")
        .tempdir()?;
    let data_dir = args
        .data_dir
        .clone()
        .unwrap_or_else(|| temporary.path().to_owned());
    println!(
        "Four weeks of ordinary usage of 40 keys, then a vendor that stored most of them is broken into."
    );
    let simulation = Arc::new(simulator::simulate("braintrust", args.seed, 1.0)?);
    println!(
        "{} events from {} on; a Kafka broker runs inside this process.\n",
        simulation.events.len(),
        simulation.start
    );

    let broker = EmbeddedBroker::start(&[(TOPIC, PARTITIONS), ("dead-letters", 1)])?;
    let file = write_config(&data_dir, &broker, &args, &simulation)?;
    let config = config::load(Some(&file))?;
    let first_alerts = FirstAlerts::default();
    let heard = first_alerts.clone();
    let labels = simulation.clone();
    let service = wiring::assemble(
        &config,
        wiring::Choices {
            stop_at: StopAt::Never,
            on_alerts: Box::new(move |alerts| hear(&heard, &labels, alerts)),
            link_base: Some(format!("http://{}", config.server.listen)),
        },
    )
    .await?;
    // Another program on the port is no reason not to show the demo.
    let pages = match server::bind(&config.server, service.app_state).await {
        Ok(server) => {
            let address = server.local_addr();
            tokio::spawn(server.serve(cancel.child_token()));
            Some(address)
        }
        Err(err) => {
            eprintln!(
                "warning: no pages: {:#}; name another address with --listen",
                anyhow::Error::new(err)
            );
            None
        }
    };
    if let Some(socket) = service.live_socket {
        tokio::spawn(socket.serve());
    }
    let stop_pipeline = cancel.child_token();
    let vitals = service.vitals.clone();
    let pipeline = tokio::spawn(service.pipeline.run(stop_pipeline.clone()));

    let started = Instant::now();
    let written = feed(&config.kafka, &simulation, &vitals, &cancel).await?;
    wait_for(&vitals, written, &cancel).await?;
    let seconds = started.elapsed().as_secs_f64();
    if cancel.is_cancelled() {
        return Ok(ExitCode::from(130));
    }
    let read = vitals.records.load(Ordering::Relaxed);
    if read != written {
        bail!("{written} events were written, but {read} were read");
    }
    let missed = summarise(&simulation, &first_alerts);
    println!(
        "\n{read} events written and read, {:.0} events/s through Kafka, detector, casebook and history in {seconds:.1} s.",
        read as f64 / seconds
    );

    if args.exit {
        stop_pipeline.cancel();
        pipeline.await?.context("run the pipeline")?;
        check_history(&config, &simulation).await?;
        service.casebook.close().await;
        return Ok(if missed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        });
    }
    show_ways(&file, pages);
    cancel.cancelled().await;
    pipeline.await?.context("run the pipeline")?;
    service.casebook.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Writes the configuration that other commands can use beside the demo.
fn write_config(
    data_dir: &Path,
    broker: &EmbeddedBroker,
    args: &DemoArgs,
    simulation: &Simulation,
) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(data_dir)?;
    let inventory = data_dir.join("inventory.json");
    std::fs::write(
        &inventory,
        serde_json::to_vec_pretty(&simulation.inventory)?,
    )?;
    let file = data_dir.join("spikewatch.toml");
    let quoted = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
    let text = format!(
        "# Written by `spikewatch demo`; the broker is gone when the demo ends.\n\
         data_dir = {}\n\n[kafka]\nbrokers = \"{}\"\ngroup = \"demo\"\ntopics = [\"{TOPIC}\"]\n\n\
         [inventory]\nfile = {}\n\n[history]\ncommit_rows = 100000\ncommit_interval_secs = 5\n\n\
         [server]\nlisten = \"{}\"\n",
        quoted(&data_dir.join("data")),
        broker.address(),
        quoted(&inventory),
        args.listen,
    );
    std::fs::write(&file, text).with_context(|| format!("write \"{}\"", file.display()))?;
    Ok(file)
}

/// Writes the events in order of arrival, never further ahead of the reader than the embedded
/// broker can hold.
async fn feed(
    kafka: &KafkaConfig,
    simulation: &Simulation,
    vitals: &PipelineVitals,
    cancel: &CancellationToken,
) -> anyhow::Result<u64> {
    let sink = KafkaSink::open(kafka)?;
    let (mut written, mut bytes) = (0u64, 0u64);
    for events in simulation.events.chunks(CHUNK) {
        let records: Vec<(String, Vec<u8>)> = events
            .iter()
            .map(|event| {
                let mut payload = Vec::with_capacity(384);
                event.write_json(&mut payload);
                (event.key().to_owned(), payload)
            })
            .collect();
        bytes += records
            .iter()
            .map(|(_, payload)| payload.len() as u64)
            .sum::<u64>();
        let ahead = || bytes.saturating_sub(vitals.bytes.load(Ordering::Relaxed));
        let since = Instant::now();
        while ahead() > EmbeddedBroker::SAFE_BYTES_AHEAD as u64 && !cancel.is_cancelled() {
            if since.elapsed() > PATIENCE {
                bail!("the reader stands still: {:?}", vitals.last_error());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if cancel.is_cancelled() {
            return Ok(written);
        }
        sink.append(TOPIC, &records).await?;
        written += records.len() as u64;
    }
    Ok(written)
}

async fn wait_for(
    vitals: &PipelineVitals,
    written: u64,
    cancel: &CancellationToken,
) -> anyhow::Result<()> {
    let (mut last, mut since) = (0, Instant::now());
    loop {
        let read = vitals.records.load(Ordering::Relaxed);
        if read >= written || cancel.is_cancelled() {
            return Ok(());
        }
        if read != last {
            (last, since) = (read, Instant::now());
        }
        if since.elapsed() > PATIENCE {
            bail!("{written} events were written, but only {read} were read");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Prints an alert when it is raised, with what the story knows of it.
fn hear(first_alerts: &FirstAlerts, simulation: &Simulation, alerts: &[Alert]) {
    let mut first = first_alerts.lock().unwrap_or_else(PoisonError::into_inner);
    for alert in alerts {
        if let Some(known) = first.get_mut(alert.alert_id.as_str()) {
            known.severity = known.severity.max(alert.severity);
            continue;
        }
        let abuse = abuse_at(simulation, &alert.key_id, alert.raised_at);
        println!(
            "{}  {:8}  {:16} {}  {:.2} {} for {:.2} expected{}",
            alert.raised_at,
            alert.severity.as_str(),
            alert.account,
            alert.name(),
            alert.observed,
            alert.metric.unit(),
            alert.expected,
            if abuse.is_some() {
                ""
            } else {
                "  (false alert)"
            },
        );
        first.insert(alert.alert_id.to_string(), alert.clone());
    }
}

fn abuse_at<'s>(simulation: &'s Simulation, key: &str, time: Timestamp) -> Option<&'s AbuseLabel> {
    let hour_after = |abuse: &AbuseLabel| abuse.end.plus(Timestamp::HOUR);
    simulation
        .labels
        .abuses
        .iter()
        .find(|abuse| abuse.key == key && abuse.start <= time && time <= hour_after(abuse))
}

/// Prints what became of every key of the story; returns how many abused ones were missed.
fn summarise(simulation: &Simulation, first_alerts: &FirstAlerts) -> usize {
    let first = first_alerts.lock().unwrap_or_else(PoisonError::into_inner);
    let mut accounts: BTreeMap<&str, Vec<&AbuseLabel>> = BTreeMap::new();
    for abuse in &simulation.labels.abuses {
        accounts.entry(&abuse.account).or_default().push(abuse);
    }
    let mut by_loss: Vec<_> = accounts.into_iter().collect();
    let loss =
        |abuses: &[&AbuseLabel]| abuses.iter().map(|abuse| abuse.cost_usd.get()).sum::<i64>();
    by_loss.sort_by_key(|(_, abuses)| -loss(abuses));
    println!("\nThe breach, account by account:\n");
    println!(
        "{:16} {:22} {:>13} {:>16} {:>16}  severity",
        "account", "key", "found after", "lost by then", "lost in all"
    );
    let mut missed = 0;
    for (account, abuses) in &by_loss {
        for abuse in abuses {
            let of_abuse = |alert: &&Alert| {
                let found = abuse_at(simulation, &alert.key_id, alert.raised_at);
                found.is_some_and(|found| found.key == abuse.key)
            };
            let alert = first
                .values()
                .filter(of_abuse)
                .min_by_key(|alert| alert.raised_at);
            let (after, lost, severity) = match alert {
                Some(alert) => (
                    minutes(alert.raised_at.millis() - abuse.start.millis()),
                    dollars(abuse.cost_by(alert.raised_at)),
                    alert.severity.as_str(),
                ),
                None => {
                    missed += 1;
                    ("not found".to_owned(), dollars(abuse.cost_usd), "")
                }
            };
            println!(
                "{account:16} {:22} {after:>13} {lost:>16} {:>16}  {severity}",
                abuse.key,
                dollars(abuse.cost_usd),
            );
        }
    }
    let abused: Vec<&str> = simulation
        .labels
        .abuses
        .iter()
        .map(|abuse| abuse.key.as_str())
        .collect();
    let stored = simulation.inventory.keys.iter().filter(|entry| {
        entry.vendors.iter().any(|vendor| vendor == "braintrust")
            && !abused.contains(&entry.key.as_str())
    });
    let is_false = |alert: &&Alert| abuse_at(simulation, &alert.key_id, alert.raised_at).is_none();
    let false_alerts: Vec<&Alert> = first.values().filter(is_false).collect();
    let paging = false_alerts
        .iter()
        .filter(|alert| alert.severity > Severity::Low)
        .count();
    println!(
        "\n{} other keys were stored with the same vendor and not abused. False alerts on any key in the four weeks: {}, of which {paging} would have paged.",
        stored.count(),
        false_alerts.len(),
    );
    missed
}

fn minutes(millis: i64) -> String {
    format!("{:.1} min", millis as f64 / Timestamp::MINUTE as f64)
}

fn dollars(amount: Nanos) -> String {
    format!("${:.2}", amount.to_usd())
}

/// Counts in SQL what was simulated: no event is missing, no repeat is counted.
async fn check_history(config: &Config, simulation: &Simulation) -> anyhow::Result<()> {
    use columns::HistoryReader;
    let casebook = wiring::existing_casebook(config).await?;
    let lake = lake::open(config, &casebook)?;
    let batches = lake
        .query("SELECT count(*), count(DISTINCT event_id) FROM usage_events")
        .await?;
    let mut text = Vec::new();
    columns::write_batches(
        &mut text,
        columns::Format::Csv,
        &batches[0].schema(),
        &batches,
    )?;
    let counts = String::from_utf8_lossy(&text);
    let counts = counts.lines().nth(1).unwrap_or_default().to_owned();
    let distinct: std::collections::BTreeSet<Vec<u8>> = simulation
        .events
        .iter()
        .map(|event| {
            let mut line = Vec::new();
            event.write_json(&mut line);
            line
        })
        .collect();
    if counts != format!("{0},{0}", distinct.len()) {
        bail!(
            "history holds {counts} rows and ids, but {} different events were written",
            distinct.len()
        );
    }
    println!(
        "History holds every event once: {} rows by SQL.",
        distinct.len()
    );
    Ok(())
}

fn show_ways(file: &Path, pages: Option<std::net::SocketAddr>) {
    println!("\nThe demo stays up. Ctrl-C ends it; data in a temporary folder goes with it.\n");
    if let Some(address) = pages {
        println!("  look:  http://{address}/");
    }
    let file = file.display();
    println!("  ask:   spikewatch --config {file} sql");
    println!(
        "         spikewatch --config {file} sql \"SELECT account, sum(cost_usd) AS usd FROM usage_events WHERE event_time >= '2026-05-04' GROUP BY account ORDER BY usd DESC LIMIT 5\""
    );
    println!("  list:  spikewatch --config {file} incidents");
    println!("(from a checkout: cargo run --release -- --config {file} ...)");
}
