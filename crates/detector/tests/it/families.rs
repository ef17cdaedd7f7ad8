//! What each family of evidence finds, and what keeps it quiet.

use std::sync::Arc;

use detector::{Campaigns, DetectorConfig, KeyDirectory, PartitionDetector};
use model::{Alert, Detector, Inventory, Timestamp};
use proptest::prelude::*;
use serde_json::json;

use crate::snapshot::{names, restored, saved};
use crate::support::{Call, batch, start, steady_weeks};

const KEY: &str = "key_1";
const STRANGER: &str = "203.0.113.9";

fn inventory(value: serde_json::Value) -> Inventory {
    serde_json::from_value(value).expect("an inventory")
}

fn run_with(inventory: &Inventory, mut calls: Vec<Call>) -> (Vec<Alert>, PartitionDetector) {
    calls.sort_by_key(|call| call.time);
    let directory = Arc::new(KeyDirectory::new(inventory));
    let mut detector = PartitionDetector::new(DetectorConfig::default(), directory);
    let mut alerts: Vec<Alert> = Vec::new();
    for calls in calls.chunks(1000) {
        detector.observe(&batch(calls), &mut alerts);
    }
    detector.finish(&mut alerts);
    (alerts, detector)
}

fn run(inventory: &Inventory, calls: Vec<Call>) -> Vec<Alert> {
    run_with(inventory, calls).0
}

/// The moment at which the tests' oddities begin: a Wednesday at 10:20, after three weeks.
fn then() -> Timestamp {
    start().plus(23 * Timestamp::DAY + 10 * Timestamp::HOUR + 20 * Timestamp::MINUTE)
}

/// Four steady weeks of a key, one call every two minutes or so.
fn steady() -> Vec<Call> {
    steady_weeks(KEY, 4)
}

/// Calls every `seconds` for `minutes`, changed by `change`.
fn extra(seconds: i64, minutes: i64, change: impl Fn(&mut Call)) -> Vec<Call> {
    (0..minutes * 60 / seconds)
        .map(|at| {
            let mut call = Call::at(then().plus(at * seconds * 1000 + 137), KEY);
            change(&mut call);
            call
        })
        .collect()
}

#[test]
fn what_another_topic_reports_too_is_counted_there_and_only_there() {
    let spike = |elsewhere: bool| {
        extra(5, 60, |call| {
            call.address = STRANGER;
            call.counted_elsewhere = elsewhere;
        })
    };
    let inventory = Inventory::default();
    assert!(!run(&inventory, joined(steady(), spike(false))).is_empty());
    let (alerts, detector) = run_with(&inventory, joined(steady(), spike(true)));
    assert!(alerts.is_empty(), "{alerts:?}");
    assert_eq!(detector.vitals().counted_elsewhere, 720);
}

fn joined(mut calls: Vec<Call>, more: Vec<Call>) -> Vec<Call> {
    calls.extend(more);
    calls
}

fn during(alerts: &[Alert], hours: i64) -> Vec<&Alert> {
    let until = then().plus(hours * Timestamp::HOUR);
    alerts
        .iter()
        .filter(|alert| then() <= alert.raised_at && alert.raised_at <= until)
        .collect()
}

#[test]
fn a_stranger_beside_the_owner_is_found_where_the_owner_alone_would_not_be() {
    let by = |address: &'static str| {
        let more = extra(20, 120, |call| call.address = address);
        run(&Inventory::default(), joined(steady(), more))
    };
    let strange = by(STRANGER);
    let found = during(&strange, 3);
    assert!(!found.is_empty(), "four times the usual from a new network");
    assert!(
        found[0]
            .evidence
            .iter()
            .any(|evidence| evidence.family == "caller"),
        "{:?}",
        found[0].evidence
    );
    assert!(during(&by("198.51.100.7"), 3).is_empty());
}

#[test]
fn a_service_that_moves_to_another_network_raises_nothing() {
    let mut calls = steady();
    for call in calls.iter_mut().filter(|call| call.time >= then()) {
        call.address = "192.0.2.40";
    }
    assert!(during(&run(&Inventory::default(), calls), 48).is_empty());
}

