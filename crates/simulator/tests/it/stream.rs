//! The events as a consumer sees them.

use std::collections::{HashMap, HashSet};

use model::Timestamp;

use crate::{SMALL, STORY, text, values};

const FIELDS: [&str; 15] = [
    "id",
    "time",
    "provider",
    "account",
    "project",
    "key",
    "model",
    "operation",
    "status",
    "requests",
    "input_tokens",
    "output_tokens",
    "cost_usd",
    "source_ip",
    "user_agent",
];

#[test]
fn every_event_has_the_fields_in_order_and_no_label() {
    let text = text(&STORY);
    assert_eq!(text.lines().count(), STORY.events.len());
    for line in text
        .lines()
        .take(2000)
        .chain(text.lines().rev().take(5_000))
    {
        let mut rest = line;
        for field in FIELDS {
            let name = format!("\"{field}\":");
            let place = rest
                .find(&name)
                .unwrap_or_else(|| panic!("{field} in {line}"));
            rest = &rest[place + name.len()..];
        }
        let event: HashMap<String, serde_json::Value> = serde_json::from_str(line).unwrap();
        assert_eq!(event.len(), FIELDS.len(), "{line}");
    }
    for word in ["smash", "spike", "abuse", "label", "oddity", "braintrust"] {
        assert!(!text.contains(word), "{word}");
    }
}

#[test]
fn failed_requests_have_no_tokens_and_no_cost() {
    let mut failed = 0;
    for (event, _) in values(&SMALL, 5) {
        let sums = [
            &event["input_tokens"],
            &event["output_tokens"],
            &event["cost_usd"],
        ];
        if event["status"].as_u64().unwrap() >= 400 {
            failed += 1;
            assert!(sums.iter().all(|sum| **sum == 0), "{event}");
        } else {
            assert!(
                sums.iter().all(|sum| sum.as_f64().unwrap() > 0.0),
                "{event}"
            );
        }
    }
    let share = f64::from(failed) * 5.0 / SMALL.events.len() as f64;
    assert!((0.001..0.6).contains(&share), "{share}");
}

/// Cost = input x price x discount + output x price. Each event bounds the discount of its
/// key, and all bounds must leave room for one between 0.55 and 1.
#[test]
fn costs_follow_from_one_price_table_and_one_discount_for_each_key() {
    let table = HashMap::from([
        ("gpt-4o-mini", (150, 600)),
        ("gpt-5-mini", (250, 2_000)),
        ("gpt-5", (1_250, 10_000)),
        ("o1", (15_000, 60_000)),
        ("claude-haiku-3-5", (800, 4_000)),
        ("claude-sonnet-4-5", (3_000, 15_000)),
        ("claude-opus-4-1", (15_000, 75_000)),
        ("nova-lite", (250, 1_000)),
        ("nova-pro", (800, 3_200)),
        ("nova-premier", (12_500, 62_500)),
    ]);
    let mut discounts: HashMap<String, (f64, f64)> = HashMap::new();
    for (value, event) in values(&SMALL, 5) {
        if value["status"] != 200 {
            continue;
        }
        let (input_nanos, output_nanos) = table[value["model"].as_str().unwrap()];
        let input = value["input_tokens"].as_i64().unwrap() * input_nanos;
        let output = value["output_tokens"].as_i64().unwrap() * output_nanos;
        let for_input = event.cost().get() - output;
        // The rounding of one nano-dollar bounds the discount from both sides.
        let low = (for_input as f64 - 0.51) / input as f64;
        let high = (for_input as f64 + 0.51) / input as f64;
        let bounds = discounts
            .entry(event.key().to_owned())
            .or_insert((0.0, 2.0));
        *bounds = (bounds.0.max(low), bounds.1.min(high));
    }
    for (key, (low, high)) in discounts {
        assert!(
            low <= high && low < 1.0001 && high > 0.5499,
            "{key} {low} {high}"
        );
    }
}

#[test]
fn disorder_has_about_the_shares_of_the_specification() {
    let mut first = HashSet::new();
    let (mut twice, mut short, mut long, mut hours) = (0, 0, 0, 0);
    for (line, event) in text(&SMALL).lines().zip(&SMALL.events) {
        if !first.insert(line[..30].to_owned()) {
            twice += 1;
            continue;
        }
        match event.arrival().millis() - event.time().millis() {
            0 => {}
            late if late <= Timestamp::MINUTE => short += 1,
            late if late <= 30 * Timestamp::MINUTE => long += 1,
            _ => hours += 1,
        }
    }
    let share = |count: i32| f64::from(count) / first.len() as f64;
    assert!((0.0085..0.0115).contains(&share(short)), "{}", share(short));
    assert!((0.0024..0.0037).contains(&share(long)), "{}", share(long));
    assert!((0.0001..0.0006).contains(&share(hours)), "{}", share(hours));
    assert!((0.0024..0.0037).contains(&share(twice)), "{}", share(twice));
    assert!(SMALL.events.is_sorted_by_key(|event| event.arrival()));
}

#[test]
fn duplicates_are_exact_and_ids_are_otherwise_unique() {
    let mut lines: HashMap<String, String> = HashMap::new();
    let mut repeated = 0;
    for line in text(&STORY).lines() {
        let id = line[..30].to_owned();
        if let Some(earlier) = lines.insert(id, line.to_owned()) {
            assert_eq!(earlier, line);
            repeated += 1;
        }
    }
    assert!(repeated > 0);
}

#[test]
fn times_of_roll_ups_are_whole_minutes() {
    for event in &SMALL.events {
        if event.requests() > 1 {
            assert_eq!(event.time().millis() % Timestamp::MINUTE, 0);
        }
    }
}
