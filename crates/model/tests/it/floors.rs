//! Imports go down, never sideways, and an outside library is named in its room only.
//!
//! The rule itself is in the failure message ([`RULE`]) and in `ARCHITECTURE.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// What a failure says besides its faults.
const RULE: &str = "\
A crate imports crates of lower floors only. Another one of the same floor may be named under \
[dev-dependencies] for its doubles, with the feature `test-support`; a higher one never. What two \
crates of one floor share goes one floor down: a word or a door into `model`, a table into `columns`.
An outside library is named in its room only, also for tests; other rooms ask through a door.
A new crate gets a line in FLOORS of crates/model/tests/it/floors.rs, in ARCHITECTURE.md and in \
docs/adr/0001-floors-and-doors.md; a new arrow between crates has a commit of its own.";

/// Every folder of `crates` and the floor it stands on.
const FLOORS: &[(&str, u8)] = &[
    ("model", 1),
    ("codec", 2),
    ("columns", 2),
    ("ingest", 2),
    ("notify", 2),
    ("respond", 2),
    ("casebook", 3),
    ("detector", 3),
    ("history", 3),
    ("simulator", 3),
    ("pipeline", 4),
    ("server", 4),
    ("gateway", 4),
    ("spikewatch", 5),
];

/// Imports that the floors would allow and the house does not: a score reaches no provider.
const FORBIDDEN: &[(&str, &str)] = &[("detector", "respond"), ("pipeline", "respond")];

/// Outside libraries and the rooms that may name them; a star stands for any ending.
const ROOMS: &[(&str, &[&str])] = &[
    ("rdkafka*", &["ingest"]),
    ("apache-avro*", &["ingest"]),
    ("prost-reflect*", &["ingest"]),
    ("protox*", &["ingest"]),
    ("arrow-flight", &["gateway"]),
    ("arrow-pg", &["gateway"]),
    ("arrow", &["columns"]),
    ("arrow-*", &["columns"]),
    ("ballista*", &["history"]),
    ("datafusion*", &["history"]),
    ("deltalake*", &["history"]),
    ("object_store", &["history"]),
    ("parquet*", &["history"]),
    ("lettre", &["notify"]),
    ("genai-prices", &["codec"]),
    ("maxminddb*", &["codec"]),
    ("sqlx*", &["casebook"]),
    ("axum*", &["server"]),
    ("pgwire*", &["gateway"]),
    ("prost", &["gateway"]),
    ("tonic*", &["gateway"]),
    ("rust_decimal", &["gateway"]),
    ("rustls", &["gateway"]),
    ("tokio-rustls", &["gateway"]),
    ("prometheus-client", &["server"]),
    ("statrs", &["detector"]),
    ("reqwest", &["ingest", "notify", "respond"]),
    ("aws-*", &["respond"]),
    ("clap*", &["spikewatch"]),
    ("rustyline", &["spikewatch"]),
];

/// Libraries that tests of every room may name: a server or a cluster to talk to.
const FREE_IN_TESTS: &[&str] = &[
    "axum",
    "ballista-core",
    "ballista-executor",
    "ballista-scheduler",
];

/// One line of a dependency table.
struct Import {
    /// The name of the package, whatever it is called here.
    package: String,
    for_tests: bool,
    features: Vec<String>,
}

/// Returns what is wrong with manifests, by folder of `crates`; `workspace` is the one at the root.
fn faults(workspace: &Table, manifests: &BTreeMap<String, Table>) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, _) in FLOORS {
        if !manifests.contains_key(*name) {
            faults.push(format!(
                "{name}: stands in FLOORS and not in crates/; take it out"
            ));
        }
    }
    for (folder, manifest) in manifests {
        let package = manifest
            .get("package")
            .and_then(|package| package.get("name"))
            .and_then(Value::as_str);
        if package != Some(folder) {
            faults.push(format!("{folder}: the package in it is called {package:?}"));
        }
        let Some(floor) = floor_of(folder) else {
            faults.push(format!(
                "{folder}: no floor is known for this crate; choose one and add it to FLOORS"
            ));
            continue;
        };
        for import in imports(workspace, manifest) {
            faults.extend(fault_of(folder, floor, &import));
        }
    }
    faults
}

