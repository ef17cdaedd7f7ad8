//! Every table and view of SQL, from the story of the demo: what its columns are, and that there
//! is something in it.

use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

use crate::support::{
    Broker, Instance, Running, eventually, free_port, program, repository, run, script, tools,
};

/// A service that has read the story of a vendor's breach.
fn told(tools: &Path) -> (Broker, Instance, Running) {
    let broker = Broker::start(tools);
    let port = free_port();
    let more = format!(
        "[inventory]\nfile = \"story/inventory.json\"\n[history]\ncommit_rows = 20000\n\
         upkeep_interval_secs = 1\n[sql]\nlisten = \"127.0.0.1:{port}\"\n"
    );
    let instance = Instance::new(&broker, &more);
    let out = instance.folder().join("story");
    let args = ["simulate", "--scenario", "braintrust", "--seed", "1"];
    run(program(instance.folder()).args(args).arg("--out").arg(&out)).good();
    broker.produce("usage", 4, &out.join("events.jsonl"));
    let running = instance.start_service();
    eventually("the end of the story", || {
        running.stderr().contains("caught up").then_some(())
    });
    (broker, instance, running)
}

#[test]
fn every_table_has_the_columns_that_are_published_and_rows() {
    let Some(tools) = tools("every_table_has_the_columns_that_are_published_and_rows") else {
        return;
    };
    let (_broker, instance, running) = told(&tools);
    eventually("baselines", || {
        (instance.sql("SELECT count(*) FROM baselines") != "0").then_some(())
    });
    let columns = instance.sql_rows(
        "SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns \
         WHERE table_schema = 'public' ORDER BY table_name, ordinal_position",
    );
    check_published(&columns);
    // What nothing of the story is in: nobody has acted, nothing was malformed, no bill came.
    let empty = [
        "actions",
        "cost_events",
        "cost_lines",
        "dead_letters",
        "key_events",
        "v_key_today",
        "v_spend_by_account",
        "prices",
    ];
    let mut tables: Vec<&str> = columns
        .iter()
        .map(|column| column["table_name"].as_str().unwrap())
        .collect();
    tables.dedup();
    assert!(tables.len() >= 28, "{tables:?}");
    for table in tables {
        let count = instance.sql(&format!("SELECT count(*) FROM {table}"));
        let is_empty = empty.contains(&table) || table == "v_new_addresses" || table == "audit";
        assert!(is_empty || count != "0", "{table} is empty");
    }

    let one = |sql: &str| instance.sql(sql);
    let requests = one("SELECT sum(requests) FROM usage_events");
    for table in ["usage_1m", "usage_1h", "v_usage_latest"] {
        assert_eq!(one(&format!("SELECT sum(requests) FROM {table}")), requests);
    }
    let read = one("SELECT sum(records) - sum(duplicates) FROM feed_health");
    assert_eq!(read, one("SELECT count(*) FROM usage_events"));
    // The baseline of a key that was not abused is near what it did.
    let near = "SELECT count(*) FROM baselines WHERE metric = 'requests' AND expected_24h > 0";
    assert_ne!(one(near), "0");
    assert_eq!(one("SELECT count(*) FROM scores WHERE score <= 0"), "0");
    let progress = instance.sql_rows("SELECT * FROM v_rotation_progress");
    assert_eq!(progress.len(), 1, "{progress:?}");
    let exposed = one("SELECT count(*) FROM exposures");
    assert_eq!(progress[0]["keys"].to_string(), exposed);
    let open = one("SELECT count(*) FROM v_exposed_keys");
    assert_eq!(progress[0]["open"].to_string(), open);

    for question in documented() {
        // A statement that begins with a comment would look like an option.
        instance.sql(&format!("\n{question}"));
    }

    running.signal("TERM");
    running.wait().good();
}

/// Returns the questions that the page about SQL has as examples.
fn documented() -> Vec<String> {
    let page = std::fs::read_to_string(repository("docs/sql.md")).unwrap();
    let (_, tables) = page.split_once("## Tables").unwrap();
    let (tables, _) = tables.split_once("## The lake").unwrap();
    let (_, examples) = tables.split_once("```sql").unwrap();
    let (examples, _) = examples.split_once("```").unwrap();
    let questions: Vec<String> = examples
        .split(';')
        .map(|question| question.trim().to_owned())
        .filter(|question| !question.is_empty())
        .collect();
    assert!(questions.len() >= 13, "{questions:?}");
    questions
}

