//! What ends a run.

use model::OffsetRange;

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
    /// A stage panicked while these records were in work: a defect of ours. What it knows is lost,
    /// and is there again from the last snapshot on.
    #[error("a stage crashed at {} of {}, a defect of the program", offsets(.0), .0.partition)]
    Crashed(OffsetRange),
    /// Another instance has claimed a partition that the group leaves with this one: only joining
    /// the group anew finds out whose it is.
    #[error("another instance has claimed {0}, and the group leaves it with this one")]
    Lost(model::Partition),
    /// A task panicked: a defect of ours.
    #[error("a task ended unexpectedly")]
    Task(#[from] tokio::task::JoinError),
}

fn offsets(range: &OffsetRange) -> String {
    match range.end - range.start {
        1 => format!("offset {}", range.start),
        _ => format!("the offsets {} to {}", range.start, range.end - 1),
    }
}
