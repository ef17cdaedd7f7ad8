//! Who an event, an alert or an action is about. Identities are computed, never drawn.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Rung, Timestamp};

/// What a baseline belongs to: a key is known by (provider, account, key).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Entity {
    /// Whose API the key opens, in OpenTelemetry's spelling; empty if the feed does not say.
    pub provider: String,
    /// The tenant or organisation that owns the key; empty if the feed does not say.
    pub account: String,
    /// The provider's id of the key, or its keyed fingerprint; never the key itself.
    pub key: String,
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.provider, self.account, self.key)
    }
}

/// What an alert is about: a key, or what is used or billed without one.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum EntityLevel {
    /// One key.
    #[default]
    Key,
    /// One service of a project or account.
    Service,
    /// One project or workspace of an account.
    Project,
    /// One account.
    Account,
    /// All accounts at one provider.
    Provider,
}

impl EntityLevel {
    /// Returns the stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Service => "service",
            Self::Project => "project",
            Self::Account => "account",
            Self::Provider => "provider",
        }
    }
}

/// Hashes parts with a separator that cannot be forged from inside a part.
fn computed(prefix: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digest = hash.finalize();
    let hex: String = digest
        .iter()
        .take(10)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{prefix}_{hex}")
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Returns the id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Takes an id that was stored or typed.
            pub fn from_text(text: impl Into<String>) -> Self {
                Self(text.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id!(
    /// The identity of an alert: version, entity and the episode's first window start.
    AlertId
);
id!(
    /// The identity of an incident: the account and the first window start of its first alert.
    IncidentId
);
id!(
    /// The identity of an action: rung, entity and the moment it was asked for.
    ActionId
);

impl AlertId {
    /// Computes the id of the episode of `entity` that began with the window at `first_window_start`.
    pub fn compute(entity: &Entity, first_window_start: Timestamp) -> Self {
        let start = first_window_start.millis().to_string();
        Self(computed(
            "alt",
            &[
                "alert.v1",
                &entity.provider,
                &entity.account,
                &entity.key,
                &start,
            ],
        ))
    }
}

impl AlertId {
    /// Computes the id of an episode of what has no key: usage or a ledger of `level`, told apart
    /// from its like by `names`. No key has the same.
    pub fn compute_without_key(
        level: EntityLevel,
        names: &[&str],
        first_window_start: Timestamp,
    ) -> Self {
        let start = first_window_start.millis().to_string();
        let mut parts = vec!["alert.v1 without key", level.as_str()];
        parts.extend(names);
        parts.push(&start);
        Self(computed("alt", &parts))
    }
}

impl IncidentId {
    /// Computes the id of the incident of `account` whose first alert began at `first_window_start`.
    pub fn compute(account: &str, first_window_start: Timestamp) -> Self {
        let start = first_window_start.millis().to_string();
        Self(computed("inc", &["incident.v1", account, &start]))
    }
}

impl ActionId {
    /// Computes the id of `rung` on `entity`, asked for at `requested_at`.
    pub fn compute(rung: Rung, entity: &Entity, requested_at: Timestamp) -> Self {
        let time = requested_at.millis().to_string();
        let parts = [
            "action.v1",
            rung.as_str(),
            &entity.provider,
            &entity.account,
            &entity.key,
            &time,
        ];
        Self(computed("act", &parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_parts_give_the_same_id_and_shifted_parts_do_not() {
        let entity = |account: &str, key: &str| Entity {
            provider: "openai".into(),
            account: account.into(),
            key: key.into(),
        };
        let start = Timestamp::from_millis(1_777_896_000_000);
        let id = AlertId::compute(&entity("acme", "key_1"), start);
        assert_eq!(id, AlertId::compute(&entity("acme", "key_1"), start));
        assert_ne!(id, AlertId::compute(&entity("acmek", "ey_1"), start));
        assert_ne!(
            id,
            AlertId::compute(&entity("acme", "key_1"), start.plus(1))
        );
        assert!(id.as_str().starts_with("alt_"));
    }
}
