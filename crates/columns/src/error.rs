//! What can go wrong with columns.

/// Why columns could not be made, stored or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Arrow refused.
    #[error("could not make columns")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A row could not be written as JSON on its way to columns.
    #[error("could not write a row of table \"{table}\"")]
    Row {
        /// The table.
        table: &'static str,
        /// The cause.
        source: serde_json::Error,
    },
    /// Output could not be written.
    #[error("could not write output")]
    Output(#[from] std::io::Error),
    /// A query is not understood, not allowed, or wants too much; the text is for its author.
    #[error("{0}")]
    Query(String),
    /// The storage did not take or give data.
    #[error("{message}")]
    Storage {
        /// What could not be done.
        message: String,
        /// Whether trying again may help.
        transient: bool,
    },
    /// The range begins after what is stored ends: rows between would be missing.
    #[error(
        "partition {partition} is stored up to offset {stored}, but the batch begins at {start}"
    )]
    Gap {
        /// The partition.
        partition: String,
        /// The next offset that history expects.
        stored: i64,
        /// The first offset offered.
        start: i64,
    },
}
