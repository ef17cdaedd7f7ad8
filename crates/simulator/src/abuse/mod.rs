//! The kinds of abuse. A new one is a file here and a line in [`ALL`] or [`GOALS`].

mod burst;
mod dormant_reactivation;
mod dormant_return;
mod expensive_model_shift;
mod huge_prompts;
mod low_and_slow;
mod moderate;
mod more_for_days;
mod newborn_abuse;
mod off_hours_night;
mod off_hours_only;
mod patient_ramp;
mod probing_then_use;
mod smash;
mod tier_jump;
mod vendor_breach;

use model::{Timestamp, Window};

use crate::batch::Batch;
use crate::caller::Caller;
use crate::chance::{self, Rng};
use crate::key::Actor;

pub(crate) use burst::Burst;
pub(crate) use dormant_reactivation::DormantReactivation;
pub(crate) use dormant_return::DormantReturn;
pub(crate) use expensive_model_shift::ExpensiveModelShift;
pub(crate) use huge_prompts::HugePrompts;
pub(crate) use low_and_slow::LowAndSlow;
pub(crate) use moderate::Moderate;
pub(crate) use more_for_days::MoreForDays;
pub(crate) use newborn_abuse::NewbornAbuse;
pub(crate) use off_hours_night::OffHoursNight;
pub(crate) use off_hours_only::OffHoursOnly;
pub(crate) use patient_ramp::PatientRamp;
pub(crate) use probing_then_use::ProbingThenUse;
pub(crate) use smash::Smash;
pub(crate) use tier_jump::TierJump;
pub(crate) use vendor_breach::VendorBreach;

/// Every kind of a full run. Those with few suitable keys choose first.
pub(crate) const ALL: [&dyn Abuse; 6] = [
    &DormantReactivation,
    &OffHoursOnly,
    &ExpensiveModelShift,
    &LowAndSlow,
    &Moderate,
    &Smash::FULL,
];

/// Every kind of the scenario `goals`, but for the breach of a vendor, which is cast by
/// vendor. Those with few suitable keys choose first.
pub(crate) const GOALS: [&dyn Abuse; 14] = [
    &DormantReturn,
    &NewbornAbuse,
    &OffHoursNight,
    &TierJump,
    &Burst::THREE,
    &Burst::THREE_NEW_CALLER,
    &MoreForDays::THIRD,
    &MoreForDays::HALF,
    &MoreForDays::DOUBLE,
    &PatientRamp,
    &ProbingThenUse,
    &Burst::TEN,
    &Burst::HUNDRED,
    &HugePrompts,
];

/// A kind of abuse.
pub(crate) trait Abuse: Sync {
    /// Returns the type in the labels.
    fn name(&self) -> &'static str;

    /// Returns how many there are in a full run.
    fn count(&self) -> u32 {
        6
    }

    /// Returns whether it hits keys that are made in the scored span, and no others.
    fn hits_new_keys(&self) -> bool {
        false
    }

    /// Returns whether it makes sense on this key, when it may begin after `time`.
    fn suits(&self, victim: &Actor, time: Timestamp) -> bool;

    /// Draws one on `victim`, or nothing where it would come to nothing.
    fn plan(&self, victim: &Actor, room: &Room, rng: &mut Rng) -> Option<Plan>;
}

/// When an abuse may take place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// When it may begin.
    pub(crate) starts: Window,
    /// When it is over at the latest.
    pub(crate) end: Timestamp,
}

impl Room {
    /// Draws a window of `millis` that begins in the room and, where it fits, ends in it.
    pub(crate) fn place(&self, millis: i64, rng: &mut Rng) -> Window {
        let first = self.starts.start;
        let latest = self.starts.end.min(self.end.plus(-millis)).max(first);
        let late = chance::between(rng, 0.0, (latest.millis() - first.millis()) as f64);
        let start = first.plus(late as i64);
        Window {
            start,
            end: start.plus(millis).min(self.end),
        }
    }
}