#[test]
fn an_announced_network_is_quiet_for_as_long_as_it_is_new() {
    let added = inventory(json!({"changes": [{
        "time": then().plus(-Timestamp::HOUR), "type": "cidr_added", "key": KEY,
        "cidr": "192.0.2.0/24",
    }]}));
    let mut calls = steady();
    for call in calls.iter_mut().filter(|call| call.time >= then()) {
        call.address = "192.0.2.40";
    }
    let alerts = run(
        &added,
        joined(calls, extra(45, 180, |call| call.address = "192.0.2.41")),
    );
    let by_caller = |alert: &&&Alert| {
        let mut evidence = alert.evidence.iter();
        evidence.any(|evidence| evidence.family == "caller")
    };
    assert_eq!(during(&alerts, 48).iter().filter(by_caller).count(), 0);
}

#[test]
fn an_early_notice_is_confirmed_by_its_own_bucket() {
    let more = extra(1, 9, |call| {
        call.address = STRANGER;
        call.cost_usd = 1.0;
    });
    let alerts = run(&Inventory::default(), joined(steady(), more));
    let found = during(&alerts, 3);
    assert!(found[0].raised_at.millis() - then().millis() < 2 * Timestamp::MINUTE);
    assert_eq!((found[0].revision, found[0].first_seen), (0, then()));
    let second = found[1];
    assert_eq!((second.revision, second.first_seen), (1, then()));
    assert!(second.cost_so_far_usd >= found[0].cost_so_far_usd);
    assert!(second.severity >= found[0].severity);
}

#[test]
fn an_announced_growth_is_quiet_and_more_than_that_is_not() {
    let announced = inventory(json!({"changes": [{
        "time": then().plus(-Timestamp::HOUR), "type": "expected_growth", "key": KEY,
        "factor": 40, "until": then().plus(2 * Timestamp::DAY),
    }]}));
    let times = |factor: u64| {
        let more = extra(120, 120, move |call| {
            call.requests = factor;
            call.cost_usd = 0.01 * factor as f64;
        });
        joined(steady(), more)
    };
    assert!(!during(&run(&Inventory::default(), times(30)), 3).is_empty());
    assert!(during(&run(&announced, times(30)), 3).is_empty());
    assert!(!during(&run(&announced, times(4000)), 3).is_empty());
}

#[test]
fn a_broken_rule_is_told_with_its_third_call_and_an_announced_network_breaks_none() {
    let entry = json!({"key": KEY, "allowed_cidrs": ["198.51.100.0/24"]});
    let ruled = inventory(json!({"keys": [entry]}));
    let added = inventory(json!({"keys": [entry], "changes": [{
        "time": then().plus(-Timestamp::DAY), "type": "cidr_added", "key": KEY,
        "cidr": "203.0.113.0/24",
    }]}));
    let calls = || joined(steady(), extra(30, 5, |call| call.address = STRANGER));
    let alerts = run(&ruled, calls());
    let found = during(&alerts, 1);
    assert_eq!(found[0].detector, Detector::Rule);
    assert!(found[0].raised_at.millis() - then().millis() < 2 * Timestamp::MINUTE);
    assert!(during(&run(&added, calls()), 1).is_empty());
}

#[test]
fn a_key_that_returns_after_weeks_is_told_and_a_weekend_is_no_silence() {
    let until = start().plus(3 * Timestamp::DAY);
    let mut calls: Vec<Call> = steady()
        .into_iter()
        .filter(|call| call.time < until)
        .collect();
    // Another key keeps time going.
    calls.extend(steady_weeks("key_2", 4));
    calls.extend(extra(60, 90, |call| call.address = STRANGER));
    let alerts = run(&Inventory::default(), calls);
    let found = during(&alerts, 2);
    assert!(
        found
            .iter()
            .any(|alert| alert.key_id == KEY && alert.detector == Detector::Dormancy),
        "{found:?}"
    );
}

#[test]
fn a_new_key_that_does_more_than_new_keys_do_is_told() {
    let calls = joined(
        steady_weeks("key_2", 4),
        extra(2, 60, |call| call.cost_usd = 0.5),
    );
    let alerts = run(&Inventory::default(), calls);
    let found = during(&alerts, 2);
    assert!(
        found
            .iter()
            .any(|alert| alert.key_id == KEY && alert.detector == Detector::Newborn),
        "{found:?}"
    );
}

