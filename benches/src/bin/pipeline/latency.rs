//! How long from the broker's log to a durable alert, while events come at a steady rate?
//!
//! Now and then a few events come from an address that their key may not be used from: they are an
//! alert by themselves, so that each alert has one moment at which its events were appended.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ingest::{KafkaSink, KafkaSource, StopAt};
use model::{EventSource, Inventory, RecordSink, Timestamp};
use serde_json::json;

use crate::Failure;
use crate::broker::Broker;
use crate::service::{Keeps, Service};

/// How often events are appended.
const STEP: Duration = Duration::from_millis(10);
/// Keys of ordinary events.
const KEYS: u64 = 10_000;
/// Keys that may be used from one address only, each of which is used from another once.
const RULED: u64 = 500;
const PARTITIONS: usize = 4;
/// Calls from an address that is not allowed, all at once.
const CALLS: usize = 5;

type Moments = Arc<Mutex<HashMap<String, Instant>>>;

/// Measures both ways of the same rate, and prints the percentiles.
pub(crate) async fn measure(
    broker: &Broker,
    folder: &Path,
    rate: f64,
    time: Duration,
) -> Result<(), Failure> {
    println!("latency: {rate:.0} events/s for {} s", time.as_secs());
    broker.make_topic("read", PARTITIONS)?;
    let config = broker.config("read", "latency-read");
    let mut source = KafkaSource::open(&config, BTreeMap::new(), StopAt::Never)?;
    let (appended, seen) = (Moments::default(), Moments::default());
    let count = Arc::new(AtomicU64::new(0));
    let reading = {
        let (seen, count) = (seen.clone(), count.clone());
        tokio::spawn(async move {
            while let Ok(Some(records)) = source.next().await {
                let now = Instant::now();
                count.fetch_add(records.len() as u64, Ordering::Relaxed);
                for record in records.iter() {
                    if let Some(key) = ruled_key(record.payload) {
                        seen.lock().expect("no panic").insert(key, now);
                    }
                }
            }
        })
    };
    wait_until_read(broker, "read", || count.load(Ordering::Relaxed)).await?;
    append(broker, "read", rate, time, &appended).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    reading.abort();
    print("read and nothing done", &appended, &seen);

    broker.make_topic("watched", PARTITIONS)?;
    let (appended, told) = (Moments::default(), Moments::default());
    let on_alerts = {
        let told = told.clone();
        Box::new(move |alerts: &[model::Alert]| {
            let now = Instant::now();
            let mut told = told.lock().expect("no panic");
            for alert in alerts {
                told.entry(alert.key_id.clone()).or_insert(now);
            }
        })
    };
    let keeps = Keeps::OnDisk(folder.to_owned());
    let service = Service::on(broker, "watched", "latency".into(), keeps)?;
    let running = service.start(&inventory()?, on_alerts).await?;
    let vitals = running.vitals.clone();
    wait_until_read(broker, "watched", || vitals.records.load(Ordering::Relaxed)).await?;
    append(broker, "watched", rate, time, &appended).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    running.stop().await?;
    print("alert durable, history on disk", &appended, &told);
    Ok(())
}

/// Appends an event and waits until it is read: to join a group takes a second, once.
async fn wait_until_read(
    broker: &Broker,
    topic: &str,
    count: impl Fn() -> u64,
) -> Result<(), Failure> {
    let sink = KafkaSink::open(&broker.config(topic, "writer"))?;
    let line = event("evt_first", "key_0", "acct_1", now(), "198.51.7.7");
    sink.append(topic, &[("key_0".into(), line)]).await?;
    let began = Instant::now();
    while count() == 0 {
        if began.elapsed() > Duration::from_secs(30) {
            return Err("nothing is read from the broker".into());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn inventory() -> Result<Inventory, Failure> {
    let keys: Vec<_> = (0..RULED)
        .map(|number| {
            json!({
                "key": name(number), "account": name(number), "provider": "openai",
                "allowed_cidrs": ["198.51.100.0/24"],
            })
        })
        .collect();
    Ok(serde_json::from_value(json!({ "keys": keys }))?)
}

fn name(number: u64) -> String {
    format!("ruled_{number:04}")
}

/// Returns the key of an event that will be an alert.
fn ruled_key(payload: &[u8]) -> Option<String> {
    let at = payload.windows(7).position(|bytes| bytes == b"\"ruled_")? + 1;
    let key = payload.get(at..at + name(0).len())?;
    Some(String::from_utf8_lossy(key).into_owned())
}

/// Appends events at a rate, and notes when those that will be alerts were acknowledged.
async fn append(
    broker: &Broker,
    topic: &str,
    rate: f64,
    time: Duration,
    appended: &Moments,
) -> Result<(), Failure> {
    let sink = KafkaSink::open(&broker.config(topic, "writer"))?;
    let steps = (time.as_secs_f64() / STEP.as_secs_f64()) as u64;
    let alert_every = (steps / RULED).max(1);
    let (mut sent, mut alerts) = (0u64, 0u64);
    let began = Instant::now();
    for step in 1..=steps {
        let due = (rate * STEP.as_secs_f64() * step as f64) as u64;
        let now = now();
        let mut watched = None;
        let mut lines: Vec<(String, Vec<u8>)> = (sent..due)
            .map(|at| {
                let key = at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
                let key = format!("key_{:06}", key % KEYS);
                let line = event(&format!("evt_{at:016x}"), &key, "acct_1", now, "198.51.7.7");
                (key, line)
            })
            .collect();
        sent = due;
        if step % alert_every == 0 && alerts < RULED {
            let key = name(alerts);
            // One stray call would be a slip.
            for call in 0..CALLS {
                let id = format!("evt_{key}_{call}");
                let line = event(&id, &key, &key, now, "203.0.113.9");
                lines.push((key.clone(), line));
            }
            watched = Some(key);
            alerts += 1;
        }
        sink.append(topic, &lines).await?;
        if let Some(key) = watched {
            appended
                .lock()
                .expect("no panic")
                .insert(key, Instant::now());
        }
        let next = began + STEP * step as u32;
        tokio::time::sleep_until(next.into()).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    if seconds > 1.1 * time.as_secs_f64() {
        println!(
            "  the writer fell behind: {:.0} events/s",
            sent as f64 / seconds
        );
    }
    Ok(())
}

fn event(id: &str, key: &str, account: &str, time: Timestamp, address: &str) -> Vec<u8> {
    format!(
        r#"{{"id":"{id}","time":"{time}","provider":"openai","account":"{account}","project":"proj_1","key":"{key}","model":"gpt-5-mini","operation":"chat","status":200,"requests":1,"input_tokens":900,"output_tokens":90,"cost_usd":0.0004,"source_ip":"{address}","user_agent":"openai-python/2.1"}}"#
    )
    .into_bytes()
}

fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp::from_millis(now.map_or(0, |since| since.as_millis() as i64))
}

fn print(what: &str, appended: &Moments, seen: &Moments) {
    let (appended, seen) = (
        appended.lock().expect("no panic"),
        seen.lock().expect("no panic"),
    );
    let mut millis: Vec<f64> = appended
        .iter()
        .filter_map(|(key, at)| Some(seen.get(key)?.duration_since(*at).as_secs_f64() * 1e3))
        .collect();
    millis.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (share * millis.len() as f64) as usize;
        millis
            .get(place.min(millis.len().saturating_sub(1)))
            .copied()
            .unwrap_or(f64::NAN)
    };
    println!(
        "  {what:34} {:5.0} ms median, {:5.0} ms 99th percentile, {} of {} seen",
        at(0.5),
        at(0.99),
        millis.len(),
        appended.len()
    );
}
