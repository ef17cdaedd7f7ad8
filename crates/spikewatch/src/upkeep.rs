//! The thread that looks after the files of history, beside the service.
//!
//! A thread with a runtime of its own: sorting files takes a core for a while, and whoever reads
//! and judges is not to wait for it.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use history::{HistoryConfig, Upkeep};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::Config;
use crate::lease::Held;
use crate::process;

/// How often files that nobody names are looked for: the whole lake is listed for it.
const VACUUM: Duration = Duration::from_secs(24 * 60 * 60);

/// Starts the thread, which works while the lease is held; it ends soon after `cancel` says stop.
pub(crate) fn start(
    config: &Config,
    held: Held,
    cancel: CancellationToken,
) -> anyhow::Result<JoinHandle<()>> {
    let history = config.history.clone();
    let upkeep = Upkeep::new(&config.history_url(), history.clone(), &config.spill_dir())
        .context("open history")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("make the runtime of the history's upkeep")?;
    std::thread::Builder::new()
        .name("history-upkeep".to_owned())
        .stack_size(history::STACK_BYTES)
        .spawn(move || {
            let work = look_after(&upkeep, &history, &held);
            runtime.block_on(async {
                // What is half done when the service ends is no commit, and its files are stray.
                tokio::select! {
                    () = cancel.cancelled() => {}
                    () = work => {}
                }
            });
        })
        .context("start the history's upkeep")
}

async fn look_after(upkeep: &Upkeep, config: &HistoryConfig, held: &Held) {
    let interval = Duration::from_secs(config.upkeep_interval_secs.max(1));
    let mut vacuumed: Option<Instant> = None;
    loop {
        tokio::time::sleep(interval).await;
        if !*held.borrow() {
            // Another instance does it.
            continue;
        }
        if let Err(error) = upkeep.tidy(process::now()).await {
            warn!(%error, "could not tidy the history; it is tried again");
        }
        if vacuumed.is_none_or(|at| at.elapsed() >= VACUUM) {
            match upkeep.vacuum().await {
                Ok(_) => vacuumed = Some(Instant::now()),
                Err(error) => warn!(%error, "could not delete old files of the history"),
            }
        }
    }
}
