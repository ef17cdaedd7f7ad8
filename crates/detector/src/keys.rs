//! Which row of the columns belongs to which key.

use std::collections::HashMap;

use model::Entity;

/// Maps (provider, account, key) to a slot; slots are given out in order of first sight.
///
/// The hasher is seeded at random, because the texts come from outside; nothing ever iterates
/// over the map.
#[derive(Default)]
pub(crate) struct KeyTable {
    slots: HashMap<Box<str>, usize>,
    entities: Vec<Entity>,
    scratch: String,
}

impl KeyTable {
    /// Returns the slot of a key and whether it is new.
    pub(crate) fn slot(&mut self, provider: &str, account: &str, key: &str) -> (usize, bool) {
        self.scratch.clear();
        // The unit separator cannot be forged into another split without being in a name itself,
        // and even then only the forger's own names collide.
        for part in [provider, account, key] {
            self.scratch.push_str(part);
            self.scratch.push('\u{1f}');
        }
        if let Some(&slot) = self.slots.get(self.scratch.as_str()) {
            return (slot, false);
        }
        let slot = self.entities.len();
        self.slots.insert(self.scratch.as_str().into(), slot);
        self.entities.push(Entity {
            provider: provider.to_owned(),
            account: account.to_owned(),
            key: key.to_owned(),
        });
        (slot, true)
    }

    pub(crate) fn entity(&self, slot: usize) -> &Entity {
        &self.entities[slot]
    }

    pub(crate) fn len(&self) -> usize {
        self.entities.len()
    }
}
