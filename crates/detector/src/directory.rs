//! What the inventory knows of a key at a moment, and what changes were announced.

use std::collections::HashMap;
use std::net::IpAddr;

use ipnet::IpNet;
use model::{Change, Entity, HISTORY_ERASED, Inventory, KeyEntry, LEVEL_ACCEPTED, Timestamp};
use serde::{Deserialize, Serialize};

/// How long an announced change holds that does not say until when.
const DEFAULT_HOLDS: i64 = 7 * Timestamp::DAY;
/// How long a vendor's notice makes its keys suspect.
const NOTICE_HOLDS: i64 = 30 * Timestamp::DAY;
/// The growth that is allowed where an announcement names none.
const DEFAULT_FACTOR: f64 = 10.0;
/// How much above the announced factor is still what was announced.
const FACTOR_HEADROOM: f64 = 1.25;
/// Announcements take effect a little before their time: clocks and launches are not exact.
const HEAD_START: i64 = 10 * Timestamp::MINUTE;

/// The inventory by key; an entry is visible from its creation on, a change from its time on.
#[derive(Clone, Debug, Default)]
pub struct KeyDirectory {
    entries: HashMap<String, Vec<Entry>>,
    changes: Vec<Change>,
    /// The places of the changes by key and by account.
    of_key: HashMap<String, Vec<usize>>,
    of_account: HashMap<String, Vec<usize>>,
    of_vendor: Vec<usize>,
    /// How many keys are stored with each vendor.
    stored_with: HashMap<String, usize>,
}

/// An entry, with its rules read.
#[derive(Clone, Debug)]
struct Entry {
    entry: KeyEntry,
    cidrs: Vec<IpNet>,
}

/// What announced changes relax or sharpen on a key at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Announced {
    /// Volume and spend may be so many times the usual.
    pub(crate) factor: f64,
    /// Any volume is planned.
    pub(crate) any_volume: bool,
    /// A vendor that stores the key has told of a breach.
    pub(crate) notice: bool,
}

impl Default for Announced {
    fn default() -> Self {
        Self {
            factor: 1.0,
            any_volume: false,
            notice: false,
        }
    }
}

impl KeyDirectory {
    /// Indexes an inventory.
    pub fn new(inventory: &Inventory) -> Self {
        let mut directory = Self {
            changes: inventory.changes.clone(),
            ..Self::default()
        };
        for entry in &inventory.keys {
            for vendor in &entry.vendors {
                *directory.stored_with.entry(vendor.clone()).or_default() += 1;
            }
            let cidrs = entry
                .allowed_cidrs
                .iter()
                .filter_map(|cidr| network(cidr))
                .collect();
            directory
                .entries
                .entry(entry.key.clone())
                .or_default()
                .push(Entry {
                    entry: entry.clone(),
                    cidrs,
                });
        }
        for (place, change) in inventory.changes.iter().enumerate() {
            match (&change.key, &change.account) {
                (Some(key), _) => directory.of_key.entry(key.clone()).or_default().push(place),
                (None, Some(account)) => directory
                    .of_account
                    .entry(account.clone())
                    .or_default()
                    .push(place),
                (None, None) => directory.of_vendor.push(place),
            }
        }
        directory
    }

    /// Returns how many keys are stored with a vendor.
    pub(crate) fn stored_with(&self, vendor: &str) -> usize {
        self.stored_with.get(vendor).copied().unwrap_or(0)
    }

