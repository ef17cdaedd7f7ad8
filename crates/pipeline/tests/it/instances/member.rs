//! One instance: a pipeline over the doubles, which can be told of partitions, hang and stop.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use codec::{Codec, FingerprintSecret};
use columns::{HistoryWriter, LiveRows};
use detector::{DetectorConfig, KeyDirectory};
use model::{Partition, Rebalance, Rebalanced, SystemClock};
use pipeline::{
    CheckpointConfig, Grouping, Instances, LiveTables, Pipeline, PipelineVitals, RunSummary,
    SnapshotConfig, SnapshotFolder, Stages,
};
use tempfile::TempDir;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::world::{MemberRebalances, MemberSource, MemoryLog, MemoryStore, Reach, World};
/// A future that stands still while it is held.
pub(super) struct Held<F> {
    pub(super) future: Pin<Box<F>>,
    pub(super) hold: Arc<Mutex<(bool, Option<Waker>)>>,
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
pub(super) struct Member {
    pub(super) _folder: TempDir,
    pub(super) positions: Arc<Mutex<BTreeMap<Partition, i64>>>,
    pub(super) rebalances: mpsc::UnboundedSender<Rebalance>,
    pub(super) hold: Arc<Mutex<(bool, Option<Waker>)>>,
    pub(super) stop: CancellationToken,
    pub(super) run: tokio::task::JoinHandle<Result<RunSummary, pipeline::Error>>,
}

impl Member {
    pub(super) fn start(world: &Arc<World>, name: Option<&str>) -> Self {
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
    pub(super) async fn rebalance(
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

    pub(super) async fn assign(&self, partitions: &[Partition]) {
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

    pub(super) async fn revoke(&self, partitions: &[Partition]) {
        self.rebalance(Rebalanced::Revoked, partitions).await;
        let mut positions = self.positions.lock().unwrap();
        positions.retain(|partition, _| !partitions.contains(partition));
    }

    pub(super) fn set_held(&self, is_held: bool) {
        let mut hold = self.hold.lock().unwrap();
        hold.0 = is_held;
        if let Some(waker) = hold.1.take() {
            waker.wake();
        }
    }

    pub(super) async fn stop(self) {
        self.stop.cancel();
        self.run.await.unwrap().unwrap();
    }
}
