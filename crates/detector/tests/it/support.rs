//! Calls of made-up keys as columns.

use columns::{UsageBatch, UsageBatchBuilder};
use model::{
    CountField, EventSink, FlagField, Nanos, Partition, Position, Quality, TextField, Timestamp,
    UsageRow,
};

/// One call or roll-up.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) time: Timestamp,
    pub(crate) key: &'static str,
    pub(crate) requests: u64,
    pub(crate) cost_usd: f64,
    pub(crate) address: &'static str,
    pub(crate) account: &'static str,
    pub(crate) model: &'static str,
    pub(crate) status: u64,
    pub(crate) span_start: Option<Timestamp>,
    pub(crate) id: Option<&'static str>,
    pub(crate) project: &'static str,
    pub(crate) aggregate: bool,
    pub(crate) counted_elsewhere: bool,
}

impl Call {
    pub(crate) fn at(time: Timestamp, key: &'static str) -> Self {
        Self {
            time,
            key,
            requests: 1,
            cost_usd: 0.01,
            address: "198.51.100.7",
            account: "acme",
            model: "gpt-5-mini",
            status: 200,
            span_start: None,
            id: None,
            project: "",
            aggregate: false,
            counted_elsewhere: false,
        }
    }
}

/// A Monday.
pub(crate) fn start() -> Timestamp {
    Timestamp::parse("2026-04-06T00:00:00Z").expect("a constant")
}

/// A call every two minutes or so, day and night; the gaps follow a fixed irregular pattern.
pub(crate) fn steady_weeks(key: &'static str, weeks: i64) -> Vec<Call> {
    let mut calls = Vec::new();
    let (mut time, mut step) = (start(), 0u64);
    while time < start().plus(weeks * 7 * Timestamp::DAY) {
        step = step
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        calls.push(Call::at(time, key));
        time = time.plus(30_000 + (step >> 40) as i64 % 180_000);
    }
    calls
}

/// Turns calls into columns in their order.
pub(crate) fn batch(calls: &[Call]) -> UsageBatch {
    let mut builder = UsageBatchBuilder::new(Partition::new("usage", 0), 0);
    for (offset, call) in (0..).zip(calls) {
        let mut row = UsageRow::at(call.time);
        row.time_start = call.span_start;
        row.time_end = call.span_start.map(|_| call.time);
        row.set_text(TextField::Kind, "usage");
        row.set_text(TextField::Provider, "openai");
        row.set_text(TextField::Account, call.account);
        for (field, value) in [
            (TextField::Key, call.key),
            (TextField::Project, call.project),
            (TextField::Id, call.id.unwrap_or_default()),
        ] {
            if !value.is_empty() {
                row.set_text(field, value);
            }
        }
        if call.counted_elsewhere {
            row.quality.insert(Quality::COUNTED_ELSEWHERE);
        }
        if call.aggregate {
            row.flags[FlagField::Aggregate as usize] = Some(true);
        }
        row.set_text(TextField::Model, call.model);
        row.set_text(TextField::SourceIp, call.address);
        row.set_count(CountField::Requests, call.requests);
        row.set_count(CountField::Status, call.status);
        row.set_count(CountField::InputTokens, 800 * call.requests);
        row.cost = Some(Nanos::from_usd(call.cost_usd));
        builder.row(
            &row,
            &Position {
                topic: "usage".into(),
                partition: 0,
                offset,
            },
        );
    }
    builder.finish(calls.len() as i64)
}
