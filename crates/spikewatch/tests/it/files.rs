//! The commands that work on files: decode, simulate, backtest, evaluate.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Broker, Instance, Usage, program, repository, run, tools, write_lines};

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// A month of two keys, one of them abused at the end.
fn month() -> Vec<Value> {
    let usage = |account: &str, spike| {
        let usage = Usage {
            key: format!("key_{account}"),
            account: account.to_owned(),
            days: 29,
            spike,
        };
        usage.events()
    };
    let mut events = usage("acme", true);
    events.extend(usage("globex", false));
    events.sort_by_key(|event| event["time"].to_string());
    events
}

#[test]
fn decode_shows_the_canonical_event() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = repository("fixtures/payloads/native/contract_example.json");
    let outcome = run(program(folder.path()).arg("decode").arg(fixture));
    assert!(outcome.stderr.contains("public test secret"));
    assert_eq!(
        outcome.good(),
        concat!(
            r#"{"time":"2026-05-04T12:00:00.123Z","kind":"usage","id":"evt_01","provider":"openai","#,
            r#""account":"acme","project":"checkout","key":"key_7f3a","model":"gpt-5-mini","#,
            r#""operation":"chat","source_ip":"203.0.113.7","user_agent":"openai-python/2.1","#,
            r#""requests":1,"input_tokens":812,"output_tokens":164,"status":200,"#,
            r#""cost_usd":0.00183}"#,
            "\n"
        )
    );
}

#[test]
fn decode_puts_what_it_cannot_read_aside() {
    let folder = tempfile::tempdir().unwrap();
    let (input, rejects) = (folder.path().join("input"), folder.path().join("rejects"));
    let good = r#"{"time":"2026-05-04T12:00:00Z","requests":2}"#;
    std::fs::write(&input, format!("{good}\nnonsense\n\n{good}\n")).unwrap();
    let mut command = program(folder.path());
    command.args(["decode", "--now", "2026-05-04T12:00:00Z", "--rejects"]);
    let out = run(command.arg(&rejects).arg(&input)).good();
    let rows = lines(&out);
    let ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    let place = |line: u32| format!("{}/0/{line}", input.display());
    assert_eq!(ids, [place(1), place(4)]);
    let letters = lines(&std::fs::read_to_string(&rejects).unwrap());
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0]["reason"], "json");
    assert_eq!(letters[0]["offset"], 2);
    assert_eq!(letters[0]["payload"], "nonsense");
    let nowhere = folder.path().join("nowhere");
    run(program(folder.path()).arg("decode").arg(nowhere)).fails(1, &["nowhere"]);
}

#[test]
fn simulate_gives_the_same_bytes_for_the_same_seed() {
    let folder = tempfile::tempdir().unwrap();
    let simulate = |name: &str, seed: &str| -> PathBuf {
        let out = folder.path().join(name);
        let args = [
            "simulate",
            "--scenario",
            "small",
            "--scale",
            "0.1",
            "--seed",
            seed,
        ];
        run(program(folder.path()).args(args).arg("--out").arg(&out)).good();
        out
    };
    let (one, same, other) = (simulate("a", "7"), simulate("b", "7"), simulate("c", "8"));
    for file in ["events.jsonl", "inventory.json", "labels.json"] {
        let bytes = |folder: &Path| std::fs::read(folder.join(file)).unwrap();
        assert!(bytes(&one) == bytes(&same), "{file}");
        assert!(bytes(&one) != bytes(&other), "{file}");
    }
}

#[test]
fn backtest_writes_alerts_and_scores() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.jsonl");
    let month = month();
    write_lines(&events, &month);
    let backtest = |scores: &str| -> (String, PathBuf) {
        let out = folder.path().join(scores);
        let mut command = program(folder.path());
        command.arg("backtest").arg("--events").arg(&events);
        let outcome = run(command.arg("--scores").arg(&out));
        let said = format!("{} events, 0 dead letters, 0 duplicates", month.len());
        assert!(outcome.stderr.contains(&said), "{}", outcome.stderr);
        (outcome.good(), out)
    };
    let (alerts, scores) = backtest("scores.jsonl");
    let accused = lines(&alerts);
    assert_eq!(accused.len(), 1, "{alerts}");
    assert_eq!(accused[0]["account"], "acme");
    assert_eq!(accused[0]["revision"], 0);
    let scores = lines(&std::fs::read_to_string(&scores).unwrap());
    assert!(scores.len() > 100, "{}", scores.len());
    for score in &scores {
        for name in ["key_id", "metric", "window_start", "window_end"] {
            assert!(score[name].is_string(), "{name} in {score}");
        }
        for name in ["observed", "expected", "p_value", "score"] {
            assert!(score[name].is_number(), "{name} in {score}");
        }
        let p_value = score["p_value"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&p_value), "{score}");
        let value = score["score"].as_f64().unwrap();
        assert!((0.0..=100.0).contains(&value), "{score}");
    }
    let (same, parquet) = backtest("scores.parquet");
    assert_eq!(same, alerts);
    let parquet = std::fs::read(&parquet).unwrap();
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    // What a file of scores says is no event.
    let mut command = program(folder.path());
    command.args(["backtest", "--events", "scores.parquet"]);
    run(&mut command).fails(1, &["scores.parquet", "time"]);
}

