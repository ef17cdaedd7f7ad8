//! `spikewatch poll`: the feeds that exist only as APIs, to Kafka.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use ingest::{FeedReport, KafkaSink, Poller};
use tracing::{info, warn};

use crate::cli::PollArgs;
use crate::exit::Usage;
use crate::{config, polling, process, wiring};

pub(crate) async fn run(file: Option<&Path>, args: PollArgs) -> anyhow::Result<ExitCode> {
    let config = config::load(file)?;
    let casebook = wiring::open_casebook(&config).await?;
    let sink = Arc::new(KafkaSink::open(&config.kafka).context("open Kafka")?);
    let mut pollers = polling::pollers(&config, &config.poll, sink, &casebook)?;
    if pollers.is_empty() {
        let message = "no provider is polled: set poll.openai.enabled or poll.anthropic.enabled";
        return Err(Usage(message.to_owned()).into());
    }
    if args.once {
        let mut failed = 0;
        for poller in &mut pollers {
            for report in poller.poll_once().await {
                println!("{}", line(&report));
                failed += u32::from(report.error.is_some());
            }
        }
        casebook.close().await;
        if failed > 0 {
            bail!("{failed} feeds could not be read to their end");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let cancel = process::stop_on_signal()?;
    info!(providers = ?names(&pollers), "polling");
    let runs = pollers.into_iter().map(|mut poller| {
        let cancel = cancel.clone();
        tokio::spawn(async move { poller.run(&cancel).await })
    });
    for run in runs.collect::<Vec<_>>() {
        if let Err(error) = run.await {
            warn!(%error, "a poller ended by itself");
        }
    }
    casebook.close().await;
    Ok(ExitCode::SUCCESS)
}

fn names(pollers: &[Poller]) -> Vec<&'static str> {
    pollers.iter().map(Poller::name).collect()
}

fn line(report: &FeedReport) -> String {
    let error = match &report.error {
        Some(error) => format!("; {error}"),
        None => String::new(),
    };
    format!(
        "{}: {} pages, {} records, {} unchanged{error}",
        report.feed, report.pages, report.records, report.unchanged
    )
}
