//! Legitimate oddities: what looks like abuse and is none. A new one is a file here and a
//! line in [`ALL`] or [`GOALS`].

mod collector_gap;
mod deploy;
mod holiday;
mod key_rotation;
mod launch_growth;
mod month_end_batch;
mod new_key;
mod office_move;
mod weekly_batch;

use model::{Change, Timestamp, Window};

use crate::chance::Rng;
use crate::key::Actor;

pub(crate) use collector_gap::CollectorGap;
pub(crate) use deploy::Deploy;
pub(crate) use holiday::Holiday;
pub(crate) use key_rotation::KeyRotation;
pub(crate) use launch_growth::LaunchGrowth;
pub(crate) use month_end_batch::MonthEndBatch;
pub(crate) use new_key::NewKey;
pub(crate) use office_move::OfficeMove;
pub(crate) use weekly_batch::WeeklyBatch;

/// Every kind of oddity of a full run.
pub(crate) const ALL: [&dyn Oddity; 2] = [&WeeklyBatch, &LaunchGrowth];

/// Every kind of oddity of the scenario `goals`.
pub(crate) const GOALS: [&dyn Oddity; 9] = [
    &Holiday,
    &CollectorGap,
    &OfficeMove,
    &NewKey,
    &MonthEndBatch,
    &WeeklyBatch,
    &LaunchGrowth,
    &Deploy,
    &KeyRotation,
];

/// What one draw of an oddity befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// A key to which nothing else happens.
    Key,
    /// All suitable keys of an account alike, whatever else happens to them.
    Account,
    /// All suitable keys of a provider alike, whatever else happens to them.
    Provider,
}

/// A kind of legitimate oddity.
pub(crate) trait Oddity: Sync {
    /// Returns the type in the labels.
    fn name(&self) -> &'static str;

    /// Returns how many keys, accounts or providers have it in a full run.
    fn count(&self) -> u32;

    /// Returns what one draw befalls.
    fn scope(&self) -> Scope {
        Scope::Key
    }

    /// Returns whether it makes sense on this key.
    fn suits(&self, actor: &Actor, time: Timestamp) -> bool;

    /// Changes the owner's requests and returns when, and what is announced of it. `nth`
    /// counts the keys, accounts or providers with this oddity; `scored` is the span that
    /// counts. All keys of one account or provider are given the same random stream, so
    /// that what is drawn first is drawn alike for all of them.
    fn apply(&self, actor: &mut Actor, nth: u32, scored: Window, rng: &mut Rng) -> Vec<Spell>;
}

/// One time that an oddity takes place.
#[derive(Clone, Debug)]
pub(crate) struct Spell {
    pub(crate) window: Window,
    /// The entry in the changes, if there is one.
    pub(crate) announcement: Option<Change>,
}

/// Returns the announcement `kind` from `time` on, about a whole account.
fn announce_account(
    actor: &Actor,
    time: Timestamp,
    kind: &str,
    details: &[(&str, serde_json::Value)],
) -> Change {
    let details = details.iter().cloned();
    Change {
        time,
        kind: kind.into(),
        key: None,
        account: Some(actor.entry.account.clone()),
        details: details
            .map(|(name, text)| (name.to_owned(), text))
            .collect(),
    }
}

/// Returns the announcement `kind` from `time` on, about one key.
fn announce_key(
    actor: &Actor,
    time: Timestamp,
    kind: &str,
    details: &[(&str, serde_json::Value)],
) -> Change {
    Change {
        key: Some(actor.entry.key.clone()),
        ..announce_account(actor, time, kind, details)
    }
}

#[cfg(test)]
mod tests;
