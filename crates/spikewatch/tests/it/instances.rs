//! Several instances share the partitions: they join, leave, die and hang, and what comes of it is
//! what one alone finds.
//!
//! The broker is librdkafka's own, in the test's process: of those that can be had it is the one
//! that notices a member that is gone.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use casebook::Casebook;
use ingest::{EmbeddedBroker, KafkaConfig, KafkaSink};
use model::RecordSink;
use url::Url;

use crate::kill_nine::{assert_same_alerts, messages_in, slack, whole_history};
use crate::support::{HttpServer, Instance, Running, eventually, program, run};

pub(crate) const PARTITIONS: i32 = 6;

/// What instances share: a folder, a database, a broker, a channel.
pub(crate) struct Shared {
    broker: EmbeddedBroker,
    pub(crate) producer: Producer,
    slack: HttpServer,
    folder: tempfile::TempDir,
    database: Url,
}

/// Writes usage to the log.
pub(crate) struct Producer {
    sink: KafkaSink,
    runtime: tokio::runtime::Runtime,
}

impl Producer {
    /// Writes lines, each by its key.
    pub(crate) fn produce<'l>(&self, lines: impl Iterator<Item = &'l str>) {
        let records: Vec<(String, Vec<u8>)> = lines
            .map(|line| {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                (event["key"].to_string(), line.as_bytes().to_vec())
            })
            .collect();
        let appended = self.sink.append("usage", &records);
        self.runtime.block_on(appended).unwrap();
    }
}

impl Shared {
    /// Begins with nothing, unless something is not installed.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let Ok(server) = std::env::var("SPIKEWATCH_POSTGRES_URL") else {
            eprintln!(
                "*** SKIPPED: {test}: SPIKEWATCH_POSTGRES_URL is not set; use ./scripts/test"
            );
            return None;
        };
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("instances_{}_{number}", std::process::id());
        for statement in [
            format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            format!("CREATE DATABASE {name}"),
        ] {
            let mut psql = Command::new("psql");
            run(psql.args([server.as_str(), "--quiet", "--command", &statement])).good();
        }
        let mut database = Url::parse(&server).unwrap();
        database.set_path(&name);
        let broker = EmbeddedBroker::start(&[
            ("usage", PARTITIONS),
            ("spikewatch-instances", 1),
            ("dead-letters", 1),
        ])
        .unwrap();
        let kafka = format!("brokers = \"{}\"", broker.address());
        let kafka: KafkaConfig = toml::from_str(&kafka).unwrap();
        Some(Self {
            producer: Producer {
                sink: KafkaSink::open(&kafka).unwrap(),
                runtime: tokio::runtime::Runtime::new().unwrap(),
            },
            broker,
            slack: slack("ok"),
            folder: tempfile::tempdir().unwrap(),
            database,
        })
    }

    /// Configures an instance.
    pub(crate) fn instance(&self, name: &str) -> Instance {
        let mut url = self.database.clone();
        let password = url.password().unwrap().to_owned();
        url.set_password(None).unwrap();
        let folder = self.folder.path().display();
        let more = format!(
            "[instances]\nname = \"{name}\"\n\n\
             [casebook]\nurl = \"{url}\"\npassword = \"{password}\"\n\n\
             [history]\nurl = \"{folder}/history\"\ncommit_rows = 4000\ncommit_interval_secs = 1\n\n\
             [snapshots]\nurl = \"{folder}/snapshots\"\ninterval_secs = 2\n\n\
             [identity]\nfingerprint_secret_file = \"{folder}/secret\"\n\n\
             [notify.slack]\nenabled = true\nwebhook_url = \"{}/services/T0/B0/x\"\n\
             min_interval_millis = 1\n",
            self.slack.url
        );
        let instance = Instance::at(&self.broker.address(), &more);
        instance.change_config(|text| {
            let fixed = "[kafka.properties]\n\"group.instance.id\" = \"one\"\n\n";
            let quick = "[kafka.properties]\n\"session.timeout.ms\" = \"6000\"\n\n";
            text.replace(fixed, quick)
        });
        instance
    }

    /// Configures one that shares nothing, and reads the same log.
    pub(crate) fn alone(&self, slack: &HttpServer) -> Instance {
        let more = format!(
            "[history]\ncommit_rows = 50000\ncommit_interval_secs = 1\n\n\
             [notify.slack]\nenabled = true\nwebhook_url = \"{}/services/T0/B0/x\"\n\
             min_interval_millis = 1\n",
            slack.url
        );
        let calm = Instance::at(&self.broker.address(), &more);
        calm.change_config(|text| text.replace("[kafka]\n", "[kafka]\ngroup = \"calm\"\n"));
        calm
    }

    /// Returns whether anything has been committed.
    pub(crate) fn has_history(&self) -> bool {
        let table = self.folder.path().join("history/usage_events/_delta_log");
        table.join("00000000000000000001.json").exists()
    }

    /// Waits until the history has so many rows, each once.
    fn await_rows(&self, instance: &Instance, running: &mut [&mut Running], rows: usize) {
        eventually(&format!("{rows} rows"), || {
            for running in &mut *running {
                assert!(running.ended().is_none(), "{}", running.stderr());
            }
            if !self.has_history() {
                return None;
            }
            let counts =
                instance.sql("SELECT count(*), count(DISTINCT event_id) FROM usage_events");
            let (all, distinct) = counts.split_once(',').unwrap();
            assert_eq!(all, distinct, "a row is there twice");
            std::thread::sleep(std::time::Duration::from_millis(300));
            (all == rows.to_string()).then_some(())
        });
    }

    pub(crate) fn messages(&self, instance: &Instance) -> Vec<casebook::Delivery> {
        let open = async || Casebook::connect(&self.database).await.unwrap();
        messages_in(instance, open)
    }
}

