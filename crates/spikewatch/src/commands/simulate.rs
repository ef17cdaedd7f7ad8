//! `spikewatch simulate`.

use std::process::ExitCode;

use anyhow::Context;

use crate::cli::SimulateArgs;
use crate::exit::Usage;
use crate::files;

pub(crate) fn run(args: SimulateArgs) -> anyhow::Result<ExitCode> {
    let simulation = simulator::simulate(&args.scenario, args.seed, args.scale)
        .map_err(|err| Usage(err.to_string()))?;
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("make folder \"{}\"", args.out.display()))?;
    simulation.write_events(&mut files::create(&args.out.join("events.jsonl"))?)?;
    let inventory = files::create(&args.out.join("inventory.json"))?;
    serde_json::to_writer_pretty(inventory, &simulation.inventory)?;
    let labels = files::create(&args.out.join("labels.json"))?;
    serde_json::to_writer(labels, &simulation.labels)?;
    eprintln!(
        "{} events of {} keys over {} days from {}, {} abuses, in \"{}\"",
        simulation.events.len(),
        simulation.labels.keys.len(),
        simulation.days,
        simulation.start,
        simulation.labels.abuses.len(),
        args.out.display(),
    );
    Ok(ExitCode::SUCCESS)
}