    /// Returns whether nothing is known at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns whether any change was ever announced.
    pub(crate) fn announces(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Returns what was known of a key at a moment; an entry that leaves provider or account
    /// open fits every one.
    pub fn entry(&self, entity: &Entity, at: Timestamp) -> Option<&KeyEntry> {
        self.find(entity, at).map(|entry| &entry.entry)
    }

    fn find(&self, entity: &Entity, at: Timestamp) -> Option<&Entry> {
        let open_or_equal = |entry: &str, seen: &str| entry.is_empty() || entry == seen;
        self.entries.get(&entity.key)?.iter().find(|known| {
            let entry = &known.entry;
            open_or_equal(&entry.provider, &entity.provider)
                && open_or_equal(&entry.account, &entity.account)
                && entry.created.is_none_or(|created| created <= at)
        })
    }

    /// Returns the changes announced for a key or its account, the newest last.
    fn changes<'d>(&'d self, entity: &'d Entity) -> impl Iterator<Item = &'d Change> {
        let places = |map: &'d HashMap<String, Vec<usize>>, name: &str| {
            map.get(name).map_or(&[][..], Vec::as_slice)
        };
        places(&self.of_key, &entity.key)
            .iter()
            .chain(places(&self.of_account, &entity.account))
            .map(|&place| &self.changes[place])
            .filter(|change| {
                change
                    .account
                    .as_ref()
                    .is_none_or(|account| *account == entity.account)
            })
    }

    /// Returns whether anything was ever announced for a key, its account, or a vendor.
    pub(crate) fn has_changes(&self, entity: &Entity) -> bool {
        !self.of_vendor.is_empty() || self.changes(entity).next().is_some()
    }

    /// Returns what holds for the usage of a key at a moment.
    pub(crate) fn announced(&self, entity: &Entity, at: Timestamp) -> Announced {
        let mut announced = Announced::default();
        for change in self.changes(entity) {
            if !holds(change, at, DEFAULT_HOLDS) {
                continue;
            }
            let factor = change
                .details
                .get("factor")
                .and_then(serde_json::Value::as_f64);
            match change.kind.as_str() {
                "expected_growth" => {
                    let factor = factor.unwrap_or(DEFAULT_FACTOR) * FACTOR_HEADROOM;
                    announced.factor = announced.factor.max(factor);
                }
                "planned_activity" => match factor {
                    Some(factor) => {
                        announced.factor = announced.factor.max(factor * FACTOR_HEADROOM);
                    }
                    None => announced.any_volume = true,
                },
                _ => {}
            }
        }
        let stored_with = |vendor: &str| {
            self.entry(entity, at)
                .is_some_and(|entry| entry.vendors.iter().any(|known| known == vendor))
        };
        announced.notice = self.of_vendor.iter().any(|&place| {
            let change = &self.changes[place];
            change.kind == "vendor_notice"
                && holds(change, at, NOTICE_HOLDS)
                && change
                    .details
                    .get("vendor")
                    .and_then(serde_json::Value::as_str)
                    .is_some_and(stored_with)
        });
        announced
    }

    /// Returns whether an announced change has made a network or a model the key's own by then.
    pub(crate) fn announced_value(&self, entity: &Entity, at: Timestamp, value: &str) -> bool {
        self.changes(entity)
            .filter(|change| change.time.plus(-HEAD_START) <= at)
            .any(|change| {
                let named =
                    |name: &str| change.details.get(name).and_then(serde_json::Value::as_str);
                match change.kind.as_str() {
                    "cidr_added" => named("cidr").is_some_and(|cidr| within(cidr, value)),
                    "model_added" => named("model") == Some(value),
                    _ => false,
                }
            })
    }

    /// Returns when a person last took what a key does for its new normal, up to a moment.
    pub(crate) fn accepted(&self, entity: &Entity, at: Timestamp) -> Option<Timestamp> {
        let times = self
            .changes(entity)
            .filter(|change| change.kind == LEVEL_ACCEPTED && change.time <= at)
            .map(|change| change.time);
        times.max()
    }

    /// Returns the keys of which all that is known up to a moment is to be forgotten, by erasures
    /// later than the last that was carried out.
    pub(crate) fn erased_after(
        &self,
        done: Option<Timestamp>,
    ) -> impl Iterator<Item = (Entity, Timestamp)> {
        let erased = self.changes.iter().filter(move |change| {
            change.kind == HISTORY_ERASED && done.is_none_or(|done| change.time > done)
        });
        erased.filter_map(|change| {
            let provider = change.details.get("provider")?.as_str()?;
            let entity = Entity {
                provider: provider.to_owned(),
                account: change.account.clone()?,
                key: change.key.clone()?,
            };
            Some((entity, change.time))
        })
    }

