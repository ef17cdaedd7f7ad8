//! What is done to a key, and the record of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ActionId, Entity, Timestamp};

/// A rung of the ladder, from the mildest to the final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Less per minute.
    Throttle,
    /// Nothing until further notice; can be undone.
    Freeze,
    /// A new key in its place.
    Rotate,
    /// Gone for good.
    Delete,
}

impl Rung {
    /// Every rung, the mildest first.
    pub const ALL: [Rung; 4] = [Rung::Throttle, Rung::Freeze, Rung::Rotate, Rung::Delete];

    /// Returns the stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Throttle => "throttle",
            Self::Freeze => "freeze",
            Self::Rotate => "rotate",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Rung {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|rung| rung.as_str() == word)
            .ok_or_else(|| {
                format!("unknown rung \"{word}\"; one of throttle, freeze, rotate, delete")
            })
    }
}

/// What a provider says about a key when asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// It opens the API.
    Active,
    /// It is switched off and can be switched on again.
    Inactive,
    /// It does not exist any more.
    Gone,
}

/// Where an action stands. Every step is durable before the next begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// Asked for and confirmed; nothing has been sent.
    Requested,
    /// The provider is being called; after a crash the outcome is unknown and the call is repeated.
    Calling,
    /// The provider accepted the call; the read-back does not confirm it yet.
    Applied,
    /// A read-back shows the wanted status.
    Verified,
    /// The key was gone already.
    AlreadyGone,
    /// The provider refused, or the read-back shows another status: a person must look.
    NeedsHuman,
    /// Undone, and verified by a read-back.
    Undone,
}

impl ActionState {
    /// Returns the stable word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Calling => "calling",
            Self::Applied => "applied",
            Self::Verified => "verified",
            Self::AlreadyGone => "already_gone",
            Self::NeedsHuman => "needs_human",
            Self::Undone => "undone",
        }
    }
}

/// One rung asked for on one key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Computed from rung, entity and the moment it was asked for.
    pub action_id: ActionId,
    /// The rung.
    pub rung: Rung,
    /// The key.
    #[serde(flatten)]
    pub entity: Entity,
    /// Why.
    pub reason: String,
    /// Who asked.
    pub actor: String,
    /// When, by the wall clock.
    pub requested_at: Timestamp,
    /// Where it stands.
    pub state: ActionState,
    /// The key's status before, which an undo restores.
    pub status_before: Option<KeyStatus>,
    /// What the connector needs to undo it, without any secret.
    pub undo: Option<serde_json::Value>,
    /// What went wrong last, if anything.
    pub last_error: Option<String>,
}

/// One line of the audit chain; `hash` covers the line and the hash before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// The number of the line, counted from 1.
    pub sequence: i64,
    /// When, by the wall clock.
    pub time: Timestamp,
    /// Who.
    pub actor: String,
    /// What happened, as a dotted word such as `action.verified`.
    pub event: String,
    /// What it happened to.
    pub subject: String,
    /// Details as JSON, without any secret.
    pub details: serde_json::Value,
    /// The SHA-256 chain in hex.
    pub hash: String,
}
