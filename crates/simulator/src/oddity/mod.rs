//! Legitimate oddities: what looks like abuse and is none. A new one is a file here and a
//! line in [`ALL`].

mod launch_growth;
mod weekly_batch;

use model::{Change, Timestamp, Window};

use crate::chance::Rng;
use crate::key::Actor;

pub(crate) use launch_growth::LaunchGrowth;
pub(crate) use weekly_batch::WeeklyBatch;

/// Every kind of oddity.
pub(crate) const ALL: [&dyn Oddity; 2] = [&WeeklyBatch, &LaunchGrowth];

/// A kind of legitimate oddity.
pub(crate) trait Oddity: Sync {
    /// Returns the type in the labels.
    fn name(&self) -> &'static str;

    /// Returns how many keys have it in a full run.
    fn count(&self) -> u32;

    /// Returns whether it makes sense on this key.
    fn suits(&self, actor: &Actor, time: Timestamp) -> bool;

    /// Changes the owner's requests and returns when, and what is announced of it. `nth`
    /// counts the keys with this oddity; `scored` is the span that counts.
    fn apply(&self, actor: &mut Actor, nth: u32, scored: Window, rng: &mut Rng) -> Vec<Spell>;
}

/// One time that an oddity takes place.
#[derive(Clone, Debug)]
pub(crate) struct Spell {
    pub(crate) window: Window,
    /// The entry in the changes, if there is one.
    pub(crate) announcement: Option<Change>,
}
