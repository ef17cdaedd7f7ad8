//! Scenarios, seeds and scales.

use std::collections::{BTreeMap, BTreeSet};

use simulator::{Error, Options, scenarios, simulate, simulate_with};

use crate::{GOALS, SMALL, STORY, text};

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    let run = |seed| simulate("small", seed, 0.05).unwrap();
    let (first, again, other) = (run(1), run(1), run(2));
    assert_eq!(text(&first), text(&again));
    assert_eq!(first.labels, again.labels);
    assert_eq!(first.inventory, again.inventory);
    assert_ne!(text(&first), text(&other));
}

#[test]
fn an_unknown_scenario_names_the_known_ones() {
    let message = simulate("fool", 1, 1.0).unwrap_err().to_string();
    for scenario in scenarios() {
        assert!(message.contains(scenario.name), "{message}");
    }
}

#[test]
fn a_scale_that_is_no_size_is_refused() {
    for scale in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        let refused = simulate("small", 1, scale);
        assert!(matches!(refused, Err(Error::Scale { .. })), "{scale}");
    }
}

#[test]
fn scale_multiplies_the_keys_and_leaves_those_there_are_alone() {
    let few = simulate("small", 3, 0.2).unwrap();
    let keys = |simulation: &simulator::Simulation| {
        let keys = simulation.inventory.keys.iter().cloned();
        keys.map(|entry| (entry.key.clone(), entry))
            .collect::<BTreeMap<_, _>>()
    };
    let more = simulate("small", 3, 0.45).unwrap();
    let more_keys = keys(&more);
    assert!(more_keys.len() > 2 * few.inventory.keys.len());
    for (key, entry) in keys(&few) {
        assert_eq!(more_keys[&key], entry);
    }
    // Who is hit is drawn among all keys; whoever is hit in neither run is the same in both.
    let ordinary = ordinary_events(&few);
    let in_more = ordinary_events(&more);
    let mut compared = 0;
    for (key, events) in ordinary {
        if let Some(others) = in_more.get(&key) {
            assert_eq!(&events, others, "{key}");
            compared += 1;
        }
    }
    assert!(compared > 3, "{compared}");
}

#[test]
fn disorder_can_be_switched_off() {
    let tidy = simulate_with("small", 7, 0.05, &Options { disorder: false }).unwrap();
    assert!(tidy.events.is_sorted_by_key(|event| event.time()));
    let disturbed = simulate("small", 7, 0.05).unwrap();
    assert!(!disturbed.events.is_sorted_by_key(|event| event.time()));
    assert_eq!(tidy.labels, disturbed.labels);
}

#[test]
fn the_length_of_a_run_is_told_in_days() {
    assert_eq!((SMALL.days, STORY.days, GOALS.days), (35, 29, 35));
    assert_eq!(SMALL.start.to_string(), "2026-04-06T00:00:00.000Z");
}

#[test]
fn nothing_happens_outside_of_the_run_or_before_a_key_is_made() {
    for simulation in [&*SMALL, &*STORY, &*GOALS] {
        let exists: std::collections::HashMap<_, _> = simulation
            .labels
            .keys
            .iter()
            .map(|key| (key.key.as_str(), key.exists))
            .collect();
        for event in &simulation.events {
            let exists = exists[event.key()];
            assert!(exists.start <= event.time() && event.time() <= exists.end);
        }
    }
}

/// Returns the lines of each key that has neither an abuse nor an oddity.
fn ordinary_events(simulation: &simulator::Simulation) -> BTreeMap<String, Vec<u8>> {
    let labels = &simulation.labels;
    let hit = labels.abuses.iter().map(|abuse| abuse.key.as_str());
    let odd = labels.oddities.iter().map(|oddity| oddity.key.as_str());
    let labelled: BTreeSet<_> = hit.chain(odd).collect();
    let mut lines: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for event in &simulation.events {
        if !labelled.contains(event.key()) {
            event.write_json(lines.entry(event.key().to_owned()).or_default());
        }
    }
    lines
}
