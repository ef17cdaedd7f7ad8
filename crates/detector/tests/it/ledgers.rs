//! What has no key: usage without one, and billing lines.

use std::sync::Arc;

use columns::{UsageBatch, UsageBatchBuilder};
use detector::{Dedup, DetectorConfig, KeyDirectory, Ledgers, PartitionDetector};
use model::{
    Alert, EntityLevel, EventSink, Inventory, Nanos, Partition, Position, Severity, TextField,
    Timestamp, UsageRow,
};
use proptest::prelude::*;

use crate::support::{Call, batch, start, steady_weeks};

const DAYS: i64 = 100;

/// One billing line.
#[derive(Clone, Debug)]
pub(crate) struct Bill {
    id: String,
    /// Days after the start, or hours where it is of an hour.
    period: i64,
    is_hour: bool,
    /// When it arrives.
    pub(crate) known_at: Timestamp,
    project: &'static str,
    service: &'static str,
    charge: &'static str,
    usd: f64,
}

impl Bill {
    /// A line of a day that arrives with its end.
    fn of(period: i64, usd: f64) -> Self {
        Self {
            id: format!("line_{period}"),
            period,
            is_hour: false,
            known_at: start().plus((period + 1) * Timestamp::DAY),
            project: "checkout",
            service: "",
            charge: "Usage",
            usd,
        }
    }

    fn late(mut self, days: i64) -> Self {
        self.known_at = self.known_at.plus(days * Timestamp::DAY);
        self
    }
}

pub(crate) fn rows(bills: &[Bill]) -> UsageBatch {
    let mut builder = UsageBatchBuilder::new(Partition::new("costs", 0), 0);
    for (offset, bill) in (0..).zip(bills) {
        let width = match bill.is_hour {
            true => Timestamp::HOUR,
            false => Timestamp::DAY,
        };
        let mut row = UsageRow::at(start().plus(bill.period * width));
        row.time_end = Some(row.time.plus(width));
        for (field, value) in [
            (TextField::Kind, "cost"),
            (TextField::Provider, "openai"),
            (TextField::Account, "acme"),
            (TextField::Project, bill.project),
            (TextField::Service, bill.service),
            (TextField::Charge, bill.charge),
            (TextField::Id, &bill.id),
        ] {
            if !value.is_empty() {
                row.set_text(field, value);
            }
        }
        row.cost = Some(Nanos::from_usd(bill.usd));
        builder.set_record_time(Some(bill.known_at));
        let position = Position {
            topic: "costs".into(),
            partition: 0,
            offset,
        };
        builder.row(&row, &position);
    }
    builder.finish(bills.len() as i64)
}

/// A partition's detector and the ledgers of all, as the pipeline joins them.
pub(crate) struct House {
    pub(crate) detector: PartitionDetector,
    pub(crate) ledgers: Ledgers,
    pub(crate) alerts: Vec<Alert>,
}

impl House {
    pub(crate) fn new() -> Self {
        let directory = Arc::new(KeyDirectory::new(&Inventory::default()));
        let config = DetectorConfig::default();
        Self {
            detector: PartitionDetector::new(config.clone(), directory.clone()),
            ledgers: Ledgers::new(config, directory),
            alerts: Vec::new(),
        }
    }

    pub(crate) fn observe(&mut self, usage_batch: &UsageBatch) {
        let mut alerts: Vec<Alert> = Vec::new();
        self.detector.observe(usage_batch, &mut alerts);
        self.join(alerts);
    }

    fn join(&mut self, alerts: Vec<Alert>) {
        self.ledgers.hear(&alerts);
        self.alerts.extend(alerts);
        self.ledgers.take(self.detector.take_unkeyed());
        let read_until = self.detector.read_until();
        let until = read_until.unwrap_or(i64::MIN);
        self.alerts.extend(self.ledgers.close_before(until));
    }