#[test]
fn refused_calls_from_a_stranger_are_told_before_the_use() {
    let more = extra(10, 6, |call| {
        call.address = STRANGER;
        call.status = 401;
        call.cost_usd = 0.0;
    });
    let alerts = run(&Inventory::default(), joined(steady(), more));
    let found = during(&alerts, 1);
    assert!(!found.is_empty());
    assert!(
        found[0]
            .attack_techniques
            .iter()
            .any(|technique| technique == "T1526")
    );
}

#[test]
fn a_dearer_model_at_the_same_rate_is_told() {
    let mut calls = steady();
    let dear = then()..then().plus(12 * Timestamp::HOUR);
    for call in calls.iter_mut().filter(|call| dear.contains(&call.time)) {
        call.model = "gpt-5-pro";
        call.cost_usd *= 12.0;
    }
    let alerts = run(&Inventory::default(), calls);
    assert!(!during(&alerts, 3).is_empty());
}

#[test]
fn a_price_that_doubles_is_a_deploy_and_ten_times_as_much_is_told() {
    let dearer = |factor: f64| {
        let mut calls = steady();
        for call in calls.iter_mut().filter(|call| call.time >= then()) {
            call.cost_usd *= factor;
        }
        run(&Inventory::default(), calls)
    };
    let alerts = dearer(2.0);
    assert!(during(&alerts, 100).is_empty(), "{alerts:?}");
    let alerts = dearer(10.0);
    assert!(!during(&alerts, 3).is_empty());
}

#[test]
fn strangers_say_nothing_of_a_key_that_is_called_from_everywhere() {
    let built = |is_from_everywhere: bool| {
        // Builds of an hour, six a day, each in another network of a cloud or all in one.
        let mut calls = steady();
        calls.retain(|call| call.time.millis() / Timestamp::HOUR % 4 == 2);
        for call in &mut calls {
            let hour = call.time.millis() / Timestamp::HOUR;
            let network = if is_from_everywhere { hour % 250 } else { 7 };
            call.address = Box::leak(format!("10.20.{network}.9").into_boxed_str());
        }
        let more = extra(40, 39, |call| call.address = STRANGER);
        run(&Inventory::default(), joined(calls, more))
    };
    let alerts = built(true);
    assert!(during(&alerts, 3).is_empty(), "{alerts:?}");
    assert!(!during(&built(false), 3).is_empty());
}

#[test]
fn an_outage_of_the_whole_source_raises_nothing() {
    let keys = [
        "key_1", "key_2", "key_3", "key_4", "key_5", "key_6", "key_7",
    ];
    let out = then()..then().plus(5 * Timestamp::HOUR);
    let calls: Vec<Call> = keys
        .iter()
        .flat_map(|key| steady_weeks(key, 4))
        .filter(|call| !out.contains(&call.time))
        .collect();
    assert!(during(&run(&Inventory::default(), calls), 24).is_empty());
}

/// Hourly roll-ups with a span, as collectors of provider reports deliver them.
fn hourly(weeks: i64, abused: bool) -> Vec<Call> {
    (0..weeks * 168)
        .map(|hour| {
            let mut call = Call::at(start().plus((hour + 1) * Timestamp::HOUR), KEY);
            call.span_start = Some(start().plus(hour * Timestamp::HOUR));
            let is_abused = abused && call.time >= then() && hour < weeks * 168 - 90;
            call.requests = (40 + hour % 7).unsigned_abs() * if is_abused { 30 } else { 1 };
            call.cost_usd = 0.01 * call.requests as f64;
            call
        })
        .collect()
}

#[test]
fn hourly_roll_ups_are_judged_by_the_hour() {
    assert!(run(&Inventory::default(), hourly(4, false)).is_empty());
    let (alerts, detector) = run_with(&Inventory::default(), hourly(4, true));
    let found = during(&alerts, 3);
    assert!(!found.is_empty());
    let delivered = then().floor_to(Timestamp::HOUR).plus(Timestamp::HOUR);
    assert!(found[0].raised_at.millis() - delivered.millis() < 3 * Timestamp::MINUTE);
    assert_eq!(detector.standings()[0].feed_minutes, 60);
}

