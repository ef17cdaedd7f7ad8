//! Instances are killed and stopped and come back at random while usage comes in, and end up with
//! what one undisturbed instance has, which reads beside them.
//!
//! A small one runs with the other tests. The large one, five million events and a hundred kills:
//!
//! ```sh
//! SPIKEWATCH_SOAK_SCALE=30 SPIKEWATCH_SOAK_KILLS=100 SPIKEWATCH_TEST_PATIENCE_SECS=3600 \
//!   ./scripts/test --no-capture -E 'test(instances_killed_at_random)'
//! ```

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::instances::{Producer, Shared};
use crate::kill_nine::{assert_same_alerts, slack};
use crate::soak::{Moments, produced, setting, stored};
use crate::support::{Instance, Running, eventually, program, run};

/// How many records may wait for the slowest reader: the broker keeps some megabytes of each
/// partition and no more, and they may all be of one.
const RECORDS_AHEAD: u64 = 40_000;

/// Records that are written at once.
const CHUNK: usize = 2_000;

/// How many instances there are at most.
const INSTANCES: usize = 3;

/// Writes a file as fast as the slowest reader has it in its history.
fn produce(producer: &Producer, file: &Path, read: &AtomicU64, written: &AtomicU64) {
    let lines = BufReader::new(std::fs::File::open(file).unwrap()).lines();
    let mut chunk = Vec::with_capacity(CHUNK);
    let write = |chunk: &mut Vec<String>| {
        while written.load(Ordering::Relaxed) > read.load(Ordering::Relaxed) + RECORDS_AHEAD {
            std::thread::sleep(Duration::from_millis(20));
        }
        producer.produce(chunk.iter().map(String::as_str));
        written.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        chunk.clear();
    };
    for line in lines {
        chunk.push(line.unwrap());
        if chunk.len() == CHUNK {
            write(&mut chunk);
        }
    }
    write(&mut chunk);
}

/// Returns how many records a history has, by the offsets of its partitions.
fn records(instance: &Instance) -> u64 {
    let ends = instance.sql(
        "SELECT coalesce(sum(ends), 0) FROM (SELECT max(\"offset\") + 1 AS ends FROM usage_events \
         GROUP BY topic, \"partition\") AS partitions",
    );
    ends.parse().unwrap()
}

/// Checks that the broker had everything that was to be read.
fn assert_kept(said: &str) {
    let lost = said
        .lines()
        .find(|line| line.contains("before they were read"));
    assert!(
        lost.is_none(),
        "the broker of the tests has dropped records: {lost:?}"
    );
}

struct Crew {
    instances: Vec<Instance>,
    running: Vec<Option<Running>>,
}

impl Crew {
    fn assert_well(&mut self) {
        for running in self.running.iter_mut().flatten() {
            assert!(running.ended().is_none(), "{}", running.stderr());
            assert_kept(&running.stderr());
        }
    }

    /// One comes, is killed, or leaves; returns whether one was killed.
    fn disturb(&mut self, moments: &mut Moments) -> bool {
        let at = moments.next(INSTANCES as u64) as usize;
        let others = self.running.iter().enumerate();
        let is_alone = others
            .filter(|(other, running)| *other != at && running.is_some())
            .count()
            == 0;
        match self.running[at].take() {
            None => {
                self.running[at] = Some(self.instances[at].start_service());
                false
            }
            Some(running) if moments.next(4) == 0 && !is_alone => {
                running.signal("TERM");
                let said = running.wait();
                assert_eq!(said.code, Some(0), "{}", said.stderr);
                false
            }
            Some(running) => {
                assert_kept(&running.stderr());
                running.kill();
                // Often it is back before anybody missed it.
                if is_alone || moments.next(3) > 0 {
                    self.running[at] = Some(self.instances[at].start_service());
                }
                true
            }
        }
    }
}

#[test]
fn instances_killed_at_random_leave_no_trace() {
    let Some(shared) = Shared::start("instances_killed_at_random_leave_no_trace") else {
        return;
    };
    let kills = setting("KILLS", 6.0) as usize;
    let seed = setting("SEED", 1.0) as u64;
    let calm_slack = slack("ok");
    let calm = shared.alone(&calm_slack);
    let out = calm.folder().join("story");
    let scale = setting("SCALE", 0.5).to_string();
    let args = ["simulate", "--scenario", "braintrust", "--seed", "3"];
    let mut simulate = program(calm.folder());
    run(simulate
        .args(args)
        .args(["--scale", &scale, "--out"])
        .arg(&out))
    .good();
    let file = out.join("events.jsonl");
    let sums = produced(&file);
    eprintln!("seed {seed}: {sums:?}");

    let names = ["a", "b", "c"];
    let mut crew = Crew {
        instances: names.map(|name| shared.instance(name)).into(),
        running: names.map(|_| None).into(),
    };
    let mut alone = calm.start_service();
    crew.running[0] = Some(crew.instances[0].start_service());
    let (read, written) = (AtomicU64::new(0), AtomicU64::new(0));
    let (mut moments, mut killed) = (Moments(seed), 0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let producer = scope.spawn(|| produce(&shared.producer, &file, &read, &written));
        let mut same = 0;
        let total: u64 = BufReader::new(std::fs::File::open(&file).unwrap())
            .lines()
            .count() as u64;
        eventually("all to be read", || {
            let last = read.load(Ordering::Relaxed);
            // As many kills as there are, spread over all that is read.
            if killed < kills && (last + 1_000) * kills as u64 >= total * killed as u64 {
                killed += usize::from(crew.disturb(&mut moments));
            }
            crew.assert_well();
            assert!(alone.ended().is_none(), "{}", alone.stderr());
            std::thread::sleep(Duration::from_millis(500 + moments.next(1_500)));
            if calm.commits() > 1 && shared.has_history() {
                let (by_all, by_one) = (records(&crew.instances[0]), records(&calm));
                read.store(by_all.min(by_one), Ordering::Relaxed);
                // The last record of a partition may be a repeat, of which there is no row.
                let is_all = written.load(Ordering::Relaxed) == total;
                same = if is_all && by_all == by_one {
                    same + 1
                } else {
                    0
                };
            }
            let now = read.load(Ordering::Relaxed);
            if now / 200_000 > last / 200_000 {
                eprintln!(
                    "{now} of {total} records, {killed} kills, {:?}",
                    began.elapsed()
                );
            }
            (same > 5 && killed == kills).then_some(())
        });
        producer.join().unwrap();
    });
    eprintln!("{killed} kills in {:?}", began.elapsed());
    for running in crew.running.into_iter().flatten().chain([alone]) {
        running.signal("TERM");
        let said = running.wait();
        assert_eq!(said.code, Some(0), "{}", said.stderr);
    }
    let one = &crew.instances[0];
    assert_eq!(stored(one), sums, "seed {seed}");
    assert_eq!(stored(&calm), sums, "seed {seed}");
    let alerts = calm.alerts();
    assert!(!alerts.is_empty());
    assert_same_alerts(&one.alerts(), &alerts);
    let told = shared.messages(one);
    let keys: BTreeSet<&str> = told
        .iter()
        .map(|message| message.entry.idempotency_key.as_str())
        .collect();
    assert_eq!(keys.len(), told.len(), "one key a message");
}
