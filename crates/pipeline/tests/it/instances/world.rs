//! What several instances reach: the log, the topic that they share, storage, history, casebook;
//! and whether it answers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use casebook::Casebook;
use columns::double::MemoryHistory;
use columns::{HistoryWriter, SnapshotStore};
use model::{
    EventSource, OffsetRange, Partition, Rebalance, Rebalances, Records, SharedLog, SourceError,
};
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};

use crate::joint::{abused_together, inventory};

pub(super) const PARTITIONS: i32 = 4;

/// Weeks of twelve keys that a vendor stores; one of them is stolen in the middle, and at the end
/// all are used together.
pub(super) fn input_by_key() -> Vec<(i32, Vec<u8>)> {
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
pub(super) enum Reach {
    Answers,
    Refuses,
    Hangs,
}

impl Reach {
    /// Waits as long as nothing is answered, or says that it is refused.
    pub(super) async fn ask(of: &Mutex<Self>) -> Result<(), columns::Error> {
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
pub(super) struct World {
    pub(super) patience: Duration,
    pub(super) storage: Mutex<Reach>,
    pub(super) history_reach: Mutex<Reach>,
    pub(super) input: BTreeMap<Partition, Vec<Vec<u8>>>,
    /// How much of each partition has been produced.
    pub(super) produced: Mutex<BTreeMap<Partition, i64>>,
    pub(super) said: Mutex<Vec<Vec<u8>>>,
    pub(super) files: Mutex<BTreeMap<String, Vec<u8>>>,
    /// Told whenever there is more to read.
    pub(super) more: Notify,
    pub(super) history: MemoryHistory,
    pub(super) casebook: Casebook,
    pub(super) _folder: TempDir,
    pub(super) inventory: model::Inventory,
}

impl World {
    pub(super) async fn new() -> Arc<Self> {
        Self::with_patience(Duration::from_secs(30)).await
    }

    pub(super) async fn with_patience(patience: Duration) -> Arc<Self> {
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
    pub(super) fn produce(&self, share: f64) {
        for (partition, produced) in self.produced.lock().unwrap().iter_mut() {
            *produced = (self.input[partition].len() as f64 * share.min(1.0)) as i64;
        }
        self.more.notify_waiters();
    }

    /// Waits until history has all that was produced.
    pub(super) async fn until_all_is_read(&self) {
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
pub(super) struct MemberSource {
    pub(super) world: Arc<World>,
    /// From where each partition is read that the member believes to have.
    pub(super) positions: Arc<Mutex<BTreeMap<Partition, i64>>>,
    pub(super) turn: usize,
}

impl MemberSource {
    pub(super) fn read(&mut self) -> Option<Records> {
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

pub(super) struct MemberRebalances(pub(super) mpsc::UnboundedReceiver<Rebalance>);

#[async_trait]
impl Rebalances for MemberRebalances {
    async fn next(&mut self) -> Rebalance {
        match self.0.recv().await {
            Some(rebalance) => rebalance,
            None => std::future::pending().await,
        }
    }
}

pub(super) struct MemoryLog {
    pub(super) world: Arc<World>,
    pub(super) next: usize,
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

pub(super) struct MemoryStore(pub(super) Arc<World>);

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
