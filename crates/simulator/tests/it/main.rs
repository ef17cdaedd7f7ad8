//! Whole runs, looked at from outside.

#![allow(clippy::unwrap_used)] // clippy.toml allows it in #[test] functions only, not in their helpers.

mod goals;
mod golden;
mod labels;
mod runs;
mod schema;
mod stream;

use std::sync::LazyLock;

use simulator::{SimulatedEvent, Simulation, simulate};

/// One run of the small scenario with a few keys of each kind, shared because making it is
/// what takes the time.
static SMALL: LazyLock<Simulation> = LazyLock::new(|| simulate("small", 7, 0.2).unwrap());

/// The story of the demo with the keys that are hit and a few others.
static STORY: LazyLock<Simulation> = LazyLock::new(|| simulate("braintrust", 7, 0.4).unwrap());

/// A quarter of the run by which goals are measured.
static GOALS: LazyLock<Simulation> = LazyLock::new(|| simulate("goals", 7, 0.25).unwrap());

fn text(simulation: &Simulation) -> String {
    let mut bytes = Vec::new();
    simulation.write_events(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Returns every `step`th event, as its JSON and as it is; reading JSON takes the time.
fn values(
    simulation: &Simulation,
    step: usize,
) -> impl Iterator<Item = (serde_json::Value, &SimulatedEvent)> {
    let mut line = Vec::new();
    simulation.events.iter().step_by(step).map(move |event| {
        line.clear();
        event.write_json(&mut line);
        (serde_json::from_slice(&line).unwrap(), event)
    })
}
