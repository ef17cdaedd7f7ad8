//! Work that one instance does for all: it looks after the history, and it polls.

use std::time::Duration;

use casebook::Casebook;
use ingest::Poller;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::process;

/// How long it lasts unless it is renewed, and how often that is done.
const LASTS_MILLIS: i64 = 60_000;
const RENEW: Duration = Duration::from_secs(10);

/// Says whether this instance has a lease now.
pub(crate) type Held = watch::Receiver<bool>;

/// Returns what says that there is no other instance.
pub(crate) fn always() -> Held {
    // Without a sender the last word stays.
    watch::channel(true).1
}

/// Takes a lease whenever it is free, and keeps it until `cancel` says stop; then it is given back,
/// which may be waited for.
pub(crate) fn keep(
    casebook: Casebook,
    name: &'static str,
    instance: String,
    cancel: CancellationToken,
) -> (Held, JoinHandle<()>) {
    let (says, held) = watch::channel(false);
    let keeping = tokio::spawn(async move {
        while !cancel.is_cancelled() {
            let now = process::now();
            let lease = casebook.lease(name, &instance, now, now.plus(LASTS_MILLIS));
            let is_held = lease.await.unwrap_or_else(|error| {
                warn!(%error, name, "could not ask who does this");
                false
            });
            if says.send_replace(is_held) != is_held {
                info!(name, is_held, "which instance does this has changed");
            }
            tokio::select! {
                () = cancel.cancelled() => {}
                () = tokio::time::sleep(RENEW) => {}
            }
        }
        says.send_replace(false);
        if let Err(error) = casebook.release(name, &instance).await {
            warn!(%error, name, "another instance does this only when a lease has ended");
        }
    });
    (held, keeping)
}

/// Polls while this instance is the one that does.
pub(crate) async fn poll(mut poller: Poller, mut held: Held, cancel: CancellationToken) {
    while !cancel.is_cancelled() {
        tokio::select! {
            () = cancel.cancelled() => return,
            Ok(_) = held.wait_for(|is_held| *is_held) => {}
            else => {}
        }
        info!(provider = poller.name(), "polling");
        let turn = cancel.child_token();
        let polling = poller.run(&turn);
        tokio::pin!(polling);
        let is_lost = tokio::select! {
            () = &mut polling => false,
            Ok(_) = held.wait_for(|is_held| !*is_held) => true,
        };
        if is_lost {
            turn.cancel();
            polling.await;
        }
    }
}
