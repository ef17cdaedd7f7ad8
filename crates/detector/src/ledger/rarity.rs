//! How often a ledger does something as bad as this, in episodes a day.
//!
//! As in [`crate::calibration`]: exceedances of the nominal rarity over a threshold are
//! de-clustered, and their number and mean excess are drawn to those of ledgers that scatter
//! alike. There is one statistic and not eighteen, and a period is settled once, so that this
//! is smaller.

use std::collections::BTreeMap;

use columns::SnapshotError;
use columns::arrow::array::types::Float64Type;
use serde::{Deserialize, Serialize};

use super::grain::Grain;
use crate::archive::{Archive, Lanes};
use crate::grid::Grid;

/// Ledgers that scatter alike: the upper ends of the deviation of the logarithm.
const CLASSES: usize = 4;
const RANGES: [f64; CLASSES - 1] = [0.2, 0.5, 1.0];
/// The words for them.
const WORDS: [&str; CLASSES] = ["steady", "moving", "bursting", "wild"];

/// The nominal rarity from which a period is an exceedance, by grain; the clusters a day and
/// their mean excess that are believed of a class before anything is known.
const THRESHOLDS: [f64; 2] = [5.0, 3.0];
const PRIOR_RATES: [f64; 2] = [0.15, 0.05];
const PRIOR_EXCESS: f64 = 1.0;
/// What a class's tail weighs for one ledger, and the prior for a class, in days and clusters.
const CLASS_DAYS: f64 = 20.0;
const CLASS_CLUSTERS: f64 = 5.0;
const PRIOR_DAYS: f64 = 100.0;
const PRIOR_CLUSTERS: f64 = 15.0;
/// The mean excess is believed to be within these; it is 1 where the nominal chance is true.
const EXCESS: std::ops::RangeInclusive<f64> = 0.7..=20.0;
/// What one cluster adds to the excess at most, and one under an alarm: a theft teaches little.
const LARGEST_ADDED: f64 = 20.0;
const ALARMED_ADDED: f64 = 4.0;
/// Evidence halves in 90 days: a ledger has few periods.
const DAILY_DECAY: f64 = 0.992_3;
const FIXED: f64 = 65_536.0;

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Sums {
    days: f64,
    clusters: f64,
    excess: f64,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Today {
    periods: u64,
    clusters: u64,
    excess: u64,
}

/// A cluster that has not ended.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Running {
    excess: f64,
    last: i64,
    class: usize,
}

/// What one settled period shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settled {
    pub(crate) period: i64,
    pub(crate) scatter: f64,
    pub(crate) nominal: f64,
    pub(crate) alarmed: bool,
}

/// The tails of all ledgers of one grain. What they have in common are whole numbers and takes
/// effect with the next day, so that no order shows.
#[derive(Clone)]
pub(crate) struct Rarities {
    grain: Grain,
    own: Grid<Sums>,
    running: BTreeMap<u32, Running>,
    day: i64,
    pooled: [Sums; CLASSES],
    today: [Today; CLASSES],
    /// Clusters a day and mean excess of each class.
    tails: [(f64, f64); CLASSES],
}

impl Rarities {
    pub(crate) fn new(grain: Grain) -> Self {
        let mut rarities = Self {
            grain,
            own: Grid::new(1),
            running: BTreeMap::new(),
            day: i64::MIN,
            pooled: Default::default(),
            today: Default::default(),
            tails: Default::default(),
        };
        rarities.put_in_force();
        rarities
    }

