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
use model::{OffsetRange, Partition, Timestamp};
use pipeline::{Grouping, Stages};

use crate::cli::BackfillArgs;
use crate::exit::Usage;
use crate::lock::DataDirLock;
use crate::{config, decoding, lake, wiring};

/// The rows that are sorted at once: a few hundred megabytes.
const ROWS_AT_ONCE: i64 = 250_000;

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

    let slices = Slice::all(&lake)
        .await
        .context("ask the history what it has")?;
    let mut offsets = BTreeMap::new();
    for slice in &slices {
        let next = history.next_offset(&slice.partition).await?;
        offsets.insert(slice.partition.clone(), next.unwrap_or_default());
    }
    if slices.is_empty() {
        bail!(
            "there is no usage in \"{}\" to learn from",
            config.history_url()
        );
    }
    let mut progress = Progress::new(slices.iter().map(|slice| slice.rows).sum());
    for slice in &slices {
        let end = offsets.get(&slice.partition).copied().unwrap_or_default();
        for batch in lake
            .query(&slice.statement(end))
            .await
            .context("read the history")?
        {
            let range = range_of(&slice.partition, &batch);
            progress.note(batch.num_rows());
            stages.learn(&UsageBatch::of_columns(&batch, range)?);
        }
    }
    progress.end();
    stages.end_learning();
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

/// Some hours of one partition, by when its rows became known.
struct Slice {
    partition: Partition,
    /// In hours since the epoch.
    from: i64,
    until: i64,
    rows: i64,
}

impl Slice {
    /// Cuts the history into slices that can be sorted, in the order of time.
    async fn all(lake: &Lake) -> anyhow::Result<Vec<Self>> {
        let statement = format!(
            "SELECT topic, \"partition\", CAST(known_at AS BIGINT) / 3600000000 AS hour, \
             count(*) AS rows FROM {ROWS} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        );
        let mut slices: Vec<Self> = Vec::new();
        for batch in lake.query(&statement).await? {
            let (topics, numbers) = (batch.column(0), batch.column(1));
            let (topics, numbers) = (
                topics.as_string::<i32>(),
                numbers.as_primitive::<Int32Type>(),
            );
            let hours = batch.column(2).as_primitive::<Int64Type>();
            let counts = batch.column(3).as_primitive::<Int64Type>();
            for at in 0..batch.num_rows() {
                let partition = Partition::new(topics.value(at), numbers.value(at));
                let (hour, rows) = (hours.value(at), counts.value(at));
                match slices.last_mut() {
                    Some(slice)
                        if slice.partition == partition && slice.rows + rows <= ROWS_AT_ONCE =>
                    {
                        slice.until = hour + 1;
                        slice.rows += rows;
                    }
                    _ => slices.push(Self {
                        partition,
                        from: hour,
                        until: hour + 1,
                        rows,
                    }),
                }
            }
        }
        Ok(slices)
    }

    /// Asks for its rows below an offset, in the order in which they were read.
    fn statement(&self, end: i64) -> String {
        let time = |hour: i64| Timestamp::from_millis(hour * Timestamp::HOUR);
        format!(
            "SELECT * FROM {ROWS} WHERE topic = '{}' AND \"partition\" = {} AND \"offset\" < {end} \
             AND known_at >= '{}' AND known_at < '{}' ORDER BY \"offset\", event_id",
            self.partition.topic.replace('\'', "''"),
            self.partition.number,
            time(self.from),
            time(self.until),
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
