//! SQL beside a running service: the newest rows at once, each once; and nothing but reading.

use std::path::{Path, PathBuf};

use columns::arrow::ipc::reader::StreamReader;
use model::{Clock, SystemClock, Timestamp};
use serde_json::{Value, json};

use crate::support::{Broker, Instance, Running, Usage, eventually, tools, write_lines};

const COUNTS: &str = "SELECT count(*), count(DISTINCT event_id) FROM usage_events";

fn usage(account: &str, days: u64) -> Vec<Value> {
    let usage = Usage {
        key: format!("key_{account}"),
        account: account.to_owned(),
        days,
        spike: false,
    };
    usage.events()
}

fn produce(broker: &Broker, instance: &Instance, events: &[Value]) {
    let file = instance.folder().join("events.jsonl");
    write_lines(&file, events);
    assert_eq!(broker.produce("usage", 4, &file), events.len() as u64);
}

/// Asks until there are `rows` rows; never are there more, and none is there twice.
fn wait_for_rows(instance: &Instance, rows: usize) {
    eventually(&format!("{rows} rows"), || {
        let counts = instance.sql(COUNTS);
        let (count, distinct) = counts.split_once(',').unwrap();
        assert_eq!(count, distinct, "a row is there twice");
        let count: usize = count.parse().unwrap();
        assert!(count <= rows, "{count} of {rows}");
        (count == rows).then_some(())
    });
}

/// Stops a service and returns when it has ended well.
fn stop(running: Running) {
    running.signal("TERM");
    running.wait().good();
}

#[test]
fn rows_are_seen_before_they_are_committed_and_once_after() {
    let Some(tools) = tools("rows_are_seen_before_they_are_committed_and_once_after") else {
        return;
    };
    let broker = Broker::start(&tools);
    let (first, second) = (usage("acme", 20), usage("globex", 20));
    let all = first.len() + second.len();
    let more = format!("[history]\ncommit_rows = {all}\ncommit_interval_secs = 3600\n");
    let instance = Instance::new(&broker, &more);
    produce(&broker, &instance, &first);

    let running = instance.start_service();
    eventually("the casebook", || {
        let casebook = instance.data_dir().join("casebook.db");
        (casebook.exists() && running.stderr().contains("caught up")).then_some(())
    });
    wait_for_rows(&instance, first.len());
    assert_eq!(instance.commits(), 1, "only the commit that made the table");
    let sums = "SELECT account, sum(requests) AS n FROM usage_events GROUP BY account";
    let requests: u64 = first.iter().map(|e| e["requests"].as_u64().unwrap()).sum();
    assert_eq!(
        instance.sql_rows(sums),
        [json!({ "account": "acme", "n": requests })]
    );

    // The commit comes while SQL is asked.
    produce(&broker, &instance, &second);
    wait_for_rows(&instance, all);
    eventually("a commit", || (instance.commits() == 2).then_some(()));
    wait_for_rows(&instance, all);

    // With live rows beside committed ones, and then committed by the stop.
    let third = usage("initech", 5);
    produce(&broker, &instance, &third);
    wait_for_rows(&instance, all + third.len());
    assert_eq!(instance.commits(), 2);
    stop(running);
    assert_eq!(instance.commits(), 3);
    wait_for_rows(&instance, all + third.len());
    // A filter and a limit see both kinds of rows alike.
    assert_eq!(
        instance.sql("SELECT count(*) FROM usage_events WHERE event_time < '2026-03-02T00:00:00Z'"),
        "144"
    );
    assert_eq!(
        instance.sql("SELECT count(*) FROM (SELECT 1 FROM usage_events LIMIT 7) AS some"),
        "7"
    );
}

#[test]
fn a_deep_statement_is_answered_or_ended_and_overflows_nothing() {
    let Some(tools) = tools("a_deep_statement_is_answered_or_ended_and_overflows_nothing") else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "[sql]\ntimeout_secs = 30\n");
    produce(&broker, &instance, &usage("acme", 2));
    instance.run_until_end();
    let ones = |count: usize| vec!["1"; count].join("+");
    // Not a constant: it is as deep when it runs.
    let deep = format!("SELECT min(requests*0+{}) FROM usage_events", ones(500));
    assert_eq!(instance.sql(&deep), "500");
    let unions = vec!["SELECT 1"; 300].join(" UNION ALL ");
    let count = format!("SELECT count(*) FROM ({unions}) AS u");
    assert_eq!(instance.sql(&count), "300");
    // The work grows with more than the square of the depth; the patience does not.
    let instance = Instance::new(&broker, "[sql]\ntimeout_secs = 2\n");
    produce(&broker, &instance, &usage("globex", 2));
    instance.run_until_end();
    let outcome = instance.run(["sql", &format!("SELECT {}", ones(8_000))]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("took longer than 2 s"),
        "{}",
        outcome.stderr
    );
}

