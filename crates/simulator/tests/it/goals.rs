//! The scenario by which goals are measured.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use model::{KeyEntry, Timestamp, Window};
use simulator::{AbuseLabel, Simulation, simulate};

use crate::{GOALS, values};

const ABUSES: [&str; 15] = [
    "burst_100x",
    "burst_10x",
    "burst_3x",
    "burst_3x_new_caller",
    "dormant_return",
    "double_3d",
    "half_more_3d",
    "huge_prompts",
    "newborn_abuse",
    "off_hours_6h",
    "patient_ramp",
    "probing_then_use",
    "third_more_5d",
    "tier_jump",
    "vendor_breach",
];

const ODDITIES: [&str; 9] = [
    "collector_gap",
    "deploy",
    "holiday",
    "key_rotation",
    "launch_growth",
    "month_end_batch",
    "new_key",
    "office_move",
    "weekly_batch",
];

fn entries(simulation: &Simulation) -> HashMap<&str, &KeyEntry> {
    let keys = simulation.inventory.keys.iter();
    keys.map(|entry| (entry.key.as_str(), entry)).collect()
}

fn of_kind<'a>(
    simulation: &'a Simulation,
    kind: &'static str,
) -> impl Iterator<Item = &'a AbuseLabel> {
    let abuses = simulation.labels.abuses.iter();
    abuses.filter(move |abuse| abuse.kind == kind)
}

#[test]
fn every_kind_of_abuse_and_control_is_there_and_a_key_is_abused_once() {
    let labels = &GOALS.labels;
    let kinds: BTreeSet<_> = labels.abuses.iter().map(|abuse| &*abuse.kind).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), ABUSES);
    let keys: BTreeSet<_> = labels.abuses.iter().map(|abuse| &abuse.key).collect();
    assert_eq!(keys.len(), labels.abuses.len());
    let odd: BTreeSet<_> = labels.oddities.iter().map(|oddity| &*oddity.kind).collect();
    assert_eq!(odd.into_iter().collect::<Vec<_>>(), ODDITIES);
}

#[test]
#[ignore = "makes millions of events; cargo test --release -p simulator -- --ignored"]
fn a_whole_run_has_about_six_abuses_of_each_kind_and_all_controls() {
    for seed in [1, 2, 3] {
        let goals = simulate("goals", seed, 1.0).unwrap();
        let keys = goals.inventory.keys.len();
        assert!((250..=275).contains(&keys), "{keys}");
        for kind in ABUSES {
            let count = of_kind(&goals, kind).count();
            let expected = match kind {
                "vendor_breach" => 8..=30,
                _ => 5..=7,
            };
            assert!(expected.contains(&count), "seed {seed}: {kind} {count}");
        }
        let mut odd: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for oddity in &goals.labels.oddities {
            odd.entry(&oddity.kind).or_default().insert(&oddity.key);
        }
        for kind in ODDITIES {
            let count = odd.get(kind).map_or(0, BTreeSet::len);
            assert!(count >= 4, "seed {seed}: {kind} {count}");
        }
        assert!(odd["new_key"].len() >= of_kind(&goals, "newborn_abuse").count());
    }
}

#[test]
fn a_third_of_the_services_tell_hours() {
    let mut told = BTreeSet::new();
    for (value, event) in values(&GOALS, 11) {
        if value.get("time_start").is_some() {
            assert_eq!(value["time_end"], value["time"]);
            assert_eq!(event.time().millis() % Timestamp::HOUR, 0);
            told.insert(event.key().to_owned());
        }
    }
    let keys = GOALS.labels.keys.iter();
    let of_class = |name: &str| keys.clone().filter(|key| key.class == name).count();
    let (hourly, others) = (of_class("service_hourly"), of_class("service"));
    assert!((0.25..0.45).contains(&(hourly as f64 / (hourly + others) as f64)));
    let classes: BTreeSet<_> = GOALS
        .labels
        .keys
        .iter()
        .filter(|key| told.contains(&key.key))
        .map(|key| &*key.class)
        .collect();
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), ["service_hourly"]);
}

