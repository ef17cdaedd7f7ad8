//! `spikewatch backfill`: baselines from the history, where no snapshot has them.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use columns::arrow::array::RecordBatch;
use columns::arrow::array::cast::AsArray;
use columns::arrow::array::types::{Int32Type, Int64Type};
use columns::{HistoryReader, HistoryWriter, UsageBatch};
use detector::KeyDirectory;
use history::{History, Lake, QueryLimits};
use model::{Alert, OffsetRange, Partition};
use pipeline::{Grouping, Stages};

use crate::cli::BackfillArgs;
use crate::exit::Usage;
use crate::lock::DataDirLock;
use crate::{config, decoding, lake, wiring};

/// Offsets that are not cut. A record may be many rows, but few records are.
const OFFSETS: i64 = 10_000;

/// How many rows are sorted at once, if that many offsets are not more: some hundred megabytes.
const ROWS_AT_ONCE: i64 = 100_000;

/// Rows of all kinds, as the detector reads them.
const ROWS: &str = "(SELECT * FROM usage_events UNION ALL SELECT * FROM cost_events \
                    UNION ALL SELECT * FROM key_events)";

pub(crate) async fn run(file: Option<&Path>, args: BackfillArgs) -> anyhow::Result<ExitCode> {
    let config = config::load(file)?;
    let codec = decoding::codec(&config)?;
    // A service that runs writes snapshots itself.
    let _lock = DataDirLock::take(&config.data_dir)?;
    let snapshots = config.snapshots();
    if let Some(newest) = snapshots.folder.snapshots().first()
        && !args.replace
    {
        let number = newest.number();
        let what = format!("there is a snapshot already, number {number}; --replace makes another");
        return Err(Usage(what).into());
    }
    let casebook = wiring::open_casebook(&config).await?;
    let history = History::open(&config.history_url(), &config.kafka.cluster).await;
    let history = history.context("open history")?;
    let limits = QueryLimits {
        timeout_secs: u64::from(u32::MAX),
        rows: usize::MAX,
        ..config.sql.limits()
    };
    let lake = lake::with_limits(&config, &casebook, limits)?;
    let secret = wiring::fingerprint_secret(&config.fingerprint_secret_file())?;
    let inventory = wiring::load_inventory(&config, &secret, &casebook).await?;
    let directory = Arc::new(KeyDirectory::new(&inventory));
    let detector = config.detector.clone();
    let mut stages = Stages::new(codec, detector, directory, Grouping::ByPartition);

    let mut slices = Slice::all(&lake)
        .await
        .context("ask the history what it has")?;
    let mut offsets = BTreeMap::new();
    for slice in &slices {
        // What has rows and no offset is of another cluster.
        if let Some(next) = history.next_offset(&slice.partition).await? {
            offsets.insert(slice.partition.clone(), next);
        }
    }
    slices.retain(|slice| offsets.contains_key(&slice.partition));
    if slices.is_empty() {
        bail!(
            "there is no usage of cluster \"{}\" in \"{}\" to learn from",
            config.kafka.cluster,
            config.history_url()
        );
    }
    // Without a channel: what was found in old usage is known from now on, and nobody is told.
    let note = async |alerts: Vec<Alert>| match alerts.is_empty() {
        true => anyhow::Ok(()),
        false => {
            let recorded = casebook.record_alerts(&alerts, &[]).await;
            recorded.map(drop).context("write to the casebook")
        }
    };
    let mut progress = Progress::new(slices.iter().map(|slice| slice.rows).sum());
    for slice in &slices {
        let end = offsets.get(&slice.partition).copied().unwrap_or_default();
        let rows = lake.query(&slice.statement(end)).await;
        for batch in rows.context("read the history")? {
            let range = range_of(&slice.partition, &batch);
            progress.note(batch.num_rows());
            note(stages.learn(&UsageBatch::of_columns(&batch, range)?)).await?;
        }
    }
    progress.end();
    note(stages.end_learning()).await?;
    let (keys, ..) = stages.vitals();
    let saved = snapshots
        .folder
        .save(&mut stages, &offsets)
        .context("save the snapshot")?;
    casebook.close().await;
    println!(
        "{} rows of {} partitions learned, {keys} keys have a baseline; snapshot {} has it \
         ({:.1} MB), and `spikewatch run` goes on from there",
        progress.done,
        offsets.len(),
        saved.number,
        saved.bytes as f64 / 1e6,
    );
    Ok(ExitCode::SUCCESS)
}

/// Some offsets of one partition.
#[derive(Clone, Debug, PartialEq)]
struct Slice {
    partition: Partition,
    /// In [`OFFSETS`].
    from: i64,
    until: i64,
    rows: i64,
    /// When the first of its rows became known, or one before it.
    known_at: i64,
}

