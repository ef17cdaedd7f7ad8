//! Whether a key is judged yet, by which families, and why not.

use model::{Entity, EntityLevel, Timestamp};
use serde::{Serialize, Serializer};

use crate::clock::{BUCKETS_A_DAY, BUCKETS_AN_HOUR, start_of};
use crate::detector::PartitionDetector;
use crate::judging::judged_from;
use crate::known::Trait;
use crate::scope::Scope;
use crate::signal::{Family, Scale};
use crate::state::{DORMANT_HOURS, NEWBORN_BUCKETS};

/// How a key stands, or what is used or billed without one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Standing {
    /// What it is.
    pub entity_level: EntityLevel,
    /// Whose usage it is; without a key the key is empty, and then null on the wire.
    #[serde(flatten, serialize_with = "names")]
    pub entity: Entity,
    /// The project, where it is one's.
    pub project: Option<String>,
    /// The service that is billed.
    pub service: Option<String>,
    /// When it was first seen, or known to exist.
    pub known_since: Timestamp,
    /// How it bursts: what it is compared with.
    pub class: &'static str,
    /// The minutes that one delivery of its feed covers; 1 for single calls.
    pub feed_minutes: i64,
    /// What each family of evidence can say.
    pub families: Vec<FamilyStanding>,
}

fn names<S: Serializer>(entity: &Entity, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Names<'a> {
        provider: &'a str,
        account: &'a str,
        key: Option<&'a str>,
    }
    let key = Some(&*entity.key).filter(|key| !key.is_empty());
    Names {
        provider: &entity.provider,
        account: &entity.account,
        key,
    }
    .serialize(serializer)
}

/// Whether a family of evidence judges a key.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FamilyStanding {
    /// The family.
    pub family: &'static str,
    /// Whether it judges the key now.
    pub judged: bool,
    /// Why not, or from what on.
    pub because: String,
}

impl PartitionDetector {
    /// Returns how every key stands at the newest event time, in order of their names; then the
    /// same of usage without a key.
    pub fn standings(&self) -> Vec<Standing> {
        let mut slots: Vec<usize> = self.state.keys.slots().collect();
        slots.sort_by(|&a, &b| self.state.keys.compare(a, b));
        let keys = slots.into_iter().map(|slot| self.standing(slot));
        let without = self.without.iter().flat_map(|without| {
            without.standings().into_iter().map(|mut standing| {
                let text = std::mem::take(&mut standing.entity.key);
                let scope = Scope::read(&text);
                standing.entity_level = scope.level;
                standing.project = scope.project.map(str::to_owned);
                standing
            })
        });
        keys.chain(without).collect()
    }

    fn standing(&self, slot: usize) -> Standing {
        let now = self.open_from().unwrap_or(0);
        let entity = self.state.keys.entity(slot);
        let age = self.state.baseline.age_buckets(slot, now);
        let families = [
            Family::Volume,
            Family::Spend,
            Family::Price,
            Family::Caller,
            Family::Model,
            Family::Probing,
            Family::Dormancy,
            Family::Newborn,
            Family::Rule,
        ];
        Standing {
            entity_level: EntityLevel::Key,
            project: None,
            service: None,
            known_since: start_of(now - age),
            class: self.state.baseline.class(slot).words(),
            feed_minutes: self.state.baseline.grain(slot),
            families: families
                .into_iter()
                .map(|family| {
                    let (judged, because) = self.family(slot, family, &entity, (now, age));
                    FamilyStanding {
                        family: family.as_str(),
                        judged,
                        because,
                    }
                })
                .collect(),
            entity,
        }
    }

    fn family(
        &self,
        slot: usize,
        family: Family,
        entity: &Entity,
        (now, age): (i64, i64),
    ) -> (bool, String) {
        let yes = |text: &str| (true, text.to_owned());
        let no = |text: String| (false, text);
        let first = judged_from(Scale::Hour);
        let young = || {
            no(format!(
                "known for {} hours; judged from {} on",
                age / BUCKETS_AN_HOUR,
                first / BUCKETS_AN_HOUR
            ))
        };
        match family {
            Family::Newborn => match self.state.newborns.get(&(slot as u32)) {
                Some(newborn) if newborn.is_birth && now - newborn.bucket < NEWBORN_BUCKETS => {
                    yes("compared with the first hours of other keys")
                }
                _ => no("only keys of less than two days that appear in a running stream".into()),
            },
            Family::Rule => match self.directory.has_rules(entity, start_of(now)) {
                true => yes("the inventory has allowed networks or models for it"),
                false => no("the inventory has no allowed networks or models for it".into()),
            },
            Family::Dormancy => yes("from a silence of a week on that is twice its longest"),
            _ if age < first => young(),
            Family::Volume if age < judged_from(Scale::Day) => {
                yes("windows of up to six hours; a day from seven days on")
            }
            Family::Volume => yes("windows from its feed's grain to a day, and slow theft"),
            Family::Spend | Family::Price => match self.state.baseline.has_cost(slot) {
                true => yes("its events have a cost"),
                false if family == Family::Spend => yes("by tokens; its events have no cost"),
                false => no("its events have no cost".into()),
            },
            Family::Caller | Family::Model => {
                let (trait_, field) = match family {
                    Family::Caller => (Trait::Network, "source address"),
                    _ => (Trait::Model, "model"),
                };
                match self.state.known.has_any(slot, trait_) {
                    true => yes(&format!("its events have a {field}")),
                    false => no(format!("no data: its events have no {field}")),
                }
            }
            Family::Probing => yes("refused and listing calls against its usual share"),
        }
    }
}

const _: () = assert!(DORMANT_HOURS * BUCKETS_AN_HOUR == 7 * BUCKETS_A_DAY);
