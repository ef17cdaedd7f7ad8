//! What is to be forgotten is in no version and no file.

use history::{Erasure, HistoryConfig};
use model::TextField;

use crate::support::{Bench, call, time};

const NOON: &str = "2026-05-04T12:00:00Z";

/// Returns whether any file of the lake has a text: of the log as it is, of Parquet as rows.
async fn is_anywhere(bench: &Bench, column: &str, text: &str) -> bool {
    for table in ["usage_events", "cost_events", "calls_1m", "calls_1h"] {
        for file in bench.files(table) {
            for batch in history::read_parquet(&file).unwrap() {
                let batch = batch.unwrap();
                let Some(values) = batch.column_by_name(column) else {
                    continue;
                };
                let values = columns::arrow::array::cast::AsArray::as_string::<i32>(values);
                if values.iter().flatten().any(|value| value == text) {
                    return true;
                }
            }
        }
        let log = std::fs::read_dir(bench.path().join(table).join("_delta_log")).unwrap();
        for entry in log.flatten().filter(|entry| entry.path().is_file()) {
            let bytes = std::fs::read(entry.path()).unwrap();
            if String::from_utf8_lossy(&bytes).contains(text) {
                return true;
            }
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_in_no_file_after_it_was_erased() {
    let mut bench = Bench::new().await;
    for day in 1..=3 {
        let noon = time(&format!("2026-05-0{day}T12:00:00Z"));
        let mut bill = call(noon, "key_gone");
        bill.set_text(TextField::Kind, "cost");
        bench
            .commit(&[call(noon, "key_gone"), call(noon, "key_kept"), bill])
            .await;
    }
    assert!(is_anywhere(&bench, "key_id", "key_gone").await);
    // An old version, which merging leaves behind.
    let upkeep = bench.upkeep(HistoryConfig::default());
    let erasure = Erasure::Key {
        key_id: "key_gone".to_owned(),
        account: None,
    };
    let report = upkeep.erase(&erasure).await.unwrap();
    assert_eq!(report.rows_erased, 3 * 4, "usage, bills, minutes, hours");
    assert!(!is_anywhere(&bench, "key_id", "key_gone").await);
    assert!(is_anywhere(&bench, "key_id", "key_kept").await);
    for table in ["usage_events", "usage_1m", "usage_1h"] {
        let sum = format!("SELECT sum(requests) FROM {table}");
        assert_eq!(bench.number(&sum).await, 3, "{table}");
    }
    // It goes on as before.
    bench.commit(&[call(time(NOON), "key_kept")]).await;
    assert_eq!(bench.number("SELECT sum(requests) FROM usage_1h").await, 4);
    let again = upkeep.erase(&erasure).await.unwrap();
    assert_eq!(again.rows_erased, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_account_stays() {
    let mut bench = Bench::new().await;
    let mut other = call(time(NOON), "key_1");
    other.set_text(TextField::Account, "globex");
    bench.commit(&[call(time(NOON), "key_1"), other]).await;
    let erasure = Erasure::Key {
        key_id: "key_1".to_owned(),
        account: Some("acme".to_owned()),
    };
    let upkeep = bench.upkeep(HistoryConfig::default());
    assert_eq!(upkeep.erase(&erasure).await.unwrap().rows_erased, 3);
    let left = bench.texts("SELECT account FROM usage_events").await;
    assert_eq!(left, ["globex"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_erased_by_any_of_the_columns_that_name_one() {
    let mut bench = Bench::new().await;
    let who = "bo@example.com";
    let mut rows = vec![call(time(NOON), "key_1")];
    for field in [TextField::User, TextField::EndUser, TextField::Principal] {
        let mut row = call(time(NOON), "key_1");
        row.set_text(field, who);
        rows.push(row);
    }
    bench.commit(&rows).await;
    let upkeep = bench.upkeep(HistoryConfig::default());
    let report = upkeep.erase(&Erasure::User(who.to_owned())).await.unwrap();
    assert_eq!(report.rows_erased, 3);
    for column in ["user_id", "end_user", "principal"] {
        assert!(!is_anywhere(&bench, column, who).await, "{column}");
    }
    assert_eq!(bench.number("SELECT count(*) FROM usage_events").await, 1);
    // Sums name nobody.
    assert_eq!(bench.number("SELECT sum(requests) FROM usage_1h").await, 4);
}
