//! How long does one native event take to read, against serde_json alone on the same bytes?

use benches::{Variant, compare, simulated_records};
use codec::{Codec, FingerprintSecret};
use columns::UsageBatchBuilder;
use model::{DeadLetter, EventSink, Position, UsageRow};

/// Takes rows and forgets them.
struct Nothing;

impl EventSink for Nothing {
    fn row(&mut self, row: &UsageRow<'_>, _position: &Position) {
        std::hint::black_box(row);
    }

    fn dead_letter(&mut self, dead_letter: DeadLetter) {
        panic!(
            "the generator made an event that cannot be read: {}",
            dead_letter.detail
        );
    }
}

/// The fields of a simulated event, as a typed borrowed reader would have them.
#[derive(serde::Deserialize)]
#[expect(dead_code, reason = "only reading them is measured")]
struct Typed<'a> {
    id: &'a str,
    time: &'a str,
    provider: &'a str,
    account: &'a str,
    project: &'a str,
    key: &'a str,
    model: &'a str,
    operation: &'a str,
    status: u16,
    requests: u64,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cost_usd: Option<f64>,
    source_ip: &'a str,
    user_agent: &'a str,
}

fn main() {
    let records = simulated_records(100_000);
    let codec = Codec::new(FingerprintSecret::public_test_secret());
    let bytes = records.payload_bytes() as f64 / records.len() as f64;
    println!("an event has {bytes:.0} bytes");
    compare(
        "decode of one native event",
        records.len(),
        vec![
            Variant::new("serde_json, typed, borrowed", || {
                for record in records.iter() {
                    let typed: Typed<'_> =
                        serde_json::from_slice(record.payload).expect("a simulated event");
                    std::hint::black_box(&typed);
                }
            }),
            Variant::new("serde_json::Value", || {
                for record in records.iter() {
                    let value: serde_json::Value =
                        serde_json::from_slice(record.payload).expect("a simulated event");
                    std::hint::black_box(&value);
                }
            }),
            Variant::new("codec, to rows", || codec.decode(&records, &mut Nothing)),
            Variant::new("codec, to columns", || {
                let mut builder = UsageBatchBuilder::new(records.partition().clone(), 0);
                codec.decode(&records, &mut builder);
                std::hint::black_box(builder.finish(records.next_offset()));
            }),
        ],
    );
}
