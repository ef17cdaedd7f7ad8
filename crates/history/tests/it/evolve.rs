//! Tables that another version made, and tables that several write.

use std::fs::File;
use std::path::Path;

use columns::HistoryWriter;
use columns::arrow::array::RecordBatch;
use history::{History, HistoryConfig, write_parquet};
use model::{CountField, TextField, Timestamp, UsageRow};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::support::{Bench, commit_of};

fn row(minute: i64) -> UsageRow<'static> {
    let time = Timestamp::parse("2026-05-04T12:00:00Z").unwrap();
    let mut row = UsageRow::at(time.plus(minute * 60_000));
    row.set_text(TextField::Account, "acme");
    row.set_text(TextField::Key, "key_1");
    row.set_text(TextField::Kind, "usage");
    row.set_count(CountField::Requests, 1);
    row
}

/// Rewrites every entry of a table's log.
fn rewrite_log(table: &Path, change: impl Fn(&mut Value)) {
    for entry in std::fs::read_dir(table.join("_delta_log"))
        .unwrap()
        .flatten()
    {
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != "json") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let changed: String = text
            .lines()
            .map(|line| {
                let mut action: Value = serde_json::from_str(line).unwrap();
                change(&mut action);
                format!("{action}\n")
            })
            .collect();
        std::fs::write(&path, changed).unwrap();
    }
}

/// Changes the schema that a log's entry says, if it says one.
fn change_schema(action: &mut Value, change: impl Fn(&mut Vec<Value>)) {
    let Some(text) = action["metaData"]["schemaString"].as_str() else {
        return;
    };
    let mut schema: Value = serde_json::from_str(text).unwrap();
    change(schema["fields"].as_array_mut().unwrap());
    action["metaData"]["schemaString"] = Value::String(schema.to_string());
}

/// Makes of a table what it would be if a column had not been thought of yet.
fn forget_column(bench: &Bench, column: &str) {
    let table = bench.path().join("usage_events");
    for file in bench.files("usage_events") {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(&file).unwrap());
        let batches: Result<Vec<RecordBatch>, _> = reader.unwrap().build().unwrap().collect();
        let mut batches = batches.unwrap();
        for batch in &mut batches {
            let at = batch.schema().index_of(column).unwrap();
            batch.remove_column(at);
        }
        write_parquet(&file, batches[0].schema(), &batches).unwrap();
    }
    rewrite_log(&table, |action| {
        change_schema(action, |fields| {
            fields.retain(|field| field["name"] != column)
        });
        if let Some(path) = action["add"]["path"].as_str() {
            let size = std::fs::metadata(table.join(path)).unwrap().len();
            action["add"]["size"] = size.into();
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_an_older_version_gets_the_columns_that_it_lacks() {
    let mut bench = Bench::new().await;
    bench.commit(&[row(0), row(1)]).await;
    forget_column(&bench, "team");
    let url = bench.path().to_str().unwrap().to_owned();
    bench.history = History::open(&url, "c").await.unwrap();
    let mut with_team = row(2);
    with_team.set_text(TextField::Team, "search");
    bench.commit(&[with_team]).await;
    assert_eq!(bench.number("SELECT count(*) FROM usage_events").await, 3);
    assert_eq!(
        bench
            .texts("SELECT team FROM usage_events WHERE team IS NOT NULL")
            .await,
        ["search"]
    );
    // Programs that read the table by themselves are told of it.
    let log = bench.path().join("usage_events/_delta_log");
    let schemas = std::fs::read_dir(log).unwrap().flatten().filter(|entry| {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        text.contains("metaData") && text.contains("\\\"team\\\"")
    });
    assert_eq!(schemas.count(), 1);
    // Once is enough.
    let before = std::fs::read_dir(bench.path().join("usage_events/_delta_log"))
        .unwrap()
        .count();
    History::open(&url, "c").await.unwrap();
    let after = std::fs::read_dir(bench.path().join("usage_events/_delta_log"))
        .unwrap()
        .count();
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_table_of_a_newer_version_is_written_on() {
    let mut bench = Bench::new().await;
    bench.commit(&[row(0)]).await;
    rewrite_log(&bench.path().join("usage_events"), |action| {
        change_schema(action, |fields| {
            let mut newer = fields
                .iter()
                .find(|field| field["name"] == "team")
                .unwrap()
                .clone();
            newer["name"] = "of_tomorrow".into();
            fields.push(newer);
        });
    });
    let url = bench.path().to_str().unwrap().to_owned();
    bench.history = History::open(&url, "c").await.unwrap();
    for minute in 1..5 {
        bench.commit(&[row(minute)]).await;
    }
    // What is written again keeps the column.
    let now = Timestamp::parse("2026-05-10T00:00:00Z").unwrap();
    let report = bench
        .upkeep(HistoryConfig::default())
        .tidy(now)
        .await
        .unwrap();
    assert!(report.files_merged >= 4, "{report:?}");
    assert_eq!(bench.number("SELECT count(*) FROM usage_events").await, 5);
    let files = bench.files("usage_events").into_iter().filter(|file| {
        let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap());
        reader
            .unwrap()
            .schema()
            .column_with_name("of_tomorrow")
            .is_some()
    });
    // One for each commit since, and the one that they became.
    assert_eq!(files.count(), 5);
}

#[tokio::test]
async fn a_column_of_another_type_is_refused_by_name() {
    let mut bench = Bench::new().await;
    bench.commit(&[row(0)]).await;
    rewrite_log(&bench.path().join("usage_events"), |action| {
        change_schema(action, |fields| {
            let field = fields.iter_mut().find(|field| field["name"] == "requests");
            field.unwrap()["type"] = "string".into();
        });
    });
    let opened = History::open(bench.path().to_str().unwrap(), "c").await;
    let error = opened.err().unwrap().to_string();
    assert!(
        error.contains("\"requests\" of table \"usage_events\" is string"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_writers_and_upkeep_lose_nothing_and_write_nothing_twice() {
    const COMMITS: i64 = 12;
    let bench = Bench::new().await;
    let url = bench.path().to_str().unwrap().to_owned();
    let mut writers = Vec::new();
    for partition in 0..3 {
        let url = url.clone();
        writers.push(tokio::spawn(async move {
            let history = History::open(&url, "c").await.unwrap();
            for number in 0..COMMITS {
                let batch = Bench::batch_of(partition, number * 2, &[row(number), row(number + 1)]);
                let commit = commit_of(vec![batch]);
                history.commit(commit.clone()).await.unwrap();
                // Whoever does not know whether it went in does it again.
                history.commit(commit).await.unwrap();
            }
        }));
    }
    let upkeep = bench.upkeep(HistoryConfig::default());
    while writers.iter().any(|writer| !writer.is_finished()) {
        upkeep
            .tidy(Timestamp::parse("2026-05-10T00:00:00Z").unwrap())
            .await
            .unwrap();
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let rows = 3 * COMMITS * 2;
    let sql = "SELECT count(*) FROM usage_events";
    assert_eq!(bench.number(sql).await, rows);
    let sql = "SELECT count(*) FROM (SELECT DISTINCT \"partition\", \"offset\" FROM usage_events)";
    assert_eq!(bench.number(sql).await, rows);
    assert_eq!(
        bench.number("SELECT sum(requests) FROM usage_1m").await,
        rows
    );
}
