//! What the labels say, against what the events show.

use std::collections::{BTreeMap, BTreeSet};

use model::{Nanos, Timestamp};
use simulator::simulate;

use crate::{GOALS, SMALL, STORY};

#[test]
fn nothing_is_abused_in_the_first_three_weeks() {
    for simulation in [&*SMALL, &*STORY, &*GOALS] {
        let quiet_until = simulation.start.plus(21 * Timestamp::DAY);
        assert!(simulation.labels.scored.start >= quiet_until);
        for abuse in &simulation.labels.abuses {
            assert!(abuse.start >= quiet_until && abuse.end <= simulation.labels.scored.end);
        }
    }
}

#[test]
fn every_type_of_abuse_and_oddity_is_there_and_a_key_has_one() {
    let labels = &SMALL.labels;
    let kinds: BTreeSet<_> = labels
        .abuses
        .iter()
        .map(|abuse| abuse.kind.as_str())
        .collect();
    let expected = [
        "dormant_reactivation",
        "expensive_model_shift",
        "low_and_slow",
        "moderate",
        "off_hours_only",
        "smash",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
    let keys: BTreeSet<_> = labels.abuses.iter().map(|abuse| &abuse.key).collect();
    assert_eq!(keys.len(), labels.abuses.len());
    let odd: BTreeSet<_> = labels.oddities.iter().map(|oddity| &oddity.key).collect();
    assert!(odd.is_disjoint(&keys));
    for kind in ["weekly_batch", "launch_growth"] {
        assert!(
            labels.oddities.iter().any(|oddity| oddity.kind == kind),
            "{kind}"
        );
    }
}

#[test]
#[ignore = "makes millions of events; cargo test --release -p simulator -- --ignored"]
fn a_full_run_has_about_six_abuses_of_each_type() {
    for seed in [1, 2, 3] {
        let full = simulate("full", seed, 1.0).unwrap();
        assert!((250..=270).contains(&full.inventory.keys.len()));
        let mut by_type = BTreeMap::new();
        for abuse in &full.labels.abuses {
            *by_type.entry(abuse.kind.clone()).or_insert(0) += 1;
        }
        assert_eq!(by_type.len(), 6);
        for (kind, count) in by_type {
            assert!((5..=7).contains(&count), "seed {seed}: {kind} {count}");
        }
    }
}

#[test]
fn cumulative_cost_grows_to_the_cost_and_covers_the_minutes() {
    for abuse in SMALL.labels.abuses.iter().chain(&STORY.labels.abuses) {
        let by_minute = &abuse.cumulative_cost_usd;
        assert!(by_minute.is_sorted());
        assert_eq!(by_minute.last(), Some(&abuse.cost_usd));
        let minute = |time: Timestamp| time.millis().div_euclid(Timestamp::MINUTE);
        let minutes = minute(abuse.end) - minute(abuse.start) + 1;
        assert_eq!(by_minute.len() as i64, minutes);
        assert!(abuse.cost_usd > Nanos::default());
        assert!(abuse.requests >= abuse.events && abuse.events > 0);
    }
}

/// Where only the abuser uses the key, the labels must add up to the events themselves.
#[test]
fn a_dormant_key_shows_exactly_the_abuse_of_its_label() {
    let mut seen = 0;
    for abuse in &SMALL.labels.abuses {
        if abuse.kind != "dormant_reactivation" {
            continue;
        }
        let mut ids = BTreeSet::new();
        let (mut requests, mut cost) = (0, Nanos::default());
        let (mut first, mut last) = (Timestamp::LATEST, Timestamp::EARLIEST);
        for event in &SMALL.events {
            let mut line = Vec::new();
            if event.key() != abuse.key || event.time() < abuse.start {
                continue;
            }
            event.write_json(&mut line);
            if ids.insert(line) {
                requests += u64::from(event.requests());
                cost += event.cost();
                first = first.min(event.time());
                last = last.max(event.time());
            }
        }
        assert_eq!(ids.len() as u64, abuse.events);
        assert_eq!((requests, cost), (abuse.requests, abuse.cost_usd));
        assert_eq!((first, last), (abuse.start, abuse.end));
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn announced_oddities_are_in_the_changes_when_they_begin() {
    let announced: Vec<_> = SMALL
        .labels
        .oddities
        .iter()
        .filter(|odd| odd.announced)
        .collect();
    assert!(!announced.is_empty());
    assert_eq!(announced.len(), SMALL.inventory.changes.len());
    for oddity in announced {
        let changes = SMALL.inventory.changes.iter();
        let mut of_key = changes.filter(|change| change.key.as_ref() == Some(&oddity.key));
        let change = of_key.next().unwrap();
        assert_eq!(change.kind, "expected_growth");
        assert!(change.time <= oddity.start);
        assert!(oddity.start.millis() - change.time.millis() <= Timestamp::HOUR);
    }
}

#[test]
fn the_story_hits_one_tenant_hard_and_three_once() {
    let breach = Timestamp::parse("2026-05-04T03:00:00Z").unwrap();
    let mut by_account: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for abuse in &STORY.labels.abuses {
        assert!(abuse.start >= breach && abuse.start < breach.plus(4 * Timestamp::HOUR));
        by_account.entry(&abuse.account).or_default().push(abuse);
        let entry = STORY
            .inventory
            .keys
            .iter()
            .find(|entry| entry.key == abuse.key);
        assert_eq!(entry.unwrap().vendors, ["braintrust"]);
    }
    let mut sizes: Vec<_> = by_account.values().map(Vec::len).collect();
    sizes.sort();
    assert_eq!(sizes, [1, 1, 1, 4]);
    for abuses in by_account.values() {
        let (kind, range, floor) = match abuses.len() {
            4 => ("smash", 20.0..60.0, 600.0),
            _ => ("spike", 5.0..15.0, 150.0),
        };
        for abuse in abuses {
            assert_eq!(abuse.kind, kind);
            assert!(abuse.intensity >= range.start, "{}", abuse.intensity);
            // Whoever does little is hit with what the thief's scripts make at least.
            let hours = (abuse.end.millis() - abuse.start.millis()) as f64 / Timestamp::HOUR as f64;
            let times_floor = abuse.requests as f64 / hours / floor;
            let is_least = (0.7..1.4).contains(&times_floor);
            assert!(
                range.contains(&abuse.intensity) || is_least,
                "{} {times_floor}",
                abuse.intensity
            );
        }
    }
    let notice = &STORY.inventory.changes[0];
    assert_eq!(notice.kind, "vendor_notice");
    assert!(notice.time.to_string().starts_with("2026-05-05"));
    assert_eq!(notice.details["vendor"], "braintrust");
}
