//! Files become fewer and sorted, and old ones go; sums stay, whatever happens beside it.

use history::{HistoryConfig, UpkeepReport};
use model::{Partition, Timestamp};

use crate::support::{Bench, call, commit_of, time};
use columns::HistoryWriter;

const NOON: &str = "2026-05-04T12:00:00Z";

async fn many_commits(bench: &mut Bench, count: i64) {
    for at in 0..count {
        let time = time(NOON).plus(at * Timestamp::MINUTE);
        let other = format!("key_{}", 9 - at % 7);
        bench
            .commit(&[call(time, &other), call(time, "key_1")])
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn small_files_become_one_that_is_sorted_by_key() {
    let mut bench = Bench::new().await;
    many_commits(&mut bench, 17).await;
    let upkeep = bench.upkeep(HistoryConfig::default());
    let before = bench
        .number("SELECT sum(input_tokens) FROM usage_events")
        .await;
    let report = upkeep.tidy(time(NOON)).await.unwrap();
    // Usage, and its sums by minute and hour.
    assert_eq!((report.files_merged, report.files_written), (3 * 17, 3));
    assert_eq!(
        upkeep.tidy(time(NOON)).await.unwrap(),
        UpkeepReport::default()
    );
    for (table, sum) in [("usage_events", 340), ("usage_1m", 340), ("usage_1h", 340)] {
        let sum_of = format!("SELECT sum(input_tokens) FROM {table}");
        assert_eq!((before, bench.number(&sum_of).await), (sum, sum), "{table}");
    }
    let log = bench.path().join("usage_events/_delta_log");
    let newest = std::fs::read_to_string(log.join(format!("{:020}.json", 18))).unwrap();
    assert!(
        newest.contains(r#""spikewatch.sorted_by":"key_id,event_time""#),
        "{newest}"
    );
    let keys = bench.texts("SELECT key_id FROM usage_events").await;
    assert!(keys.is_sorted(), "{keys:?}");
    // What was replaced stays for who still reads it, and then goes.
    assert_eq!(bench.files("usage_events").len(), 18);
    assert_eq!(upkeep.vacuum().await.unwrap().files_deleted, 0);
    let at_once = bench.upkeep(HistoryConfig {
        vacuum_hours: 0,
        ..HistoryConfig::default()
    });
    assert_eq!(at_once.vacuum().await.unwrap().files_deleted, 3 * 17);
    assert_eq!(bench.files("usage_events").len(), 1);
    assert_eq!(bench.number("SELECT count(*) FROM usage_events").await, 34);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_offsets_are_known_after_files_were_merged() {
    let mut bench = Bench::new().await;
    many_commits(&mut bench, 17).await;
    bench
        .upkeep(HistoryConfig::default())
        .tidy(time(NOON))
        .await
        .unwrap();
    let partition = Partition::new("usage", 0);
    assert_eq!(
        bench.history.next_offset(&partition).await.unwrap(),
        Some(34)
    );
    let receipt = bench.commit(&[call(time(NOON), "key_1")]).await;
    assert_eq!((receipt.rows_written, receipt.rows_known), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_there_once_at_every_moment_of_upkeep() {
    let mut bench = Bench::new().await;
    many_commits(&mut bench, 20).await;
    let upkeep = bench.upkeep(HistoryConfig::default());
    let tidying = tokio::spawn(async move {
        let mut merged = 0;
        for _ in 0..12 {
            merged += upkeep.tidy(time(NOON)).await.unwrap().files_merged;
        }
        merged
    });
    let mut rows = 40;
    while !tidying.is_finished() {
        let batch = bench.batch(&[call(time(NOON), "key_2")]);
        bench.live.push(batch.clone());
        rows += 1;
        for table in ["usage_events", "usage_1h"] {
            let sum = format!("SELECT sum(requests) FROM {table}");
            assert_eq!(bench.number(&sum).await, rows, "{table}");
        }
        bench.history.commit(commit_of(vec![batch])).await.unwrap();
        bench.live.committed(1);
    }
    assert!(tidying.await.unwrap() >= 60);
    assert!(rows > 41, "commits came between");
    assert_eq!(
        bench.number("SELECT sum(requests) FROM usage_1m").await,
        rows
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_that_are_older_than_is_kept_go() {
    let mut bench = Bench::new().await;
    let days = ["2026-05-01", "2026-05-02", "2026-05-03"];
    for day in days {
        bench
            .commit(&[call(time(&format!("{day}T23:59:59Z")), "key_1")])
            .await;
    }
    let upkeep = bench.upkeep(HistoryConfig {
        retention_days: Some(2),
        ..HistoryConfig::default()
    });
    let report = upkeep.tidy(time("2026-05-04T00:00:00Z")).await.unwrap();
    assert_eq!(report.files_removed, 3, "of usage, minutes and hours");
    for table in ["usage_events", "usage_1m", "usage_1h"] {
        let count = format!("SELECT sum(requests) FROM {table}");
        assert_eq!(bench.number(&count).await, 2, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_that_no_commit_names_are_deleted() {
    let mut bench = Bench::new().await;
    bench.commit(&[call(time(NOON), "key_1")]).await;
    let file = bench.files("usage_events").remove(0);
    let stray = file.with_file_name("part-00000-stray.parquet");
    let young = file.with_file_name("part-00000-young.parquet");
    for path in [&stray, &young] {
        std::fs::copy(&file, path).unwrap();
    }
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(25 * 3600);
    let opened = std::fs::File::options().write(true).open(&stray).unwrap();
    opened.set_modified(long_ago).unwrap();
    let config = HistoryConfig {
        vacuum_hours: 0,
        ..HistoryConfig::default()
    };
    let report = bench.upkeep(config).vacuum().await.unwrap();
    assert_eq!(report.files_deleted, 1);
    assert!(!stray.exists() && file.exists());
    assert!(young.exists(), "it may be about to be committed");
}