    /// Returns the key that this one replaces, by its entry or an announced rotation.
    pub(crate) fn replaces(&self, entity: &Entity, at: Timestamp) -> Option<String> {
        let by_entry = self
            .entry(entity, at)
            .and_then(|entry| entry.replaces.clone());
        by_entry.or_else(|| {
            self.changes
                .iter()
                .filter(|change| {
                    change.kind == "key_rotated" && change.time.plus(-HEAD_START) <= at
                })
                .find_map(|change| {
                    let named =
                        |name: &str| change.details.get(name).and_then(serde_json::Value::as_str);
                    let new = named("new").or(named("new_key")).or(named("replaced_by"));
                    (new == Some(entity.key.as_str()))
                        .then(|| named("old").or(named("old_key")).or(change.key.as_deref()))
                        .flatten()
                        .map(str::to_owned)
                })
        })
    }

    /// Returns whether a key is in the inventory, or announced as another's successor.
    pub(crate) fn expects(&self, entity: &Entity, at: Timestamp) -> bool {
        self.entry(entity, at).is_some() || self.replaces(entity, at).is_some()
    }

    /// Returns the rule that an address breaks, in words, if the key has one and it does.
    pub(crate) fn broken_by_address(
        &self,
        entity: &Entity,
        at: Timestamp,
        address: &str,
    ) -> Option<String> {
        let cidrs = &self.find(entity, at)?.cidrs;
        let first = address.split('/').next().unwrap_or(address);
        let ip = first.parse::<IpAddr>().ok()?.to_canonical();
        let is_broken = !cidrs.is_empty()
            && !cidrs.iter().any(|cidr| cidr.contains(&ip))
            && !self.announced_value(entity, at, address);
        is_broken.then(|| format!("address {address} is outside of the key's allowed networks"))
    }

    /// Returns the rule that a model breaks, in words, if the key has one and it does.
    pub(crate) fn broken_by_model(
        &self,
        entity: &Entity,
        at: Timestamp,
        model: &str,
    ) -> Option<String> {
        let allowed = &self.find(entity, at)?.entry.allowed_models;
        let is_broken = !allowed.is_empty()
            && !allowed.iter().any(|allowed| matches_model(allowed, model))
            && !self.announced_value(entity, at, model);
        is_broken.then(|| format!("model {model} is not one of the key's allowed models"))
    }

    /// Returns whether a key has any rule.
    pub(crate) fn has_rules(&self, entity: &Entity, at: Timestamp) -> bool {
        self.find(entity, at)
            .is_some_and(|entry| !entry.cidrs.is_empty() || !entry.entry.allowed_models.is_empty())
    }
}

/// Returns whether a change holds at a moment: until what it says, or for a while.
fn holds(change: &Change, at: Timestamp, default_millis: i64) -> bool {
    let until = change
        .details
        .get("until")
        .and_then(serde_json::Value::as_str)
        .and_then(|text| Timestamp::parse(text).ok())
        .unwrap_or(change.time.plus(default_millis));
    change.time.plus(-HEAD_START) <= at && at < until.plus(Timestamp::HOUR)
}

