//! The amounts of all ledgers of one grain, in columns.

use std::collections::{BTreeSet, HashMap};

use columns::SnapshotError;

use super::forecast::Past;
use super::grain::Grain;
use super::line::Payer;
use crate::archive::Archive;
use crate::grid::Grid;

/// How many ledgers of one grain are kept at most; the hours of one take 2.7 kilobytes.
const MAX_LEDGERS: usize = 1 << 16;

/// Ledgers of one grain: a slot for each payer, at every level.
#[derive(Clone)]
pub(crate) struct Book {
    grain: Grain,
    slots: HashMap<Payer, u32>,
    payers: Vec<Payer>,
    parents: Grid<u32>,
    amounts: Grid<i64>,
    /// The newest period of each, and the first.
    head: Grid<i32>,
    born: Grid<i32>,
    /// The last period that was learned from.
    pub(crate) settled: Grid<i32>,
    /// Periods that were an alert, and teach nothing.
    quarantined: BTreeSet<(u32, i64)>,
}

/// No parent.
const NONE: u32 = u32::MAX;

impl Book {
    pub(crate) fn new(grain: Grain) -> Self {
        Self {
            grain,
            slots: HashMap::new(),
            payers: Vec::new(),
            parents: Grid::new(1),
            amounts: Grid::new(grain.memory() as usize),
            head: Grid::new(1),
            born: Grid::new(1),
            settled: Grid::new(1),
            quarantined: BTreeSet::new(),
        }
    }

