//! What is erased is in no file that a service leaves behind.

use std::path::{Path, PathBuf};

use crate::support::{Broker, Instance, Usage, tools, write_lines};

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Returns whether a file below a folder has the text somewhere.
fn is_anywhere(folder: &Path, text: &str) -> bool {
    files(folder).iter().any(|file| {
        let bytes = std::fs::read(file).unwrap();
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    })
}

#[test]
fn an_erased_key_is_in_no_table_and_in_no_snapshot() {
    let Some(tools) = tools("an_erased_key_is_in_no_table_and_in_no_snapshot") else {
        return;
    };
    let broker = Broker::start(&tools);
    let instance = Instance::new(&broker, "[snapshots]\ninterval_secs = 0\n");
    let mut events = Vec::new();
    for account in ["acme", "globex"] {
        let usage = Usage {
            key: format!("key_{account}"),
            account: account.to_owned(),
            days: 20,
            // An alert is known to what joins the partitions, too.
            spike: true,
        };
        events.extend(usage.events());
    }
    let file = instance.folder().join("events.jsonl");
    write_lines(&file, &events);
    broker.produce("usage", 2, &file);
    instance.run_until_end();
    let snapshots = instance.data_dir().join("snapshots");
    assert!(is_anywhere(&snapshots, "key_acme") && is_anywhere(&snapshots, "key_globex"));

    let erased = [
        "erase",
        "--key",
        "key_acme",
        "--reason",
        "customer left",
        "--yes",
    ];
    let said = instance.run(erased).good();
    assert!(said.contains("rows erased"), "{said}");
    let keys =
        "SELECT DISTINCT key_id FROM usage_events UNION SELECT DISTINCT key_id FROM usage_1h";
    assert_eq!(instance.sql(keys), "key_globex");

    // A service forgets it when it starts, and keeps three snapshots.
    for number in 0..3 {
        write_lines(
            &file,
            &events[events.len() - 3 + number..events.len() - 2 + number],
        );
        broker.produce("usage", 2, &file);
        instance.run_until_end();
    }
    assert!(!is_anywhere(&snapshots, "key_acme"));
    assert!(is_anywhere(&snapshots, "key_globex"));
}
