//! `[history]` and the limits of `[sql]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where usage is kept, and when it is committed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// The folder of the Delta table as a URL or a path; without it `history` below `data_dir`.
    pub url: Option<String>,
    /// Rows after which a commit is made.
    pub commit_rows: usize,
    /// Seconds after which a commit is made, if there is anything to commit.
    pub commit_interval_secs: u64,
    /// Days of usage that are kept; all without. Whole days go, by the time of the event.
    pub retention_days: Option<u32>,
    /// Seconds after which files are looked at: small ones are merged, days that are over are
    /// sorted, what is too old is taken away.
    pub upkeep_interval_secs: u64,
    /// Hours for which a file that was replaced stays, for queries that are running and for old
    /// versions.
    pub vacuum_hours: u32,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            url: None,
            commit_rows: 500_000,
            commit_interval_secs: 30,
            retention_days: None,
            upkeep_interval_secs: 600,
            vacuum_hours: 168,
        }
    }
}

/// What one query may take.
#[derive(Clone, Debug)]
pub struct QueryLimits {
    /// Bytes of working memory for sorts, joins and aggregates.
    pub memory_bytes: usize,
    /// Seconds from the statement to its last row.
    pub timeout_secs: u64,
    /// Rows of the result.
    pub rows: usize,
    /// Bytes of the statement.
    pub statement_bytes: usize,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            timeout_secs: 120,
            rows: 1_000_000,
            statement_bytes: 16 << 10,
        }
    }
}
