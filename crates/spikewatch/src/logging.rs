//! Talk goes to stderr.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal;
use std::sync::atomic::{AtomicUsize, Ordering};

use codec::Redactor;
use tracing_subscriber::EnvFilter;

use crate::cli::{Cli, Command};

/// Sets up log lines: the service and its gateway talk at info, commands only warn.
pub(crate) fn init(cli: &Cli) {
    let usual = match cli.command {
        Command::Run(_) | Command::SqlGateway => "info",
        _ => "warn",
    };
    let asked = cli.log.as_deref().unwrap_or(usual);
    // The engines below are only of interest when something is wrong with them.
    let quiet = "datafusion=warn,delta_kernel=error,deltalake_core=error,sqlx=warn,hyper=warn,\
                 reqwest=warn,rustls=warn,lettre=warn,object_store=warn,buoyant_kernel=error";
    let filter = EnvFilter::try_new(format!("{asked},{quiet}"))
        .unwrap_or_else(|_| EnvFilter::new(format!("{usual},{quiet}")));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour);
    if cli.log_json {
        lines.json().init();
    } else {
        lines.init();
    }
    std::panic::set_hook(Box::new(tell_of_panic));
}

/// How many panics are logged, and then of how many one.
const LOGGED_PANICS: usize = 100;

/// Logs a panic.
///
/// Its message may quote what was in work, and goes through redaction like all that leaves the
/// program. That of redaction itself is withheld: it would quote the very text, and crash again.
fn tell_of_panic(panic: &std::panic::PanicHookInfo<'_>) {
    static PANICS: AtomicUsize = AtomicUsize::new(0);
    let count = PANICS.fetch_add(1, Ordering::Relaxed) + 1;
    if count > LOGGED_PANICS && !count.is_multiple_of(LOGGED_PANICS) {
        return;
    }
    let place = panic
        .location()
        .map(ToString::to_string)
        .unwrap_or_default();
    let message = match panic.payload_as_str() {
        Some(message) if !place.contains("crates/codec/") => Redactor::redact_strictly(message),
        _ => "withheld".into(),
    };
    if !tracing::enabled!(tracing::Level::ERROR) {
        eprintln!("a defect at {place}: {message}");
        return;
    }
    let backtrace = Backtrace::capture();
    let captured = backtrace.status() == BacktraceStatus::Captured;
    tracing::error!(
        thread = std::thread::current().name(),
        place,
        count,
        backtrace = captured.then(|| tracing::field::display(&backtrace)),
        "a defect: {message}"
    );
}
