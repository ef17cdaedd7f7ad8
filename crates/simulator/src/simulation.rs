//! One run: events, inventory and labels.

use std::io::{self, Write};

use model::{Inventory, Timestamp};

use crate::Error;
use crate::event::SimulatedEvent;
use crate::labels::Labels;
use crate::scenario;
use crate::stage;

/// The largest scale; beyond it the events no longer fit into an ordinary memory.
const MAX_SCALE: f64 = 100.0;

/// Labelled usage.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The events in order of arrival.
    pub events: Vec<SimulatedEvent>,
    /// What a detector may know of the keys.
    pub inventory: Inventory,
    /// What it may not know.
    pub labels: Labels,
    /// The length of the run in days, a part of a day counted as one.
    pub days: u32,
    /// The beginning of the run.
    pub start: Timestamp,
}

/// What may be switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether events come late and twice; without it they arrive in order of time.
    pub disorder: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { disorder: true }
    }
}

/// Makes the usage of `scenario` from `seed`, with `scale` times as many keys.
///
/// # Errors
/// [`Error::UnknownScenario`] names the scenarios there are; [`Error::Scale`] refuses what
/// is no positive number of reasonable size.
pub fn simulate(scenario: &str, seed: u64, scale: f64) -> Result<Simulation, Error> {
    simulate_with(scenario, seed, scale, &Options::default())
}

/// Makes the usage of `scenario` as [`simulate`] does, with `options`.
///
/// # Errors
/// The same as [`simulate`].
pub fn simulate_with(
    scenario: &str,
    seed: u64,
    scale: f64,
    options: &Options,
) -> Result<Simulation, Error> {
    let found = scenario::ALL
        .iter()
        .find(|known| known.info.name == scenario);
    let Some(found) = found else {
        let known: Vec<_> = scenario::ALL.iter().map(|known| known.info.name).collect();
        return Err(Error::UnknownScenario {
            name: scenario.to_owned(),
            known: known.join(", "),
        });
    };
    // Written so that a NaN is refused too.
    if !(scale > 0.0 && scale <= MAX_SCALE) {
        return Err(Error::Scale {
            scale,
            max: MAX_SCALE,
        });
    }
    Ok(stage::play((found.script)(seed, scale), seed, options))
}

impl Simulation {
    /// Writes the events as JSON lines, in order of arrival.
    ///
    /// # Errors
    /// Whatever `out` returns.
    pub fn write_events(&self, out: &mut dyn Write) -> io::Result<()> {
        /// Few large writes, whatever `out` is.
        const CHUNK: usize = 256 * 1024;
        let mut lines = Vec::with_capacity(CHUNK + 1024);
        for event in &self.events {
            event.write_json(&mut lines);
            lines.push(b'\n');
            if lines.len() >= CHUNK {
                out.write_all(&lines)?;
                lines.clear();
            }
        }
        out.write_all(&lines)?;
        out.flush()
    }
}