impl Slice {
    /// Cuts the history into slices that can be sorted, those of a partition in the order of their
    /// offsets, and those of all by when they became known.
    async fn all(lake: &Lake) -> anyhow::Result<Vec<Self>> {
        let statement = format!(
            "SELECT topic, \"partition\", \"offset\" / {OFFSETS} AS slice, count(*) AS rows, \
             CAST(min(known_at) AS BIGINT) AS known_at FROM {ROWS} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        );
        let mut small = Vec::new();
        for batch in lake.query(&statement).await? {
            let topics = batch.column(0).as_string::<i32>();
            let numbers = batch.column(1).as_primitive::<Int32Type>();
            let [from, rows, known_at] =
                [2, 3, 4].map(|column| batch.column(column).as_primitive::<Int64Type>());
            small.extend((0..batch.num_rows()).map(|at| Self {
                partition: Partition::new(topics.value(at), numbers.value(at)),
                from: from.value(at),
                until: from.value(at) + 1,
                rows: rows.value(at),
                known_at: known_at.value(at),
            }));
        }
        Ok(Self::joined(small))
    }

    /// Joins neighbours up to what is sorted at once, and puts them in order.
    fn joined(small: Vec<Self>) -> Vec<Self> {
        let mut slices: Vec<Self> = Vec::new();
        for mut slice in small {
            if let Some(last) = slices.last_mut()
                && last.partition == slice.partition
            {
                if last.rows + slice.rows <= ROWS_AT_ONCE {
                    last.until = slice.until;
                    last.rows += slice.rows;
                    continue;
                }
                // Producers give records the times they like: offsets go first.
                slice.known_at = slice.known_at.max(last.known_at);
            }
            slices.push(slice);
        }
        slices.sort_by_key(|slice| slice.known_at);
        slices
    }

    /// Asks for its rows below an offset, in the order in which they were read.
    fn statement(&self, end: i64) -> String {
        format!(
            "SELECT * FROM {ROWS} WHERE topic = '{}' AND \"partition\" = {} AND \"offset\" >= {} \
             AND \"offset\" < {} ORDER BY \"offset\", event_id",
            self.partition.topic.replace('\'', "''"),
            self.partition.number,
            self.from * OFFSETS,
            end.min(self.until * OFFSETS),
        )
    }
}

fn range_of(partition: &Partition, batch: &RecordBatch) -> OffsetRange {
    let offsets = batch.column_by_name("offset");
    let offsets = offsets.map(|offsets| offsets.as_primitive::<Int64Type>().values());
    let at = |offset: Option<&i64>| offset.copied().unwrap_or_default();
    OffsetRange {
        partition: partition.clone(),
        start: at(offsets.and_then(|offsets| offsets.first())),
        end: at(offsets.and_then(|offsets| offsets.last())) + 1,
    }
}

/// Shows on a terminal how far it is.
struct Progress {
    all: i64,
    done: usize,
    shown: Option<Instant>,
}

impl Progress {
    fn new(all: i64) -> Self {
        let shown = std::io::stderr().is_terminal().then(Instant::now);
        Self {
            all,
            done: 0,
            shown,
        }
    }

    fn note(&mut self, rows: usize) {
        self.done += rows;
        if let Some(shown) = self
            .shown
            .filter(|shown| shown.elapsed().as_millis() >= 200)
        {
            let share = self.done as f64 / self.all.max(1) as f64 * 100.0;
            eprint!("\r{} of {} rows, {share:.0} % ", self.done, self.all);
            self.shown = Some(shown + shown.elapsed());
        }
    }

    fn end(&self) {
        if self.shown.is_some() {
            eprint!("\r{:40}\r", "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice(partition: i32, from: i64, until: i64, rows: i64, known_at: i64) -> Slice {
        Slice {
            partition: Partition::new("usage", partition),
            from,
            until,
            rows,
            known_at,
        }
    }

    #[test]
    fn neighbours_are_joined_and_offsets_go_before_times() {
        let small = vec![
            slice(0, 0, 1, 60_000, 10),
            slice(0, 1, 2, 40_000, 20),
            slice(0, 5, 6, 10_000, 40),
            // A producer whose clock is behind.
            slice(0, 6, 7, 95_000, 30),
            slice(1, 0, 1, 500_000, 15),
        ];
        let expected = [
            slice(0, 0, 2, 100_000, 10),
            slice(1, 0, 1, 500_000, 15),
            slice(0, 5, 6, 10_000, 40),
            slice(0, 6, 7, 95_000, 40),
        ];
        assert_eq!(Slice::joined(small), expected);
    }

    #[test]
    fn a_statement_asks_for_its_offsets_and_none_that_history_does_not_have() {
        let statement = slice(3, 2, 4, 1, 0).statement(35_000);
        let offsets = r#""offset" >= 20000 AND "offset" < 35000"#;
        assert!(statement.contains(offsets), "{statement}");
        let all = slice(3, 2, 4, 1, 0).statement(1_000_000);
        assert!(all.contains(r#""offset" < 40000"#), "{all}");
    }
}
