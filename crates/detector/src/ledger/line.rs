//! Billing lines: which rows are one, and what restating one changes.

use std::collections::{BTreeMap, HashMap};

use columns::SnapshotError;
use columns::arrow::array::Array;
use columns::{UsageBatch, decimal_cost};
use model::{EntityLevel, TextField, Timestamp};
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_128;

use super::grain::Grain;
use crate::archive::Archive;
use crate::rows::text;

/// Lines are remembered by eight days of their period, 40 days and more of them: the month that
/// is billed, and some days of the next.
const GENERATION_DAYS: i64 = 8;
const GENERATIONS: usize = 6;
/// Lines that one generation remembers at most; each is some 70 bytes.
const MAX_LINES: usize = 1 << 17;

/// How long after its period a line may come: ten days.
const LATEST_MILLIS: i64 = 10 * Timestamp::DAY;

/// Whose money it is. What a level does not have is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Payer {
    pub(crate) level: EntityLevel,
    pub(crate) provider: String,
    pub(crate) account: String,
    pub(crate) project: String,
    pub(crate) service: String,
    pub(crate) currency: String,
}

impl Payer {
    /// Returns the payer one level up.
    pub(crate) fn parent(&self) -> Option<Self> {
        let mut parent = self.clone();
        parent.level = match self.level {
            EntityLevel::Key | EntityLevel::Provider => return None,
            EntityLevel::Service if !self.project.is_empty() => EntityLevel::Project,
            EntityLevel::Service | EntityLevel::Project if !self.account.is_empty() => {
                EntityLevel::Account
            }
            _ => EntityLevel::Provider,
        };
        parent.service.clear();
        if parent.level > EntityLevel::Project {
            parent.project.clear();
        }
        if parent.level > EntityLevel::Account {
            parent.account.clear();
        }
        Some(parent)
    }

    /// Returns whether what another pays is part of what this one pays.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        let is_same = |own: &str, other: &str| own.is_empty() || own == other;
        self.level > other.level
            && self.provider == other.provider
            && self.currency == other.currency
            && is_same(&self.account, &other.account)
            && is_same(&self.project, &other.project)
    }

    /// Returns the names that tell it from others.
    pub(crate) fn names(&self) -> [&str; 5] {
        [
            &self.provider,
            &self.account,
            &self.project,
            &self.service,
            &self.currency,
        ]
    }
}

/// One line: an amount of one period of the lowest level that it names.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    /// When it arrived, and which of two that arrived then is the newer.
    pub(crate) bucket: i64,
    pub(crate) order: (i64, i64),
    pub(crate) id: u128,
    pub(crate) payer: Payer,
    pub(crate) grain: Grain,
    pub(crate) period: i64,
    pub(crate) nanos: i64,
}

impl Line {
    /// Reads a row of kind `cost`; `None` for what is no usage (credits, taxes, adjustments,
    /// negative amounts: they would hide abuse), or covers more than a day.
    ///
    /// A line of a single time begins there, as provider reports have it.
    pub(crate) fn read(usage_batch: &UsageBatch, row: usize) -> Option<Self> {
        let field = |field| text(usage_batch, field, row).unwrap_or_default();
        if !matches!(field(TextField::Charge), "" | "Usage" | "usage") {
            return None;
        }
        let costs = usage_batch.costs();
        let nanos = (!costs.is_null(row)).then(|| decimal_cost(costs.value(row)).get())?;
        if nanos < 0 {
            return None;
        }
        let start = start_of(usage_batch, row);
        let end = usage_batch.span_end(row).map(Timestamp::millis);
        let grain = Grain::of(start, end.map(|end| end - start))?;
        let mut payer = Payer {
            level: EntityLevel::Provider,
            provider: field(TextField::Provider).to_owned(),
            account: field(TextField::Account).to_owned(),
            project: match field(TextField::Project) {
                "" => field(TextField::Workspace).to_owned(),
                project => project.to_owned(),
            },
            service: field(TextField::Service).to_owned(),
            currency: match field(TextField::Currency) {
                "" => "USD".to_owned(),
                currency => currency.to_uppercase(),
            },
        };
        payer.level = match &payer {
            Payer { service, .. } if !service.is_empty() => EntityLevel::Service,
            Payer { project, .. } if !project.is_empty() => EntityLevel::Project,
            Payer { account, .. } if !account.is_empty() => EntityLevel::Account,
            _ => EntityLevel::Provider,
        };
        let mut bytes = Vec::new();
        for part in [&*payer.provider, &*payer.account, field(TextField::Id)] {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        Some(Self {
            bucket: 0,
            order: (
                usage_batch.known_at(row).millis(),
                usage_batch.offsets().value(row),
            ),
            id: XxHash3_128::oneshot(&bytes),
            payer,
            grain,
            period: grain.period(start),
            nanos,
        })
    }
}

fn start_of(usage_batch: &UsageBatch, row: usize) -> i64 {
    let start = usage_batch.span_start(row);
    start.unwrap_or(usage_batch.event_time(row)).millis()
}

/// Returns when a line arrived: when its record was written, where that is known and not so long
/// after its period that the log must be a replay; else when its period ended.
pub(crate) fn arrived_at(usage_batch: &UsageBatch, row: usize) -> i64 {
    let (known_at, time) = (usage_batch.known_at(row), usage_batch.event_time(row));
    let end = match usage_batch.span_end(row) {
        Some(end) => end.millis(),
        None => {
            let start = start_of(usage_batch, row);
            start + Grain::of(start, None).map_or(0, Grain::millis)
        }
    };
    let is_known = known_at > time && known_at.millis() <= end + LATEST_MILLIS;
    if is_known { known_at.millis() } else { end }
}

/// What a line has added, and where.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Added {
    pub(crate) grain: Grain,
    pub(crate) slot: u32,
    pub(crate) period: i64,
    pub(crate) nanos: i64,
}

