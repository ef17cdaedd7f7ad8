//! Millions of made-up ids: what they cost, and what they change.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use columns::{UsageBatch, UsageBatchBuilder};
use detector::{DetectorConfig, KeyDirectory, PartitionDetector, Vitals};
use model::{
    Alert, CountField, Detector, EventSink, Inventory, Nanos, Partition, Position, Severity,
    TextField, Timestamp, UsageRow,
};

use crate::allocated;
use crate::support::start;

/// One call.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) time: Timestamp,
    account: &'static str,
    key: Cow<'static, str>,
    requests: u64,
    cost_usd: f64,
    address: &'static str,
}

impl Call {
    fn at(time: Timestamp, key: impl Into<Cow<'static, str>>) -> Self {
        Self {
            time,
            account: "acme",
            key: key.into(),
            requests: 1,
            cost_usd: 0.01,
            address: "198.51.100.7",
        }
    }
}

fn mixed(seed: u64) -> u64 {
    let mixed = (seed ^ (seed >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 16
}

pub(crate) fn batch(calls: &[Call]) -> UsageBatch {
    let mut builder = UsageBatchBuilder::new(Partition::new("usage", 0), 0);
    let position = Position {
        topic: "usage".into(),
        partition: 0,
        offset: 0,
    };
    for call in calls {
        let mut row = UsageRow::at(call.time);
        row.set_text(TextField::Kind, "usage");
        row.set_text(TextField::Provider, "openai");
        row.set_text(TextField::Account, call.account);
        row.set_text(TextField::Key, &*call.key);
        row.set_text(TextField::Model, "gpt-5-mini");
        row.set_text(TextField::SourceIp, call.address);
        row.set_count(CountField::Requests, call.requests);
        row.set_count(CountField::InputTokens, 800 * call.requests);
        row.cost = Some(Nanos::from_usd(call.cost_usd));
        builder.row(&row, &position);
    }
    builder.finish(calls.len() as i64)
}

pub(crate) fn detector(max_keys_per_partition: usize) -> PartitionDetector {
    let config = DetectorConfig {
        max_keys_per_partition,
        ..DetectorConfig::default()
    };
    let directory = Arc::new(KeyDirectory::new(&Inventory::default()));
    PartitionDetector::new(config, directory)
}

/// Room for 8192 keys, 4096 of them on probation.
pub(crate) const ROOM: usize = 8192;
const ORDINARY: usize = 200;
const STRANGER: &str = "203.0.113.9";

fn hours(days: i64, hours: i64) -> Timestamp {
    start().plus(days * Timestamp::DAY + hours * Timestamp::HOUR)
}

/// The flood: from noon of the fifth day on, for six hours.
fn flood_begins() -> Timestamp {
    hours(4, 12)
}

fn key(at: usize) -> String {
    format!("key_{at:03}")
}

/// Eight days of ordinary keys, each with a call in a quarter of an hour; some of them spike,
/// and one is stolen in the middle of the flood.
pub(crate) fn ordinary() -> Vec<Call> {
    let mut calls = Vec::new();
    for at in 0..ORDINARY {
        let (mut time, mut step) = (start().plus(at as i64 * 1_000), at as u64);
        while time < hours(8, 0) {
            step = mixed(step + 1);
            let mut call = Call::at(time, key(at));
            let spikes = at % 20 == 3 && (hours(5, 2)..hours(5, 3)).contains(&time);
            call.requests = if spikes { 150 } else { 1 };
            calls.push(call);
            time = time.plus(300_000 + (step % 1_200_000) as i64);
        }
    }
    for minute in 0..60 {
        let mut call = Call::at(
            flood_begins().plus(2 * Timestamp::HOUR + minute * Timestamp::MINUTE),
            STOLEN,
        );
        (call.requests, call.cost_usd, call.address) = (40, 2.0, STRANGER);
        calls.push(call);
    }
    calls.sort_by_key(|call| call.time);
    calls
}

const STOLEN: &str = "key_007";

/// Calls of `ids` made-up ids, one of each.
pub(crate) fn flood(ids: usize) -> impl Iterator<Item = Call> {
    let millis = 6 * Timestamp::HOUR;
    (0..ids).map(move |at| {
        let time = flood_begins().plus((at as i64 * millis) / ids as i64);
        let mut call = Call::at(time, format!("sk-{:016x}", mixed(at as u64) << 16 | 7));
        (call.cost_usd, call.address) = (0.0001, STRANGER);
        call
    })
}

/// What a run has shown: alerts, the last vitals, the most bytes that it said and that it had.
struct Shown {
    alerts: Vec<Alert>,
    vitals: Vitals,
    said_bytes: usize,
    had_bytes: i64,
}

/// Runs calls, sorted by time, and others between them.
fn run(calls: &[Call], others: impl Iterator<Item = Call>, cut: usize) -> Shown {
    let before = allocated::bytes();
    let mut detector = detector(ROOM);
    let mut shown = Shown {
        alerts: Vec::new(),
        vitals: Vitals::default(),
        said_bytes: 0,
        had_bytes: 0,
    };
    let (mut calls, mut others) = (calls.iter().cloned().peekable(), others.peekable());
    loop {
        let mut next = Vec::new();
        while next.len() < cut {
            let is_other = match (calls.peek(), others.peek()) {
                (Some(call), Some(other)) => other.time < call.time,
                (None, Some(_)) => true,
                _ => false,
            };
            let call = if is_other {
                others.next()
            } else {
                calls.next()
            };
            let Some(call) = call else { break };
            next.push(call);
        }
        if next.is_empty() {
            break;
        }
        detector.observe(&batch(&next), &mut shown.alerts);
        drop(next);
        shown.vitals = detector.vitals();
        shown.said_bytes = shown.said_bytes.max(shown.vitals.state_bytes);
        shown.had_bytes = shown.had_bytes.max(allocated::bytes() - before);
    }
    detector.finish(&mut shown.alerts);
    shown
}

/// The alerts of ordinary keys, as they are written; in order of time and name.
fn of_ordinary(alerts: &[Alert]) -> Vec<String> {
    let mut alerts: Vec<&Alert> = alerts
        .iter()
        .filter(|alert| alert.key_id.starts_with("key_"))
        .collect();
    alerts.sort_by_key(|alert| (alert.raised_at, &alert.key_id, alert.revision));
    let written = alerts.iter().map(serde_json::to_string);
    written.map(|alert| alert.expect("JSON")).collect()
}

fn ids<'a>(alerts: impl Iterator<Item = &'a Alert>) -> BTreeSet<&'a str> {
    alerts.map(|alert| alert.alert_id.as_str()).collect()
}

