//! The stages together, on the doubles of the doors: what a crash, a repeat, a broken record and
//! a storage that is down may not change.

#![allow(clippy::unwrap_used, reason = "a test ends where it is surprised")]

mod crash_points;
mod instances;
mod joint;
mod snapshots;
mod support;
mod watch;

use std::sync::atomic::Ordering;
use std::time::Duration;

use casebook::{AlertFilter, Casebook};
use model::double::{MemoryChannel, MemoryRecordSink};
use pipeline::Deliverer;
use std::sync::Arc;

use support::{Setup, batches_of, story};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_the_middle_changes_neither_rows_nor_alerts() {
    let lines = story();
    let whole = Setup::new().await;
    whole.run(batches_of(&lines, 4096)).await;

    let broken = Setup::new().await;
    // Other cuts, and an end in the middle; then everything again from the beginning.
    broken
        .run(batches_of(&lines[..lines.len() * 3 / 5], 1000))
        .await;
    let summary = broken.run(batches_of(&lines, 2777)).await;
    assert!(
        summary.rows_known > 0,
        "the second run saw what the first had committed"
    );

    assert_eq!(broken.history.rows(), whole.history.rows());
    let alerts =
        |casebook: Casebook| async move { casebook.alerts(AlertFilter::default()).await.unwrap() };
    let (one, other) = (alerts(whole.casebook).await, alerts(broken.casebook).await);
    assert!(
        one.len() >= 7,
        "the story has seven abused keys: {}",
        one.len()
    );
    assert_eq!(one, other);
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_records_become_dead_letters_once_and_good_ones_count() {
    let good = r#"{"id":"e1","time":"2026-05-04T12:00:00Z","key":"key_1","requests":1}"#;
    let lines: Vec<Vec<u8>> = [good, "{", "[]", r#"{"requests":1}"#]
        .map(|line| line.as_bytes().to_vec())
        .to_vec();
    let setup = Setup::new().await;
    for _ in 0..2 {
        setup.run(batches_of(&lines, 3)).await;
    }
    assert_eq!(setup.history.rows(), 1);
    let letters = setup.casebook.dead_letters(10).await.unwrap();
    let mut seen: Vec<(i64, &str)> = letters
        .iter()
        .map(|letter| (letter.position.offset, letter.reason.as_str()))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [(1, "json"), (2, "shape"), (3, "missing_field")]);
    let topics = setup.topic.topics.lock().unwrap();
    assert_eq!(
        topics["dead-letters"].len(),
        3,
        "a replay does not repeat them"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_counted_and_not_stored() {
    let line = br#"{"id":"e1","time":"2026-05-04T12:00:00Z","key":"key_1","requests":1}"#.to_vec();
    let setup = Setup::new().await;
    let summary = setup.run(batches_of(&[line.clone(), line], 10)).await;
    assert_eq!(
        (summary.events, summary.duplicates, summary.rows_written),
        (2, 1, 1)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn offsets_are_committed_only_after_history_has_the_rows() {
    let lines: Vec<Vec<u8>> = (0..50)
        .map(|n| format!(r#"{{"id":"e{n}","time":"2026-05-04T12:00:00Z","requests":1}}"#).into())
        .collect();
    let setup = Setup::new().await;
    setup.history.failures_left.store(3, Ordering::SeqCst);
    let summary = setup.run(batches_of(&lines, 10)).await;
    assert_eq!(summary.rows_written, 50);
    assert_eq!(
        setup.history.failures_left.load(Ordering::SeqCst),
        0,
        "it was tried again"
    );
    let committed = setup.committed.lock().unwrap();
    assert_eq!(committed.last().unwrap().end, 50);
    let order = setup.history.order.lock().unwrap();
    assert_eq!(*order, ["failed", "failed", "failed", "committed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_once_after_retries_and_never_before_the_log_is_caught_up() {
    let setup = Setup::new().await;
    setup.run(batches_of(&story(), 4096)).await;
    let channel = Arc::new(MemoryChannel::default());
    *channel.failures_left.lock().unwrap() = 1;
    let deliverer = Deliverer {
        instance: None,
        casebook: setup.casebook.clone(),
        channels: vec![channel.clone()],
        vitals: setup.vitals.clone(),
        clock: Arc::new(model::SystemClock),
        link_base: Some("http://127.0.0.1:8080".into()),
    };
    setup.vitals.caught_up.store(false, Ordering::SeqCst);
    deliverer.drain(Duration::from_secs(1)).await;
    assert_eq!(channel.delivered.lock().unwrap().len(), 0);

    setup.vitals.caught_up.store(true, Ordering::SeqCst);
    deliverer.drain(Duration::from_secs(30)).await;
    let delivered = channel.delivered.lock().unwrap().clone();
    assert!(!delivered.is_empty());
    let mut ids: Vec<&str> = delivered
        .iter()
        .map(|n| n.idempotency_key.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), delivered.len(), "no message twice");
    let hard_hit = delivered
        .iter()
        .max_by_key(|notice| notice.incident.keys)
        .unwrap();
    assert!(
        hard_hit.alerts.len() >= 4,
        "one message for all keys of an incident"
    );
    assert_eq!(hard_hit.shared_vendors, ["braintrust"]);
    let counts = setup.casebook.outbox_counts().await.unwrap();
    assert_eq!((counts.pending, counts.dead), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_down_holds_the_offset_back() {
    let setup = Setup::new().await;
    setup.topic_failures.store(2, Ordering::SeqCst);
    let summary = setup.run(batches_of(&[b"{".to_vec()], 10)).await;
    assert_eq!(summary.dead_letters, 1);
    let sink: &MemoryRecordSink = &setup.topic;
    assert_eq!(sink.topics.lock().unwrap()["dead-letters"].len(), 1);
    assert_eq!(setup.committed.lock().unwrap().last().unwrap().end, 1);
}