/// An hour of a provider's report: while it is open it is sent again, with more in it.
fn bucket(requests: u64) -> Value {
    json!({
        "object": "page",
        "data": [{
            "object": "bucket",
            "start_time": 1_777_892_400,
            "end_time": 1_777_896_000,
            "results": [{
                "object": "organization.usage.completions.result",
                "input_tokens": 10 * requests,
                "output_tokens": requests,
                "input_cached_tokens": 0,
                "num_model_requests": requests,
                "project_id": "proj_a",
                "api_key_id": "key_a",
                "model": "gpt-4.1",
                "batch": false,
            }],
        }],
        "has_more": false,
        "next_page": null,
    })
}

#[test]
fn a_call_that_two_topics_report_counts_once_and_a_report_has_its_account() {
    let Some(tools) = tools("a_call_that_two_topics_report_counts_once") else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "");
    let config = std::fs::read_to_string(instance.config()).unwrap();
    let topics = "topics = [{ name = \"gateway\", counts = false }, \
                  { name = \"usage\", account = \"acme\" }]";
    let config = config.replace("topics = [\"usage\"]", topics);
    std::fs::write(instance.config(), config).unwrap();
    let calls = usage("acme", 2);
    let file = instance.folder().join("calls.jsonl");
    write_lines(&file, &calls);
    broker.produce("gateway", 2, &file);
    produce(&broker, &instance, &[bucket(130)]);
    instance.run_until_end();
    let sums = |table: &str| {
        let sql = format!("SELECT account, topic, count(*) FROM {table} GROUP BY ALL ORDER BY 2");
        instance.sql(&sql)
    };
    let counted = "acme,usage,1";
    assert_eq!(sums("v_usage_latest"), counted);
    let both = format!("acme,gateway,{}\n{counted}", calls.len());
    assert_eq!(sums("usage_events"), both);
}

#[test]
fn a_bucket_that_was_sent_again_counts_once_in_the_view_and_each_time_in_the_table() {
    let Some(tools) = tools("a_bucket_that_was_sent_again_counts_once_in_the_view") else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "");
    produce(&broker, &instance, &[bucket(40), bucket(100)]);
    instance.run_until_end();
    // The last one is not committed with the others.
    produce(&broker, &instance, &[bucket(130)]);
    instance.run_until_end();
    let sums = |table: &str| {
        let sql = format!("SELECT count(*) AS rows, sum(requests) AS requests FROM {table}");
        instance.sql_rows(&sql)
    };
    assert_eq!(
        sums("usage_events"),
        [json!({ "rows": 3, "requests": 270 })]
    );
    assert_eq!(
        sums("v_usage_latest"),
        [json!({ "rows": 1, "requests": 130 })]
    );
    // Native events without a repeat are in both alike.
    produce(&broker, &instance, &usage("acme", 2));
    instance.run_until_end();
    let rows = |table: &str| {
        instance.sql(&format!(
            "SELECT count(*) FROM {table} WHERE account = 'acme'"
        ))
    };
    assert_eq!(rows("v_usage_latest"), rows("usage_events"));
    assert_eq!(
        instance.sql("SELECT * FROM v_usage_latest LIMIT 0"),
        instance.sql("SELECT * FROM usage_events LIMIT 0"),
    );
}

