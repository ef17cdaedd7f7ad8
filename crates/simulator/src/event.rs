//! One usage event as the collector of a provider's usage would write it.

use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::sync::Arc;

use model::{Nanos, Timestamp};

use crate::client::Client;
use crate::prices::Model;

/// The names of a key that stand in each of its events.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyNames {
    pub(crate) key: String,
    pub(crate) account: String,
    pub(crate) project: String,
    pub(crate) provider: &'static str,
}

/// What was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// A conversation.
    Chat,
    /// A text to go on with.
    TextCompletion,
    /// The list of models: no model, no tokens, no cost.
    ListModels,
}

impl Operation {
    /// Returns the name on the wire.
    const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::TextCompletion => "text_completion",
            Self::ListModels => "models.list",
        }
    }
}

/// One event. A full run has millions, so an event is 80 bytes and shares its key's names;
/// the texts are put together when it is written.
#[derive(Clone, Debug)]
pub struct SimulatedEvent {
    pub(crate) time: Timestamp,
    pub(crate) id: u64,
    pub(crate) names: Arc<KeyNames>,
    pub(crate) model: &'static Model,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    pub(crate) cost: Nanos,
    pub(crate) requests: u32,
    /// How much later than `time` it arrives.
    pub(crate) late_millis: u32,
    pub(crate) source: Ipv4Addr,
    pub(crate) client: Client,
    pub(crate) status: u16,
    pub(crate) operation: Operation,
    /// The minutes before `time` that a roll-up says it covers; 0 where it does not say.
    pub(crate) span_minutes: u16,
}

impl SimulatedEvent {
    /// Returns the event time.
    pub fn time(&self) -> Timestamp {
        self.time
    }

    /// Returns when the event arrives: never before its time.
    pub fn arrival(&self) -> Timestamp {
        self.time.plus(i64::from(self.late_millis))
    }

    /// Returns the key's id.
    pub fn key(&self) -> &str {
        &self.names.key
    }

    /// Returns the tenant.
    pub fn account(&self) -> &str {
        &self.names.account
    }

    /// Returns the number of requests it stands for.
    pub fn requests(&self) -> u32 {
        self.requests
    }

    /// Returns what it cost.
    pub fn cost(&self) -> Nanos {
        self.cost
    }

    /// Writes the event as one JSON object, without an end of line.
    ///
    /// No text in it needs escaping: all are made here from letters, digits and `-._/`.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let written = self.write_fields(out);
        debug_assert!(written.is_ok(), "a Vec takes every byte");
    }

    fn write_fields(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let names = &*self.names;
        write!(
            out,
            r#"{{"id":"evt_{:016x}","time":"{}"#,
            self.id, self.time
        )?;
        if self.span_minutes > 0 {
            let start = self
                .time
                .plus(i64::from(self.span_minutes) * -Timestamp::MINUTE);
            write!(out, r#"","time_start":"{start}","time_end":"{}"#, self.time)?;
        }
        write!(
            out,
            r#"","provider":"{}","account":"{}","project":"{}","key":"{}","model":"#,
            names.provider, names.account, names.project, names.key
        )?;
        match self.operation {
            Operation::ListModels => write!(out, "null")?,
            _ => write!(out, r#""{}""#, self.model.name)?,
        }
        write!(
            out,
            r#","operation":"{}","status":{},"requests":{},"input_tokens":{},"output_tokens":{},"cost_usd":"#,
            self.operation.name(),
            self.status,
            self.requests,
            self.input_tokens,
            self.output_tokens
        )?;
        write_usd(self.cost, out)?;
        write!(
            out,
            r#","source_ip":"{}","user_agent":"{}"}}"#,
            self.source, self.client
        )
    }
}

/// Writes the exact decimal that [`Nanos`] serializes to, without a detour by `RawValue`.
fn write_usd(cost: Nanos, out: &mut Vec<u8>) -> io::Result<()> {
    write!(out, "{cost}")?;
    while out.last() == Some(&b'0') {
        out.pop();
    }
    if out.last() == Some(&b'.') {
        out.pop();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chance;
    use crate::prices::MODELS;

    fn event(cost: i64) -> SimulatedEvent {
        SimulatedEvent {
            time: Timestamp::parse("2026-05-04T12:00:00.123Z").unwrap(),
            id: 0x1f,
            names: Arc::new(KeyNames {
                key: "key_7f3a".into(),
                account: "quietharbor".into(),
                project: "checkout".into(),
                provider: "openai",
            }),
            model: &MODELS[1],
            input_tokens: 812,
            output_tokens: 164,
            cost: Nanos::new(cost),
            requests: 1,
            late_millis: 0,
            source: Ipv4Addr::new(203, 0, 113, 7),
            client: Client::draw(&mut chance::stream(1, "test", "event", 0), "openai"),
            status: 200,
            operation: Operation::Chat,
            span_minutes: 0,
        }
    }

    #[test]
    fn fields_stand_in_the_order_of_the_contract() {
        let mut out = Vec::new();
        event(531_000).write_json(&mut out);
        let text = String::from_utf8(out).unwrap();
        let (head, client) = text.split_once(r#","user_agent":""#).unwrap();
        assert_eq!(
            head,
            r#"{"id":"evt_000000000000001f","time":"2026-05-04T12:00:00.123Z","provider":"openai","account":"quietharbor","project":"checkout","key":"key_7f3a","model":"gpt-5-mini","operation":"chat","status":200,"requests":1,"input_tokens":812,"output_tokens":164,"cost_usd":0.000531,"source_ip":"203.0.113.7""#
        );
        assert!(client.starts_with("openai-"), "{client}");
    }

    #[test]
    fn a_roll_up_may_tell_its_span_and_a_list_of_models_has_no_model() {
        let mut out = Vec::new();
        let told = SimulatedEvent {
            time: Timestamp::parse("2026-05-04T12:00:00Z").unwrap(),
            span_minutes: 60,
            operation: Operation::ListModels,
            ..event(0)
        };
        told.write_json(&mut out);
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(value["time_start"], "2026-05-04T11:00:00.000Z");
        assert_eq!(value["time_end"], value["time"]);
        assert_eq!(value["model"], serde_json::Value::Null);
        assert_eq!(value["operation"], "models.list");
    }

    #[test]
    fn costs_are_written_as_nanos_serializes_them() {
        for cost in [0, 1, 10, 531_000, 1_000_000_000, 120_000_000_000] {
            let mut out = Vec::new();
            write_usd(Nanos::new(cost), &mut out).unwrap();
            let expected = serde_json::to_string(&Nanos::new(cost)).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }

    #[test]
    fn an_event_stays_small() {
        assert!(size_of::<SimulatedEvent>() <= 80);
    }
}
