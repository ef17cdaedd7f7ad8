//! Which keys a vendor's breach exposes, and what became of them.

use std::sync::Arc;

use columns::arrow::array::cast::AsArray;
use columns::{HistoryReader, LiveRows, LiveTable, SqlGate, Table, TableSource};
use history::{Lake, QueryLimits};
use serde_json::{Value, json};

fn lake(folder: &std::path::Path) -> Lake {
    let key = |key: &str, account: &str, created: &str, replaces: Value| {
        json!({"key_id": key, "account": account, "provider": "openai", "vendors": ["storehouse"],
               "created": created, "replaces": replaces, "known_at": created})
    };
    let before = "2026-04-01T00:00:00Z";
    let keys = [
        key("key_1", "acme", before, Value::Null),
        key("key_1b", "acme", "2026-05-03T00:00:00Z", json!("key_1")),
        key("default", "acme", before, Value::Null),
        key("default", "globex", before, Value::Null),
        key("key_4", "globex", before, Value::Null),
    ];
    let change = |kind: &str, account: Value, key: Value| {
        json!({"time": "2026-05-02T00:00:00Z", "type": kind, "account": account, "key_id": key,
               "vendor": if kind == "vendor_notice" { json!("storehouse") } else { Value::Null }})
    };
    let changes = [
        // The same notice twice: to all, and to one.
        change("vendor_notice", Value::Null, Value::Null),
        change("vendor_notice", json!("acme"), Value::Null),
        change("key_rotated", json!("acme"), json!("default")),
    ];
    let actions = [
        json!({"key_id": "key_4", "account": "globex", "rung": "freeze",
                          "state": "verified", "requested_at": "2026-05-02T01:00:00Z"}),
    ];
    let table = |of: Table, rows: &[Value]| {
        let table = LiveTable::new(of);
        table.set(of.batch(rows).unwrap());
        Arc::new(table) as Arc<dyn TableSource>
    };
    let tables = vec![
        table(Table::Keys, &keys),
        table(Table::Changes, &changes),
        table(Table::Actions, &actions),
    ];
    let live = Arc::new(LiveRows::default());
    let url = folder.to_str().unwrap();
    Lake::new(url, "c", live, tables, QueryLimits::default()).unwrap()
}

const STATES: &str = "SELECT concat(account, ' ', key_id, ' ', state) AS text FROM exposures \
    ORDER BY account, key_id";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_exposes_the_keys_that_were_there_each_once() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(folder.path());
    let answer = lake.query(STATES).await.unwrap();
    let found: Vec<&str> = answer
        .iter()
        .flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten())
        .collect();
    assert_eq!(
        found,
        [
            "acme default rotated",
            "acme key_1 rotated",
            "globex default exposed",
            "globex key_4 off",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_limited_to_an_account_hears_of_its_vendors_breach() {
    let folder = tempfile::tempdir().unwrap();
    let lake = lake(folder.path());
    let asker = columns::Asker {
        name: "globex".to_owned(),
        accounts: Some(vec!["globex".to_owned()]),
        max_rows: 100,
    };
    let answer = lake.answer(&asker, STATES, &[]).await.unwrap();
    let answer = answer.gathered().await.unwrap();
    let found: Vec<&str> = answer
        .iter()
        .flat_map(|batch| batch.column(0).as_string::<i32>().iter().flatten())
        .collect();
    assert_eq!(found, ["globex default exposed", "globex key_4 off"]);
    let others = "SELECT key_id FROM changes WHERE account = 'acme' OR key_id IS NOT NULL";
    let answer = lake.answer(&asker, others, &[]).await.unwrap();
    let answer = answer.gathered().await.unwrap();
    assert_eq!(
        answer.iter().map(|batch| batch.num_rows()).sum::<usize>(),
        0
    );
}