/// What an abuse intends, and the requests that come of it.
#[derive(Debug)]
pub(crate) struct Plan {
    /// How hard, in `unit`.
    pub(crate) intensity: f64,
    /// What the intensity counts.
    pub(crate) unit: &'static str,
    /// The abuser.
    pub(crate) caller: Caller,
    /// What the abuser tries before, sorted by time.
    pub(crate) probes: Vec<Batch>,
    /// The abuser's requests, sorted by time.
    pub(crate) batches: Vec<Batch>,
    /// What is left of the owner's requests, where the abuse takes their place.
    pub(crate) owner_left: Option<Vec<Batch>>,
}

/// Draws a caller on the owner's model and a plan of `batches`, unless they are too few to
/// be an abuse that anybody could speak of.
fn same_model_plan(
    victim: &Actor,
    window: Window,
    intensity: (f64, &'static str),
    batches: Vec<Batch>,
    rng: &mut Rng,
) -> Option<Plan> {
    let batches = settle(victim, window, batches);
    let requests: u32 = batches.iter().map(|batch| batch.requests).sum();
    (requests >= 10).then(|| plan_of_any_size(victim, window, intensity, batches, rng))
}

/// Draws a caller on the owner's model and a plan of `batches`, which are settled.
fn plan_of_any_size(
    victim: &Actor,
    window: Window,
    (intensity, unit): (f64, &'static str),
    batches: Vec<Batch>,
    rng: &mut Rng,
) -> Plan {
    Plan {
        intensity,
        unit,
        caller: Caller::abuser(rng, &victim.owner, window.start),
        probes: Vec::new(),
        batches,
        owner_left: None,
    }
}

/// Settles what an abuser does from the beginning of `window` on.
fn settle(victim: &Actor, window: Window, batches: Vec<Batch>) -> Vec<Batch> {
    let grain = victim.key.grain;
    // The first roll-up may have begun before the abuse did.
    let span = Window {
        start: grain.stamp(window.start).plus(-grain.millis()),
        end: victim.exists.end,
    };
    grain.settle(batches, span)
}

/// Returns whether the key's usage is reported within ten minutes. On others, what lasts
/// minutes would measure the collector and not the detector.
fn is_prompt(victim: &Actor) -> bool {
    victim.key.grain.millis() <= 10 * Timestamp::MINUTE
}

/// Returns whether the owner uses the key these days, and sends at least so many requests
/// an hour on average.
fn is_busy(victim: &Actor, time: Timestamp, per_hour: f64) -> bool {
    victim.is_in_use(time) && victim.mean_per_hour(time) >= per_hour
}

/// Spreads about `total` requests over `window`: evenly, or along the owner's daily curve.
fn spread(
    victim: &Actor,
    window: Window,
    total: f64,
    along_curve: bool,
    rng: &mut Rng,
) -> Vec<Batch> {
    let curve = victim.daily_curve(window.start);
    let zone = victim.zone;
    let mut hours = Vec::new();
    let mut start = window.start;
    while start < window.end {
        let end = start.floor_to(Timestamp::HOUR).plus(Timestamp::HOUR);
        let hour = Window {
            start,
            end: end.min(window.end),
        };
        let weight = if along_curve {
            curve[usize::from(zone.is_weekend(start))][zone.hour(start) as usize]
        } else {
            1.0
        };
        hours.push((hour, weight * hour.width_millis() as f64));
        start = hour.end;
    }
    let sum: f64 = hours.iter().map(|(_, weight)| weight).sum();
    let mut out = Vec::new();
    if sum > 0.0 {
        for (hour, weight) in hours {
            let width = hour.width_millis() as f64 / Timestamp::HOUR as f64;
            let per_hour = total * weight / sum / width;
            victim.key.grain.pour(per_hour, hour, rng, &mut out);
        }
    }
    out
}

#[cfg(test)]
mod tests;
