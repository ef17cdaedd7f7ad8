//! How the program ends: 0 done, 1 failed, 2 wrong use, 78 bad configuration (sysexits.h).

use std::process::ExitCode;

use crate::config::ConfigError;

/// A bad configuration.
pub(crate) const BAD_CONFIG: u8 = 78;
/// Wrong use.
pub(crate) const WRONG_USE: u8 = 2;

/// An error of whoever typed the command.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Prints the chain of an error once and returns the code it ends with.
pub(crate) fn report(err: &anyhow::Error) -> ExitCode {
    eprintln!("error: {err:#}");
    if let Some(hint) = err
        .downcast_ref::<ConfigError>()
        .and_then(ConfigError::hint)
    {
        eprintln!("hint: {hint}");
    }
    if err.downcast_ref::<ConfigError>().is_some() {
        ExitCode::from(BAD_CONFIG)
    } else if err.downcast_ref::<Usage>().is_some() {
        ExitCode::from(WRONG_USE)
    } else {
        ExitCode::FAILURE
    }
}