    pub(crate) fn finish(mut self) -> Vec<Alert> {
        let mut alerts: Vec<Alert> = Vec::new();
        self.detector.finish(&mut alerts);
        self.join(alerts);
        self.alerts.extend(self.ledgers.close_before(i64::MAX));
        self.alerts
    }
}

/// Runs bills in the order of their arrival.
fn billed_by(mut bills: Vec<Bill>, cut: usize) -> Vec<Alert> {
    bills.sort_by_key(|bill| bill.known_at);
    let mut house = House::new();
    for bills in bills.chunks(cut) {
        house.observe(&rows(bills));
    }
    house.finish()
}

fn billed(bills: Vec<Bill>) -> Vec<Alert> {
    billed_by(bills, 7)
}

/// A number between 0 and 1 that follows from two others.
fn mixed(a: u64, b: u64) -> f64 {
    let mut x = a.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ b.wrapping_mul(0xD1B5_4A32_D192_ED03);
    for _ in 0..3 {
        x = (x ^ (x >> 31)).wrapping_mul(0x94D0_49BB_1331_11EB);
    }
    (x >> 11) as f64 / (1u64 << 53) as f64
}

/// A standard normal number that follows from two others (Box and Muller 1958).
fn normal(a: u64, b: u64) -> f64 {
    let radius = (-2.0 * mixed(a, 2 * b).max(1e-12).ln()).sqrt();
    radius * (std::f64::consts::TAU * mixed(a, 2 * b + 1)).cos()
}

/// Some hundred dollars a day.
fn steady(days: i64) -> Vec<Bill> {
    (0..days)
        .map(|day| Bill::of(day, 100.0 * (0.1 * normal(1, day as u64)).exp()))
        .collect()
}

fn with(mut bills: Vec<Bill>, more: impl IntoIterator<Item = Bill>) -> Vec<Bill> {
    bills.extend(more);
    bills
}

fn extra(period: i64, usd: f64) -> Bill {
    Bill {
        id: format!("extra_{period}"),
        ..Bill::of(period, usd)
    }
}

#[test]
fn a_day_billed_far_above_the_usual_is_told_though_its_line_comes_two_days_late() {
    assert!(billed(steady(60)).is_empty());
    let alerts = billed(with(steady(60), [extra(50, 400.0).late(2)]));
    let first = &alerts[0];
    assert!(alerts.iter().all(|alert| alert.alert_id == first.alert_id));
    assert_eq!(first.entity_level, EntityLevel::Project);
    assert_eq!(
        (first.key_id.as_str(), first.project.as_deref()),
        ("", Some("checkout"))
    );
    assert_eq!(first.window_start, start().plus(50 * Timestamp::DAY));
    let late = first.raised_at.millis() - start().plus(53 * Timestamp::DAY).millis();
    assert!((0..Timestamp::HOUR).contains(&late), "{}", first.raised_at);
    assert!((first.observed - 500.0).abs() < 40.0 && first.expected_high < 200.0);
    let text = &first.evidence[0].text;
    assert!(
        text.starts_with("project checkout of acme was billed $")
            && text.contains(" for 26 May by openai")
            && text.contains("never more than $1"),
        "{text}"
    );
    assert!(first.severity >= Severity::Medium);
    assert!(alerts.last().expect("there is one").ended);
    let json = serde_json::to_value(first).expect("an alert is JSON");
    assert!(json["key_id"].is_null() && json["entity_level"] == "project");
    let read: Alert = serde_json::from_value(json).expect("as it was written");
    assert_eq!(&read, first);
}

#[test]
fn a_line_restated_twice_is_followed_and_a_fall_is_said() {
    let again = |usd, days| extra(50, usd).late(days);
    let alerts = billed(with(
        steady(60),
        [again(400.0, 0), again(900.0, 1), again(10.0, 2)],
    ));
    let told: Vec<(u32, i64)> = alerts
        .iter()
        .map(|alert| (alert.revision, (alert.observed / 100.0).round() as i64))
        .collect();
    assert_eq!(told, [(0, 5), (1, 10), (2, 1)]);
    let last = &alerts[2];
    assert!(last.ended);
    assert_eq!(last.cost_so_far_usd, Nanos::default());
    assert!(last.evidence[0].text.starts_with("restated: "), "{last:?}");
}