/// The lines of the last weeks by their id: the same id again replaces what it said before.
#[derive(Clone, Default)]
pub(crate) struct KnownLines {
    generations: BTreeMap<i64, HashMap<u128, Added>>,
    /// How many had to be forgotten before their time, because there were too many.
    forgotten_early: u64,
}

impl KnownLines {
    /// Remembers what a line has added; returns what it had added before.
    pub(crate) fn replace(&mut self, id: u128, added: Added) -> Option<Added> {
        let before = self
            .generations
            .values_mut()
            .rev()
            .find_map(|lines| lines.remove(&id));
        let day = added.grain.start(added.period).millis() / Timestamp::DAY;
        let generation = day.div_euclid(GENERATION_DAYS);
        let lines = self.generations.entry(generation).or_default();
        if lines.len() >= MAX_LINES {
            self.forgotten_early += lines.len() as u64;
            lines.clear();
        }
        lines.insert(id, added);
        while self.generations.len() > GENERATIONS {
            self.generations.pop_first();
        }
        before
    }

    /// Carries everything into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            generations,
            forgotten_early,
        } = self;
        archive.value("forgotten_early", forgotten_early)?;
        let mut begins: Vec<i64> = generations.keys().copied().collect();
        archive.value("generations", &mut begins)?;
        if archive.is_reading() {
            let empty = |begin| (begin, HashMap::new());
            *generations = begins.into_iter().map(empty).collect();
        }
        for added in generations.values_mut() {
            archive.map("added", added)?;
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> usize {
        let lines: usize = self.generations.values().map(HashMap::capacity).sum();
        lines * size_of::<(u128, Added)>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_has_the_one_above_it() {
        let payer = Payer {
            level: EntityLevel::Service,
            provider: "aws".into(),
            account: "acme".into(),
            project: "checkout".into(),
            service: "bedrock".into(),
            currency: "USD".into(),
        };
        let mut levels = Vec::new();
        let mut next = payer.parent();
        while let Some(parent) = next {
            assert!(parent.contains(&payer) && !payer.contains(&parent));
            levels.push(parent.level);
            next = parent.parent();
        }
        let wanted = [
            EntityLevel::Project,
            EntityLevel::Account,
            EntityLevel::Provider,
        ];
        assert_eq!(levels, wanted);
        let without_project = Payer {
            project: String::new(),
            ..payer
        };
        let parent = without_project.parent().expect("there is an account");
        assert_eq!(parent.level, EntityLevel::Account);
    }

    #[test]
    fn a_line_is_replaced_by_its_id_and_old_ones_are_forgotten() {
        let mut lines = KnownLines::default();
        let added = |period, nanos| Added {
            grain: Grain::Day,
            slot: 0,
            period,
            nanos,
        };
        assert_eq!(lines.replace(7, added(20_000, 5)), None);
        assert_eq!(lines.replace(7, added(20_001, 6)), Some(added(20_000, 5)));
        for day in 20_010..20_080 {
            lines.replace(day as u128, added(day, 1));
        }
        assert_eq!(lines.replace(7, added(20_080, 7)), None);
        assert_eq!(lines.forgotten_early, 0);
    }
}