#[test]
fn a_gap_swallows_every_event_of_its_provider() {
    let entries = entries(&GOALS);
    let gap = GOALS
        .labels
        .oddities
        .iter()
        .find(|oddity| oddity.kind == "collector_gap")
        .unwrap();
    let provider = &entries[gap.key.as_str()].provider;
    let window = Window {
        start: gap.start,
        end: gap.end,
    };
    let of_provider = |event: &&simulator::SimulatedEvent| {
        entries[event.key()].provider == *provider && window.contains(event.time())
    };
    assert_eq!(GOALS.events.iter().filter(of_provider).count(), 0);
}

#[test]
fn a_breach_is_one_hour_of_one_vendor_from_one_network() {
    let entries = entries(&GOALS);
    let breach: Vec<_> = of_kind(&GOALS, "vendor_breach").collect();
    assert!(breach.len() >= 2, "{}", breach.len());
    let vendor = breach[0].group.clone().unwrap();
    let stored = |entry: &&KeyEntry| entry.vendors.contains(&vendor);
    let all = GOALS.inventory.keys.iter().filter(stored).count();
    assert!(breach.len() as f64 >= 0.12 * all as f64);
    let first = breach.iter().map(|abuse| abuse.start).min().unwrap();
    for abuse in &breach {
        assert_eq!(abuse.group.as_ref(), Some(&vendor));
        assert!(stored(&entries[abuse.key.as_str()]));
        let lasts = abuse.end.millis() - first.millis();
        assert!(lasts <= 90 * Timestamp::MINUTE, "{lasts}");
        assert!((1.5..2.0).contains(&abuse.intensity));
    }
    let others = GOALS.labels.abuses.iter();
    assert!(others.filter(|abuse| abuse.group.is_some()).count() == breach.len());
}

#[test]
fn a_new_key_takes_over_and_half_of_the_time_the_inventory_says_so() {
    let entries = entries(&GOALS);
    let rotated: BTreeSet<_> = GOALS
        .labels
        .oddities
        .iter()
        .filter(|oddity| oddity.kind == "key_rotation" && oddity.announced)
        .map(|oddity| oddity.key.as_str())
        .collect();
    let replaced: Vec<_> = entries
        .values()
        .filter_map(|entry| entry.replaces.as_deref())
        .collect();
    assert!(!replaced.is_empty());
    assert!(replaced.iter().all(|key| rotated.contains(key)));
    for key in replaced {
        let mut changes = GOALS.inventory.changes.iter();
        assert!(
            changes
                .any(|change| change.kind == "key_rotated" && change.key.as_deref() == Some(key))
        );
    }
}

#[test]
fn requests_are_counted_by_the_minute() {
    for abuse in &GOALS.labels.abuses {
        let by_minute = &abuse.cumulative_requests;
        assert!(by_minute.is_sorted());
        assert_eq!(by_minute.len(), abuse.cumulative_cost_usd.len());
        assert_eq!(by_minute.last(), Some(&abuse.requests));
        assert_eq!(abuse.requests_by(abuse.end), Some(abuse.requests));
    }
}

#[test]
fn a_probed_key_shows_lists_of_models_and_refusals() {
    let probed: BTreeSet<_> = of_kind(&GOALS, "probing_then_use")
        .map(|abuse| abuse.key.as_str())
        .collect();
    let mut line = Vec::new();
    let (mut lists, mut refused) = (0, 0);
    for event in GOALS
        .events
        .iter()
        .filter(|event| probed.contains(event.key()))
    {
        line.clear();
        event.write_json(&mut line);
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        lists += u32::from(value["operation"] == "models.list");
        refused += u32::from(
            [401, 403, 404]
                .iter()
                .any(|status| value["status"] == *status),
        );
    }
    assert!(lists >= 1 && refused >= 2, "{lists} {refused}");
}
