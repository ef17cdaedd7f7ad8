//! What the inventory knows of a key at a moment.

use std::collections::HashMap;

use model::{Entity, Inventory, KeyEntry, Timestamp};

/// The inventory by key; an entry is visible from its creation on.
#[derive(Clone, Debug, Default)]
pub struct KeyDirectory {
    entries: HashMap<String, Vec<KeyEntry>>,
}

impl KeyDirectory {
    /// Indexes an inventory.
    pub fn new(inventory: &Inventory) -> Self {
        let mut entries: HashMap<String, Vec<KeyEntry>> = HashMap::new();
        for entry in &inventory.keys {
            entries
                .entry(entry.key.clone())
                .or_default()
                .push(entry.clone());
        }
        Self { entries }
    }

    /// Returns what was known of a key at a moment; an entry that leaves provider or account
    /// open fits every one.
    pub fn entry(&self, entity: &Entity, at: Timestamp) -> Option<&KeyEntry> {
        let open_or_equal = |entry: &str, seen: &str| entry.is_empty() || entry == seen;
        self.entries.get(&entity.key)?.iter().find(|entry| {
            open_or_equal(&entry.provider, &entity.provider)
                && open_or_equal(&entry.account, &entity.account)
                && entry.created.is_none_or(|created| created <= at)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_not_known_before_its_creation() {
        let created = Timestamp::parse("2026-05-01T00:00:00Z").unwrap();
        let entry = KeyEntry {
            key: "key_1".into(),
            account: "acme".into(),
            created: Some(created),
            ..KeyEntry::default()
        };
        let directory = KeyDirectory::new(&Inventory {
            keys: vec![entry],
            changes: vec![],
        });
        let entity = |account: &str| Entity {
            provider: "openai".into(),
            account: account.into(),
            key: "key_1".into(),
        };
        assert!(directory.entry(&entity("acme"), created.plus(-1)).is_none());
        assert!(directory.entry(&entity("acme"), created).is_some());
        assert!(directory.entry(&entity("other"), created).is_none());
    }
}
