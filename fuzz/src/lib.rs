//! What must hold for every record, whatever its bytes are.

use codec::{Codec, FingerprintSecret, Format};
use model::{
    CountField, DeadLetter, EventSink, Nanos, Partition, Position, Records, TextField, Timestamp,
    UsageRow,
};

/// Checks rows and dead letters.
#[derive(Default)]
struct Checker {
    dead_letters: usize,
}

impl EventSink for Checker {
    fn row(&mut self, row: &UsageRow<'_>, _position: &Position) {
        for time in [Some(row.time), row.time_start].into_iter().flatten() {
            assert!(time.in_range().is_ok(), "{row:?}");
        }
        assert!(row.time_end.is_none_or(|end| end <= Timestamp::LATEST));
        for field in CountField::ALL {
            assert!(row.count(*field).unwrap_or(0) <= 1_000_000_000_000);
        }
        for text in row.text.values() {
            assert!(text.len() <= 4096);
        }
        let negative = row.cost.unwrap_or_default() < Nanos::default();
        assert!(!negative || row.text(TextField::Kind) == Some("cost"));
    }

    fn dead_letter(&mut self, dead_letter: DeadLetter) {
        self.dead_letters += 1;
        assert!(dead_letter.payload.len() <= 8192 && dead_letter.detail.len() <= 1024);
    }
}

/// Decodes a record of a topic that is of `format`, or of any.
pub fn check(format: Option<Format>, payload: &[u8]) {
    let codec = Codec::new(FingerprintSecret::public_test_secret());
    let codec = codec.with_formats(format.map(|format| ("usage".to_owned(), format)));
    let mut records = Records::new(Partition::new("usage", 0), 0);
    records.push(0, Timestamp::parse("2026-05-06T00:00:00Z").ok(), payload);
    let mut checker = Checker::default();
    codec.decode(&records, &mut checker);
    assert!(checker.dead_letters <= 1);
}