fn fault_of(folder: &str, floor: u8, import: &Import) -> Option<String> {
    let package = import.package.as_str();
    if FORBIDDEN.contains(&(folder, package)) {
        return Some(format!("{folder}: must never import {package}"));
    }
    if package == "benches" {
        return Some(format!("{folder}: measurements are imported by nobody"));
    }
    if let Some(other) = floor_of(package) {
        let for_doubles = import.for_tests
            && other == floor
            && import
                .features
                .iter()
                .any(|feature| feature == "test-support");
        return (other >= floor && !for_doubles).then(|| {
            let tests = if import.for_tests { " for tests" } else { "" };
            format!("{folder} (floor {floor}): imports {package} (floor {other}){tests}")
        });
    }
    let (_, rooms) = ROOMS.iter().find(|(library, _)| fits(library, package))?;
    let free = import.for_tests && FREE_IN_TESTS.contains(&package);
    (!rooms.contains(&folder) && !free).then(|| {
        format!(
            "{folder}: names {package}, whose room is {}",
            rooms.join(", ")
        )
    })
}

fn floor_of(name: &str) -> Option<u8> {
    let found = FLOORS.iter().find(|(folder, _)| *folder == name);
    found.map(|(_, floor)| *floor)
}

fn fits(library: &str, package: &str) -> bool {
    match library.strip_suffix('*') {
        Some(beginning) => package.starts_with(beginning),
        None => package == library,
    }
}

/// Returns every import of a manifest, those for some targets only included.
fn imports(workspace: &Table, manifest: &Table) -> Vec<Import> {
    let no_table = Table::new();
    let table = |value: Option<&Value>| value.and_then(Value::as_table).cloned();
    let targets = table(manifest.get("target")).unwrap_or_default();
    let shared = workspace
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(Value::as_table)
        .unwrap_or(&no_table);
    let mut imports = Vec::new();
    let places = std::iter::once(manifest).chain(targets.values().filter_map(Value::as_table));
    for place in places {
        for (kind, for_tests) in [
            ("dependencies", false),
            ("build-dependencies", false),
            ("dev-dependencies", true),
        ] {
            for (name, entry) in table(place.get(kind)).unwrap_or_default() {
                // A library may be imported under another name, here or at the root.
                let renamed = [Some(&entry), shared.get(&name)]
                    .into_iter()
                    .flatten()
                    .find_map(|entry| entry.get("package")?.as_str());
                let features = entry.get("features").and_then(Value::as_array);
                let features = features.into_iter().flatten();
                imports.push(Import {
                    package: renamed.unwrap_or(&name).to_owned(),
                    for_tests,
                    features: features
                        .filter_map(|feature| feature.as_str().map(str::to_owned))
                        .collect(),
                });
            }
        }
    }
    imports
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> Table {
    let text = fs::read_to_string(path)
        .unwrap_or_else(|err| panic!("{}: {err}; a folder of crates/ is a crate", path.display()));
    text.parse()
        .unwrap_or_else(|err| panic!("{}: {err}", path.display()))
}

#[test]
fn no_import_runs_up_or_sideways_and_every_library_is_in_its_room() {
    let mut manifests = BTreeMap::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let folder = path.file_name().unwrap().to_str().unwrap().to_owned();
            manifests.insert(folder, read(&path.join("Cargo.toml")));
        }
    }
    let faults = faults(&read(&root().join("Cargo.toml")), &manifests);
    assert!(faults.is_empty(), "\n{}\n\n{RULE}\n", faults.join("\n"));
}

#[test]
fn the_workspace_is_the_crates_and_the_benches() {
    let workspace = read(&root().join("Cargo.toml"));
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let members: BTreeSet<_> = members.iter().filter_map(Value::as_str).collect();
    let rule = "a new folder beside crates/ and benches/ needs a floor here and a reason in an ADR";
    assert_eq!(members, BTreeSet::from(["benches", "crates/*"]), "{rule}");
}

/// Checks a house in which nothing is wrong but the manifest of `folder`.
fn check(folder: &str, tables: &str, expected: &[&str]) {
    let root = r#"
        [workspace.dependencies]
        kafka = { package = "rdkafka", version = "1" }
    "#;
    let manifest = |name: &str, tables: &str| -> Table {
        format!("[package]\nname = \"{name}\"\n{tables}")
            .parse()
            .unwrap()
    };
    let mut manifests: BTreeMap<_, _> = FLOORS
        .iter()
        .map(|(name, _)| ((*name).to_owned(), manifest(name, "")))
        .collect();
    manifests.insert(folder.to_owned(), manifest(folder, tables));
    assert_eq!(
        faults(&root.parse().unwrap(), &manifests),
        expected,
        "{tables}"
    );
}