/// The files of the history are Parquet of somebody else's making, as far as a backtest can see.
#[test]
fn backtest_reads_parquet_as_it_reads_lines() {
    let Some(tools) = tools("backtest_reads_parquet_as_it_reads_lines") else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "");
    let events = instance.folder().join("events.jsonl");
    write_lines(&events, &month());
    broker.produce("usage", 1, &events);
    instance.run_until_end();
    let files = instance.parquet_files();
    assert_eq!(files.len(), 29, "one a day, whose names are in their order");
    let backtest = |files: &[PathBuf]| {
        let mut command = program(instance.folder());
        command
            .arg("backtest")
            .arg("--revisions")
            .arg("--events")
            .args(files);
        let outcome = run(&mut command);
        let said = format!("{} events, 0 dead letters, 0 duplicates", month().len());
        assert!(outcome.stderr.contains(&said), "{}", outcome.stderr);
        outcome.good()
    };
    let alerts = backtest(&files);
    assert!(!alerts.is_empty());
    assert_eq!(alerts, backtest(&[events]));
}

#[test]
fn evaluate_scores_alerts_against_labels() {
    let folder = tempfile::tempdir().unwrap();
    let args = [
        "simulate",
        "--scenario",
        "small",
        "--scale",
        "0.1",
        "--seed",
        "7",
    ];
    run(program(folder.path()).args(args).args(["--out", "small"])).good();
    let labels = std::fs::read(folder.path().join("small/labels.json")).unwrap();
    let labels: Value = serde_json::from_slice(&labels).unwrap();
    let abuses = labels["abuses"].as_array().unwrap();
    let evaluate = |alerts: &str| -> Value {
        std::fs::write(folder.path().join("alerts.jsonl"), alerts).unwrap();
        let args = ["evaluate", "--labels", "small/labels.json", "--json"];
        let out = run(program(folder.path())
            .args(args)
            .args(["--alerts", "alerts.jsonl"]));
        serde_json::from_str(&out.good()).unwrap()
    };
    let none = evaluate("");
    assert_eq!(none["overall"]["abuses"], abuses.len());
    assert_eq!(none["overall"]["detected"], 0);
    assert_eq!(none["overall"]["recall"], 0.0);
    assert_eq!(none["false_alerts"]["count"], 0);

    // Every abuse told when it begins, and one alert on a key that nobody has.
    let alert = |key: &Value, time: &Value| {
        format!(
            "{}\n",
            serde_json::json!({ "key_id": key, "raised_at": time })
        )
    };
    let mut alerts: String = abuses
        .iter()
        .map(|abuse| alert(&abuse["key"], &abuse["start"]))
        .collect();
    alerts.push_str(&alert(&"key_of_nobody".into(), &abuses[0]["start"]));
    let all = evaluate(&alerts);
    assert_eq!(all["overall"]["detected"], abuses.len());
    assert_eq!(all["overall"]["recall"], 1.0);
    assert_eq!(all["overall"]["median_minutes"], 0.0);
    assert_eq!(all["alerts"]["alerts"], abuses.len() + 1);
    assert_eq!(all["alerts"]["counted_false"], 1);
    assert_eq!(all["false_alerts"]["count"], 1);
    assert_eq!(all["alerts"]["unknown_keys"][0], "key_of_nobody");

    std::fs::write(folder.path().join("alerts.jsonl"), "{}\n").unwrap();
    let args = [
        "evaluate",
        "--labels",
        "small/labels.json",
        "--alerts",
        "alerts.jsonl",
    ];
    run(program(folder.path()).args(args)).fails(1, &["alerts.jsonl\" line 1"]);
}
