//! A trace of real usage goes in by Kafka, and the same figures come out by SQL.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Broker, Instance, repository, tools, write_lines};

/// What a trace adds up to.
#[derive(Debug, Default, PartialEq)]
struct Sums {
    rows: u64,
    input_tokens: u64,
    output_tokens: u64,
}

/// Returns the trace's files: those of `azure_llm_2023` below `$SPIKEWATCH_TRACES`, else the
/// sample of the repository.
fn trace_files() -> Vec<PathBuf> {
    let Some(traces) = std::env::var_os("SPIKEWATCH_TRACES") else {
        return vec![repository("fixtures/traces/azure_sample.csv")];
    };
    let folder = PathBuf::from(traces).join("azure_llm_2023");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "csv"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "no trace in {}", folder.display());
    files
}

/// Turns the rows of `TIMESTAMP,ContextTokens,GeneratedTokens` into native events.
fn native_events(file: &PathBuf, sums: &mut Sums) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let mut lines = text.lines();
    assert_eq!(
        lines.next(),
        Some("TIMESTAMP,ContextTokens,GeneratedTokens")
    );
    let event = |(number, line): (usize, &str)| {
        let fields: Vec<&str> = line.split(',').collect();
        let tokens = |at: usize| -> u64 { fields[at].parse().unwrap() };
        sums.rows += 1;
        sums.input_tokens += tokens(1);
        sums.output_tokens += tokens(2);
        json!({
            "id": format!("{name}-{number}"),
            "time": format!("{}Z", fields[0].replace(' ', "T")),
            "provider": "azure.openai",
            "account": "azure",
            "key": format!("key_{}", number % 7),
            "input_tokens": tokens(1),
            "output_tokens": tokens(2),
        })
    };
    lines.enumerate().map(event).collect()
}

fn sums_by_sql(instance: &Instance) -> Sums {
    let row = instance.sql(
        "SELECT count(*), sum(input_tokens), sum(output_tokens), count(DISTINCT event_id) \
         FROM usage_events",
    );
    let figures: Vec<u64> = row.split(',').map(|text| text.parse().unwrap()).collect();
    assert_eq!(figures[0], figures[3], "every event once");
    Sums {
        rows: figures[0],
        input_tokens: figures[1],
        output_tokens: figures[2],
    }
}

#[test]
fn a_trace_adds_up_in_sql_to_what_it_was() {
    let Some(tools) = tools("a_trace_adds_up_in_sql_to_what_it_was") else {
        return;
    };
    let mut sums = Sums::default();
    let events: Vec<Value> = trace_files()
        .iter()
        .flat_map(|file| native_events(file, &mut sums))
        .collect();
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "[history]\ncommit_rows = 5000\n");
    let file = instance.folder().join("events.jsonl");
    write_lines(&file, &events);
    assert_eq!(broker.produce("usage", 4, &file), sums.rows);

    let stats = instance.run_until_end();
    assert_eq!(stats["events"], sums.rows);
    assert_eq!(stats["rows_written"], sums.rows);
    assert_eq!(stats["dead_letters"], 0);
    assert_eq!(stats["duplicates"], 0);
    assert_eq!(sums_by_sql(&instance), sums);
    eprintln!("{sums:?} in {} s", stats["seconds"]);

    let commits = instance.commits();
    let again = instance.run_until_end();
    assert_eq!(again["events"], 0, "a snapshot says that all is read");
    assert_eq!(sums_by_sql(&instance), sums);

    std::fs::remove_dir_all(instance.data_dir().join("snapshots")).unwrap();
    let again = instance.run_until_end();
    assert_eq!(again["events"], sums.rows, "without one it is read again");
    assert_eq!(again["rows_written"], 0, "and not written again");
    assert_eq!(again["rows_known"], sums.rows);
    assert_eq!(sums_by_sql(&instance), sums);
    assert_eq!(instance.commits(), commits);
}
