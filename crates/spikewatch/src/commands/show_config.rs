//! `spikewatch config show`.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::{ConfigArgs, ConfigCommand};
use crate::config;

pub(crate) fn run(file: Option<&Path>, args: ConfigArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        ConfigCommand::Show => print!("{}", config::shown(file)?),
    }
    Ok(ExitCode::SUCCESS)
}
