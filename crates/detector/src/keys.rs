//! Which row of the columns belongs to which key.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use model::Entity;

use crate::grid::Grid;

/// Maps (provider, account, key) to a slot; slots are given out in order of first sight.
///
/// The hash is seeded at random, because the texts come from outside; nothing ever iterates
/// over the table. Providers and accounts are kept once, however many keys they have.
pub(crate) struct KeyTable {
    slots: HashTable<u32>,
    hasher: RandomState,
    names: Vec<Box<str>>,
    groups: Grid<u32>,
    group_names: Vec<(Box<str>, Box<str>)>,
    group_ids: HashTable<u32>,
    /// The group of the last row: rows of a tenant often follow each other.
    last_group: u32,
}

impl KeyTable {
    pub(crate) fn new() -> Self {
        Self {
            slots: HashTable::new(),
            hasher: RandomState::new(),
            names: Vec::new(),
            groups: Grid::new(1),
            group_names: Vec::new(),
            group_ids: HashTable::new(),
            last_group: 0,
        }
    }

    /// Returns the slot of a key and whether it is new.
    pub(crate) fn slot(&mut self, provider: &str, account: &str, key: &str) -> (usize, bool) {
        let group = self.group(provider, account);
        if let Some(slot) = self.find_in(group, key) {
            return (slot, false);
        }
        let slot = self.names.len();
        self.names.push(key.into());
        self.groups.grow(group);
        let (hasher, names, groups) = (&self.hasher, &self.names, &self.groups);
        self.slots
            .insert_unique(hasher.hash_one((group, key)), slot as u32, |&slot| {
                let slot = slot as usize;
                hasher.hash_one((groups.get(slot), &*names[slot]))
            });
        (slot, true)
    }

    /// Returns the slot of a key of the same provider and account as that of `beside`.
    pub(crate) fn sibling(&self, beside: usize, key: &str) -> Option<usize> {
        self.find_in(self.groups.get(beside), key)
    }

    fn find_in(&self, group: u32, key: &str) -> Option<usize> {
        let hash = self.hasher.hash_one((group, key));
        self.slots
            .find(hash, |&slot| {
                let slot = slot as usize;
                self.groups.get(slot) == group && &*self.names[slot] == key
            })
            .map(|&slot| slot as usize)
    }

    fn group(&mut self, provider: &str, account: &str) -> u32 {
        let is_last = self
            .group_names
            .get(self.last_group as usize)
            .is_some_and(|(p, a)| &**p == provider && &**a == account);
        if is_last {
            return self.last_group;
        }
        let (hasher, names) = (&self.hasher, &mut self.group_names);
        let hash = hasher.hash_one((provider, account));
        let known = self.group_ids.find(hash, |&group| {
            let (p, a) = &names[group as usize];
            **p == *provider && **a == *account
        });
        self.last_group = match known {
            Some(&group) => group,
            None => {
                let group = names.len() as u32;
                names.push((provider.into(), account.into()));
                self.group_ids.insert_unique(hash, group, |&group| {
                    hasher.hash_one(&names[group as usize])
                });
                group
            }
        };
        self.last_group
    }

    pub(crate) fn entity(&self, slot: usize) -> Entity {
        let (provider, account) = &self.group_names[self.groups.get(slot) as usize];
        Entity {
            provider: provider.to_string(),
            account: account.to_string(),
            key: self.names[slot].to_string(),
        }
    }

    /// Writes the names of a key over others.
    pub(crate) fn write_entity(&self, slot: usize, entity: &mut Entity) {
        let (provider, account) = &self.group_names[self.groups.get(slot) as usize];
        let key = &self.names[slot];
        for (name, text) in [
            (&mut entity.provider, provider),
            (&mut entity.account, account),
            (&mut entity.key, key),
        ] {
            name.clear();
            name.push_str(text);
        }
    }

    /// Returns the provider of a key.
    pub(crate) fn provider(&self, slot: usize) -> &str {
        &self.group_names[self.groups.get(slot) as usize].0
    }

    /// Compares two keys by their names.
    pub(crate) fn compare(&self, a: usize, b: usize) -> std::cmp::Ordering {
        let names = |slot: usize| {
            let (provider, account) = &self.group_names[self.groups.get(slot) as usize];
            (provider, account, &self.names[slot])
        };
        names(a).cmp(&names(b))
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        let names: usize = self.names.iter().map(|name| name.len()).sum();
        self.slots.capacity() * 5
            + self.names.capacity() * size_of::<Box<str>>()
            + names
            + self.groups.bytes()
            + self.group_names.len() * 200
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_provider_account_and_name() {
        let mut keys = KeyTable::new();
        assert_eq!(keys.slot("openai", "acme", "k1"), (0, true));
        assert_eq!(keys.slot("openai", "other", "k1"), (1, true));
        assert_eq!(keys.slot("openai", "acme", "k1"), (0, false));
        assert_eq!(keys.slot("openai", "acme", "k2"), (2, true));
        assert_eq!(keys.sibling(2, "k1"), Some(0));
        assert_eq!(keys.sibling(1, "k2"), None);
        assert_eq!(keys.entity(1).account, "other");
        assert_eq!(keys.len(), 3);
    }
}
