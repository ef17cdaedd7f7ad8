//! `spikewatch backtest`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use detector::{KeyDirectory, ScoresWanted};
use model::{Alert, Anomaly, Inventory};
use pipeline::{Grouping, ScoreRow, Stages};
use serde_json::json;

use crate::cli::BacktestArgs;
use crate::{decoding, files, wiring};

pub(crate) async fn run(file: Option<&Path>, args: BacktestArgs) -> anyhow::Result<ExitCode> {
    let (config, codec) = decoding::codec_for_files(file)?;
    let detector = config.as_ref().map(|config| config.detector.clone());
    let inventory = match &args.inventory {
        Some(path) => wiring::protected(files::inventory(path)?, codec.secret()),
        None => Inventory::default(),
    };
    let directory = Arc::new(KeyDirectory::new(&inventory));
    let mut stages = Stages::new(
        codec,
        detector.unwrap_or_default(),
        directory,
        Grouping::All,
    );
    if args.scores.is_some() {
        stages = stages.with_scores(ScoresWanted::All);
    }
    let mut alerts_out: Box<dyn Write> = match &args.alerts {
        Some(path) => Box::new(files::create(path)?),
        None => Box::new(std::io::stdout().lock()),
    };
    let mut scores_out = match &args.scores {
        Some(path) => Some(ScoresOut::open(path)?),
        None => None,
    };
    let (mut read, mut dead, mut repeats, mut raised) = (0u64, 0u64, 0u64, 0u64);
    let started = std::time::Instant::now();
    let mut write = |alerts: &[Alert], scores: &[Anomaly]| -> anyhow::Result<()> {
        raised += alerts.iter().filter(|alert| alert.revision == 0).count() as u64;
        for alert in alerts
            .iter()
            .filter(|alert| args.revisions || alert.revision == 0)
        {
            files::write_lines(&mut alerts_out, std::slice::from_ref(alert))?;
        }
        scores_out.as_mut().map_or(Ok(()), |out| out.write(scores))
    };
    for path in &args.events {
        files::read_events(path, &mut |records| {
            read += records.len() as u64;
            let staged = stages.process(&records);
            dead += staged.dead_letters.len() as u64;
            repeats += staged.duplicates;
            if let Some(letter) = staged.dead_letters.first()
                && dead == staged.dead_letters.len() as u64
            {
                eprintln!("warning: {}: {}", letter.position, letter.detail);
            }
            write(&staged.alerts, &staged.scores)
        })?;
    }
    let (alerts, scores) = stages.finish();
    write(&alerts, &scores)?;
    alerts_out.flush()?;
    if let Some(path) = &args.keys {
        let mut out = files::create(path)?;
        files::write_lines(&mut out, &stages.standings())?;
        out.flush()?;
    }
    if let Some(out) = scores_out {
        out.finish()?;
    }
    let seconds = started.elapsed().as_secs_f64().max(1e-3);
    eprintln!(
        "{read} events, {dead} dead letters, {repeats} duplicates, {raised} alerts, {:.0} events/s",
        read as f64 / seconds
    );
    Ok(ExitCode::SUCCESS)
}

/// Where scores go.
enum ScoresOut {
    Lines(Box<dyn Write>),
    /// Parquet is written whole at the end.
    Parquet(std::path::PathBuf, Vec<serde_json::Value>),
}

impl ScoresOut {
    fn open(path: &Path) -> anyhow::Result<Self> {
        if path.extension().is_some_and(|ending| ending == "parquet") {
            // Fail now rather than after the run.
            drop(files::create(path)?);
            return Ok(Self::Parquet(path.to_owned(), Vec::new()));
        }
        Ok(Self::Lines(Box::new(files::create(path)?)))
    }

    fn write(&mut self, scores: &[Anomaly]) -> anyhow::Result<()> {
        for anomaly in scores {
            let score = ScoreRow::from(anomaly);
            match self {
                Self::Lines(out) => files::write_lines(out, &[score])?,
                Self::Parquet(_, rows) => rows.push(json!(score)),
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        match self {
            Self::Lines(mut out) => Ok(out.flush()?),
            Self::Parquet(path, rows) => {
                let batch = columns::Table::Scores.batch(&rows)?;
                Ok(history::write_parquet(&path, batch.schema(), &[batch])?)
            }
        }
    }
}
