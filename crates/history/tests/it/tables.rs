//! Which rows are in which table, and what the views make of them.

use columns::HistoryWriter;
use model::{CountField, Nanos, Partition, TextField, Timestamp};

use crate::support::{Bench, call, commit_of, time};

const NOON: &str = "2026-05-04T12:00:00Z";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_has_its_table_and_no_row_is_in_two() {
    let mut bench = Bench::new().await;
    let kinds = ["usage", "access", "cost", "key", "audit"];
    let rows = kinds.map(|kind| {
        let mut row = call(time(NOON), "key_1");
        row.set_text(TextField::Kind, kind);
        row
    });
    // What is committed and what is live is divided alike.
    bench.commit(&rows).await;
    let batch = bench.batch(&rows);
    bench.live.push(batch);
    for (table, kinds) in [
        ("usage_events", "access,usage"),
        ("cost_events", "cost"),
        ("key_events", "audit,key"),
    ] {
        let list = format!("SELECT DISTINCT kind FROM {table} ORDER BY kind");
        assert_eq!(bench.texts(&list).await.join(","), kinds);
        let count = bench.number(&format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(count, 2 * kinds.split(',').count() as i64, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn roll_ups_have_what_is_committed_and_what_is_live_once() {
    let mut bench = Bench::new().await;
    let calls = |from: i64, count: i64| -> Vec<_> {
        let times = (from..from + count).map(|at| time(NOON).plus(at * 20 * Timestamp::SECOND));
        times.map(|time| call(time, "key_1")).collect()
    };
    bench.commit(&calls(0, 30)).await;
    let batch = bench.batch(&calls(30, 30));
    bench.live.push(batch.clone());
    let both = |table: &str| format!("SELECT sum(requests) FROM {table}");
    for table in ["usage_1m", "usage_1h", "usage_events"] {
        assert_eq!(bench.number(&both(table)).await, 60, "{table}");
    }
    // Committed and not yet forgotten by what is live.
    bench.history.commit(commit_of(vec![batch])).await.unwrap();
    for table in ["usage_1m", "usage_1h", "usage_events"] {
        assert_eq!(bench.number(&both(table)).await, 60, "{table}");
    }
    assert_eq!(bench.number("SELECT count(*) FROM usage_1m").await, 20);
    assert_eq!(bench.number("SELECT count(*) FROM usage_1h").await, 1);
    assert_eq!(bench.nanos("SELECT sum(cost_usd) FROM usage_1h").await, 300);
    let minute = "SELECT requests FROM usage_1m WHERE key_id = 'key_1' \
        AND window_start = TIMESTAMP '2026-05-04T12:19:00Z'";
    assert_eq!(bench.number(minute).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_again_counts_as_it_was_said_last() {
    let mut bench = Bench::new().await;
    let said = |requests: u64, cost: i64| {
        let start = time(NOON);
        let mut bucket = call(start.plus(Timestamp::MINUTE), "key_1");
        bucket.time_start = Some(start);
        bucket.time_end = Some(start.plus(Timestamp::MINUTE));
        bucket.set_text(TextField::Id, "bucket_1");
        bucket.set_count(CountField::Requests, requests);
        let mut bill = call(start, "key_1");
        bill.set_text(TextField::Kind, "cost");
        bill.set_text(TextField::Id, "line_1");
        bill.cost = Some(Nanos::new(cost));
        [bucket, bill]
    };
    bench.commit(&said(4, 1000)).await;
    bench.commit(&said(7, 900)).await;
    bench.commit(&[call(time(NOON), "key_1")]).await;
    assert_eq!(
        bench.number("SELECT sum(requests) FROM usage_events").await,
        12
    );
    for table in ["usage_1m", "usage_1h", "v_usage_latest"] {
        let sum = format!("SELECT sum(requests) FROM {table}");
        assert_eq!(bench.number(&sum).await, 8, "{table}");
    }
    assert_eq!(bench.number("SELECT count(*) FROM usage_1m").await, 1);
    assert_eq!(
        bench.nanos("SELECT sum(cost_usd) FROM cost_events").await,
        1900
    );
    assert_eq!(
        bench.nanos("SELECT sum(cost_usd) FROM cost_lines").await,
        900
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_done_again_adds_nothing_and_a_gap_is_refused() {
    let mut bench = Bench::new().await;
    let batch = bench.batch(&[call(time(NOON), "key_1"), call(time(NOON), "key_2")]);
    for rows_written in [2, 0] {
        let receipt = bench.history.commit(commit_of(vec![batch.clone()])).await;
        assert_eq!(receipt.unwrap().rows_written, rows_written);
    }
    for table in ["usage_1m", "usage_1h", "usage_events"] {
        let sum = format!("SELECT sum(requests) FROM {table}");
        assert_eq!(bench.number(&sum).await, 2, "{table}");
    }
    let lost = bench.batch(&[call(time(NOON), "key_3")]);
    let after = bench.batch(&[call(time(NOON), "key_4")]);
    drop(lost);
    let refused = bench.history.commit(commit_of(vec![after])).await;
    assert!(matches!(
        refused,
        Err(columns::Error::Gap {
            stored: 2,
            start: 3,
            ..
        })
    ));
    let partition = Partition::new("usage", 0);
    assert_eq!(
        bench.history.next_offset(&partition).await.unwrap(),
        Some(2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_found_in_the_files_that_may_have_it() {
    let mut bench = Bench::new().await;
    for day in 1..=9 {
        let noon = time(&format!("2026-05-0{day}T12:00:00Z"));
        bench
            .commit(&[call(noon, "key_1"), call(noon, &format!("key_{day}"))])
            .await;
    }
    let plan =
        |condition: &str| format!("EXPLAIN SELECT event_id FROM usage_events WHERE {condition}");
    for (condition, files) in [
        ("event_time >= TIMESTAMP '2026-05-08T00:00:00Z'", 2),
        ("event_date = DATE '2026-05-03'", 1),
        (
            "event_time_start IS NOT NULL OR (aggregate IS NOT NULL AND aggregate)",
            0,
        ),
        ("key_id = 'key_7'", 3),
        (
            "key_id = 'key_9' AND event_time < TIMESTAMP '2026-05-08T00:00:00Z'",
            0,
        ),
    ] {
        let answer = bench.query(&plan(condition)).await;
        let text = answer.column(1);
        let text: Vec<&str> = (0..answer.num_rows())
            .map(|row| columns::arrow::array::cast::AsArray::as_string::<i32>(text).value(row))
            .collect();
        let named = text.join("\n").matches(".parquet").count();
        assert_eq!(named, files, "{condition}: {}", text.join("\n"));
    }
}
