//! Which row of the columns belongs to which key.

use std::hash::{BuildHasher, RandomState};

use columns::SnapshotError;
use hashbrown::HashTable;
use model::Entity;
use serde::{Deserialize, Serialize};

use crate::archive::Archive;
use crate::grid::Grid;

/// The group of a slot that was given back.
const FREE: u32 = u32::MAX;

/// A provider and an account with keys.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Group {
    provider: Box<str>,
    account: Box<str>,
    /// Slots with a key of it.
    keys: u32,
    /// The bucket of the first of its keys.
    since: i64,
}

/// Maps (provider, account, key) to a slot; slots are given out in order of first sight, those
/// that were given back before new ones.
///
/// The hash is seeded at random, because the texts come from outside; nothing ever iterates
/// over the table. Providers and accounts are kept once, however many keys they have, and as
/// long as they have any.
#[derive(Clone)]
pub(crate) struct KeyTable {
    slots: HashTable<u32>,
    hasher: RandomState,
    names: Vec<Box<str>>,
    groups: Grid<u32>,
    free: Vec<u32>,
    group_ids: HashTable<u32>,
    group_names: Vec<Group>,
    free_groups: Vec<u32>,
    /// The group of the last row: rows of a tenant often follow each other.
    last_group: u32,
    text_bytes: usize,
}

impl KeyTable {
    pub(crate) fn new() -> Self {
        Self {
            slots: HashTable::new(),
            hasher: RandomState::new(),
            names: Vec::new(),
            groups: Grid::new(1),
            free: Vec::new(),
            group_ids: HashTable::new(),
            group_names: Vec::new(),
            free_groups: Vec::new(),
            last_group: FREE,
            text_bytes: 0,
        }
    }

    /// Carries everything into a snapshot or out of one.
    pub(crate) fn archive(&mut self, archive: &mut Archive<'_>) -> Result<(), SnapshotError> {
        let Self {
            slots,
            hasher,
            names,
            groups,
            free,
            group_ids,
            group_names,
            free_groups,
            last_group,
            text_bytes,
        } = self;
        archive.list("names", names)?;
        archive.grid("groups", groups)?;
        archive.value("free", free)?;
        archive.list("group_names", group_names)?;
        archive.value("free_groups", free_groups)?;
        if !archive.is_reading() {
            return Ok(());
        }
        // The tables that find them, whose hash is another with every start.
        *last_group = FREE;
        let group_bytes = |group: &Group| group.provider.len() + group.account.len();
        *text_bytes = names.iter().map(|name| name.len()).sum::<usize>()
            + group_names.iter().map(group_bytes).sum::<usize>();
        let hash_of = |slot: u32| {
            let slot = slot as usize;
            hasher.hash_one((groups.get(slot), &*names[slot]))
        };
        slots.clear();
        for slot in (0..names.len() as u32).filter(|&slot| groups.get(slot as usize) != FREE) {
            slots.insert_unique(hash_of(slot), slot, |&slot| hash_of(slot));
        }
        let hash_of = |group: u32| {
            let Group {
                provider, account, ..
            } = &group_names[group as usize];
            hasher.hash_one((&**provider, &**account))
        };
        group_ids.clear();
        let is_used = |group: &u32| group_names[*group as usize].keys > 0;
        for group in (0..group_names.len() as u32).filter(is_used) {
            group_ids.insert_unique(hash_of(group), group, |&group| hash_of(group));
        }
        Ok(())
    }

    /// Returns the slot of a key that has one.
    pub(crate) fn find(&mut self, provider: &str, account: &str, key: &str) -> Option<usize> {
        let group = self.find_group(provider, account)?;
        self.find_in(group, key)
    }

    /// Gives a key that has none a slot, in a bucket.
    pub(crate) fn insert(
        &mut self,
        (provider, account, key): (&str, &str, &str),
        bucket: i64,
    ) -> usize {
        let group = match self.find_group(provider, account) {
            Some(group) => group,
            None => self.insert_group(provider, account, bucket),
        };
        self.group_names[group as usize].keys += 1;
        self.text_bytes += key.len();
        let slot = match self.free.pop() {
            Some(slot) => {
                self.names[slot as usize] = key.into();
                slot as usize
            }
            None => {
                self.names.push(key.into());
                self.names.len() - 1
            }
        };
        self.groups.begin(slot, group);
        let (hasher, names, groups) = (&self.hasher, &self.names, &self.groups);
        self.slots
            .insert_unique(hasher.hash_one((group, key)), slot as u32, |&slot| {
                let slot = slot as usize;
                hasher.hash_one((groups.get(slot), &*names[slot]))
            });
        slot
    }

    /// Takes a key's slot back, and its account with the last of its keys.
    pub(crate) fn release(&mut self, slot: usize) {
        let group = self.groups.get(slot);
        let name = std::mem::take(&mut self.names[slot]);
        let hash = self.hasher.hash_one((group, &*name));
        if let Ok(entry) = self.slots.find_entry(hash, |&at| at as usize == slot) {
            entry.remove();
        }
        self.groups.set(slot, FREE);
        self.free.push(slot as u32);
        self.text_bytes -= name.len();
        let of = &mut self.group_names[group as usize];
        of.keys -= 1;
        if of.keys == 0 {
            self.release_group(group);
        }
    }

    /// Returns the slot of a key of the same provider and account as that of `beside`.
    pub(crate) fn sibling(&self, beside: usize, key: &str) -> Option<usize> {
        self.find_in(self.groups.get(beside), key)
    }