    /// Carries everything into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            grain: _,
            own,
            running,
            day,
            pooled,
            today,
            tails,
        } = self;
        archive.grid("own", own)?;
        archive.map("running", running)?;
        archive.value("day", day)?;
        archive.value("pooled", pooled)?;
        archive.value("today", today)?;
        archive.value("tails", tails)
    }

    fn sums(&mut self, slot: u32) -> &mut Sums {
        while self.own.row_count() <= slot as usize {
            let at = self.own.row_count();
            self.own.begin(at, Sums::default());
        }
        &mut self.own.row_mut(slot as usize)[0]
    }

    /// Learns a settled period of a slot.
    pub(crate) fn settle(&mut self, slot: u32, settled: Settled) {
        self.end_cluster(slot, settled.period);
        let class = class_of(settled.scatter);
        self.today[class].periods += 1;
        let day = self.grain.days();
        let decay = DAILY_DECAY.powf(day);
        let own = self.sums(slot);
        own.days = own.days * decay + day;
        own.clusters *= decay;
        own.excess *= decay;
        let over = settled.nominal - THRESHOLDS[self.grain as usize];
        if over <= 0.0 {
            return;
        }
        let most = match settled.alarmed {
            true => ALARMED_ADDED,
            false => LARGEST_ADDED,
        };
        let running = self.running.entry(slot).or_insert(Running {
            excess: 0.0,
            last: settled.period,
            class,
        });
        running.excess = running.excess.max(over.min(most));
        running.last = settled.period;
    }

    fn end_cluster(&mut self, slot: u32, period: i64) {
        let gap = self.grain.gap();
        let ended = |running: &Running| period - running.last > gap;
        let Some(running) = self.running.get(&slot).copied().filter(ended) else {
            return;
        };
        self.running.remove(&slot);
        let own = self.sums(slot);
        own.clusters += 1.0;
        own.excess += running.excess;
        let today = &mut self.today[running.class];
        today.clusters += 1;
        today.excess += (running.excess * FIXED) as u64;
    }

    /// Begins a day: what those before have taught comes into force.
    pub(crate) fn begin_day(&mut self, day: i64) {
        if day <= self.day {
            return;
        }
        self.day = day;
        for (pooled, today) in self.pooled.iter_mut().zip(self.today) {
            pooled.days = pooled.days * DAILY_DECAY + today.periods as f64 * self.grain.days();
            pooled.clusters = pooled.clusters * DAILY_DECAY + today.clusters as f64;
            pooled.excess = pooled.excess * DAILY_DECAY + today.excess as f64 / FIXED;
        }
        self.today = Default::default();
        self.put_in_force();
    }

    fn put_in_force(&mut self) {
        let prior = PRIOR_RATES[self.grain as usize];
        for (tail, pooled) in self.tails.iter_mut().zip(&self.pooled) {
            let rate = (pooled.clusters + PRIOR_DAYS * prior) / (pooled.days + PRIOR_DAYS);
            let excess = (pooled.excess + PRIOR_CLUSTERS * PRIOR_EXCESS)
                / (pooled.clusters + PRIOR_CLUSTERS);
            *tail = (rate, excess.clamp(*EXCESS.start(), *EXCESS.end()));
        }
    }

    /// Returns the expected episodes a day with a period of this nominal rarity or more.
    pub(crate) fn episodes_per_day(&self, slot: u32, scatter: f64, nominal: f64) -> f64 {
        let over = nominal - THRESHOLDS[self.grain as usize];
        if over <= 0.0 {
            return 1.0;
        }
        let own = match self.own.row_count() > slot as usize {
            true => self.own.get(slot as usize),
            false => Sums::default(),
        };
        let (class_rate, class_excess) = self.tails[class_of(scatter)];
        let rate = (own.clusters + CLASS_DAYS * class_rate) / (own.days + CLASS_DAYS);
        let excess = (own.excess + CLASS_CLUSTERS * class_excess) / (own.clusters + CLASS_CLUSTERS);
        (rate * (-over / excess.max(*EXCESS.start())).exp()).max(1e-300)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.own.bytes() + self.running.len() * 48
    }
}

fn class_of(scatter: f64) -> usize {
    RANGES.iter().filter(|&&end| scatter > end).count()
}

/// Returns how a ledger scatters, in a word.
pub(crate) fn word(scatter: f64) -> &'static str {
    WORDS[class_of(scatter)]
}

impl Lanes for Sums {
    type Arrow = Float64Type;

    const LANES: usize = 3;

    fn write(self, numbers: &mut Vec<f64>) {
        numbers.extend([self.days, self.clusters, self.excess]);
    }

    fn read(numbers: &[f64]) -> Self {
        Self {
            days: numbers[0],
            clusters: numbers[1],
            excess: numbers[2],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(period: i64, nominal: f64) -> Settled {
        Settled {
            period,
            scatter: 0.3,
            nominal,
            alarmed: false,
        }
    }

    #[test]
    fn a_ledger_that_does_it_every_month_is_believed_to_do_so_again() {
        let (mut calm, mut wild) = (Rarities::new(Grain::Day), Rarities::new(Grain::Day));
        for day in 0..120 {
            calm.settle(0, settled(day, 0.5));
            let nominal = if day % 30 == 3 { 9.0 } else { 0.5 };
            wild.settle(0, settled(day, nominal));
            calm.begin_day(day);
            wild.begin_day(day);
        }
        let at = |rarities: &Rarities| rarities.episodes_per_day(0, 0.3, 9.0);
        assert!(at(&calm) < 4e-4, "{}", at(&calm));
        assert!(at(&wild) > 4e-3, "{}", at(&wild));
        assert!(calm.episodes_per_day(0, 0.3, 5.0) > calm.episodes_per_day(0, 0.3, 6.0));
    }
}