    /// Carries everything into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            grain: _,
            slots,
            payers,
            parents,
            amounts,
            head,
            born,
            settled,
            quarantined,
        } = self;
        archive.list("payers", payers)?;
        archive.grid("parents", parents)?;
        archive.grid("amounts", amounts)?;
        archive.grid("head", head)?;
        archive.grid("born", born)?;
        archive.grid("settled", settled)?;
        archive.value("quarantined", quarantined)?;
        if archive.is_reading() {
            *slots = payers.iter().cloned().zip(0..).collect();
        }
        Ok(())
    }

    /// Returns the slot of a payer, and makes it and those above it where they are new; `None`
    /// where there are too many.
    pub(crate) fn slot(&mut self, payer: &Payer, period: i64) -> Option<u32> {
        if let Some(&slot) = self.slots.get(payer) {
            return Some(slot);
        }
        let parent = match payer.parent() {
            Some(parent) => self.slot(&parent, period)?,
            None => NONE,
        };
        if self.payers.len() >= MAX_LEDGERS {
            return None;
        }
        let slot = self.payers.len() as u32;
        self.slots.insert(payer.clone(), slot);
        self.payers.push(payer.clone());
        let at = slot as usize;
        self.parents.begin(at, parent);
        self.amounts.begin(at, 0);
        self.head.begin(at, period as i32);
        self.born.begin(at, period as i32);
        self.settled.begin(at, (period - 1) as i32);
        Some(slot)
    }

    /// Returns a slot and those of the levels above it.
    pub(crate) fn chain(&self, slot: u32) -> impl Iterator<Item = u32> {
        std::iter::successors(Some(slot), |&slot| {
            Some(self.parents.get(slot as usize)).filter(|&parent| parent != NONE)
        })
    }

    /// Adds to a period of a slot and of those above it, if it is still remembered.
    pub(crate) fn add(&mut self, slot: u32, period: i64, nanos: i64) {
        let chain: Vec<u32> = self.chain(slot).collect();
        for slot in chain {
            let slot = slot as usize;
            self.advance(slot, period);
            let born = self.born.get(slot).min(period as i32);
            self.born.set(slot, born);
            if self.holds(slot, period) {
                let at = self.at(period);
                let cell = &mut self.amounts.row_mut(slot)[at];
                *cell = cell.saturating_add(nanos).max(0);
            }
        }
    }

    fn advance(&mut self, slot: usize, period: i64) {
        let (head, memory) = (i64::from(self.head.get(slot)), self.grain.memory());
        for fresh in (period - memory + 1).max(head + 1)..=period {
            let at = self.at(fresh);
            self.amounts.row_mut(slot)[at] = 0;
        }
        self.head.set(slot, head.max(period) as i32);
    }

    fn at(&self, period: i64) -> usize {
        period.rem_euclid(self.grain.memory()) as usize
    }

    fn holds(&self, slot: usize, period: i64) -> bool {
        let head = i64::from(self.head.get(slot));
        period <= head && period > head - self.grain.memory()
    }

    /// Returns the amount of a period; 0 where it is not remembered.
    pub(crate) fn amount(&self, slot: u32, period: i64) -> i64 {
        match self.holds(slot as usize, period) {
            true => self.amounts.row(slot as usize)[self.at(period)],
            false => 0,
        }
    }

    /// Returns the periods with an amount that a period is judged by.
    pub(crate) fn past(&self, slot: u32, period: i64) -> Vec<Past> {
        let head = i64::from(self.head.get(slot as usize));
        let first = (head - self.grain.memory() + 1).max(self.born(slot));
        (first..period - self.grain.lag())
            .filter_map(|period| {
                let nanos = self.amount(slot, period);
                (nanos > 0).then(|| Past {
                    period,
                    nanos,
                    teaches: !self.quarantined.contains(&(slot, period)),
                })
            })
            .collect()
    }

    pub(crate) fn quarantine(&mut self, slot: u32, period: i64) {
        self.quarantined.insert((slot, period));
    }

    /// Takes a period out of quarantine: it was restated, and is no alert any more.
    pub(crate) fn release(&mut self, slot: u32, period: i64) {
        self.quarantined.remove(&(slot, period));
    }

    /// Forgets what lies before all that is remembered.
    pub(crate) fn sweep(&mut self, period: i64) {
        let memory = 2 * self.grain.memory();
        self.quarantined.retain(|(_, kept)| period - kept < memory);
    }

    pub(crate) fn born(&self, slot: u32) -> i64 {
        i64::from(self.born.get(slot as usize))
    }

    pub(crate) fn head(&self, slot: u32) -> i64 {
        i64::from(self.head.get(slot as usize))
    }

    pub(crate) fn payer(&self, slot: u32) -> &Payer {
        &self.payers[slot as usize]
    }

    pub(crate) fn slots(&self) -> std::ops::Range<u32> {
        0..self.payers.len() as u32
    }

    /// Returns the slots right below one.
    pub(crate) fn children(&self, slot: u32) -> impl Iterator<Item = u32> {
        self.slots()
            .filter(move |&child| self.parents.get(child as usize) == slot)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.amounts.bytes()
            + self.parents.bytes()
            + self.head.bytes()
            + self.born.bytes()
            + self.settled.bytes()
            + self.payers.len() * 2 * size_of::<Payer>()
            + self.quarantined.len() * 24
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::EntityLevel;

    #[test]
    fn an_amount_counts_at_every_level_and_old_ones_are_forgotten() {
        let mut book = Book::new(Grain::Day);
        let payer = |service: &str| Payer {
            level: EntityLevel::Service,
            provider: "aws".into(),
            account: "acme".into(),
            project: String::new(),
            service: service.into(),
            currency: "USD".into(),
        };
        let one = book.slot(&payer("bedrock"), 20_000).expect("room");
        let other = book.slot(&payer("sagemaker"), 20_000).expect("room");
        book.add(one, 20_000, 5);
        book.add(other, 20_000, 7);
        let chain: Vec<u32> = book.chain(one).collect();
        assert_eq!(chain.len(), 3);
        assert_eq!(book.amount(one, 20_000), 5);
        assert_eq!(book.amount(chain[1], 20_000), 12);
        assert_eq!(book.children(chain[1]).count(), 2);
        book.add(one, 20_070, 1);
        assert_eq!(book.amount(one, 20_000), 0);
        assert_eq!(book.amount(other, 20_000), 7);
    }
}
