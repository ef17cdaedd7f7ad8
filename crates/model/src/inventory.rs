//! What is known about keys apart from their usage; `schemas/inventory.v1.schema.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Entity, Timestamp};

/// Keys, and announced changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inventory {
    /// The keys.
    #[serde(default)]
    pub keys: Vec<KeyEntry>,
    /// The changes.
    #[serde(default)]
    pub changes: Vec<Change>,
}

/// One key. An empty `allowed_*` means that there is no rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// The provider's id of the key, or its fingerprint.
    pub key: String,
    /// The tenant.
    #[serde(default)]
    pub account: String,
    /// The provider's project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The provider.
    #[serde(default)]
    pub provider: String,
    /// prod, dev, ci, staging.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When it was made; the entry is visible from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Third parties it is stored with.
    #[serde(default)]
    pub vendors: Vec<String>,
    /// Models it may call.
    #[serde(default)]
    pub allowed_models: Vec<String>,
    /// Networks it may call from.
    #[serde(default)]
    pub allowed_cidrs: Vec<String>,
    /// The key it replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    /// Never touched by a policy.
    #[serde(default)]
    pub break_glass: bool,
}

impl KeyEntry {
    /// Returns the entity it describes.
    pub fn entity(&self) -> Entity {
        Entity {
            provider: self.provider.clone(),
            account: self.account.clone(),
            key: self.key.clone(),
        }
    }
}

/// The type of a change by which a person takes what a key does for its new normal.
pub const LEVEL_ACCEPTED: &str = "level_accepted";

/// The type of a change by which all that is known of a key up to then is to be forgotten; it names
/// provider, account and key.
pub const HISTORY_ERASED: &str = "history_erased";

/// One announced change; types that are not understood are kept and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// When it takes effect; it is not known before.
    pub time: Timestamp,
    /// cidr_added, model_added, expected_growth, key_rotated, vendor_notice, planned_activity,
    /// level_accepted, or another word.
    #[serde(rename = "type")]
    pub kind: String,
    /// The key it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The account it is about, if not one key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// What else it says.
    #[serde(flatten)]
    pub details: BTreeMap<String, serde_json::Value>,
}