#[test]
fn every_key_says_whether_it_is_judged_and_why_not() {
    let young = start().plus(28 * Timestamp::DAY - 3 * Timestamp::HOUR);
    let calls = joined(steady(), vec![Call::at(young, "key_young")]);
    let (_, detector) = run_with(&Inventory::default(), calls);
    let standings = detector.standings();
    let judged = |key: &str, family: &str| {
        let standing = standings.iter().find(|standing| standing.entity.key == key);
        let standing = standing.expect("every key stands somewhere");
        let families = &standing.families;
        let found = families.iter().find(|found| found.family == family);
        let found = found.expect("every family is told of");
        assert!(!found.because.is_empty());
        found.judged
    };
    assert!(judged(KEY, "volume") && judged(KEY, "price") && judged(KEY, "caller"));
    assert!(!judged(KEY, "rule") && !judged(KEY, "newborn"));
    assert!(!judged("key_young", "volume") && judged("key_young", "newborn"));
}

/// Twelve keys of six accounts, stored with one vendor.
const MANY: [(&str, &str); 12] = [
    ("k00", "a0"),
    ("k01", "a0"),
    ("k02", "a1"),
    ("k03", "a1"),
    ("k04", "a2"),
    ("k05", "a2"),
    ("k06", "a3"),
    ("k07", "a3"),
    ("k08", "a4"),
    ("k09", "a4"),
    ("k10", "a5"),
    ("k11", "a5"),
];

/// The directory of these keys, with changes.
fn stored_together(changes: serde_json::Value) -> Arc<KeyDirectory> {
    let keys: Vec<_> = MANY
        .iter()
        .map(|(key, account)| json!({"key": key, "account": account, "vendors": ["storehouse"]}))
        .collect();
    let inventory = inventory(json!({ "keys": keys, "changes": changes }));
    Arc::new(KeyDirectory::new(&inventory))
}

fn many(abused: usize) -> Vec<Alert> {
    many_until(abused, Timestamp::from_millis(i64::MAX)).0
}

/// Weeks of these keys, the first of them abused, up to a moment; and what joined them.
fn many_until(abused: usize, until: Timestamp) -> (Vec<Alert>, Campaigns) {
    let directory = stored_together(json!([]));
    let mut calls = Vec::new();
    for (at, (key, account)) in MANY.into_iter().enumerate() {
        let shift = at as i64 * 7_000;
        for mut call in steady_weeks(key, 4) {
            call.time = call.time.plus(shift);
            call.account = account;
            calls.push(call);
        }
        if at < abused {
            for mut call in extra(400, 60, |call| call.address = STRANGER) {
                (call.key, call.account) = (key, account);
                call.time = call.time.plus(shift);
                calls.push(call);
            }
        }
    }
    calls.sort_by_key(|call| call.time);
    calls.retain(|call| call.time < until);
    let mut detector = PartitionDetector::new(DetectorConfig::default(), directory.clone());
    let mut campaigns = Campaigns::new(DetectorConfig::default(), directory);
    let mut alerts: Vec<Alert> = Vec::new();
    for calls in calls.chunks(1000) {
        detector.observe(&batch(calls), &mut alerts);
        campaigns.take(detector.take_signs());
        let until = detector.open_from().unwrap_or(i64::MIN);
        alerts.extend(campaigns.close_before(until));
    }
    (alerts, campaigns)
}

#[test]
fn an_erased_key_is_in_no_campaign_any_more() {
    let until = then().plus(80 * Timestamp::MINUTE);
    let (alerts, mut campaigns) = many_until(10, until);
    let named = |state: &[u8]| MANY.map(|(key, _)| names(state, key));
    let before = saved(|archive| campaigns.archive(archive));
    let named_before = named(&before);
    assert!(named_before[0] && named_before[1], "{named_before:?}");
    assert!(
        alerts
            .iter()
            .any(|alert| alert.detector == Detector::Campaign)
    );

    let erased = |time: Timestamp| {
        stored_together(json!([{
            "time": time, "type": "history_erased", "key": "k00", "account": "a0",
            "provider": "openai",
        }]))
    };
    // An erasure of earlier weeks leaves what was seen since.
    campaigns.set_directory(erased(then().plus(-Timestamp::DAY)));
    let earlier = saved(|archive| campaigns.archive(archive));
    assert_eq!(named(&earlier), named_before);
    campaigns.set_directory(erased(until));
    let after = saved(|archive| campaigns.archive(archive));
    let mut left = named_before;
    left[0] = false;
    assert_eq!(named(&after), left);

    // What was written down before, and is read now.
    let mut reborn = Campaigns::new(DetectorConfig::default(), erased(until));
    restored(&before, |archive| reborn.archive(archive)).expect("what was written is read");
    assert!(saved(|archive| reborn.archive(archive)) == after);
}

