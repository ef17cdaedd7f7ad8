//! Killed at random moments and with the broker restarted under it, the program ends up where it
//! would have been undisturbed.
//!
//! A small one runs with the other tests. A larger one, 850,000 events and a hundred kills:
//!
//! ```sh
//! SPIKEWATCH_SOAK_SCALE=5 SPIKEWATCH_SOAK_KILLS=100 SPIKEWATCH_SOAK_RESTARTS=5 \
//!   SPIKEWATCH_SOAK_LONGEST_MILLIS=2500 SPIKEWATCH_TEST_PATIENCE_SECS=900 \
//!   ./scripts/test --no-capture -E 'test(soak)'
//! ```
//!
//! Many more events are beyond the broker of the tests: it answers with whole partitions, and
//! with five million events a run is killed before it has the first of them.
//! `SPIKEWATCH_SOAK_SEED` is the seed of the moments; it is printed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::kill_nine::{assert_same_alerts, messages};
use crate::support::{Broker, Instance, Running, eventually, program, run, tools};

/// How long a run goes on at most before it is killed, in milliseconds.
const LONGEST_MILLIS: f64 = 1200.0;

pub(crate) fn setting(name: &str, default: f64) -> f64 {
    let text = std::env::var(format!("SPIKEWATCH_SOAK_{name}"));
    text.map_or(default, |text| text.parse().unwrap())
}

/// Small, seeded and good enough to choose moments.
pub(crate) struct Moments(pub(crate) u64);

impl Moments {
    pub(crate) fn next(&mut self, below: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

/// What history must add up to.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Sums {
    rows: u64,
    tokens: u64,
    nanos: i128,
}

/// Adds up the events of a file; what stands there twice counts once.
pub(crate) fn produced(file: &Path) -> Sums {
    let mut sums = Sums::default();
    let mut ids = BTreeSet::new();
    for line in BufReader::new(std::fs::File::open(file).unwrap()).lines() {
        let event: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if !ids.insert(event["id"].as_str().unwrap().to_owned()) {
            continue;
        }
        let count = |name: &str| event[name].as_u64().unwrap_or(0);
        sums.rows += 1;
        sums.tokens += count("input_tokens") + count("output_tokens");
        sums.nanos += (event["cost_usd"].as_f64().unwrap_or(0.0) * 1e9).round() as i128;
    }
    sums
}

pub(crate) fn stored(instance: &Instance) -> Sums {
    let sums = instance.sql(
        "SELECT count(*), sum(coalesce(input_tokens, 0) + coalesce(output_tokens, 0)), \
         sum(cost_usd) FROM usage_events",
    );
    let fields: Vec<&str> = sums.split(',').collect();
    let (dollars, nanos) = fields[2].split_once('.').unwrap();
    assert_eq!(nanos.len(), 9, "{sums}");
    Sums {
        rows: fields[0].parse().unwrap(),
        tokens: fields[1].parse().unwrap(),
        nanos: format!("{dollars}{nanos}").parse().unwrap(),
    }
}

/// Lets it read for a while, then kills it; returns whether it had ended by itself.
fn disturb(mut running: Running, moments: &mut Moments) -> bool {
    let longest = setting("LONGEST_MILLIS", LONGEST_MILLIS) as u64;
    let mut wait = Duration::from_millis(moments.next(longest));
    // Half of them die while they start, the others while they read.
    if moments.next(2) == 0 {
        eventually("the partitions", || {
            let begun =
                running.ended().is_some() || running.stderr().contains("partitions changed");
            begun.then_some(())
        });
    } else {
        wait /= 4;
    }
    std::thread::sleep(wait);
    let ended = running.ended().is_some();
    running.kill();
    ended
}

#[test]
fn kills_at_random_and_restarts_of_the_broker_leave_no_trace() {
    let Some(tools) = tools("kills_at_random_and_restarts_of_the_broker_leave_no_trace") else {
        return;
    };
    let kills = setting("KILLS", 12.0) as usize;
    let restarts = setting("RESTARTS", 1.0) as usize;
    let seed = setting("SEED", 1.0) as u64;
    let mut broker = Broker::start(&tools);
    let more = "[history]\ncommit_rows = 25000\n\n[snapshots]\ninterval_secs = 0\n";
    let (calm, killed) = (Instance::new(&broker, more), Instance::new(&broker, more));
    for instance in [&calm, &killed] {
        // The broker of the tests answers with a whole partition, however little is asked for.
        let config = std::fs::read_to_string(instance.config()).unwrap();
        let properties = "[kafka.properties]\n\"receive.message.max.bytes\" = \"2000000000\"\n";
        let config = config.replace("[kafka.properties]\n", properties);
        std::fs::write(instance.config(), config).unwrap();
    }
    let out = calm.folder().join("story");
    let scale = setting("SCALE", 1.0).to_string();
    let args = ["simulate", "--scenario", "braintrust", "--seed", "3"];
    run(program(calm.folder())
        .args(args)
        .args(["--scale", &scale, "--out"])
        .arg(&out))
    .good();
    let file = out.join("events.jsonl");
    let records = broker.produce("usage", 6, &file);
    let sums = produced(&file);
    eprintln!("seed {seed}: {records} records, {sums:?}");

    let began = Instant::now();
    let stats = calm.run_until_end();
    eprintln!("undisturbed: {:?}, {stats}", began.elapsed());
    assert_eq!(stored(&calm), sums);

    let (mut moments, mut ends) = (Moments(seed), 0);
    let began = Instant::now();
    for kill in 0..kills {
        if restarts > 0 && kill % (kills / restarts).max(1) == kills / restarts / 2 {
            let running = killed.start_until_end();
            broker.restart();
            disturb(running, &mut moments);
        }
        ends += usize::from(disturb(killed.start_until_end(), &mut moments));
        // Before the first commit there may be nothing to ask; over many rows the question takes
        // longer than the run that it checks.
        if killed.commits() > 1 && (kills < 20 || kill % 10 == 9) {
            let counts = killed.sql("SELECT count(*), count(DISTINCT event_id) FROM usage_events");
            let (rows, ids) = counts.split_once(',').unwrap();
            assert_eq!(
                rows, ids,
                "a row is there twice after kill {kill} of seed {seed}"
            );
            eprintln!("kill {kill}: {rows} rows");
        }
    }
    let last = killed.run_until_end();
    eprintln!(
        "{kills} kills, {ends} of them at its end: {:?}, {last}",
        began.elapsed()
    );
    assert_eq!(stored(&killed), sums, "seed {seed}");
    let alerts = calm.alerts();
    assert!(!alerts.is_empty());
    assert_same_alerts(&killed.alerts(), &alerts);
    let told = messages(&killed);
    let keys: BTreeSet<&str> = told
        .iter()
        .map(|message| message.entry.idempotency_key.as_str())
        .collect();
    assert_eq!(keys.len(), told.len(), "one key a message");
}