/// Writes the story and cuts it into pieces of the same length, in the order of time.
fn story(instance: &Instance, pieces: usize) -> Vec<PathBuf> {
    let out = instance.folder().join("story");
    let args = ["simulate", "--scenario", "braintrust", "--seed", "1"];
    let mut simulate = program(instance.folder());
    run(simulate
        .args(args)
        .args(["--scale", "0.1", "--out"])
        .arg(&out))
    .good();
    let whole = out.join("events.jsonl");
    let text = std::fs::read_to_string(&whole).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let pieces = lines.chunks(lines.len().div_ceil(pieces)).enumerate();
    let pieces = pieces.map(|(number, lines)| {
        let file = out.join(format!("piece-{number}.jsonl"));
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
        file
    });
    pieces.collect()
}

fn has_taken(running: &mut Running, partitions: usize) {
    eventually(&format!("{partitions} partitions to be taken"), || {
        let said = running.stderr();
        assert!(running.ended().is_none(), "{said}");
        (said.matches("took a partition").count() >= partitions).then_some(())
    });
}

#[test]
fn instances_that_come_go_die_and_hang_find_what_one_finds() {
    let test = "instances_that_come_go_die_and_hang_find_what_one_finds";
    let Some(shared) = Shared::start(test) else {
        return;
    };
    let (a, b, c) = (
        shared.instance("a"),
        shared.instance("b"),
        shared.instance("c"),
    );
    let pieces = story(&a, 6);
    let mut ids = BTreeSet::new();
    let mut produce = |shared: &Shared, piece: usize| {
        // Some are there twice.
        let text = std::fs::read_to_string(&pieces[piece]).unwrap();
        shared.producer.produce(text.lines());
        ids.extend(text.lines().map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["id"].as_str().unwrap().to_owned()
        }));
        ids.len()
    };

    let mut one = a.start_service();
    let rows_until = produce(&shared, 0);
    has_taken(&mut one, 6);
    shared.await_rows(&a, &mut [&mut one], rows_until);
    // Another comes, and gets a part of the partitions with what is known of them.
    let mut two = b.start_service();
    has_taken(&mut two, 3);
    let rows_until = produce(&shared, 1);
    shared.await_rows(&a, &mut [&mut one, &mut two], rows_until);
    // The first dies: its partitions go to the other.
    one.kill();
    let rows_until = produce(&shared, 2);
    shared.await_rows(&b, &mut [&mut two], rows_until);
    has_taken(&mut two, 6);
    // It comes back, and a third with it.
    let mut one = a.start_service();
    let mut three = c.start_service();
    has_taken(&mut three, 1);
    let rows_until = produce(&shared, 3);
    shared.await_rows(&b, &mut [&mut one, &mut two, &mut three], rows_until);
    // One hangs for longer than the group waits, and wakes up with partitions of others.
    two.signal("STOP");
    let rows_until = produce(&shared, 4);
    shared.await_rows(&a, &mut [&mut one, &mut three], rows_until);
    two.signal("CONT");
    // A third leaves in peace.
    three.signal("TERM");
    let said = three.wait();
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let rows_until = produce(&shared, 5);
    shared.await_rows(&a, &mut [&mut one, &mut two], rows_until);
    for running in [one, two] {
        running.signal("TERM");
        let said = running.wait();
        assert_eq!(said.code, Some(0), "{}", said.stderr);
    }

    let calm_slack = slack("ok");
    let calm = shared.alone(&calm_slack);
    let mut alone = calm.start_service();
    calm.await_rows(&mut alone, rows_until);
    alone.signal("TERM");
    alone.wait().good();

    assert!(whole_history(&a) == whole_history(&calm), "history differs");
    for table in ["usage_1m", "usage_1h"] {
        let sums = format!("SELECT sum(requests), sum(input_tokens), sum(cost_usd) FROM {table}");
        assert_eq!(a.sql(&sums), calm.sql(&sums), "{table}");
    }
    let (alerts, expected) = (a.alerts(), calm.alerts());
    assert!(
        expected.len() >= 2,
        "there is something to lose: {expected:?}"
    );
    assert_same_alerts(&alerts, &expected);
    let told = shared.messages(&a);
    let keys: BTreeSet<&str> = told
        .iter()
        .map(|message| message.entry.idempotency_key.as_str())
        .collect();
    assert_eq!(keys.len(), told.len(), "one key a message: {told:?}");
    // Where one died or hung between telling people and writing that down, they are told again.
    let is_sent = |message: &&casebook::Delivery| message.state.as_str() == "sent";
    let (written, sent) = (
        told.iter().filter(is_sent).count(),
        shared.slack.requests().len(),
    );
    assert!(
        (written..=written + 2).contains(&sent),
        "{sent} instead of {written}"
    );
}
