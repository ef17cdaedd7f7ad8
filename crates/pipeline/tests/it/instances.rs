//! Several pipelines share a log of four partitions: they come, go, die and hang by the throw of a
//! die, and in the end there is what one alone would have found.
//!
//! The group, the log that instances share and the place of snapshots are doubles; history and
//! casebook are one for all. A pipeline that dies is dropped where it waits; one that hangs is not
//! polled for a while, and wakes up with partitions that are another's by then. Storage and history
//! are away for a while, too, and partitions change hands meanwhile.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroUsize;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use casebook::{AlertFilter, Casebook};
use codec::{Codec, FingerprintSecret};
use columns::double::MemoryHistory;
use columns::{HistoryWriter, LiveRows, SnapshotStore};
use detector::{DetectorConfig, KeyDirectory};
use model::{
    Alert, Detector, EventSource, OffsetRange, Partition, Rebalance, Rebalanced, Rebalances,
    Records, SharedLog, SourceError, SystemClock,
};
use pipeline::{
    CheckpointConfig, Grouping, Instances, LiveTables, Pipeline, PipelineVitals, RunSummary,
    SnapshotConfig, SnapshotFolder, Stages,
};
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::joint::{abused_together, inventory};

const PARTITIONS: i32 = 4;

/// A die that falls the same way for the same seed.
struct Die(u64);

impl Die {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % sides
    }
}

/// Weeks of twelve keys that a vendor stores; one of them is stolen in the middle, and at the end
/// all are used together.
fn input_by_key() -> Vec<(i32, Vec<u8>)> {
    let event = |line: &Vec<u8>| serde_json::from_slice::<serde_json::Value>(line).unwrap();
    let key_of = |event: &serde_json::Value| event["key"].as_str().unwrap()[1..].parse().unwrap();
    let mut lines = abused_together();
    let at = lines.len() * 3 / 5;
    let mut stolen = event(&lines[at]);
    let theft: Vec<Vec<u8>> = (0..400)
        .map(|number| {
            stolen["id"] = format!("theft-{number}").into();
            stolen["source_ip"] = "192.0.2.77".into();
            stolen["cost_usd"] = 0.5.into();
            serde_json::to_vec(&stolen).unwrap()
        })
        .collect();
    lines.splice(at..at, theft);
    let lines = lines.into_iter();
    lines.map(|line| (key_of(&event(&line)), line)).collect()
}

/// Whether something answers.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reach {
    Answers,
    Refuses,
    Hangs,
}