fn check_flood(made_up: usize) {
    let calls = ordinary();
    let calm = run(&calls, std::iter::empty(), 5000);
    let shown = run(&calls, flood(made_up), 5000);
    // Ordinary keys are watched as if nothing had happened.
    assert_eq!(of_ordinary(&shown.alerts), of_ordinary(&calm.alerts));
    assert!(of_ordinary(&calm.alerts).len() >= 20);
    let stolen = shown.alerts.iter().find(|alert| alert.key_id == STOLEN);
    let stolen = stolen.expect("the theft in the middle of it is found");
    let after = stolen.raised_at.millis() - flood_begins().millis();
    assert!(after < 2 * Timestamp::HOUR + 10 * Timestamp::MINUTE);
    // The flood is one alert, on the account, and nothing else is told.
    let others = || {
        let alerts = shown.alerts.iter();
        alerts.filter(|alert| !alert.key_id.starts_with("key_"))
    };
    assert_eq!(ids(others()).len(), 1);
    let first = others().next().expect("there is one");
    assert_eq!(first.detector, Detector::Flood);
    assert_eq!((&*first.account, &*first.key_id), ("acme", ""));
    assert!(first.raised_at.millis() - flood_begins().millis() < 13 * Timestamp::MINUTE);
    let last = others().next_back().expect("there is one");
    assert!(last.ended && last.severity >= Severity::Medium);
    // Nothing is kept by id.
    assert!(shown.vitals.displaced + shown.vitals.turned_away > made_up as u64 / 2);
    println!(
        "{made_up} ids: said {} KiB, had {} KiB ({} KiB without them); {:?}",
        shown.said_bytes >> 10,
        shown.had_bytes >> 10,
        calm.had_bytes >> 10,
        shown.vitals
    );
    assert!(shown.had_bytes < BOUND, "{} bytes", shown.had_bytes);
    assert!((shown.said_bytes as f64 / shown.had_bytes as f64) > 0.7);
    assert_eq!(shown.vitals.on_probation, 0, "given back when it was over");
    assert_eq!(shown.vitals.keys, ORDINARY);
}

