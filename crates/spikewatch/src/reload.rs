//! A changed configuration takes effect when it is asked for by SIGHUP.
//!
//! The service ends as for a stop, with everything committed and what the detector knows saved,
//! and begins anew in the same process with the new file. So every setting can be changed, none is
//! half in force, and what is judged from which offset on follows from the snapshot. A file that
//! cannot be used is refused before anything ends.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use pipeline::PipelineVitals;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::commands::check;
use crate::{config, gateway_process, wiring};

/// Returns the hang-ups from now on, of which the first would end the process otherwise.
pub(crate) fn hang_ups() -> anyhow::Result<Signal> {
    signal(SignalKind::hangup()).context("wait for SIGHUP")
}

/// Whether a service is to begin anew once it has ended.
#[derive(Clone, Default)]
pub(crate) struct Reload {
    is_wanted: Arc<AtomicBool>,
}

impl Reload {
    /// Waits for a hang-up: a configuration that can be used ends the service by `cancel`, one that
    /// cannot is told by `vitals` and changes nothing.
    pub(crate) fn on(
        mut hang_ups: Signal,
        file: Option<PathBuf>,
        vitals: Arc<PipelineVitals>,
        cancel: CancellationToken,
    ) -> Self {
        let reload = Self::default();
        let is_wanted = reload.is_wanted.clone();
        tokio::spawn(async move {
            while hang_ups.recv().await.is_some() {
                let file = file.clone();
                let checked = tokio::task::spawn_blocking(move || checked(file.as_deref())).await;
                match checked.map_err(anyhow::Error::from).flatten() {
                    Ok(()) => {
                        info!("the configuration is read anew");
                        is_wanted.store(true, Ordering::SeqCst);
                        cancel.cancel();
                        return;
                    }
                    Err(why) => {
                        let why = format!("{why:#}");
                        error!(
                            why,
                            "the configuration is refused, the one before is in force"
                        );
                        vitals.refuse_configuration(why);
                    }
                }
            }
        });
        reload
    }

    /// Returns whether the service ends to begin anew.
    pub(crate) fn is_wanted(&self) -> bool {
        self.is_wanted.load(Ordering::SeqCst)
    }
}

/// Checks what `run` would find wrong at its start, as far as that can be seen from beside the
/// service that runs, which holds the folder and the ports.
fn checked(file: Option<&Path>) -> anyhow::Result<()> {
    let with_hint = |err: config::ConfigError| match err.hint() {
        Some(hint) => anyhow::anyhow!("{err}; {hint}"),
        None => err.into(),
    };
    let config = config::load(file).map_err(with_hint)?;
    // Secrets of its own are made in the folder, which a start would make, too.
    if config.data_dir.exists() {
        gateway_process::config(&config)?;
        wiring::fingerprint_secret(&config.fingerprint_secret_file())?;
    }
    for (what, outcome) in check::local(&config)? {
        outcome.map_err(|why| anyhow::anyhow!("{what}: {why}"))?;
    }
    Ok(())
}
