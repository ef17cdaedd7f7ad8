//! How long does a record of each format take to read, against serde_json on the same bytes?
//!
//! ```sh
//! cargo run --release -p benches --bin formats
//! ```
//!
//! The records are those of `fixtures/payloads`, one by one as they come from a topic. `typed` is
//! serde_json into structs of what the decoder reads, borrowed; `skipped` is serde_json that keeps
//! nothing. Each figure is the best of several rounds, taken in turns.

mod typed;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, fs};

use codec::{Codec, FingerprintSecret, Format, RecordReader};
use model::{DeadLetter, EventSink, Partition, Position, Records, Timestamp, UsageRow};

/// Takes rows and counts them.
#[derive(Default)]
struct Counted(usize);

impl EventSink for Counted {
    fn row(&mut self, row: &UsageRow<'_>, _position: &Position) {
        black_box(row);
        self.0 += 1;
    }

    fn dead_letter(&mut self, dead_letter: DeadLetter) {
        panic!("{}", dead_letter.detail);
    }
}

const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(40);

/// Returns the best time of one run of each of these.
fn best_of(runs: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; runs.len()];
    for _ in 0..ROUNDS {
        for (best, run) in best.iter_mut().zip(&mut *runs) {
            let (start, mut count) = (Instant::now(), 0u32);
            while start.elapsed() < ROUND {
                run();
                count += 1;
            }
            *best = best.min(start.elapsed().as_secs_f64() / f64::from(count));
        }
    }
    best
}

fn records_of(format: Format) -> Records {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/payloads");
    let mut files: Vec<_> = fs::read_dir(root.join(format.name()))
        .expect("a folder for each format")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    files.sort();
    let mut records = Records::new(Partition::new("usage", 0), 0);
    let time = Timestamp::parse("2026-05-06T00:00:00Z").ok();
    for (offset, file) in (0..).zip(files) {
        let bytes = fs::read(file).expect("a readable file");
        // Lines and byte-order marks are no one document for serde_json, and base64 hides one.
        let packed = bytes.starts_with(b"{\"message\":{\"data\":");
        if !packed && typed::skip(&bytes).is_ok() {
            records.push(offset, time, &bytes);
        }
    }
    records
}

fn read_all(reader: &mut RecordReader<'_>, records: &Records) {
    for record in records.iter() {
        reader.read(&record, &mut Counted::default());
    }
}

fn main() {
    let wanted: Vec<String> = env::args().skip(1).collect();
    let codec = || Codec::new(FingerprintSecret::public_test_secret());
    println!(
        "| format | bytes | rows | ns a record | of typed | of skipped | of typed, topic set |"
    );
    println!("|---|---|---|---|---|---|---|");
    for format in Format::ALL {
        let records = records_of(*format);
        let named = wanted.is_empty() || wanted.iter().any(|name| name == format.name());
        if records.is_empty() || !named {
            continue;
        }
        let (any, set) = (
            codec(),
            codec().with_formats([("usage".to_owned(), *format)]),
        );
        let mut rows = Counted::default();
        any.decode(&records, &mut rows);
        let typed = typed::reader_of(*format);
        for record in records.iter() {
            // One that failed would have read half of it only.
            let read = typed.map_or(Ok(()), |read| read(record.payload));
            read.unwrap_or_else(|err| panic!("{format} {}: {err}", record.offset));
        }
        // One reader for all, as a topic has one.
        let (mut any, mut set) = (
            any.reader(records.partition()),
            set.reader(records.partition()),
        );
        let mut decode = || read_all(&mut any, &records);
        let mut decode_set = || read_all(&mut set, &records);
        let mut skip = || {
            for record in records.iter() {
                black_box(typed::skip(record.payload).is_ok());
            }
        };
        let mut read = || {
            for record in records.iter() {
                black_box((typed.unwrap_or(typed::skip))(record.payload).is_ok());
            }
        };
        let times = best_of(&mut [&mut decode, &mut decode_set, &mut skip, &mut read]);
        let [decoded, decoded_set, skipped, read] = times[..] else {
            return;
        };
        let count = records.len() as f64;
        let of_typed = |time: f64| match typed {
            Some(_) => format!("{:.2}", time / read),
            None => "–".to_owned(),
        };
        println!(
            "| `{format}` | {:.0} | {:.1} | {:.0} | {} | {:.2} | {} |",
            records.payload_bytes() as f64 / count,
            rows.0 as f64 / count,
            decoded / count * 1e9,
            of_typed(decoded),
            decoded / skipped,
            of_typed(decoded_set),
        );
    }
}