#[test]
fn credits_taxes_and_negative_amounts_neither_alert_nor_hide_anything() {
    let apart = |day: i64, charge, usd| Bill {
        id: format!("{charge}_{day}"),
        charge,
        ..Bill::of(day, usd)
    };
    let beside = (0..60).flat_map(|day| {
        [
            apart(day, "Credit", -90.0),
            apart(day, "Tax", if day == 50 { 5000.0 } else { 20.0 }),
            apart(day, "Adjustment", -3.0),
        ]
    });
    let bills = with(steady(60), beside);
    assert!(billed(bills.clone()).is_empty());
    let hidden = [
        extra(50, 400.0),
        Bill {
            id: "minus".into(),
            ..Bill::of(50, -400.0)
        },
    ];
    assert!(!billed(with(bills, hidden)).is_empty());
}

/// The start is 6 April; the last day of the month costs six times as much.
fn month_ends(months: usize) -> Vec<Bill> {
    let lasts = [24i64, 55, 85, 116];
    let mut bills = steady(110);
    for &day in lasts.iter().take(months) {
        bills[day as usize].usd *= 6.0;
    }
    bills
}

#[test]
fn the_end_of_a_month_is_usual_after_it_was_seen_twice() {
    let alerts = billed(month_ends(3));
    let third = start().plus(85 * Timestamp::DAY);
    assert!(!alerts.is_empty(), "the first one is a surprise");
    assert!(
        alerts.iter().all(|alert| alert.window_start < third),
        "{alerts:?}"
    );
    let mut dearer = month_ends(3);
    dearer[85].usd *= 8.0;
    assert!(
        billed(dearer)
            .iter()
            .any(|alert| alert.window_start == third)
    );
}

#[test]
fn hours_are_judged_by_the_hour() {
    let hourly = |abused: bool| -> Vec<Bill> {
        (0..24 * 20)
            .map(|hour| {
                let wave = 1.0 + 0.5 * (std::f64::consts::TAU * hour as f64 / 24.0).sin();
                let is_abused = abused && hour == 24 * 16 + 5;
                Bill {
                    is_hour: true,
                    id: format!("hour_{hour}"),
                    known_at: start().plus((hour + 3) * Timestamp::HOUR),
                    ..Bill::of(hour, wave * 4.0 * (0.1 * normal(3, hour as u64)).exp())
                }
                .times(if is_abused { 12.0 } else { 1.0 })
            })
            .collect()
    };
    assert!(billed(hourly(false)).is_empty());
    let alerts = billed(hourly(true));
    let hour = start().plus((24 * 16 + 5) * Timestamp::HOUR);
    assert_eq!(alerts[0].window_start, hour);
    assert!(alerts[0].raised_at <= hour.plus(3 * Timestamp::HOUR + 15 * Timestamp::MINUTE));
}

impl Bill {
    fn times(mut self, factor: f64) -> Self {
        self.usd *= factor;
        self
    }
}

/// Three services of one project.
pub(crate) fn services(change: impl Fn(i64, &str) -> f64) -> Vec<Bill> {
    (0..60)
        .flat_map(|day| ["embeddings", "completions", "images"].map(|service| (day, service)))
        .map(|(day, service)| Bill {
            id: format!("{service}_{day}"),
            service,
            ..Bill::of(day, 50.0 * change(day, service))
        })
        .map(|bill| {
            let noise = normal(5, bill.period as u64 + 1000 * bill.service.len() as u64);
            bill.times((0.1 * noise).exp())
        })
        .collect()
}