#[test]
fn downward_imports_are_fine() {
    check("model", "[dependencies]\nserde = \"1\"", &[]);
    check(
        "detector",
        "[dependencies]\ncolumns.workspace = true\nstatrs.workspace = true",
        &[],
    );
    check("server", "[dependencies]\ncasebook.workspace = true", &[]);
    check(
        "spikewatch",
        "[dependencies]\nrespond.workspace = true\nclap = \"4\"",
        &[],
    );
}

#[test]
fn an_upward_or_sideways_import_is_a_fault() {
    check(
        "model",
        "[dependencies]\ncodec.workspace = true",
        &["model (floor 1): imports codec (floor 2)"],
    );
    check(
        "codec",
        "[dependencies]\ncolumns = { path = \"../columns\" }",
        &["codec (floor 2): imports columns (floor 2)"],
    );
    check(
        "pipeline",
        "[target.'cfg(unix)'.dependencies]\nserver.workspace = true",
        &["pipeline (floor 4): imports server (floor 4)"],
    );
    check(
        "notify",
        "[build-dependencies]\nalias = { package = \"spikewatch\", path = \"../spikewatch\" }",
        &["notify (floor 2): imports spikewatch (floor 5)"],
    );
    check(
        "server",
        "[dependencies]\nbenches = { path = \"../../benches\" }",
        &["server: measurements are imported by nobody"],
    );
}

#[test]
fn tests_may_borrow_the_doubles_of_the_same_floor_and_nothing_from_above() {
    let support = "{ workspace = true, features = [\"test-support\"] }";
    check(
        "codec",
        &format!("[dev-dependencies]\ncolumns = {support}"),
        &[],
    );
    check(
        "model",
        &format!("[dev-dependencies]\nmodel = {support}"),
        &[],
    );
    check(
        "detector",
        "[dev-dependencies]\nsimulator.workspace = true",
        &["detector (floor 3): imports simulator (floor 3) for tests"],
    );
    check(
        "codec",
        &format!("[dev-dependencies]\ndetector = {support}"),
        &["codec (floor 2): imports detector (floor 3) for tests"],
    );
    check(
        "codec",
        &format!("[dependencies]\ncolumns = {support}"),
        &["codec (floor 2): imports columns (floor 2)"],
    );
}

#[test]
fn a_score_never_reaches_a_provider() {
    for folder in ["detector", "pipeline"] {
        let fault = format!("{folder}: must never import respond");
        check(
            folder,
            "[dependencies]\nrespond.workspace = true",
            &[&fault],
        );
        check(
            folder,
            "[dev-dependencies]\nrespond.workspace = true",
            &[&fault],
        );
    }
}

#[test]
fn a_library_outside_its_room_is_a_fault() {
    check(
        "detector",
        "[dependencies]\narrow-array.workspace = true",
        &["detector: names arrow-array, whose room is columns"],
    );
    check(
        "pipeline",
        "[dev-dependencies]\ndatafusion.workspace = true",
        &["pipeline: names datafusion, whose room is history"],
    );
    check(
        "server",
        "[dependencies]\nreqwest = \"0.13\"",
        &["server: names reqwest, whose room is ingest, notify, respond"],
    );
    check(
        "history",
        "[dependencies]\nkafka.workspace = true",
        &["history: names rdkafka, whose room is ingest"],
    );
    check(
        "ingest",
        "[dependencies]\naws-sigv4 = \"1\"\naxum = \"0.8\"",
        &[
            "ingest: names aws-sigv4, whose room is respond",
            "ingest: names axum, whose room is server",
        ],
    );
    check(
        "columns",
        "[dependencies]\nmaxminddb.workspace = true",
        &["columns: names maxminddb, whose room is codec"],
    );
    check("notify", "[dev-dependencies]\naxum.workspace = true", &[]);
    check("ingest", "[dependencies]\nkafka.workspace = true", &[]);
}

#[test]
fn an_unknown_crate_is_a_fault() {
    check(
        "attic",
        "",
        &["attic: no floor is known for this crate; choose one and add it to FLOORS"],
    );
    let house: BTreeMap<String, Table> = BTreeMap::from([(
        "model".to_owned(),
        "[package]\nname = \"words\"".parse().unwrap(),
    )]);
    let faults = faults(&Table::new(), &house);
    assert!(faults.contains(&"model: the package in it is called Some(\"words\")".to_owned()));
    assert!(
        faults
            .iter()
            .any(|fault| fault.starts_with("codec: stands in FLOORS"))
    );
}