#[test]
fn many_keys_a_little_are_one_campaign_with_the_vendor_named() {
    let alerts = many(10);
    let found: Vec<_> = during(&alerts, 2)
        .into_iter()
        .filter(|alert| alert.detector == Detector::Campaign)
        .collect();
    assert!(found.len() >= 5, "{} keys attached", found.len());
    assert!(
        found
            .iter()
            .any(|alert| alert.vendor.as_deref() == Some("storehouse")
                || alert.evidence[0].text.contains("network")),
        "{:?}",
        found[0].evidence
    );
    assert!(many(0).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn many_callers_in_any_order_give_the_same_alerts_once_closed(seed in any::<u64>()) {
        let mut calls = joined(steady(), extra(15, 90, |call| call.address = STRANGER));
        calls.extend(steady_weeks("key_2", 4));
        for (at, call) in calls.iter_mut().enumerate() {
            if call.address != STRANGER && at % 97 < 9 {
                call.address = ["192.0.2.1", "192.0.3.1", "198.18.0.1"][at % 3];
            }
        }
        calls.sort_by_key(|call| call.time);
        let late = |at: usize, call: &Call| {
            let mixed = (at as u64 ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
            call.time.millis() + (mixed % 100_000) as i64
        };
        let mut order: Vec<usize> = (0..calls.len()).collect();
        order.sort_by_key(|&at| late(at, &calls[at]));
        let shuffled: Vec<Call> = order.iter().map(|&at| calls[at].clone()).collect();
        let closed = |calls: &[Call]| {
            let directory = Arc::new(KeyDirectory::new(&Inventory::default()));
            let mut detector = PartitionDetector::new(DetectorConfig::default(), directory);
            let mut alerts: Vec<Alert> = Vec::new();
            for calls in calls.chunks(911) {
                detector.observe(&batch(calls), &mut alerts);
            }
            detector.finish(&mut alerts);
            crate::closed(&alerts)
        };
        prop_assert_eq!(closed(&shuffled), closed(&calls));
    }
}

/// A rise that goes on for six hours, and then for good; accepted after the first hour or not.
fn level_shift(accepted: bool) -> Vec<Alert> {
    let changes = if accepted {
        json!({ "changes": [{
            "time": then().plus(80 * Timestamp::MINUTE), "type": "level_accepted", "key": KEY,
        }] })
    } else {
        json!({})
    };
    let more = extra(10, 26 * 60, |call| call.address = STRANGER);
    run(&inventory(changes), joined(steady(), more))
}

#[test]
fn an_accepted_level_ends_the_alarm_and_is_the_new_normal() {
    let waiting = level_shift(false);
    let last = during(&waiting, 20).pop().expect("an alert").clone();
    assert!(!last.ended, "without a person it goes on: {last:?}");

    let accepted = level_shift(true);
    let told = during(&accepted, 26);
    let last = told.last().expect("an alert");
    assert!(last.ended && last.raised_at <= then().plus(2 * Timestamp::HOUR));
    assert!(
        last.evidence
            .iter()
            .any(|line| line.text.starts_with("accepted at"))
    );
    let ids: std::collections::BTreeSet<_> = told.iter().map(|alert| &alert.alert_id).collect();
    assert_eq!(ids.len(), 1, "the new level raises nothing more");
}

#[test]
fn beyond_what_was_accepted_is_another_alert() {
    let changes = inventory(json!({ "changes": [{
        "time": then().plus(80 * Timestamp::MINUTE), "type": "level_accepted", "key": KEY,
    }] }));
    let shift = extra(10, 26 * 60, |call| call.address = STRANGER);
    let more: Vec<Call> = extra(1, 120, |call| {
        call.time = call.time.plus(10 * Timestamp::HOUR);
        call.address = "198.18.7.7";
    });
    let alerts = run(&changes, joined(joined(steady(), shift), more));
    let ids: std::collections::BTreeSet<_> = during(&alerts, 14)
        .iter()
        .map(|alert| &alert.alert_id)
        .collect();
    assert_eq!(ids.len(), 2);
}