#[test]
fn the_lowest_level_that_explains_is_told_and_no_other() {
    let one = billed(services(|day, service| match (day, service) {
        (50, "images") => 10.0,
        _ => 1.0,
    }));
    assert!(!one.is_empty());
    assert_eq!(one[0].name(), "service images");
    assert!(
        one.iter()
            .all(|alert| alert.entity_level == EntityLevel::Service),
        "{one:?}"
    );
    // A service that nobody used before has no past; its project has.
    let fresh = with(
        services(|_, _| 1.0),
        [Bill {
            service: "video",
            ..extra(50, 600.0)
        }],
    );
    let alerts = billed(fresh);
    assert_eq!(alerts[0].entity_level, EntityLevel::Project);
    let ids: std::collections::BTreeSet<_> = alerts.iter().map(|alert| &alert.alert_id).collect();
    assert_eq!(ids.len(), 1, "one cause, one alert");
    let names_it = |alert: &Alert| {
        let mut evidence = alert.evidence.iter();
        evidence.any(|evidence| evidence.text.contains("most of it is service video"))
    };
    assert!(names_it(&alerts[0]), "{:?}", alerts[0].evidence);
}

/// The moment of what is odd about live usage: a Wednesday at 10:20, after three weeks.
fn then() -> Timestamp {
    start().plus(23 * Timestamp::DAY + 10 * Timestamp::HOUR + 20 * Timestamp::MINUTE)
}

pub(crate) fn without_key(mut calls: Vec<Call>, project: &'static str) -> Vec<Call> {
    for call in &mut calls {
        call.key = "";
        call.project = project;
    }
    calls
}

pub(crate) fn abuse(key: &'static str, project: &'static str) -> Vec<Call> {
    (0..720)
        .map(|at| {
            let mut call = Call::at(then().plus(at * 5000 + 137), key);
            call.address = "203.0.113.9";
            call.cost_usd = 0.2;
            call.project = project;
            call
        })
        .collect()
}

fn used(mut calls: Vec<Call>) -> Vec<Alert> {
    calls.sort_by_key(|call| call.time);
    let mut house = House::new();
    for calls in calls.chunks(500) {
        house.observe(&batch(calls));
    }
    house.finish()
}

fn during(alerts: &[Alert]) -> Vec<&Alert> {
    let until = then().plus(3 * Timestamp::HOUR);
    let odd = then()..until;
    alerts
        .iter()
        .filter(|alert| odd.contains(&alert.raised_at))
        .collect()
}

#[test]
fn a_rise_of_usage_without_a_key_is_told_of_its_project() {
    let usual = || without_key(steady_weeks("", 4), "checkout");
    assert!(used(usual()).is_empty());
    let mut calls = usual();
    calls.extend(abuse("", "checkout"));
    let alerts = used(calls);
    let found = during(&alerts);
    assert!(!found.is_empty());
    let first = found[0];
    assert_eq!(first.entity_level, EntityLevel::Project);
    assert_eq!(
        (first.key_id.as_str(), first.project.as_deref()),
        ("", Some("checkout"))
    );
    assert!(first.raised_at.millis() - then().millis() < 10 * Timestamp::MINUTE);
    let text = &first.evidence[0].text;
    assert_eq!(
        text,
        "usage of project checkout of acme at openai without a key"
    );
    assert!(found.iter().all(|alert| {
        let mut evidence = alert.evidence.iter();
        evidence.all(|evidence| !evidence.text.contains("this key"))
    }));
}

#[test]
fn a_sum_never_feeds_a_key_nor_usage_without_one() {
    let sums = |mut calls: Vec<Call>| {
        for call in &mut calls {
            call.aggregate = true;
        }
        calls
    };
    let mut detector = House::new();
    detector.observe(&batch(&sums(abuse("key_1", "checkout"))));
    assert_eq!(detector.detector.vitals().keys, 0);
    assert_eq!(detector.detector.vitals().without_key, 720);
    // Beside a key of the same project: the key's alerts are as without them.
    let key = || [steady_weeks("key_1", 4), abuse("key_1", "checkout")].concat();
    let alone = used(key());
    let mut both = key();
    both.extend(sums(key()));
    let keys = |alerts: Vec<Alert>| -> Vec<Alert> {
        let mut keys = alerts;
        keys.retain(|alert| alert.entity_level == EntityLevel::Key);
        keys
    };
    assert!(!alone.is_empty());
    assert_eq!(keys(used(both)), keys(alone));
}