/// Reads `address/prefix` or a single address.
fn network(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn within(cidr: &str, address: &str) -> bool {
    let address = address.split('/').next().unwrap_or(address);
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    network(cidr).is_some_and(|cidr| cidr.contains(&address.to_canonical()))
}

/// Returns whether a model is the allowed one or a dated version of it.
fn matches_model(allowed: &str, model: &str) -> bool {
    model == allowed
        || model
            .strip_prefix(allowed)
            .and_then(|rest| rest.strip_prefix(['-', '@', ':']))
            .is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn entity(account: &str) -> Entity {
        Entity {
            provider: "openai".into(),
            account: account.into(),
            key: "key_1".into(),
        }
    }

    fn directory() -> KeyDirectory {
        let inventory = json!({
            "keys": [{
                "key": "key_1", "account": "acme", "created": "2026-05-01T00:00:00Z",
                "vendors": ["storehouse"], "allowed_models": ["gpt-5-mini"],
                "allowed_cidrs": ["198.51.100.0/24"], "replaces": "key_0",
            }],
            "changes": [
                {"time": "2026-05-10T00:00:00Z", "type": "expected_growth", "key": "key_1",
                 "factor": 4, "until": "2026-05-12T00:00:00Z"},
                {"time": "2026-05-10T00:00:00Z", "type": "cidr_added", "account": "acme",
                 "cidr": "203.0.113.0/24"},
                {"time": "2026-05-20T00:00:00Z", "type": "vendor_notice", "vendor": "storehouse"},
            ],
        });
        KeyDirectory::new(&serde_json::from_value(inventory).unwrap())
    }

    #[test]
    fn an_entry_is_not_known_before_its_creation() {
        let directory = directory();
        let known = |account, time| directory.entry(&entity(account), at(time)).is_some();
        assert!(!known("acme", "2026-04-30T23:59:59Z"));
        assert!(known("acme", "2026-05-01T00:00:00Z"));
        assert!(!known("other", "2026-05-01T00:00:00Z"));
    }

    #[test]
    fn a_change_relaxes_what_it_announces_while_it_holds() {
        let directory = directory();
        let factor = |time| directory.announced(&entity("acme"), at(time)).factor;
        assert_eq!(factor("2026-05-09T00:00:00Z"), 1.0);
        assert_eq!(factor("2026-05-11T00:00:00Z"), 5.0);
        assert_eq!(factor("2026-05-13T00:00:00Z"), 1.0);
        let notice = |time| directory.announced(&entity("acme"), at(time)).notice;
        assert!(!notice("2026-05-19T00:00:00Z") && notice("2026-05-21T00:00:00Z"));
    }

    #[test]
    fn rules_are_broken_by_strange_addresses_and_models() {
        let directory = directory();
        let broken = |time, address, model| {
            let (entity, at) = (entity("acme"), at(time));
            directory.broken_by_address(&entity, at, address).is_some()
                || directory.broken_by_model(&entity, at, model).is_some()
        };
        let early = "2026-05-05T00:00:00Z";
        assert!(!broken(early, "198.51.100.7", "gpt-5-mini"));
        assert!(!broken(early, "198.51.100.7", "gpt-5-mini-2026-01-01"));
        assert!(broken(early, "203.0.113.7", "gpt-5-mini"));
        assert!(broken(early, "198.51.100.7", "gpt-5"));
        assert!(!broken("2026-05-11T00:00:00Z", "203.0.113.7", "gpt-5-mini"));
    }

    #[test]
    fn an_acceptance_is_known_from_its_time_on() {
        let inventory = json!({"changes": [
            {"time": "2026-05-10T00:00:00Z", "type": "level_accepted", "key": "key_1", "account": "acme"},
            {"time": "2026-05-12T00:00:00Z", "type": "level_accepted", "key": "key_1", "account": "acme"},
        ]});
        let directory = KeyDirectory::new(&serde_json::from_value(inventory).unwrap());
        let accepted = |time| directory.accepted(&entity("acme"), at(time));
        assert_eq!(accepted("2026-05-09T23:59:59Z"), None);
        assert_eq!(
            accepted("2026-05-11T00:00:00Z"),
            Some(at("2026-05-10T00:00:00Z"))
        );
        assert_eq!(
            accepted("2026-05-13T00:00:00Z"),
            Some(at("2026-05-12T00:00:00Z"))
        );
        assert!(
            directory
                .accepted(&entity("other"), at("2026-05-13T00:00:00Z"))
                .is_none()
        );
    }

    #[test]
    fn a_rotated_key_knows_the_one_it_replaces() {
        let replaced = directory().replaces(&entity("acme"), at("2026-05-05T00:00:00Z"));
        assert_eq!(replaced.as_deref(), Some("key_0"));
    }
}
