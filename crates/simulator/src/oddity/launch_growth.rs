//! A launch: more of the same, from the same addresses, model and client.

use std::collections::BTreeMap;

use model::{Change, Timestamp, Window};

use super::{Oddity, Spell};
use crate::batch::Batch;
use crate::chance::{self, Rng};
use crate::clock;
use crate::key::Actor;

/// 3 to 8 times within 40 to 180 minutes for 36 to 84 hours; every second one is announced.
pub(crate) struct LaunchGrowth;

impl Oddity for LaunchGrowth {
    fn name(&self) -> &'static str {
        "launch_growth"
    }

    fn count(&self) -> u32 {
        8
    }

    fn suits(&self, actor: &Actor, time: Timestamp) -> bool {
        // A job that runs once a day has no traffic that could grow within an hour.
        let is_steady = actor.active_hours(time) > 0.4;
        is_steady && actor.is_production() && actor.mean_per_hour(time) > 4.0
    }

    fn apply(&self, actor: &mut Actor, nth: u32, scored: Window, rng: &mut Rng) -> Vec<Spell> {
        let times = chance::between(rng, 3.0, 8.0);
        let ramp = chance::between(rng, 40.0, 180.0) * Timestamp::MINUTE as f64;
        let length = clock::hours(chance::between(rng, 36.0, 84.0));
        let latest = (scored.width_millis() - length).max(0) as f64;
        let start = scored.start.plus(chance::between(rng, 0.0, latest) as i64);
        let window = Window {
            start,
            end: start.plus(length).min(actor.exists.end),
        };
        let grown = grow(actor, window, times, ramp, rng);
        actor.batches = actor.key.grain.settle(grown, actor.exists);
        let announcement = nth
            .is_multiple_of(2)
            .then(|| announce(actor, window, times));
        vec![Spell {
            window,
            announcement,
        }]
    }
}

/// Returns the batches with the growth in them. It comes and goes over `ramp` milliseconds
/// and follows what the owner does anyway, so that nights stay quiet and noise stays noise.
fn grow(actor: &Actor, window: Window, times: f64, ramp: f64, rng: &mut Rng) -> Vec<Batch> {
    let mut out = Vec::with_capacity(actor.batches.len());
    let jitter = 4.0 * Timestamp::MINUTE as f64;
    for batch in &actor.batches {
        out.push(*batch);
        let middle = batch.time.plus(-actor.key.grain.millis() / 2);
        if !window.contains(middle) {
            continue;
        }
        let since = (middle.millis() - window.start.millis()) as f64;
        let until = (window.end.millis() - middle.millis()) as f64;
        let level = (since / ramp).min(until / ramp).min(1.0);
        let more = (times.powf(level) - 1.0) * f64::from(batch.requests);
        let requests = chance::poisson(rng, more);
        if actor.key.grain.millis() > 0 {
            out.push(Batch { requests, ..*batch });
            continue;
        }
        for _ in 0..requests {
            let shift = chance::between(rng, -jitter, jitter) as i64;
            let time = batch.time.plus(shift).max(window.start);
            out.push(Batch { time, requests: 1 });
        }
    }
    out
}

/// A round factor and a round hour, as people write them down.
fn announce(actor: &Actor, window: Window, times: f64) -> Change {
    let until = window.end.floor_to(Timestamp::HOUR).plus(Timestamp::HOUR);
    Change {
        time: window.start.floor_to(Timestamp::HOUR),
        kind: "expected_growth".into(),
        key: Some(actor.entry.key.clone()),
        account: Some(actor.entry.account.clone()),
        details: BTreeMap::from([
            ("factor".to_owned(), serde_json::json!(times.ceil())),
            ("until".to_owned(), serde_json::json!(until)),
            ("note".to_owned(), serde_json::json!("launch")),
        ]),
    }
}