#[test]
fn an_alert_on_a_key_explains_what_its_project_uses_and_is_billed() {
    let project = |mut calls: Vec<Call>| {
        for call in &mut calls {
            call.project = "checkout";
        }
        calls
    };
    let mut key = project(steady_weeks("key_1", 9));
    let odd = start().plus(50 * Timestamp::DAY + 9 * Timestamp::HOUR);
    let stolen = |key: &'static str, aggregate: bool| -> Vec<Call> {
        (0..720)
            .map(|at| {
                let mut call = Call::at(odd.plus(at * 5000 + 137), key);
                call.address = "203.0.113.9";
                call.cost_usd = 1.0;
                call.project = "checkout";
                call.aggregate = aggregate;
                call
            })
            .collect()
    };
    key.extend(stolen("key_1", false));
    // The provider's report of the project has all of it again.
    let mut sums = project(steady_weeks("", 9));
    sums.iter_mut().for_each(|call| call.aggregate = true);
    sums.extend(stolen("", true));
    let mut bills = with(steady(60), [extra(50, 700.0)]);
    bills.sort_by_key(|bill| bill.known_at);
    let run = |calls: Vec<Call>| {
        let mut calls = calls;
        calls.sort_by_key(|call| call.time);
        let mut house = House::new();
        let mut from = 0;
        for bill in &bills {
            let until = calls.partition_point(|call| call.time <= bill.known_at);
            for calls in calls[from..until].chunks(500) {
                house.observe(&batch(calls));
            }
            from = until;
            house.observe(&rows(std::slice::from_ref(bill)));
        }
        house.finish()
    };
    let explained = run([key, sums].concat());
    assert!(explained.iter().any(|alert| alert.key_id == "key_1"));
    assert!(
        explained
            .iter()
            .all(|alert| alert.entity_level == EntityLevel::Key),
        "{:?}",
        explained
            .iter()
            .map(|alert| &alert.evidence[0].text)
            .collect::<Vec<_>>()
    );
    let alone = run(project(steady_weeks("key_1", 9)));
    assert!(
        alone
            .iter()
            .any(|alert| alert.entity_level == EntityLevel::Project)
    );
}

#[test]
fn a_roll_up_sent_again_adds_the_difference_only() {
    let hourly = |resent: bool| -> Vec<Call> {
        (0..24 * 28)
            .flat_map(|hour| {
                let parts = if resent { vec![10, 25, 40] } else { vec![40] };
                parts.into_iter().map(move |requests| {
                    let mut call = Call::at(start().plus((hour + 1) * Timestamp::HOUR), "key_1");
                    call.span_start = Some(start().plus(hour * Timestamp::HOUR));
                    call.requests = requests;
                    call.cost_usd = 0.01 * requests as f64;
                    call.id = Some(format!("bucket_{hour}").leak());
                    call
                })
            })
            .map(|mut call| {
                if call.time == start().plus(20 * Timestamp::DAY) {
                    call.requests *= 40;
                    call.cost_usd *= 40.0;
                }
                call
            })
            .collect()
    };
    let closed = |alerts: Vec<Alert>| crate::closed(&alerts);
    let (once, again) = (used(hourly(false)), used(hourly(true)));
    assert!(!once.is_empty());
    assert_eq!(closed(again), closed(once));
}

