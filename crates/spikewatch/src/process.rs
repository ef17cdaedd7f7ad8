//! This process: memory, signals, who runs it.

use std::sync::atomic::{AtomicBool, Ordering};

use model::Timestamp;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Returns the largest memory the process has held, in bytes, as Linux counts it.
pub(crate) fn peak_memory_bytes() -> Option<u64> {
    status_bytes("VmHWM:")
}

/// Returns the memory that the process holds, in bytes, as Linux counts it.
pub(crate) fn memory_bytes() -> Option<u64> {
    status_bytes("VmRSS:")
}

fn status_bytes(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Whether a signal has asked the process to stop.
static IS_ASKED_TO_STOP: AtomicBool = AtomicBool::new(false);

/// Returns whether a signal has asked the process to stop.
pub(crate) fn is_asked_to_stop() -> bool {
    IS_ASKED_TO_STOP.load(Ordering::SeqCst)
}

/// Returns a token that is cancelled by SIGINT or SIGTERM; the second one ends at once, which
/// is safe: what is not committed is read again.
pub(crate) fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        next().await;
        IS_ASKED_TO_STOP.store(true, Ordering::SeqCst);
        tracing::info!("stopping; once more to stop at once");
        cancelled.cancel();
        next().await;
        std::process::exit(130);
    });
    Ok(token)
}

/// Runs the same command anew in this process, in its place and under its number; returns only if
/// that cannot be done.
pub(crate) fn begin_anew() -> anyhow::Error {
    use std::os::unix::process::CommandExt;
    let mut args = std::env::args_os();
    let name = args.next().unwrap_or_default();
    // The program as it is in memory, also when another version lies in its place by now.
    let mut command = std::process::Command::new("/proc/self/exe");
    command.arg0(name).args(args).exec().into()
}

/// Gives the process its name again, which [`begin_anew`] takes from it: by it people look for it.
pub(crate) fn keep_name() {
    // Where that cannot be done it is found by its number.
    let _ = std::fs::write("/proc/self/comm", env!("CARGO_PKG_NAME"));
}

/// Names who typed a command, for the audit.
pub(crate) fn actor() -> String {
    let user = std::env::var("SUDO_USER").or_else(|_| std::env::var("USER"));
    format!("cli:{}", user.unwrap_or_else(|_| "unknown".to_owned()))
}

/// Returns the wall clock.
pub(crate) fn now() -> Timestamp {
    use model::Clock;
    model::SystemClock.now()
}
