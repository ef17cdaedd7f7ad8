//! Commits to history, beside the work on what is read meanwhile.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use columns::{CommitReceipt, HistoryCommit, HistoryWriter, UsageBatch};
use model::OffsetRange;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::backoff::Backoff;
use crate::{Error, PipelineVitals};

/// A commit under way.
pub(crate) struct Commit {
    task: JoinHandle<Result<CommitReceipt, Error>>,
    /// How many batches and rows it is of.
    pub(crate) batches: usize,
    pub(crate) rows: usize,
    /// What the log may forget once it is done.
    pub(crate) ranges: Vec<OffsetRange>,
}

impl Commit {
    /// Begins to commit; what is down is waited for, until `cancel` says stop.
    pub(crate) fn begin(
        history: Arc<dyn HistoryWriter>,
        batches: Vec<UsageBatch>,
        ranges: Vec<OffsetRange>,
        vitals: Arc<PipelineVitals>,
        cancel: CancellationToken,
    ) -> Self {
        let rows = batches.iter().map(UsageBatch::rows).sum();
        Self {
            batches: batches.len(),
            rows,
            ranges,
            task: tokio::spawn(async move {
                let began = Instant::now();
                let receipt = commit(history.as_ref(), &batches, &vitals, &cancel).await;
                let took = began.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
                vitals.commit_millis.store(took, Ordering::Relaxed);
                receipt
            }),
        }
    }

    /// Waits for its end. Dropping the future loses nothing.
    pub(crate) async fn ended(&mut self) -> Result<CommitReceipt, Error> {
        (&mut self.task).await?
    }
}

async fn commit(
    history: &dyn HistoryWriter,
    batches: &[UsageBatch],
    vitals: &PipelineVitals,
    cancel: &CancellationToken,
) -> Result<CommitReceipt, Error> {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(30));
    let mut gaps_accepted = Vec::new();
    loop {
        let commit = HistoryCommit {
            batches: batches.to_vec(),
            gaps_accepted: gaps_accepted.clone(),
        };
        match history.commit(commit).await {
            Ok(receipt) => {
                vitals.history_fails.store(false, Ordering::Relaxed);
                return Ok(receipt);
            }
            Err(columns::Error::Gap {
                partition,
                stored,
                start,
            }) => {
                // Every partition is read from the log's own beginning, from a snapshot that
                // history is ahead of, or from where this process stopped: only the log itself
                // can have lost what is between.
                error!(
                    partition,
                    stored, start, "the log has lost records that were never read"
                );
                let lost = batches.iter().map(|batch| &batch.range().partition);
                gaps_accepted.extend(lost.filter(|p| p.to_string() == partition).cloned());
            }
            Err(err @ columns::Error::Storage { .. }) => {
                error!(error = %err, "could not commit to history, waiting");
                vitals.set_error(err.to_string());
                vitals.commit_failures.fetch_add(1, Ordering::Relaxed);
                vitals.history_fails.store(true, Ordering::Relaxed);
                tokio::select! {
                    () = cancel.cancelled() => return Err(err.into()),
                    () = tokio::time::sleep(backoff.wait()) => {}
                }
            }
            Err(err) => return Err(err.into()),
        }
    }
}
