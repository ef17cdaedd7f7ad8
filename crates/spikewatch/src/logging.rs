//! Talk goes to stderr.

use std::io::IsTerminal;

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

/// Logs a panic: its message may quote what was in work, and goes through redaction like all that
/// leaves the program.
fn tell_of_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let message = codec::Redactor::redact_strictly(panic.payload_as_str().unwrap_or_default());
    let backtrace = std::backtrace::Backtrace::capture();
    let captured = backtrace.status() == std::backtrace::BacktraceStatus::Captured;
    tracing::error!(
        thread = std::thread::current().name(),
        place = panic.location().map(tracing::field::display),
        backtrace = captured.then(|| tracing::field::display(&backtrace)),
        "a defect: {message}"
    );
}