    /// Returns the bucket of the first key of an account that has any.
    pub(crate) fn account_since(&mut self, provider: &str, account: &str) -> Option<i64> {
        let group = self.find_group(provider, account)?;
        Some(self.group_names[group as usize].since)
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

    fn find_group(&mut self, provider: &str, account: &str) -> Option<u32> {
        let is = |group: &Group| &*group.provider == provider && &*group.account == account;
        if self
            .group_names
            .get(self.last_group as usize)
            .is_some_and(is)
        {
            return Some(self.last_group);
        }
        let hash = self.hasher.hash_one((provider, account));
        let groups = &self.group_names;
        let found = self.group_ids.find(hash, |&at| is(&groups[at as usize]));
        self.last_group = *found?;
        Some(self.last_group)
    }

    fn insert_group(&mut self, provider: &str, account: &str, since: i64) -> u32 {
        let group = Group {
            provider: provider.into(),
            account: account.into(),
            keys: 0,
            since,
        };
        self.text_bytes += provider.len() + account.len();
        let at = match self.free_groups.pop() {
            Some(at) => {
                self.group_names[at as usize] = group;
                at
            }
            None => {
                self.group_names.push(group);
                self.group_names.len() as u32 - 1
            }
        };
        let (hasher, groups) = (&self.hasher, &self.group_names);
        self.group_ids
            .insert_unique(hasher.hash_one((provider, account)), at, |&at| {
                let group = &groups[at as usize];
                hasher.hash_one((&*group.provider, &*group.account))
            });
        self.last_group = at;
        at
    }

    fn release_group(&mut self, at: u32) {
        let group = std::mem::take(&mut self.group_names[at as usize]);
        let hash = self.hasher.hash_one((&*group.provider, &*group.account));
        if let Ok(entry) = self.group_ids.find_entry(hash, |&known| known == at) {
            entry.remove();
        }
        self.text_bytes -= group.provider.len() + group.account.len();
        self.free_groups.push(at);
        // A group without a name is not the group whose names are empty.
        self.last_group = FREE;
    }

    fn group(&self, slot: usize) -> &Group {
        &self.group_names[self.groups.get(slot) as usize]
    }

    pub(crate) fn entity(&self, slot: usize) -> Entity {
        let group = self.group(slot);
        Entity {
            provider: group.provider.to_string(),
            account: group.account.to_string(),
            key: self.names[slot].to_string(),
        }
    }

    /// Writes the names of a key over others.
    pub(crate) fn write_entity(&self, slot: usize, entity: &mut Entity) {
        let group = self.group(slot);
        for (name, text) in [
            (&mut entity.provider, &group.provider),
            (&mut entity.account, &group.account),
            (&mut entity.key, &self.names[slot]),
        ] {
            name.clear();
            name.push_str(text);
        }
    }

    /// Returns the provider of a key.
    pub(crate) fn provider(&self, slot: usize) -> &str {
        &self.group(slot).provider
    }

    /// Compares two keys by their names.
    pub(crate) fn compare(&self, a: usize, b: usize) -> std::cmp::Ordering {
        let names = |slot: usize| {
            let group = self.group(slot);
            (&group.provider, &group.account, &self.names[slot])
        };
        names(a).cmp(&names(b))
    }

    /// Returns the slots that have a key.
    pub(crate) fn slots(&self) -> impl Iterator<Item = usize> {
        (0..self.names.len()).filter(|&slot| self.groups.get(slot) != FREE)
    }

    /// Returns how many keys there are.
    pub(crate) fn len(&self) -> usize {
        self.names.len() - self.free.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * 5
            + self.names.capacity() * size_of::<Box<str>>()
            + self.text_bytes
            + self.groups.bytes()
            + (self.free.capacity() + self.free_groups.capacity()) * size_of::<u32>()
            + self.group_ids.capacity() * 5
            + self.group_names.capacity() * size_of::<Group>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_provider_account_and_name() {
        let mut keys = KeyTable::new();
        for (slot, names) in [
            ("openai", "acme", "k1"),
            ("openai", "other", "k1"),
            ("openai", "acme", "k2"),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(keys.find(names.0, names.1, names.2), None);
            assert_eq!(keys.insert(names, 0), slot);
            assert_eq!(keys.find(names.0, names.1, names.2), Some(slot));
        }
        assert_eq!(keys.sibling(2, "k1"), Some(0));
        assert_eq!(keys.sibling(1, "k2"), None);
        assert_eq!(keys.entity(1).account, "other");
        assert_eq!(keys.len(), 3);
    }

    #[test]
    fn a_slot_that_was_given_back_is_given_out_again_and_names_end_with_it() {
        let mut keys = KeyTable::new();
        keys.insert(("openai", "acme", "k1"), 5);
        keys.insert(("openai", "", "k2"), 6);
        keys.insert(("", "", "k3"), 7);
        let full = keys.text_bytes;
        assert_eq!(keys.account_since("", ""), Some(7));
        keys.release(2);
        assert_eq!(keys.account_since("", ""), None);
        assert_eq!(keys.find("", "", "k3"), None);
        assert_eq!(keys.slots().collect::<Vec<_>>(), [0, 1]);
        keys.release(0);
        assert_eq!(keys.find("openai", "acme", "k1"), None);
        assert_eq!(keys.insert(("openai", "", "k1"), 9), 0);
        assert_eq!(keys.account_since("openai", ""), Some(6));
        assert_eq!(keys.insert(("", "", "k3"), 9), 2);
        assert!(keys.text_bytes < full);
        assert_eq!(keys.len(), 3);
    }
}
