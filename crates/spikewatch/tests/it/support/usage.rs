//! Usage made up for a test: one key's ordinary weeks, and a spike if it is wanted.

use std::path::Path;

use serde_json::{Value, json};

use super::Encoded;

/// Minutes between two events of a key.
const STEP_MINUTES: u64 = 30;

/// Returns plain events of one key, from one number to another, as records.
pub(crate) fn events(numbers: std::ops::Range<usize>) -> Vec<Encoded> {
    let event = |number: usize| {
        json!({
            "id": format!("event-{number}"),
            "time": format!("2026-05-04T12:{:02}:00Z", number % 60),
            "provider": "openai", "account": "acme", "key": "key_a", "requests": 1,
        })
    };
    let encoded = |number| Encoded {
        key: Some("key_a".to_owned()),
        value: event(number).to_string().into_bytes(),
    };
    numbers.map(encoded).collect()
}

/// The usage of one key, from 2026-03-01 on.
pub(crate) struct Usage {
    /// What stands in the field `key`.
    pub(crate) key: String,
    pub(crate) account: String,
    pub(crate) days: u64,
    /// Whether the last five hours and a half have a thousand times the tokens and forty times the requests.
    pub(crate) spike: bool,
}

impl Usage {
    /// Returns the events by time. Every field but the identity is the same for every key.
    pub(crate) fn events(&self) -> Vec<Value> {
        let count = self.days * 24 * 60 / STEP_MINUTES;
        let spike_from = count - 330 / STEP_MINUTES;
        let event = |number: u64| {
            let minutes = number * STEP_MINUTES;
            let (day, minute) = (minutes / 1440, minutes % 1440);
            let time = format!(
                "2026-03-{:02}T{:02}:{:02}:00Z",
                day + 1,
                minute / 60,
                minute % 60
            );
            // A little unrest, the same in every run.
            let unrest = number * 7919 % 13;
            let (more_requests, more_tokens) = match self.spike && number >= spike_from {
                true => (40, 1000),
                false => (1, 1),
            };
            json!({
                "id": format!("{}-{number}", self.account),
                "time": time,
                "provider": "openai",
                "account": self.account,
                "key": self.key,
                "model": "gpt-5-mini",
                "operation": "chat",
                "status": 200,
                "requests": (10 + unrest) * more_requests,
                "input_tokens": (5_000 + 100 * unrest) * more_tokens,
                "output_tokens": (900 + 10 * unrest) * more_tokens,
                "cost_usd": (5_000 + 100 * unrest) as f64 * more_tokens as f64 / 1e6,
            })
        };
        assert!(self.days <= 31, "March has 31 days");
        (0..count).map(event).collect()
    }
}

/// Returns twenty days of four keys by time; the second spikes at the end.
pub(crate) fn four_keys() -> Vec<Value> {
    let keys = (0..4).map(|number| Usage {
        key: format!("key_{number}"),
        account: format!("account{number}"),
        days: 20,
        spike: number == 1,
    });
    let mut events: Vec<Value> = keys.flat_map(|usage| usage.events()).collect();
    events.sort_by_key(|event| event["time"].as_str().unwrap().to_owned());
    events
}

/// Writes one JSON object a line.
pub(crate) fn write_lines(path: &Path, events: &[Value]) {
    let text: String = events.iter().map(|event| format!("{event}\n")).collect();
    std::fs::write(path, text).unwrap();
}
