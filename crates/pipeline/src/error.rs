//! What ends a run.

/// Why a run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log cannot be read.
    #[error("could not read events")]
    Source(#[from] model::SourceError),
    /// History refuses, and would refuse again.
    #[error("could not commit to history")]
    History(#[from] columns::Error),
    /// The run was told to stop while something it waited for was down; nothing was committed
    /// past it, and the next run reads it again.
    #[error("stopped while waiting for {0}")]
    Interrupted(&'static str),
    /// A thread could not be started.
    #[error("could not start a thread")]
    Thread(#[source] std::io::Error),
    /// A thread of the stages panicked: a defect of ours.
    #[error("a stage ended unexpectedly")]
    StageEnded,
    /// A task panicked: a defect of ours.
    #[error("a task ended unexpectedly")]
    Task(#[from] tokio::task::JoinError),
}
