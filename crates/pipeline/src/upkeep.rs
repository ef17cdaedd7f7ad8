//! What the loop does now and then beside its work: take over a changed inventory, and write
//! down how keys stand, and show queries what is usual for them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use casebook::Casebook;
use detector::KeyDirectory;
use tracing::{info, warn};

use crate::Stages;
use crate::shown::{BASELINES_MAX, LiveTables};

/// How often the inventory is looked at, and how often it is written down how keys stand.
const LOOK: Duration = Duration::from_secs(5);
const STANDINGS: Duration = Duration::from_secs(120);

/// Of more keys than this it is not written down how they stand: it would take longer than it
/// is worth.
const STANDINGS_MAX: usize = 20_000;

/// How many times as long as it took it is waited before baselines are shown again.
const PATIENCE: u32 = 500;

/// When each was last done.
#[derive(Default)]
pub(crate) struct Upkeep {
    looked: Option<Instant>,
    stood: Option<Instant>,
    /// When baselines are shown again.
    show: Option<Instant>,
    inventory_version: Option<i64>,
}

impl Upkeep {
    /// Returns whether anything is due.
    pub(crate) fn is_due(&self, ended: bool) -> bool {
        let is_past = |at: Option<Instant>, wait| at.is_none_or(|at| at.elapsed() >= wait);
        ended || is_past(self.looked, LOOK) || is_past(self.stood, STANDINGS)
    }

    /// Does what is due; what fails now is tried again later.
    pub(crate) async fn keep(
        &mut self,
        stages: &mut Stages,
        casebook: &Casebook,
        tables: &LiveTables,
        instance: &str,
        ended: bool,
    ) {
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            self.look_at_inventory(stages, casebook).await;
        }
        if ended || self.stood.is_none_or(|at| at.elapsed() >= STANDINGS) {
            self.stood = Some(Instant::now());
            keep_standings(stages, casebook, instance).await;
        }
        if ended || self.show.is_none_or(|at| at <= Instant::now()) {
            let began = Instant::now();
            tables.set_baselines(stages.usual(BASELINES_MAX));
            self.show = Some(Instant::now() + LOOK.max(began.elapsed() * PATIENCE));
        }
    }

    /// Takes over what a person has accepted or announced since the last look.
    async fn look_at_inventory(&mut self, stages: &mut Stages, casebook: &Casebook) {
        let version = match casebook.inventory_version().await {
            Ok(version) => version,
            Err(err) => return warn!(error = %err, "could not look at the inventory"),
        };
        // What was there at start the stages have from the beginning.
        let known = self.inventory_version.replace(version);
        if known.is_none_or(|known| known == version) {
            return;
        }
        match casebook.inventory().await {
            Ok(inventory) => {
                stages.set_directory(&Arc::new(KeyDirectory::new(&inventory)));
                info!(version, "took over a changed inventory");
            }
            Err(err) => {
                self.inventory_version = known;
                warn!(error = %err, "could not read the inventory");
            }
        }
    }
}

async fn keep_standings(stages: &Stages, casebook: &Casebook, instance: &str) {
    let (keys, ..) = stages.vitals();
    if keys == 0 || keys > STANDINGS_MAX {
        return;
    }
    let standings: Vec<_> = stages
        .standings()
        .into_iter()
        .map(|standing| (standing.entity.clone(), standing))
        .collect();
    if let Err(err) = casebook.put_standings(instance, &standings).await {
        warn!(error = %err, "could not write down how keys stand");
    }
}
