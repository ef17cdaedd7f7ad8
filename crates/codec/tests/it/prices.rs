//! Prices through the whole codec: what is filled in, what is left alone, what is counted.

use std::sync::Arc;

use codec::{Codec, FingerprintSecret, Prices};
use model::double::MemorySink;
use model::{Partition, Records};
use serde_json::Value;

fn codec() -> Codec {
    Codec::new(FingerprintSecret::public_test_secret())
}

fn decode(codec: &Codec, event: &str) -> Value {
    let mut records = Records::new(Partition::new("usage", 0), 0);
    records.push(0, None, event.as_bytes());
    let mut sink = MemorySink::default();
    codec.decode(&records, &mut sink);
    sink.rows.pop().expect("one row").1
}

const CALL: &str = r#"{"time":"2026-05-04T12:00:00Z","provider":"openai","model":"gpt-5","input_tokens":1000,"cache_read_tokens":200,"output_tokens":100}"#;

#[test]
fn cost_is_filled_in_where_there_is_none_and_prices_are_given() {
    assert_eq!(decode(&codec(), CALL).get("cost_usd"), None);

    let prices = Arc::new(Prices::bundled());
    let codec = codec().with_prices(Arc::clone(&prices));
    let row = decode(&codec, CALL);
    // 800 at $1.25, 200 at $0.125, 100 at $10 a million.
    assert_eq!(row["cost_usd"], 0.002025);
    assert_eq!(row["cost_source"], "price_table");
    assert_eq!(row["currency"], "USD");
    assert_eq!(row["extra"]["price_version"], prices.version());

    let own = CALL.replace("\"model\"", "\"cost_usd\":0.5,\"model\"");
    let row = decode(&codec, &own);
    assert_eq!(row["cost_usd"], 0.5);
    assert_eq!(row.get("extra"), None);
    assert!(codec.unpriced().is_empty());
}

#[test]
fn a_secret_for_a_model_is_counted_without_itself() {
    let codec = codec().with_prices(Arc::new(Prices::bundled()));
    let secret = "sk-proj-EXAMPLE0000000000000000000000000";
    let row = decode(&codec, &CALL.replace("gpt-5", secret));
    assert_eq!(row.get("cost_usd"), None);
    let unpriced = codec.unpriced();
    assert_eq!((unpriced[0].events, unpriced[0].tokens), (1, 1100));
    assert_eq!(unpriced[0].model, "[redacted:openai]");
}
