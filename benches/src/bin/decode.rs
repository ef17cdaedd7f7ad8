//! How long does one native event take to read, against serde_json alone on the same bytes, and
//! against a reader that knows the order of the fields and checks nothing but UTF-8?

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
#[derive(Default, serde::Deserialize)]
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

/// The fields of an event of which the order is known: what can hardly be beaten.
struct InOrder<'a>(&'a str);

impl<'a> InOrder<'a> {
    fn read(payload: &'a [u8]) -> Typed<'a> {
        let mut rest = Self(std::str::from_utf8(payload).expect("a simulated event"));
        let mut typed = Typed::default();
        for (name, text) in [
            ("{\"id\":\"", &mut typed.id),
            (",\"time\":\"", &mut typed.time),
            (",\"provider\":\"", &mut typed.provider),
            (",\"account\":\"", &mut typed.account),
            (",\"project\":\"", &mut typed.project),
            (",\"key\":\"", &mut typed.key),
            (",\"model\":\"", &mut typed.model),
            (",\"operation\":\"", &mut typed.operation),
        ] {
            if rest.pass(name) {
                *text = rest.text();
            }
        }
        if rest.pass(",\"status\":") {
            typed.status = rest.number().0 as u16;
        }
        if rest.pass(",\"requests\":") {
            typed.requests = rest.number().0;
        }
        if rest.pass(",\"input_tokens\":") {
            typed.input_tokens = Some(rest.number().0);
        }
        if rest.pass(",\"output_tokens\":") {
            typed.output_tokens = Some(rest.number().0);
        }
        if rest.pass(",\"cost_usd\":") {
            let (dollars, _) = rest.number();
            let (fraction, digits) = match rest.pass(".") {
                true => rest.number(),
                false => (0, 0),
            };
            typed.cost_usd = Some(dollars as f64 + fraction as f64 / 10f64.powi(digits));
        }
        for (name, text) in [
            (",\"source_ip\":\"", &mut typed.source_ip),
            (",\"user_agent\":\"", &mut typed.user_agent),
        ] {
            if rest.pass(name) {
                *text = rest.text();
            }
        }
        assert_eq!(rest.0, "}", "the order is another");
        typed
    }

    #[inline(always)]
    fn pass(&mut self, text: &str) -> bool {
        let rest = self.0.strip_prefix(text);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    #[inline(always)]
    fn text(&mut self) -> &'a str {
        let end = self.0.bytes().position(|byte| byte == b'"');
        let (text, rest) = self.0.split_at(end.expect("a text has an end"));
        self.0 = &rest[1..];
        text
    }

    #[inline(always)]
    fn number(&mut self) -> (u64, i32) {
        let digits = self.0.bytes().take_while(u8::is_ascii_digit);
        let (number, count) = digits.fold((0, 0), |(number, count), digit| {
            (number * 10 + u64::from(digit - b'0'), count + 1)
        });
        self.0 = &self.0[count..];
        (number, count as i32)
    }
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
            Variant::new("the order known, nothing checked", || {
                for record in records.iter() {
                    std::hint::black_box(&InOrder::read(record.payload));
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
