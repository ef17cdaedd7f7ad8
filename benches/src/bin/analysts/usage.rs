//! Usage of five weeks, as it would come from a gateway: a few keys make most of it.

use columns::{UsageBatch, UsageBatchBuilder};
use model::{CountField, EventSink, Nanos, Partition, Position, TextField, Timestamp, UsageRow};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Zipf};

/// Days of usage, the last of them 2026-05-04.
pub(crate) const DAYS: usize = 35;

const KEYS: usize = 2_000;
const ACCOUNTS: usize = 100;
const MODELS: [&str; 8] = [
    "gpt-5",
    "gpt-5-mini",
    "gpt-5-nano",
    "claude-sonnet-4-5",
    "claude-haiku-4-5",
    "claude-opus-4-1",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
];

/// Makes usage, day by day.
pub(crate) struct Generator {
    random: ChaCha8Rng,
    key: Zipf<f64>,
    tokens: LogNormal<f64>,
    next_offset: i64,
}

impl Generator {
    pub(crate) fn new() -> Self {
        Self {
            random: ChaCha8Rng::seed_from_u64(1),
            key: Zipf::new(KEYS as f64, 1.1).expect("the exponent is positive"),
            tokens: LogNormal::new(6.0, 1.0).expect("the deviation is positive"),
            next_offset: 0,
        }
    }

    /// Makes a batch of one day; the events of a day come in the order of their time.
    pub(crate) fn batch(
        &mut self,
        day: usize,
        of_day: std::ops::Range<f64>,
        rows: usize,
    ) -> UsageBatch {
        let last = Timestamp::parse("2026-05-04T00:00:00Z").expect("it is a time");
        let midnight = last.plus((day as i64 + 1 - DAYS as i64) * Timestamp::DAY);
        let mut builder = UsageBatchBuilder::new(Partition::new("usage", 0), self.next_offset);
        let mut position = Position {
            topic: "usage".into(),
            partition: 0,
            offset: 0,
        };
        for row in 0..rows {
            let share = of_day.start + (of_day.end - of_day.start) * row as f64 / rows as f64;
            let time = midnight.plus((share * Timestamp::DAY as f64) as i64);
            let key = self.key.sample(&mut self.random) as usize;
            let key_id = format!("key_{key:05}");
            let account = format!("account_{:03}", key % ACCOUNTS);
            let model = MODELS[(key + self.random.random_range(0..3)) % MODELS.len()];
            let id = format!("evt_{:016x}", self.random.random::<u64>());
            let host = key % 200 * 40 + self.random.random_range(0..40);
            let address = format!("10.{}.{}.{}", host >> 8, host & 255, key & 255);
            let [input, output] =
                [1.0, 0.3].map(|of| (self.tokens.sample(&mut self.random) * of) as u64);
            let mut usage = UsageRow::at(time);
            usage.set_text(TextField::Kind, "usage");
            usage.set_text(TextField::Id, id.as_str());
            usage.set_text(TextField::Provider, "openai");
            usage.set_text(TextField::Account, account.as_str());
            usage.set_text(TextField::Key, key_id.as_str());
            usage.set_text(TextField::Model, model);
            usage.set_text(TextField::SourceIp, address.as_str());
            usage.set_count(CountField::Requests, 1);
            usage.set_count(CountField::Status, if row % 50 == 0 { 429 } else { 200 });
            usage.set_count(CountField::InputTokens, input);
            usage.set_count(CountField::OutputTokens, output);
            usage.cost = Some(Nanos::new((input * 1250 + output * 10_000) as i64));
            position.offset = self.next_offset;
            self.next_offset += 1;
            builder.row(&usage, &position);
        }
        builder.finish(self.next_offset)
    }
}
