//! What Prometheus scrapes.

use std::sync::atomic::AtomicU64;

use axum::extract::State;
use axum::response::Response;
use casebook::{OpenTotals, OutboxCounts};
use model::{Reason, Timestamp};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use crate::reply::{Refusal, typed};
use crate::{AppState, FeedVitals, UnpricedModel, Vitals};

/// The content type of OpenMetrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labelled = Family<Vec<(&'static str, &'static str)>, Gauge>;
type Unpriced = Family<Vec<(&'static str, String)>, Counter>;

/// Makes a registry of what stands now; nothing is kept between scrapes, so that the numbers
/// cannot differ from those on the pages.
pub(crate) async fn metrics(State(state): State<AppState>) -> Result<Response, Refusal> {
    let mut registry = Registry::with_prefix("spikewatch");
    let vitals = state.vitals.vitals();
    add_vitals(&mut registry, &vitals);
    add_incidents(&mut registry, state.casebook.open_totals().await?);
    add_outbox(&mut registry, state.casebook.outbox_counts().await?);
    add_unpriced(&mut registry, &vitals.unpriced);
    add_unreadable(&mut registry, &vitals.unreadable);
    add_feeds(&mut registry, &vitals.partitions);
    add_dead_letters(&mut registry, &state.casebook.dead_letter_counts().await?);
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => Ok(typed(OPEN_METRICS, text)),
        Err(_) => Err(Refusal::Question("metrics could not be written".to_owned())),
    }
}

fn add_vitals(registry: &mut Registry, vitals: &Vitals) {
    let counters = [
        ("events", "Records read since the start", vitals.events),
        ("rows", "Usage rows decoded since the start", vitals.rows),
        (
            "dead_letters",
            "Records that could not be read, since the start",
            vitals.dead_letters,
        ),
        (
            "duplicates",
            "Repeats that were dropped, since the start",
            vitals.duplicates,
        ),
        (
            "alerts",
            "Alert revisions raised since the start",
            vitals.alerts,
        ),
        (
            "history_rows",
            "Rows committed to history since the start",
            vitals.history_rows,
        ),
        (
            "snapshots",
            "Snapshots of the detector's state saved since the start",
            vitals.snapshots,
        ),
        (
            "snapshot_failures",
            "Snapshots that could not be saved, since the start",
            vitals.snapshot_failures,
        ),
        (
            "history_failures",
            "Commits to history that failed and were tried again, since the start",
            vitals.commit_failures,
        ),
        (
            "casebook_failures",
            "Writes to the casebook and the topic of dead letters that failed and were tried \
             again, since the start",
            vitals.effect_failures,
        ),
    ];
    for (name, help, value) in counters {
        registry.register(name, help, ConstCounter::new(value));
    }
    let seconds = |time: Timestamp| Some(time.millis() as f64 / 1_000.0);
    let gauges = [
        (
            "start_time_seconds",
            "When the process started",
            seconds(vitals.started_at),
        ),
        (
            "events_per_second",
            "Records read per second, lately",
            Some(vitals.events_per_second),
        ),
        (
            "keys_tracked",
            "Keys with a baseline or on the way to one",
            Some(vitals.keys_tracked as f64),
        ),
        (
            "state_bytes",
            "Memory that baselines and windows take",
            Some(vitals.state_bytes as f64),
        ),
        (
            "snapshot_bytes",
            "Size of the last snapshot of the detector's state",
            (vitals.snapshots > 0).then_some(vitals.snapshot_bytes as f64),
        ),
        (
            "snapshot_duration_seconds",
            "How long the last snapshot was written",
            (vitals.snapshots > 0).then_some(vitals.snapshot_seconds),
        ),
        (
            "snapshot_pause_seconds",
            "How long nothing was judged while the state was copied for the last snapshot",
            (vitals.snapshots > 0).then_some(vitals.snapshot_pause_seconds),
        ),
        (
            "batches_in_work",
            "Batches of records that are decoded and judged now",
            Some(vitals.batches_in_work as f64),
        ),
        (
            "history_rows_waiting",
            "Rows that wait for history",
            Some(vitals.rows_waiting as f64),
        ),
        (
            "history_rows_waiting_limit",
            "How many rows may wait for history before no more is read",
            (vitals.rows_waiting_limit > 0).then_some(vitals.rows_waiting_limit as f64),
        ),
        (
            "history_commit_duration_seconds",
            "How long the last commit to history took",
            (vitals.commit_seconds > 0.0).then_some(vitals.commit_seconds),
        ),
        (
            "lag_records",
            "Records in the log that were not read yet",
            vitals.lag_records.map(|lag| lag as f64),
        ),
        (
            "watermark_timestamp_seconds",
            "The event time up to which everything has been seen",
            vitals.watermark.and_then(seconds),
        ),
        (
            "last_checkpoint_timestamp_seconds",
            "When the last checkpoint was durable",
            vitals.last_checkpoint.and_then(seconds),
        ),
        (
            "caught_up",
            "Whether everything in the log at the start has been read",
            Some(f64::from(u8::from(vitals.caught_up))),
        ),
    ];
    // What is unknown is left out: a 0 would be a lie that an alarm believes.
    for (name, help, value) in gauges {
        if let Some(value) = value {
            registry.register(name, help, ConstGauge::new(value));
        }
    }
}

