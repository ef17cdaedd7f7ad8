//! The binary: configuration, wiring, subcommands.
//!
//! `cli` says what can be typed, `config` what can be configured, `commands` has one file a
//! command, `wiring` plugs the rooms of the house together.

mod casebook_tables;
mod cli;
mod commands;
mod config;
mod decoding;
mod exit;
mod files;
mod gateway_process;
mod lake;
mod lease;
mod lock;
mod logging;
mod marked;
mod networks;
mod polling;
mod process;
mod reload;
mod upkeep;
mod wiring;

use clap::Parser;

use crate::cli::{Cli, Command};

fn main() -> std::process::ExitCode {
    let cli = Cli::parse();
    logging::init(&cli);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(history::STACK_BYTES)
        .build()
    {
        Ok(runtime) => runtime,
        Err(err) => return exit::report(&anyhow::Error::new(err).context("start the runtime")),
    };
    let outcome = runtime.block_on(run(cli));
    // Whatever still runs is not waited for: everything that counts is durable by now.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code,
        Err(err) => exit::report(&err),
    }
}

async fn run(cli: Cli) -> anyhow::Result<std::process::ExitCode> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Demo(args) => commands::demo::run(args).await,
        Command::Run(args) => commands::run::run(config, args).await,
        Command::Poll(args) => commands::poll::run(config, args).await,
        Command::Check(args) => commands::check::run(config, args).await,
        Command::Backtest(args) => commands::backtest::run(config, args).await,
        Command::Backfill(args) => commands::backfill::run(config, args).await,
        Command::Decode(args) => commands::decode::run(config, args),
        Command::Simulate(args) => commands::simulate::run(args),
        Command::Evaluate(args) => commands::evaluate::run(args),
        Command::Sql(args) => commands::sql::run(config, args).await,
        Command::Act(args) => commands::act::act(config, args).await,
        Command::Undo(args) => commands::act::undo(config, args).await,
        Command::Accept(args) => commands::accept::run(config, args).await,
        Command::Erase(args) => commands::erase::run(config, args).await,
        Command::Alerts(args) => commands::cases::alerts(config, args).await,
        Command::Explain(args) => commands::explain::run(config, args).await,
        Command::Incidents(args) => commands::cases::incidents(config, args).await,
        Command::Keys(args) => commands::cases::keys(config, args).await,
        Command::Audit(args) => commands::cases::audit(config, args).await,
        Command::Config(args) => commands::show_config::run(config, args),
        Command::SqlGateway => commands::sql_gateway::run(config).await,
    }
}