#[test]
fn billing_lines_move_no_watermark_and_a_wrong_clock_stops_none() {
    let mut house = House::new();
    let calls = steady_weeks("key_1", 1);
    house.observe(&batch(&calls));
    let watermark = house.detector.vitals().watermark;
    house.observe(&rows(&[Bill::of(400, 5.0), Bill::of(2, 5.0)]));
    assert_eq!(house.detector.vitals().watermark, watermark);
    assert_eq!(house.detector.vitals().too_late, 0);
    let mut bills = with(steady(60), [extra(50, 400.0)]);
    bills.sort_by_key(|bill| bill.known_at);
    let mut wrong = Bill::of(20, 1.0);
    wrong.id = "wrong".into();
    wrong.known_at = start().plus(3000 * Timestamp::DAY);
    wrong.period = 2900;
    bills.insert(20, wrong);
    let mut house = House::new();
    for bills in bills.chunks(7) {
        house.observe(&rows(bills));
    }
    let found = house
        .alerts
        .iter()
        .any(|alert| alert.entity_level == EntityLevel::Project);
    assert!(found, "told before the stream ends");
}

#[test]
fn every_ledger_says_from_when_it_is_judged() {
    let mut house = House::new();
    house.observe(&rows(&services(|_, _| 1.0)));
    house.observe(&rows(&[Bill {
        service: "video",
        ..extra(59, 6.0)
    }]));
    house.ledgers.close_before(i64::MAX);
    let standings = house.ledgers.standings();
    let of = |service: &str| {
        let mut standings = standings.iter();
        standings
            .find(|standing| standing.service.as_deref() == Some(service))
            .expect("every service stands somewhere")
    };
    assert!(of("images").families[0].judged);
    assert!(!of("video").families[0].judged);
    assert!(of("video").families[0].because.contains("judged from 8 on"));
    let levels: Vec<EntityLevel> = standings
        .iter()
        .map(|standing| standing.entity_level)
        .collect();
    assert_eq!(
        levels.len(),
        4 + 3,
        "four services, a project, an account, a provider"
    );
    let json = serde_json::to_value(of("video")).expect("a standing is JSON");
    assert!(json["key"].is_null() && json["account"] == "acme", "{json}");
}

#[test]
fn a_restated_line_passes_the_filter_of_repeats() {
    let mut dedup = Dedup::default();
    let mut row = UsageRow::at(start());
    row.set_text(TextField::Id, "line");
    row.set_text(TextField::Kind, "cost");
    let mut seen = |usd| {
        row.cost = Some(Nanos::from_usd(usd));
        dedup.is_repeat_row(&row)
    };
    assert_eq!([seen(1.0), seen(2.0), seen(2.0)], [false, false, true]);
}

/// Shapes of clean ledgers.
const SHAPES: [&str; 5] = ["steady", "weekday", "growth", "month_end", "sparse"];

fn clean(shape: &str, seed: u64, day: i64) -> f64 {
    let next = start().plus((day + 1) * Timestamp::DAY);
    let noise = normal(seed, day as u64);
    let is_last = next.to_string()[8..10] == *"01";
    match shape {
        "steady" => 80.0 * (0.15 * noise).exp(),
        "weekday" if day % 7 >= 5 => 15.0 * (0.4 * noise).exp(),
        "weekday" => 120.0 * (0.3 * noise).exp(),
        "growth" => 10.0 * (0.012 * day as f64 + 0.25 * noise).exp(),
        "month_end" => 60.0 * (0.3 * noise).exp() * if is_last { 4.0 } else { 1.0 },
        _ if mixed(seed ^ 77, day as u64) < 0.25 => 30.0 * (0.9 * noise).exp(),
        _ => 0.0,
    }
}

/// Ledgers of each shape, and the day from which their alerts count.
const EACH: usize = 24;
const JUDGED_FROM: i64 = 30;