#[test]
fn what_does_not_only_read_is_refused_and_writes_nothing() {
    let Some(tools) = tools("what_does_not_only_read_is_refused_and_writes_nothing") else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "");
    let events = usage("acme", 2);
    produce(&broker, &instance, &events);
    instance.run_until_end();
    let before = tree(instance.folder());

    let refused = [
        "CREATE EXTERNAL TABLE t (a INT) STORED AS CSV LOCATION '/etc/passwd'",
        "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'data/history/'",
        "CREATE TABLE t AS SELECT * FROM usage_events",
        "CREATE VIEW v AS SELECT 1",
        "DROP TABLE usage_events",
        "COPY usage_events TO 'out.parquet'",
        "COPY (SELECT 1) TO 'out.csv' STORED AS CSV",
        "EXPLAIN COPY (SELECT 1) TO 'out.csv' STORED AS CSV",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO 'out.csv' STORED AS CSV",
        "EXPLAIN ANALYZE INSERT INTO alerts SELECT * FROM alerts",
        "SET datafusion.execution.batch_size = 1",
        "RESET datafusion.execution.batch_size",
        "INSERT INTO usage_events SELECT * FROM usage_events",
        "INSERT INTO alerts SELECT * FROM alerts",
        "DELETE FROM usage_events",
        "UPDATE usage_events SET account = 'x'",
        "TRUNCATE TABLE usage_events",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY (SELECT 1) TO 'out.csv' STORED AS CSV",
        "BEGIN",
        "PREPARE p AS SELECT 1",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM 'data/history'",
        "SELECT * FROM \"/etc/passwd\"",
        "SELECT * FROM 'file:///etc/passwd'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM nonsense",
        "nonsense",
        "",
    ];
    for statement in refused {
        let outcome = instance.run(["sql", "--format", "csv", statement]);
        outcome.fails(1, &["error: "]);
        assert!(outcome.stdout.is_empty(), "{statement}");
        let said = outcome.stderr.lines().next().unwrap();
        assert!(said.len() > "error: ".len(), "{statement}: {said}");
        assert!(!outcome.stderr.contains("panicked"), "{statement}: {said}");
        eprintln!("{statement:70} {said}");
    }
    assert_eq!(tree(instance.folder()), before);
    assert_eq!(
        instance.sql(COUNTS),
        format!("{0},{0}", events.len()),
        "history is as it was"
    );
}

/// Returns every file below a folder with its length. The casebook's own are left out: readers
/// of SQLite make and remove files beside it.
fn tree(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(tree(&path));
        } else if !path.to_string_lossy().contains("casebook.db") {
            files.push((path.clone(), path.metadata().unwrap().len()));
        }
    }
    files.sort();
    files
}

#[test]
fn rows_are_printed_in_every_format() {
    let Some(tools) = tools("rows_are_printed_in_every_format") else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "");
    let mut events = usage("acme", 1);
    events[0]["service"] = json!("a \"quoted\", text");
    events[0]["cost_usd"] = json!(0.001234567);
    produce(&broker, &instance, &events);
    instance.run_until_end();
    let query = "SELECT event_id, event_time, requests, cost_usd, service, batch \
                 FROM usage_events ORDER BY event_time LIMIT 1";
    let print = |format: &str| instance.run(["sql", "--format", format, query]);

    assert_eq!(
        print("csv").good(),
        "event_id,event_time,requests,cost_usd,service,batch\n\
         acme-0,2026-03-01T00:00:00Z,10,0.001234567,\"a \"\"quoted\"\", text\",\n"
    );
    let row: Value = serde_json::from_str(&print("json").good()).unwrap();
    assert_eq!(row["event_id"], "acme-0");
    assert_eq!(row["requests"], 10);
    assert_eq!(row["service"], "a \"quoted\", text");
    let table = print("table").good();
    let widths: Vec<usize> = table.lines().map(|line| line.chars().count()).collect();
    assert!(widths.len() >= 5 && widths.iter().all(|&width| width == widths[0]));
    assert!(table.contains("| acme-0 "), "{table}");
    let arrow = print("arrow");
    assert_eq!(arrow.code, Some(0), "{}", arrow.stderr);
    let batches = StreamReader::try_new(arrow.stdout.as_slice(), None).unwrap();
    let rows: usize = batches.map(|batch| batch.unwrap().num_rows()).sum();
    assert_eq!(rows, 1);
    // Without a terminal it is CSV; from stdin it is the same query.
    assert_eq!(instance.run(["sql", query]).good(), print("csv").good());
    let nothing = "SELECT event_id FROM usage_events WHERE requests < 0";
    let printed = |format: &str| instance.run(["sql", "--format", format, nothing]).good();
    assert_eq!(printed("csv"), "event_id\n");
    assert_eq!(printed("json"), "");
}

