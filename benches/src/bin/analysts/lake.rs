//! The lake that is asked, written as a service writes it.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use columns::{HistoryCommit, HistoryReader, HistoryWriter, LiveRows};
use history::{History, HistoryConfig, Lake, QueryLimits, Upkeep};
use model::Timestamp;

use crate::usage::{DAYS, Generator};

/// Commits of a day: of six hours each.
const COMMITS: usize = 4;

const CLUSTER: &str = "bench";

type Failure = Box<dyn std::error::Error>;

/// Writes so many rows, if they are not there, and lets days that are over be sorted.
pub(crate) async fn write(folder: &Path, rows: usize) -> Result<(), Failure> {
    let rows = rows / DAYS / COMMITS * COMMITS * DAYS;
    if rows_of(folder).await? == rows as i64 {
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(folder)?;
    }
    let url = folder.display().to_string();
    let history = History::open(&url, CLUSTER).await?;
    let mut generator = Generator::new();
    let (mut made, mut committed) = (0.0, 0.0);
    for day in 0..DAYS {
        for part in 0..COMMITS {
            let began = Instant::now();
            let of_day = part as f64 / COMMITS as f64..(part + 1) as f64 / COMMITS as f64;
            let batch = generator.batch(day, of_day, rows / DAYS / COMMITS);
            made += began.elapsed().as_secs_f64();
            let began = Instant::now();
            let commit = HistoryCommit {
                batches: vec![batch],
                gaps_accepted: Vec::new(),
            };
            history.commit(commit).await?;
            committed += began.elapsed().as_secs_f64();
        }
        eprint!("\r{} of {DAYS} days written ", day + 1);
    }
    let began = Instant::now();
    let upkeep = Upkeep::new(&url, HistoryConfig::default(), &folder.join("spill"))?;
    let report = upkeep
        .tidy(Timestamp::parse("2026-05-06T12:00:00Z")?)
        .await?;
    let tidied = began.elapsed().as_secs_f64();
    let micros = |seconds: f64| seconds * 1e6 / rows as f64;
    eprintln!();
    println!(
        "written: {rows} rows; a row takes {:.2} us to make, {:.2} to commit with its sums, {:.2} to tidy \
         ({} files became {}); {:.1} bytes",
        micros(made),
        micros(committed),
        micros(tidied),
        report.files_merged,
        report.files_written,
        bytes_of(&folder.join("usage_events"))? as f64 / rows as f64,
    );
    upkeep_deletes(&url).await
}

/// Deletes what tidying left.
async fn upkeep_deletes(url: &str) -> Result<(), Failure> {
    let at_once = HistoryConfig {
        vacuum_hours: 0,
        ..HistoryConfig::default()
    };
    Upkeep::new(url, at_once, &std::env::temp_dir())?
        .vacuum()
        .await?;
    Ok(())
}

/// Opens the lake for questions.
pub(crate) fn open(folder: &Path) -> Result<Lake, Failure> {
    let live = Arc::new(LiveRows::default());
    let url = folder.display().to_string();
    let limits = QueryLimits {
        memory_bytes: 4 << 30,
        ..QueryLimits::default()
    };
    Ok(Lake::new(&url, CLUSTER, live, Vec::new(), limits)?)
}

async fn rows_of(folder: &Path) -> Result<i64, Failure> {
    if !folder.exists() {
        return Ok(0);
    }
    let answer = open(folder)?
        .query("SELECT count(*) FROM usage_events")
        .await?;
    let count = answer[0].column(0);
    Ok(columns::arrow::array::cast::AsArray::as_primitive::<
        columns::arrow::array::types::Int64Type,
    >(count)
    .value(0))
}

/// The bytes of the files that the newest version names: the rest is about to be deleted.
fn bytes_of(table: &Path) -> Result<u64, Failure> {
    let mut newest = 0;
    for day in std::fs::read_dir(table)?.flatten() {
        if !day.file_name().to_string_lossy().starts_with("event_date") {
            continue;
        }
        let mut files = Vec::new();
        for file in std::fs::read_dir(day.path())?.flatten() {
            let about = file.metadata()?;
            files.push((about.modified()?, about.len()));
        }
        files.sort();
        newest += files.last().map_or(0, |(_, bytes)| *bytes);
    }
    Ok(newest)
}