/// A hundred days of all shapes, lines up to two days late; `factor` by ledger and day.
fn shapes(seed: u64, factor: impl Fn(usize, i64) -> f64) -> Vec<Alert> {
    let services: Vec<&'static str> = (0..SHAPES.len() * EACH)
        .map(|at| &*format!("{}_{at}", SHAPES[at / EACH]).leak())
        .collect();
    let mut bills: Vec<Bill> = (0..DAYS)
        .flat_map(|day| services.iter().enumerate().map(move |found| (day, found)))
        .map(|(day, (at, service))| {
            let shape = SHAPES[at / EACH];
            let usd = factor(at, day) * clean(shape, at as u64 + seed, day);
            let late = mixed(9, at as u64 + 131 * day as u64) * 3.0;
            Bill {
                id: format!("{service}_{day}"),
                project: shape,
                service,
                ..Bill::of(day, usd)
            }
            .late(late as i64)
        })
        .filter(|bill| bill.usd > 0.0)
        .collect();
    bills.sort_by_key(|bill| bill.known_at);
    let mut house = House::new();
    for bills in bills.chunks(100) {
        house.observe(&rows(bills));
    }
    let mut alerts = house.finish();
    alerts.retain(|alert| alert.revision == 0);
    alerts
}

/// Clean ledgers of every shape, at the stated five false alerts per 1000 entity-days.
#[test]
fn clean_ledgers_keep_the_stated_budget() {
    let from = start().plus(JUDGED_FROM * Timestamp::DAY);
    // The first seed was used to choose what is believed beforehand, the others were not.
    for seed in [1, 1001, 2001] {
        let mut alerts = shapes(seed, |_, _| 1.0);
        alerts.retain(|alert| alert.window_start >= from);
        let days = EACH as i64 * (DAYS - JUDGED_FROM);
        for shape in SHAPES {
            let of_shape = |alert: &&Alert| alert.project.as_deref() == Some(shape);
            let count = alerts.iter().filter(of_shape).count();
            println!("{shape:10} {count:3} alerts in {days} ledger-days");
        }
        let days = days * SHAPES.len() as i64;
        let rate = 1000.0 * alerts.len() as f64 / days as f64;
        println!("{rate:.2} in 1000 of {days} ledger-days, stated 5, seed {seed}");
        assert!(rate <= 5.0, "{rate}");
    }
}

#[test]
fn a_day_of_five_times_the_usual_is_found_on_most_ledgers() {
    const SEED: u64 = 1001;
    let odd = |at: usize| JUDGED_FROM + 10 + (7 * at as i64) % 45;
    let days_of = |times: f64| {
        shapes(
            SEED,
            move |at, day| if day == odd(at) { times } else { 1.0 },
        )
    };
    for times in [2.0, 3.0, 5.0, 10.0] {
        let alerts = days_of(times);
        let mut all = (0, 0);
        for (shape, name) in SHAPES.into_iter().enumerate() {
            let ledgers = (shape * EACH..(shape + 1) * EACH)
                .filter(|&at| clean(name, at as u64 + SEED, odd(at)) > 0.0);
            let found = |at: &usize| {
                let day = start().plus(odd(*at) * Timestamp::DAY);
                let mut alerts = alerts.iter();
                let service = format!("{name}_{at}");
                alerts.any(|alert| {
                    alert.window_start == day && alert.service.as_deref() == Some(&*service)
                })
            };
            let (count, hits) = (ledgers.clone().count(), ledgers.filter(found).count());
            println!("{times:4} times, {name:10} {hits:2} of {count:2}");
            all = (all.0 + hits, all.1 + count);
        }
        if times == 5.0 {
            assert!(10 * all.0 >= 6 * all.1, "{all:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_cut_and_any_order_of_a_day_give_the_same_alerts(
        cut in 1usize..200,
        seed in any::<u64>(),
        usd in 300f64..3000.0,
    ) {
        let bills = with(
            services(|day, service| match (day, service) {
                (40..=41, "images") => usd / 50.0,
                _ => 1.0,
            }),
            [extra(50, usd), extra(50, usd / 2.0).late(3), extra(51, usd).late(1)],
        );
        let mut shuffled = bills.clone();
        shuffled.sort_by_key(|bill| {
            let text = format!("{}{}", bill.id, bill.usd);
            let order = text.bytes().fold(seed, |sum, byte| {
                (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
            });
            (bill.known_at, order)
        });
        let one = billed_by(bills, 13);
        prop_assert!(!one.is_empty());
        prop_assert_eq!(billed_by(shuffled, cut), one);
    }
}