/// 4 KB for each of the 4096 keys on probation, their windows open; 1 MB for the sketch, and
/// what the ordinary keys take.
const BOUND: i64 = 4096 * 4096 + (1 << 20) + (4 << 20);

#[test]
fn a_flood_of_made_up_ids_is_one_alert_and_changes_nothing_else() {
    check_flood(60_000);
}

#[test]
#[ignore = "takes a minute"]
fn a_flood_of_three_million_is_no_different() {
    check_flood(3_000_000);
}

#[test]
fn any_cut_of_a_flood_gives_the_same_alerts() {
    let calls = ordinary();
    let of = |cut| run(&calls, flood(30_000), cut).alerts;
    let whole = of(usize::MAX);
    assert_eq!(of(7919), whole);
    assert_eq!(of(613), whole);
}

#[test]
fn any_order_of_a_flood_within_the_lateness_gives_the_same_alerts() {
    let mut calls = ordinary();
    calls.extend(flood(30_000));
    calls.sort_by_key(|call| call.time);
    let none = std::iter::empty;
    let told = run(&calls, none(), 5000).alerts;
    for seed in 1..4u64 {
        let mut order: Vec<usize> = (0..calls.len()).collect();
        order.sort_by_key(|&at| {
            let late = mixed(at as u64 + (seed << 40)) % 100_000;
            (calls[at].time.millis() + late as i64, at)
        });
        let shuffled: Vec<Call> = order.iter().map(|&at| calls[at].clone()).collect();
        let alerts = run(&shuffled, none(), 5000).alerts;
        assert_eq!(ids(alerts.iter()), ids(told.iter()));
    }
}

#[test]
fn a_new_key_that_is_really_used_finds_a_place_in_a_flood() {
    let mut calls = ordinary();
    let stolen = flood_begins().plus(3 * Timestamp::HOUR + 4 * Timestamp::MINUTE);
    for second in 0..1200 {
        let mut call = Call::at(stolen.plus(second * 1000 + 3), "key_of_a_thief");
        call.cost_usd = 0.5;
        calls.push(call);
    }
    calls.sort_by_key(|call| call.time);
    let alerts = run(&calls, flood(300_000), 5000).alerts;
    let thief = |alert: &&Alert| alert.key_id == "key_of_a_thief";
    let found = alerts.iter().find(thief).expect("it is told");
    assert_eq!(found.detector, Detector::Newborn);
    let after = found.raised_at.millis() - stolen.millis();
    assert!(after < 5 * Timestamp::MINUTE, "after {after} ms");
    let last = alerts.iter().rfind(thief).expect("it is told");
    assert!(last.observed > 595.0, "hardly a call of it is lost");
}

#[test]
fn made_up_accounts_and_long_names_are_part_of_it() {
    let calls = ordinary();
    let made_up = flood(20_000).enumerate().map(|(at, mut call)| {
        call.account = ["nobody", "no one"][at % 2];
        if at % 3 == 0 {
            call.key = format!("{}{}", call.key, "x".repeat(4000)).into();
        }
        call
    });
    let shown = run(&calls, made_up, 5000);
    let floods = shown.alerts.iter();
    let floods: Vec<_> = floods
        .filter(|alert| alert.detector == Detector::Flood)
        .collect();
    assert_eq!(ids(floods.iter().copied()).len(), 1);
    assert_eq!((&*floods[0].provider, &*floods[0].account), ("", ""));
    assert!(shown.had_bytes < BOUND, "{} bytes", shown.had_bytes);
}