fn add_incidents(registry: &mut Registry, totals: OpenTotals) {
    let gauges = [
        ("incidents_open", "Open incidents", totals.incidents as f64),
        (
            "incident_keys_open",
            "Keys of open incidents",
            totals.keys as f64,
        ),
        (
            "incident_cost_usd",
            "Money above what was expected, over all open incidents",
            totals.cost_so_far_usd.to_usd(),
        ),
        (
            "incident_burn_usd_per_hour",
            "Money above what was expected, per hour, over all open incidents",
            totals.burn_usd_per_hour,
        ),
    ];
    for (name, help, value) in gauges {
        registry.register(name, help, ConstGauge::new(value));
    }
}

fn add_outbox(registry: &mut Registry, counts: OutboxCounts) {
    let messages = Labelled::default();
    for (state, count) in [
        ("pending", counts.pending),
        ("sent", counts.sent),
        ("dead", counts.dead),
        ("suppressed", counts.suppressed),
    ] {
        set(&messages, "state", state, count);
    }
    registry.register("outbox_messages", "Messages to people by state", messages);
}

fn add_dead_letters(registry: &mut Registry, counts: &[(Reason, u64)]) {
    let letters = Labelled::default();
    for (reason, count) in counts {
        set(&letters, "reason", reason.as_str(), *count);
    }
    registry.register(
        "dead_letters_kept",
        "Dead letters in the casebook by reason",
        letters,
    );
}

/// Adds what has no cost because nobody knows its price; the codec bounds how many models there
/// are.
fn add_unpriced(registry: &mut Registry, models: &[UnpricedModel]) {
    let (events, tokens) = (Unpriced::default(), Unpriced::default());
    for model in models {
        let names = || {
            vec![
                ("provider", model.provider.clone()),
                ("model", model.model.clone()),
            ]
        };
        events.get_or_create(&names()).inc_by(model.events);
        tokens.get_or_create(&names()).inc_by(model.tokens);
    }
    for (name, help, counts) in [
        (
            "unpriced_events",
            "Events with tokens and without a cost or a price, since the start",
            events,
        ),
        (
            "unpriced_tokens",
            "Tokens without a cost or a price, since the start",
            tokens,
        ),
    ] {
        registry.register(name, help, counts);
    }
}

fn set(family: &Labelled, label: &'static str, value: &'static str, count: u64) {
    family
        .get_or_create(&vec![(label, value)])
        .set(i64::try_from(count).unwrap_or(i64::MAX));
}

/// Adds the partitions of which next to nothing can be read.
fn add_unreadable(registry: &mut Registry, partitions: &[(String, i32)]) {
    let feeds = Family::<Vec<(&'static str, String)>, Gauge>::default();
    for (topic, partition) in partitions {
        let names = vec![
            ("topic", topic.clone()),
            ("partition", partition.to_string()),
        ];
        feeds.get_or_create(&names).set(1);
    }
    registry.register(
        "feed_unreadable",
        "1 for each partition of whose last hundred records next to none could be read",
        feeds,
    );
}

/// Adds how each partition is doing; what is unknown of one is left out.
fn add_feeds(registry: &mut Registry, feeds: &[FeedVitals]) {
    type Gauges = Family<Vec<(&'static str, String)>, Gauge<f64, AtomicU64>>;
    let (lag, watermark, newest, idle) = (
        Gauges::default(),
        Gauges::default(),
        Gauges::default(),
        Gauges::default(),
    );
    let seconds = |time: Timestamp| time.millis() as f64 / 1_000.0;
    for feed in feeds {
        let names = vec![
            ("topic", feed.topic.clone()),
            ("partition", feed.partition.to_string()),
        ];
        for (family, value) in [
            (&lag, feed.lag_records.map(|lag| lag as f64)),
            (&watermark, feed.watermark.map(seconds)),
            (&newest, feed.newest_record.map(seconds)),
            (&idle, Some(f64::from(u8::from(feed.is_idle)))),
        ] {
            if let Some(value) = value {
                family.get_or_create(&names).set(value);
            }
        }
    }
    for (name, help, family) in [
        (
            "feed_lag_records",
            "Records of the partition that were not read yet",
            lag,
        ),
        (
            "feed_watermark_timestamp_seconds",
            "The event time up to which everything of the partition has been seen",
            watermark,
        ),
        (
            "feed_newest_record_timestamp_seconds",
            "The broker's time of the newest record of the partition that was handled",
            newest,
        ),
        (
            "feed_idle",
            "Whether nothing comes of the partition, so that others do not wait for it",
            idle,
        ),
    ] {
        registry.register(name, help, family);
    }
}
