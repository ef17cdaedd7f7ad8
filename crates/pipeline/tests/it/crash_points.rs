//! A crash at every point at which the pipeline waits for something.
//!
//! A future that is dropped where it waits has done so much and nothing after it: what is in history,
//! casebook and snapshots stays, all else is gone. Work that was given to another thread ends, as
//! what is torn in the middle is for the tests that kill the program. So a run is ended at its first
//! await, the next one at its second, and so on until one comes to its end; and after each a new
//! run must make of what is there what an undisturbed run makes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use casebook::{AlertFilter, Casebook};
use model::{Alert, Partition, Records};
use pipeline::SnapshotFolder;
use serde_json::json;
use tempfile::TempDir;

use crate::support::Setup;

/// Ends a future at one of its awaits: `None` once it was woken so many times.
struct Until<'f, T> {
    future: Pin<Box<dyn Future<Output = T> + 'f>>,
    wakes_left: usize,
}

impl<T> Future for Until<'_, T> {
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        if self.wakes_left == 0 {
            return Poll::Ready(None);
        }
        self.wakes_left -= 1;
        self.future.as_mut().poll(context).map(Some)
    }
}

/// What outlives a crash.
struct World {
    folder: TempDir,
    setup: Setup,
}

/// What people and analysts see in the end.
#[derive(Debug, PartialEq)]
struct Outcome {
    rows: usize,
    alerts: Vec<Alert>,
    incidents: Vec<(String, usize)>,
    messages: BTreeSet<String>,
    dead_letters: Vec<(i32, i64)>,
    /// Of the topic of dead letters, which may have one twice after a crash.
    letters_told: BTreeSet<Vec<u8>>,
    offsets: BTreeMap<Partition, i64>,
}

impl World {
    fn new(copy: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let mut setup = runtime().block_on(Setup::new());
        setup.checkpoint_rows = 300;
        setup.copy = copy;
        setup.is_live = true;
        setup.inventory = model::Inventory::default();
        setup.snapshots = Some(SnapshotFolder::new(folder.path().join("snapshots"), "test"));
        Self { folder, setup }
    }

    /// Runs a new process until its end, or until it crashes; returns whether it came to its end.
    fn run(&mut self, batches: VecDeque<Records>, wakes: usize) -> bool {
        let runtime = runtime();
        let ended = runtime.block_on(async {
            self.setup.casebook = self.casebook().await;
            let future = Box::pin(self.setup.try_run(batches, usize::MAX));
            let until = Until {
                future,
                wakes_left: wakes,
            };
            until.await
        });
        // What was begun on other threads ends, and nothing follows from it.
        runtime.shutdown_timeout(Duration::from_secs(60));
        ended.map(Result::unwrap).is_some()
    }

    async fn casebook(&self) -> Casebook {
        let file = self.folder.path().join("casebook.sqlite");
        Casebook::open(&file).await.unwrap()
    }

    fn outcome(&self) -> Outcome {
        runtime().block_on(async {
            let casebook = self.casebook().await;
            let alerts = casebook.alerts(AlertFilter::default()).await.unwrap();
            let incidents = casebook.incidents(100).await.unwrap();
            let mut messages = BTreeSet::new();
            for incident in &incidents {
                for message in casebook.deliveries(&incident.incident_id).await.unwrap() {
                    let key = message.entry.idempotency_key;
                    assert!(messages.insert(key), "a message twice");
                }
            }
            let letters = casebook.dead_letters(100).await.unwrap();
            let place = |position: &model::Position| (position.partition, position.offset);
            let topics = self.setup.topic.topics.lock().unwrap();
            let told = topics.get("dead-letters").into_iter().flatten();
            let letters_told = told.map(|(_, body)| body.clone()).collect();
            let snapshots = self.setup.snapshots.as_ref().unwrap().snapshots();
            let newest = snapshots.into_iter().next();
            let offsets = newest.map(|snapshot| snapshot.offsets());
            Outcome {
                rows: self.setup.history.rows(),
                alerts,
                incidents: incidents
                    .iter()
                    .map(|incident| (incident.incident_id.to_string(), incident.keys as usize))
                    .collect(),
                messages,
                dead_letters: letters
                    .iter()
                    .map(|letter| place(&letter.position))
                    .collect(),
                letters_told,
                offsets: offsets.unwrap_or_default(),
            }
        })
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Ten quiet days of three keys on two partitions, a theft of one of them, and broken records.
fn batches() -> VecDeque<Records> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let event = |id: String, hour: usize, second: usize, key: usize| {
        let (day, hour) = (1 + hour / 24, hour % 24);
        let (minute, second) = (second / 60, second % 60);
        let address = if id.starts_with('t') {
            "203.0.113.9"
        } else {
            "198.51.100.7"
        };
        json!({
            "id": id, "time": format!("2026-05-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
            "provider": "openai", "account": "acme", "key": format!("key_{key}"),
            "model": "gpt-5", "requests": 1, "input_tokens": 1000, "output_tokens": 100,
            "cost_usd": 0.05, "source_ip": address,
        })
        .to_string()
    };
    for hour in 0..240 {
        for key in 0..3 {
            let id = format!("quiet-{hour}-{key}");
            lines.push((key % 2, event(id, hour, 60 * key + hour % 60, key)));
        }
    }
    lines.push((0, "{".to_owned()));
    for number in 0..400 {
        let id = format!("theft-{number}");
        lines.push((1, event(id, 240, 2 * number, 1)));
    }
    lines.push((1, "[]".to_owned()));
    let mut offsets = [0; 2];
    let mut batches = VecDeque::new();
    for chunk in lines.chunks(100) {
        let mut parts: Vec<Records> = (0..2)
            .map(|number| Records::new(Partition::new("usage", number), offsets[number as usize]))
            .collect();
        for (number, line) in chunk {
            parts[*number].push(offsets[*number], None, line.as_bytes());
            offsets[*number] += 1;
        }
        batches.extend(parts.into_iter().filter(|part| !part.is_empty()));
    }
    batches
}

#[test]
fn a_crash_at_any_await_changes_nothing() {
    let mut undisturbed = World::new(true);
    assert!(undisturbed.run(batches(), usize::MAX));
    let expected = undisturbed.outcome();
    assert_eq!(expected.rows, 240 * 3 + 400);
    assert!(
        !expected.alerts.is_empty() && !expected.messages.is_empty(),
        "{expected:?}"
    );
    assert_eq!(expected.dead_letters.len(), 2);

    let mut half_done = 0;
    for crash in 1.. {
        let mut world = World::new(crash % 2 == 0);
        if world.run(batches(), crash) {
            assert!(crash > 30 && half_done > 5, "{crash} {half_done}");
            return;
        }
        half_done += usize::from((1..expected.rows).contains(&world.setup.history.rows()));
        // Once more before the end, so that what a start does is broken off, too.
        world.run(batches(), 1 + crash % 20);
        assert!(world.run(batches(), usize::MAX));
        assert_eq!(world.outcome(), expected, "crashed at await {crash}");
    }
}