#[test]
fn a_new_tenants_few_keys_are_no_flood() {
    let calls = ordinary();
    let keys = (0..40).flat_map(|at| {
        (0..20).map(move |call| {
            let time = flood_begins().plus(call * Timestamp::HOUR + at * 30_000);
            let mut call = Call::at(time, format!("tenant_{at}"));
            call.account = "new tenant";
            call
        })
    });
    let mut keys: Vec<Call> = keys.collect();
    keys.sort_by_key(|call| call.time);
    let shown = run(&calls, keys.into_iter(), 5000);
    let mut alerts = shown.alerts.iter();
    assert!(alerts.all(|alert| alert.detector != Detector::Flood));
}

/// Two weeks of a key, `silent_hours` of silence, and a thief; another key keeps time going.
fn returning(silent_hours: i64) -> (Vec<Alert>, Vitals) {
    let mut calls = Vec::new();
    let (silent, back) = (hours(14, 0), hours(14, silent_hours));
    let mut time = start();
    while time < back.plus(Timestamp::DAY) {
        if time < silent {
            calls.push(Call::at(time, "key_of_old"));
        }
        calls.push(Call::at(time.plus(61_000), "key_other"));
        time = time.plus(437_000);
    }
    let mut detector = detector(ROOM);
    let mut alerts: Vec<Alert> = Vec::new();
    let until = calls.partition_point(|call| call.time < back);
    detector.observe(&batch(&calls[..until]), &mut alerts);
    let vitals = detector.vitals();
    for minute in 0..90 {
        let time = back.plus(minute * Timestamp::MINUTE + 30_000);
        let mut call = Call::at(time, "key_of_old");
        call.address = STRANGER;
        calls.push(call);
    }
    calls[until..].sort_by_key(|call| call.time);
    detector.observe(&batch(&calls[until..]), &mut alerts);
    detector.finish(&mut alerts);
    alerts.retain(|alert| alert.key_id == "key_of_old");
    (alerts, vitals)
}

#[test]
fn a_key_that_wakes_is_told_like_one_that_never_slept() {
    let (awake, before) = returning(35 * 24 - 6);
    let (woken, asleep) = returning(36 * 24 + 18);
    assert_eq!((before.keys, before.asleep), (2, 0));
    assert_eq!((asleep.keys, asleep.asleep), (1, 1));
    let (first, told) = (&awake[0], &woken[0]);
    assert_eq!(told.detector, Detector::Dormancy);
    assert_eq!(told.detector, first.detector);
    assert_eq!(told.severity, first.severity);
    assert_eq!(told.observed, first.observed);
    assert!(told.score > first.score - 1.0);
    let (first, told) = (awake.last().unwrap(), woken.last().unwrap());
    let families = |alert: &Alert| -> BTreeSet<String> {
        let evidence = alert.evidence.iter();
        evidence.map(|evidence| evidence.family.clone()).collect()
    };
    assert_eq!(families(told), families(first));
    assert!(families(told).contains("caller"), "its networks are known");
}

#[test]
fn one_key_of_many_addresses_and_many_names_stays_small() {
    let mut calls = ordinary();
    for at in 0..20_000u32 {
        let time = flood_begins().plus(i64::from(at) * 1000);
        let mut call = Call::at(time, "key_011");
        call.address = format!("2001:db8:{:x}::{}", at >> 4, "1").leak();
        calls.push(call);
    }
    calls.sort_by_key(|call| call.time);
    let shown = run(&calls, std::iter::empty(), 5000);
    assert!(shown.had_bytes < 6 << 20, "{} bytes", shown.had_bytes);
}