#[test]
fn views_answer_the_first_questions() {
    let Some(tools) = tools("views_answer_the_first_questions") else {
        return;
    };
    let broker = Broker::start(&tools);
    let folder = tempfile::tempdir().unwrap();
    let inventory = folder.path().join("inventory.json");
    let key = |key: &str| json!({ "key": key, "account": "acme", "provider": "openai" });
    let keys = json!({ "keys": [key("key_a"), key("key_unused")] });
    std::fs::write(&inventory, keys.to_string()).unwrap();
    let more = format!("[inventory]\nfile = \"{}\"\n", inventory.display());
    let instance = Instance::new(&broker, &more);

    let now = SystemClock.now();
    let ago = |days: i64| now.plus(-days * Timestamp::DAY).to_string();
    let usage = |id: &str, key: &str, time: String, requests: u64, address: &str| {
        json!({
            "id": id, "time": time, "provider": "openai", "account": "acme", "key": key,
            "model": "gpt-5-mini", "requests": requests, "cost_usd": requests, "source_ip": address,
        })
    };
    let bill = |cost: f64| {
        json!({
            "kind": "cost", "id": "line_1", "time": ago(1), "provider": "openai",
            "account": "acme", "cost_usd": cost,
        })
    };
    // A bucket that is said again with more in it, today.
    let bucket = |requests: u64| {
        let mut bucket = usage("bucket", "key_a", now.to_string(), requests, "198.51.100.1");
        bucket["time_end"] = json!(now.plus(Timestamp::MINUTE).to_string());
        bucket
    };
    let events = [
        bucket(2),
        bucket(5),
        usage("b1", "key_b", ago(10), 7, "198.51.100.1"),
        usage("b2", "key_b", ago(2), 3, "198.51.100.1"),
        usage("b3", "key_b", ago(2), 1, "203.0.113.9"),
        // All that is known of this key is new: its address says nothing.
        usage("c1", "key_c", ago(1), 1, "203.0.113.9"),
        bill(1.5),
        bill(2.25),
    ];
    // One partition: of two that became known in the same millisecond the later offset is newer.
    let file = instance.folder().join("events.jsonl");
    write_lines(&file, &events);
    broker.produce("usage", 1, &file);
    instance.run_until_end();

    let rows = |query: &str| instance.sql(query);
    assert_eq!(
        rows("SELECT key_id, requests, cost_usd, addresses FROM v_key_today"),
        "key_a,5,5.000000000,1"
    );
    assert_eq!(
        rows(
            "SELECT day < current_date(), account, requests FROM v_spend_by_account ORDER BY requests"
        ),
        "true,acme,1\ntrue,acme,4\nfalse,acme,5\ntrue,acme,7"
    );
    assert_eq!(
        rows("SELECT key_id, address, requests FROM v_new_addresses"),
        "key_b,203.0.113.9,1"
    );
    assert_eq!(rows("SELECT key_id FROM v_unused_keys"), "key_unused");
    assert_eq!(rows("SELECT sum(cost_usd) FROM cost_lines"), "2.250000000");
    assert_eq!(rows("SELECT sum(requests) FROM usage_events"), "19");
    let latest = "SELECT sum(requests) FROM v_usage_latest WHERE kind = 'usage'";
    assert_eq!(rows(latest), "17");
}

#[test]
fn an_error_names_its_place_in_the_statement() {
    let instance = Instance::at("127.0.0.1:9", "");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let casebook = instance.data_dir().join("casebook.db");
    std::fs::create_dir_all(instance.data_dir()).unwrap();
    runtime.block_on(async {
        casebook::Casebook::open(&casebook)
            .await
            .unwrap()
            .close()
            .await
    });
    for (statement, message, place) in [
        (
            "SELECT foo FRM usage_events",
            "Expected: end of statement, found: usage_events",
            15,
        ),
        (
            "SELECT 1\n  FROM usage_events WHERE acount = 'x'",
            "No field named acount",
            26,
        ),
        (
            "SELECT * FROM nothing",
            "'spikewatch.public.nothing' not found",
            14,
        ),
    ] {
        let outcome = instance.run(["sql", statement]);
        let error = outcome.stderr;
        assert_eq!(outcome.code, Some(1), "{error}");
        let lines: Vec<&str> = error.trim_end().lines().collect();
        let [said, shown, sign] = lines[..] else {
            panic!("{error}");
        };
        assert!(said.contains(message), "{error}");
        assert_eq!(
            shown,
            format!("  {}", statement.lines().last().unwrap()),
            "{error}"
        );
        assert_eq!(sign, format!("  {}^", " ".repeat(place)), "{error}");
    }
    let outcome = instance.run(["sql", "DROP TABLE usage_events"]);
    assert!(
        outcome.stderr.contains("only reading here"),
        "{}",
        outcome.stderr
    );
}