impl Reach {
    /// Waits as long as nothing is answered, or says that it is refused.
    async fn ask(of: &Mutex<Self>) -> Result<(), columns::Error> {
        loop {
            tokio::task::yield_now().await;
            let reach = *of.lock().unwrap();
            match reach {
                Self::Answers => return Ok(()),
                Self::Refuses => {
                    return Err(columns::Error::Storage {
                        message: "it is away".into(),
                        transient: true,
                    });
                }
                Self::Hangs => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }
}

/// What all instances reach.
struct World {
    patience: Duration,
    storage: Mutex<Reach>,
    history_reach: Mutex<Reach>,
    input: BTreeMap<Partition, Vec<Vec<u8>>>,
    /// How much of each partition has been produced.
    produced: Mutex<BTreeMap<Partition, i64>>,
    said: Mutex<Vec<Vec<u8>>>,
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Told whenever there is more to read.
    more: Notify,
    history: MemoryHistory,
    casebook: Casebook,
    _folder: TempDir,
    inventory: model::Inventory,
}

impl World {
    async fn new() -> Arc<Self> {
        Self::with_patience(Duration::from_secs(30)).await
    }

    async fn with_patience(patience: Duration) -> Arc<Self> {
        let folder = TempDir::new().unwrap();
        let mut input: BTreeMap<Partition, Vec<Vec<u8>>> = BTreeMap::new();
        for (key, line) in input_by_key() {
            let partition = Partition::new("usage", key % PARTITIONS);
            input.entry(partition).or_default().push(line);
        }
        assert_eq!(input.len(), PARTITIONS as usize);
        Arc::new(Self {
            patience,
            storage: Mutex::new(Reach::Answers),
            history_reach: Mutex::new(Reach::Answers),
            produced: Mutex::new(
                input
                    .keys()
                    .map(|partition| (partition.clone(), 0))
                    .collect(),
            ),
            input,
            said: Mutex::default(),
            files: Mutex::default(),
            more: Notify::new(),
            history: MemoryHistory::default(),
            // In a file: a connection that dies in the middle of a transaction gives way to another.
            casebook: Casebook::open(&folder.path().join("casebook.db"))
                .await
                .unwrap(),
            _folder: folder,
            inventory: inventory(),
        })
    }

    /// Produces a share of everything, in all partitions alike.
    fn produce(&self, share: f64) {
        for (partition, produced) in self.produced.lock().unwrap().iter_mut() {
            *produced = (self.input[partition].len() as f64 * share.min(1.0)) as i64;
        }
        self.more.notify_waiters();
    }

    /// Waits until history has all that was produced.
    async fn until_all_is_read(&self) {
        let since = Instant::now();
        loop {
            let produced = self.produced.lock().unwrap().clone();
            let mut is_all = true;
            for (partition, end) in produced {
                let next = self.history.next_offset(&partition).await.unwrap();
                is_all &= next.unwrap_or(0) >= end;
            }
            if is_all {
                return;
            }
            assert!(
                since.elapsed() < Duration::from_secs(120),
                "waited too long"
            );
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The log as one member reads it.
struct MemberSource {
    world: Arc<World>,
    /// From where each partition is read that the member believes to have.
    positions: Arc<Mutex<BTreeMap<Partition, i64>>>,
    turn: usize,
}

impl MemberSource {
    fn read(&mut self) -> Option<Records> {
        let mut positions = self.positions.lock().unwrap();
        let produced = self.world.produced.lock().unwrap();
        self.turn += 1;
        let partitions: Vec<Partition> = positions.keys().cloned().collect();
        let rotated = partitions
            .iter()
            .cycle()
            .skip(self.turn)
            .take(partitions.len());
        for partition in rotated {
            let position = positions.get_mut(partition)?;
            let end = produced[partition].min(*position + 97 + self.turn as i64 % 400);
            if *position >= end {
                continue;
            }
            let mut records = Records::new(partition.clone(), *position);
            for offset in *position..end {
                records.push(offset, None, &self.world.input[partition][offset as usize]);
            }
            *position = end;
            return Some(records);
        }
        None
    }
}

#[async_trait]
impl EventSource for MemberSource {
    async fn next(&mut self) -> Result<Option<Records>, SourceError> {
        loop {
            tokio::task::yield_now().await;
            if let Some(records) = self.read() {
                return Ok(Some(records));
            }
            let _ =
                tokio::time::timeout(Duration::from_millis(5), self.world.more.notified()).await;
        }
    }

    async fn commit(&mut self, _ranges: &[OffsetRange]) -> Result<(), SourceError> {
        Ok(())
    }

    fn caught_up(&self) -> bool {
        true
    }

    fn partitions(&self) -> BTreeMap<Partition, bool> {
        let positions = self.positions.lock().unwrap();
        positions
            .keys()
            .map(|partition| (partition.clone(), true))
            .collect()
    }
}

struct MemberRebalances(mpsc::UnboundedReceiver<Rebalance>);

#[async_trait]
impl Rebalances for MemberRebalances {
    async fn next(&mut self) -> Rebalance {
        match self.0.recv().await {
            Some(rebalance) => rebalance,
            None => std::future::pending().await,
        }
    }
}

struct MemoryLog {
    world: Arc<World>,
    next: usize,
}

#[async_trait]
impl SharedLog for MemoryLog {
    async fn read_from(&mut self, offset: Option<i64>) -> Result<bool, SourceError> {
        tokio::task::yield_now().await;
        self.next = offset.unwrap_or(0) as usize;
        Ok(self.next <= self.world.said.lock().unwrap().len())
    }

    async fn next(&mut self) -> Result<(i64, Vec<u8>), SourceError> {
        loop {
            let message = self.world.said.lock().unwrap().get(self.next).cloned();
            if let Some(message) = message {
                self.next += 1;
                return Ok((self.next as i64 - 1, message));
            }
            let _ =
                tokio::time::timeout(Duration::from_millis(2), self.world.more.notified()).await;
        }
    }

    async fn append(&self, message: Vec<u8>) -> Result<i64, SourceError> {
        tokio::task::yield_now().await;
        let offset = {
            let mut said = self.world.said.lock().unwrap();
            said.push(message);
            said.len() as i64 - 1
        };
        self.world.more.notify_waiters();
        // Whoever dies here has said it and does not know.
        tokio::task::yield_now().await;
        Ok(offset)
    }
}

struct MemoryStore(Arc<World>);

#[async_trait]
impl SnapshotStore for MemoryStore {
    async fn put(&self, name: &str, file: &Path) -> Result<(), columns::Error> {
        Reach::ask(&self.0.storage).await?;
        let bytes = std::fs::read(file)?;
        let mut files = self.0.files.lock().unwrap();
        if let Some(before) = files.insert(name.to_owned(), bytes.clone()) {
            assert!(
                before == bytes || name.contains("/shared/"),
                "{name} is another one, and is the same whoever writes it"
            );
        }
        Ok(())
    }

    async fn get(&self, name: &str, file: &Path) -> Result<(), columns::Error> {
        Reach::ask(&self.0.storage).await?;
        let bytes = self.0.files.lock().unwrap().get(name).cloned();
        let bytes = bytes.ok_or_else(|| std::io::Error::other("removed meanwhile"))?;
        Ok(std::fs::write(file, bytes)?)
    }

    async fn list(&self, folder: &str) -> Result<Vec<String>, columns::Error> {
        Reach::ask(&self.0.storage).await?;
        let files = self.0.files.lock().unwrap();
        let names = files
            .keys()
            .filter_map(|name| name.strip_prefix(folder)?.strip_prefix('/'));
        Ok(names.map(str::to_owned).collect())
    }

    async fn remove(&self, name: &str) -> Result<(), columns::Error> {
        Reach::ask(&self.0.storage).await?;
        self.0.files.lock().unwrap().remove(name);
        Ok(())
    }
}

/// A future that stands still while it is held.
struct Held<F> {
    future: Pin<Box<F>>,
    hold: Arc<Mutex<(bool, Option<Waker>)>>,
}

impl<F: Future> Future for Held<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        {
            let mut hold = self.hold.lock().unwrap();
            if hold.0 {
                hold.1 = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
        self.future.as_mut().poll(context)
    }
}

/// One process.
struct Member {
    _folder: TempDir,
    positions: Arc<Mutex<BTreeMap<Partition, i64>>>,
    rebalances: mpsc::UnboundedSender<Rebalance>,
    hold: Arc<Mutex<(bool, Option<Waker>)>>,
    stop: CancellationToken,
    run: tokio::task::JoinHandle<Result<RunSummary, pipeline::Error>>,
}

impl Member {
    fn start(world: &Arc<World>, name: Option<&str>) -> Self {
        let folder = TempDir::new().unwrap();
        let positions: Arc<Mutex<BTreeMap<Partition, i64>>> = Arc::default();
        let (rebalances, received) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let hold: Arc<Mutex<(bool, Option<Waker>)>> = Arc::default();
        let source = MemberSource {
            world: world.clone(),
            positions: positions.clone(),
            turn: 0,
        };
        struct SharedHistory(Arc<World>);
        #[async_trait]
        impl HistoryWriter for SharedHistory {
            async fn commit(
                &self,
                commit: columns::HistoryCommit,
            ) -> Result<columns::CommitReceipt, columns::Error> {
                Reach::ask(&self.0.history_reach).await?;
                let receipt = self.0.history.commit(commit).await;
                tokio::task::yield_now().await;
                receipt
            }

            async fn next_offset(
                &self,
                partition: &Partition,
            ) -> Result<Option<i64>, columns::Error> {
                Reach::ask(&self.0.history_reach).await?;
                self.0.history.next_offset(partition).await
            }
        }
        let pipeline = Pipeline {
            source: Box::new(source),
            stages: Stages::new(
                Codec::new(FingerprintSecret::public_test_secret()),
                DetectorConfig::default(),
                Arc::new(KeyDirectory::new(&world.inventory)),
                Grouping::ByPartition,
            ),
            threads: NonZeroUsize::new(2).unwrap(),
            offsets: BTreeMap::new(),
            snapshots: Some(SnapshotConfig {
                folder: SnapshotFolder::new(folder.path().join("handover"), "test"),
                interval: Duration::from_millis(30),
                copy: true,
            }),
            casebook: world.casebook.clone(),
            channels: vec!["memory".into()],
            history: Arc::new(SharedHistory(world.clone())),
            live: LiveRows::default(),
            tables: LiveTables::default(),
            dead_letter_topic: None,
            checkpoint: CheckpointConfig {
                rows: 3_000,
                interval: Duration::from_millis(10),
            },
            vitals: Arc::new(PipelineVitals::default()),
            clock: Arc::new(SystemClock),
            on_alerts: Box::new(|_| {}),
            instances: name.map(|name| Instances {
                name: name.to_owned(),
                rebalances: Box::new(MemberRebalances(received)),
                log: Box::new(MemoryLog {
                    world: world.clone(),
                    next: 0,
                }),
                store: Arc::new(MemoryStore(world.clone())),
                cluster: "test".into(),
                log_name: "said".into(),
                patience: world.patience,
            }),
        };
        let run = Held {
            future: Box::pin(pipeline.run(stop.clone())),
            hold: hold.clone(),
        };
        Self {
            _folder: folder,
            positions,
            rebalances,
            hold,
            stop,
            run: tokio::spawn(run),
        }
    }

    /// Asks the member as the group's client does; `None` if it dies before it answers.
    async fn rebalance(
        &self,
        change: Rebalanced,
        partitions: &[Partition],
    ) -> Option<BTreeMap<Partition, i64>> {
        let (answer, answered) = oneshot::channel();
        let rebalance = Rebalance::new(change, partitions.to_vec(), move |starts| {
            let _ = answer.send(starts);
        });
        self.rebalances.send(rebalance).ok()?;
        answered.await.ok()
    }

    async fn assign(&self, partitions: &[Partition]) {
        if let Some(starts) = self.rebalance(Rebalanced::Assigned, partitions).await {
            let starts = partitions.iter().map(|partition| {
                (
                    partition.clone(),
                    starts.get(partition).copied().unwrap_or(0),
                )
            });
            self.positions.lock().unwrap().extend(starts);
        }
    }

    async fn revoke(&self, partitions: &[Partition]) {
        self.rebalance(Rebalanced::Revoked, partitions).await;
        let mut positions = self.positions.lock().unwrap();
        positions.retain(|partition, _| !partitions.contains(partition));
    }

    fn set_held(&self, is_held: bool) {
        let mut hold = self.hold.lock().unwrap();
        hold.0 = is_held;
        if let Some(waker) = hold.1.take() {
            waker.wake();
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.run.await.unwrap().unwrap();
    }
}

/// Who has what, as the group's coordinator sees it.
struct Group {
    world: Arc<World>,
    members: Vec<(Member, Vec<Partition>)>,
    named: usize,
}

impl Group {
    fn join(&mut self) {
        self.named += 1;
        let name = format!("instance-{}", self.named);
        let member = Member::start(&self.world, Some(&name));
        self.members.push((member, Vec::new()));
    }

    /// Deals all partitions out, those in `free` to anybody: who has too many gives some up first.
    async fn balance(&mut self, mut free: VecDeque<Partition>) {
        let most = (PARTITIONS as usize).div_ceil(self.members.len());
        for (member, partitions) in &mut self.members {
            if partitions.len() > most {
                let going = partitions.split_off(most);
                member.revoke(&going).await;
                free.extend(going);
            }
        }
        for (member, partitions) in &mut self.members {
            let coming: Vec<Partition> = (partitions.len()..most)
                .filter_map(|_| free.pop_front())
                .collect();
            if !coming.is_empty() {
                member.assign(&coming).await;
                partitions.extend(coming);
            }
        }
        assert!(free.is_empty());
    }

    /// Something does not answer, or refuses, for a while in which one instance gives up what it
    /// had, and another joins unless there are many.
    async fn away(&mut self, what: fn(&World) -> &Mutex<Reach>, die: &mut Die) {
        let how = [Reach::Refuses, Reach::Hangs][die.throw(2)];
        *what(&self.world).lock().unwrap() = how;
        let world = self.world.clone();
        let long = Duration::from_millis(10 + die.throw(60) as u64);
        let back = tokio::spawn(async move {
            tokio::time::sleep(long).await;
            *what(&world).lock().unwrap() = Reach::Answers;
        });
        let (member, partitions) = self.members.remove(0);
        if self.members.len() < 3 {
            self.join();
        }
        member.revoke(&partitions).await;
        self.balance(partitions.into()).await;
        self.members.push((member, Vec::new()));
        back.await.unwrap();
    }

    /// One thing happens.
    async fn disturb(&mut self, die: &mut Die) -> &'static str {
        let at = die.throw(self.members.len());
        match die.throw(7) {
            0 | 1 if self.members.len() < 4 => {
                self.join();
                self.balance(VecDeque::new()).await;
                "one joins"
            }
            2 if self.members.len() > 1 => {
                let (member, partitions) = self.members.remove(at);
                member.revoke(&partitions).await;
                member.stop().await;
                self.balance(partitions.into()).await;
                "one leaves"
            }
            3 => {
                let (member, partitions) = self.members.remove(at);
                member.run.abort();
                drop(member);
                if self.members.is_empty() {
                    self.join();
                }
                self.balance(partitions.into()).await;
                "one dies"
            }
            4 => {
                self.away(|world| &world.storage, die).await;
                "storage is away while one changes places with another"
            }
            5 => {
                self.away(|world| &world.history_reach, die).await;
                "history is away while one changes places with another"
            }
            _ if self.members.len() > 1 => {
                let (member, partitions) = self.members.remove(at);
                member.set_held(true);
                self.balance(partitions.clone().into()).await;
                tokio::time::sleep(Duration::from_millis(die.throw(30) as u64)).await;
                member.set_held(false);
                // It does not know yet.
                tokio::time::sleep(Duration::from_millis(die.throw(30) as u64)).await;
                member.revoke(&partitions).await;
                self.members.push((member, Vec::new()));
                "one hangs"
            }
            _ => "nothing",
        }
    }
}

/// What there is in the end: alerts by id, without the incidents' names, and rows.
async fn outcome(world: &World) -> (usize, BTreeMap<String, Alert>) {
    let filter = AlertFilter {
        limit: 100_000,
        ..AlertFilter::default()
    };
    let alerts = world.casebook.alerts(filter).await.unwrap();
    let alerts = alerts.into_iter().map(|mut alert| {
        // Its name is that of the alert that came first, which is chance.
        alert.incident_id = model::IncidentId::from_text(String::new());
        (alert.alert_id.to_string(), alert)
    });
    (world.history.rows(), alerts.collect())
}

async fn undisturbed() -> (usize, BTreeMap<String, Alert>) {
    let world = World::new().await;
    let member = Member::start(&world, None);
    let all = world.input.keys().map(|partition| (partition.clone(), 0));
    member.positions.lock().unwrap().extend(all);
    world.produce(1.0);
    world.until_all_is_read().await;
    member.stop().await;
    outcome(&world).await
}

async fn disturbed(seed: u64) -> (usize, BTreeMap<String, Alert>) {
    let world = World::new().await;
    let mut die = Die(seed);
    let mut group = Group {
        world: world.clone(),
        members: Vec::new(),
        named: 0,
    };
    group.join();
    let all: VecDeque<Partition> = world.input.keys().cloned().collect();
    group.balance(all).await;
    let steps = 20;
    for step in 1..=steps {
        world.produce(f64::from(step) / f64::from(steps));
        tokio::time::sleep(Duration::from_millis(die.throw(40) as u64)).await;
        let what = group.disturb(&mut die).await;
        eprintln!(
            "seed {seed}, step {step}: {what}, {} members",
            group.members.len()
        );
    }
    world.until_all_is_read().await;
    // What has been said last is heard by all.
    tokio::time::sleep(Duration::from_millis(300)).await;
    for (member, _) in group.members {
        member.stop().await;
    }
    outcome(&world).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_a_partition_finds_the_same() {
    let (rows, expected) = undisturbed().await;
    let count = |detector| {
        let alerts = expected.values();
        alerts.filter(|alert| alert.detector == detector).count()
    };
    let of_campaigns = count(Detector::Campaign);
    assert!(
        of_campaigns >= 3 && of_campaigns < expected.len(),
        "{expected:?}"
    );
    for seed in 1..=8 {
        let (found_rows, found) = disturbed(seed).await;
        assert_eq!(found_rows, rows, "seed {seed}");
        let ids = |alerts: &BTreeMap<String, Alert>| alerts.keys().cloned().collect::<Vec<_>>();
        assert_eq!(ids(&found), ids(&expected), "seed {seed}");
        for (id, alert) in &found {
            assert_eq!(alert, &expected[id], "seed {seed}");
        }
    }
}

/// What a group cannot prevent: a member that hung while it was given a partition claims it long
/// after another was given it, and then gives it up as it is told. The other has stopped to read by
/// then, ends, and takes it anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_comes_late_stops_a_partition_for_a_while_and_changes_nothing() {
    let (rows, expected) = undisturbed().await;
    let world = World::with_patience(Duration::from_millis(400)).await;
    let all: Vec<Partition> = world.input.keys().cloned().collect();
    let contested = &all[..1];
    let owner = Member::start(&world, Some("owner"));
    let late = Member::start(&world, Some("late"));
    owner.assign(&all).await;
    world.produce(0.3);
    world.until_all_is_read().await;

    owner.revoke(contested).await;
    late.set_held(true);
    let (change, partitions) = (Rebalanced::Assigned, contested.to_vec());
    let (answer, claimed) = oneshot::channel();
    let given = Rebalance::new(change, partitions, move |starts| {
        let _ = answer.send(starts);
    });
    late.rebalances.send(given).unwrap();
    owner.assign(contested).await;
    world.produce(0.6);
    world.until_all_is_read().await;

    late.set_held(false);
    claimed.await.unwrap();
    late.revoke(contested).await;
    world.produce(1.0);
    let ended = tokio::time::timeout(Duration::from_secs(60), owner.run).await;
    let error = ended.expect("it ends by itself").unwrap().unwrap_err();
    assert!(
        matches!(&error, pipeline::Error::Lost(partition) if *partition == contested[0]),
        "{error}"
    );
    let again = Member::start(&world, Some("owner"));
    again.assign(&all).await;
    world.until_all_is_read().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    again.stop().await;
    late.stop().await;
    let (found_rows, found) = outcome(&world).await;
    assert_eq!(found_rows, rows);
    assert_eq!(found, expected);
}