/// Compares the columns with the SQL in `schemas/sql`.
fn check_published(columns: &[Value]) {
    let folder = repository("schemas/sql");
    let update = std::env::var_os("UPDATE_FIXTURES").is_some_and(|value| value == "1");
    let name = |column: &Value| column["table_name"].as_str().unwrap().to_owned();
    let mut published: Vec<String> = Vec::new();
    for of_table in columns.chunk_by(|one, other| name(one) == name(other)) {
        let table = name(&of_table[0]);
        let mut sql = format!("CREATE TABLE {table} (");
        for (at, column) in of_table.iter().enumerate() {
            let text = |field: &str| column[field].as_str().unwrap();
            let not_null = if text("is_nullable") == "NO" {
                " NOT NULL"
            } else {
                ""
            };
            let comma = if at == 0 { "" } else { "," };
            let data_type = postgres_type(text("data_type"));
            let name = text("column_name");
            write!(sql, "{comma}\n  \"{name}\" {data_type}{not_null}").unwrap();
        }
        sql.push_str("\n);\n");
        let file = folder.join(format!("{table}.sql"));
        if update {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&file, &sql).unwrap();
        }
        let there = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(there, sql, "{table}; UPDATE_FIXTURES=1 writes it anew");
        published.push(format!("{table}.sql"));
    }
    let files = std::fs::read_dir(&folder).unwrap().flatten();
    let mut files: Vec<String> = files
        .map(|file| file.file_name().into_string().unwrap())
        .collect();
    files.sort();
    published.sort();
    assert_eq!(files, published, "a table that is no more");
}

/// Returns what PostgreSQL calls a type of Arrow.
fn postgres_type(arrow: &str) -> String {
    match arrow {
        "Utf8" | "Utf8View" => "text".to_owned(),
        "Int32" => "integer".to_owned(),
        "Int64" | "UInt64" => "bigint".to_owned(),
        "Float64" => "double precision".to_owned(),
        "Boolean" => "boolean".to_owned(),
        "Date32" => "date".to_owned(),
        decimal if decimal.starts_with("Decimal128") => {
            decimal.replace("Decimal128", "numeric").replace(", ", ",")
        }
        time if time.starts_with("Timestamp") => "timestamptz".to_owned(),
        list if list.starts_with("List") && list.contains("Struct") => "jsonb".to_owned(),
        list if list.starts_with("List") => "text[]".to_owned(),
        other => panic!("no word for {other}"),
    }
}

#[test]
fn another_program_reads_the_same_sums_from_the_lake() {
    let Some(tools) = tools("another_program_reads_the_same_sums_from_the_lake") else {
        return;
    };
    let (_broker, instance, running) = told(&tools);
    running.signal("TERM");
    running.wait().good();
    let sums = "SELECT count(*) AS rows, sum(requests) AS requests, \
        sum(input_tokens) AS input_tokens, \
        CAST(sum(cost_usd) * 1000000000 AS BIGINT) AS nanos FROM ";
    let lake = instance.data_dir().join("history");
    let tables = ["usage_events", "calls_1m", "calls_1h"];
    let mut duck = std::process::Command::new(tools.join("bin/python"));
    duck.arg(script("duck.py"));
    duck.args(tables.map(|table| lake.join(table)));
    let answer = duck.output().unwrap();
    let said = String::from_utf8_lossy(&answer.stdout);
    assert!(
        answer.status.success(),
        "{}",
        String::from_utf8_lossy(&answer.stderr)
    );
    let duck: Vec<Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(duck.len(), tables.len());
    for (table, duck) in tables.iter().zip(&duck) {
        let ours = instance.sql_rows(&format!("{sums}{table}"));
        assert_eq!(ours[0], *duck, "{table}");
        assert_eq!(duck["requests"], produced_requests(&instance), "{table}");
    }
}

/// Returns the requests that were produced, those of an event that was sent twice once.
fn produced_requests(instance: &Instance) -> Value {
    let events = std::fs::read_to_string(instance.folder().join("story/events.jsonl")).unwrap();
    let mut ids = HashSet::new();
    let requests = events.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let is_new = ids.insert(event["id"].to_string());
        event["requests"].as_u64().unwrap_or(1) * u64::from(is_new)
    });
    requests.sum::<u64>().into()
}
