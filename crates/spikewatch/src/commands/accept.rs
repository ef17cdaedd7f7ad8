//! `spikewatch accept`: what a key does is its new normal.

use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use casebook::Acceptance;
use model::{Alert, Clock, EntityLevel, SystemClock, Timestamp};

use crate::cli::AcceptArgs;
use crate::commands::{act, explain};
use crate::{config, process, wiring};

/// An acceptance takes effect with a window of ten minutes, and so much later at the least that
/// a running service knows of it beforehand: a replay then decides as the service did.
const WINDOW_MILLIS: i64 = 10 * Timestamp::MINUTE;
const NOTICE_MILLIS: i64 = Timestamp::MINUTE;

pub(crate) async fn run(file: Option<&Path>, args: AcceptArgs) -> anyhow::Result<ExitCode> {
    let casebook = wiring::existing_casebook(&config::load(file)?).await?;
    let alert = explain::find_in(&casebook, &args.alert).await?;
    if alert.entity_level != EntityLevel::Key {
        bail!(
            "{} is about {}: only what a key does can be accepted",
            alert.alert_id,
            alert.name()
        );
    }
    let now = SystemClock.now();
    let from = takes_effect(&alert, now);
    let question = format!(
        "take what key {} of account \"{}\" does for its new normal from {from} on, and end {}?",
        alert.key_id, alert.account, alert.alert_id,
    );
    if let Some(code) = act::unconfirmed(&question, args.yes)? {
        return Ok(code);
    }
    let acceptance = Acceptance {
        alert: &alert,
        from,
        now,
        actor: &process::actor(),
        reason: &args.reason,
    };
    casebook.accept_level(&acceptance).await?;
    println!(
        "{} accepted from {from} on; a running service takes it over by itself",
        alert.alert_id
    );
    Ok(ExitCode::SUCCESS)
}

/// Returns the event time from which on an acceptance holds: of usage that is read as it
/// happens the next window, of usage that was read long after it happened the alert's own time.
fn takes_effect(alert: &Alert, now: Timestamp) -> Timestamp {
    if now.millis() - alert.raised_at.millis() > Timestamp::DAY {
        return alert.raised_at;
    }
    let earliest = now.millis() + NOTICE_MILLIS;
    Timestamp::from_millis((earliest + WINDOW_MILLIS - 1).div_euclid(WINDOW_MILLIS) * WINDOW_MILLIS)
}
