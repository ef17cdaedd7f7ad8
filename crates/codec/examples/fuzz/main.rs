//! Changes the records of `fixtures/payloads` and decodes them, for as long as it is told.
//!
//! ```sh
//! cargo run --release -p codec --example fuzz -- --secs 60 --seed 1 otlp.traces litellm
//! ```
//!
//! It needs no nightly compiler, and finds panics, records that take long, records that hold much
//! memory, and rows that none may be; see `docs/formats/fuzzing.md`. What it finds is printed with
//! the format of its topic, and the record is written to the folder `--out`.

#[path = "../../tests/it/allocations.rs"]
mod allocations;
#[path = "../../tests/it/mutate.rs"]
mod mutate;

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use codec::{Codec, FingerprintSecret, Format};
use model::{
    CountField, DeadLetter, EventSink, Nanos, Partition, Position, Records, TextField, Timestamp,
    UsageRow,
};

use crate::mutate::{Seed, mutate};

/// How long one record may take.
const LONGEST: Duration = Duration::from_secs(2);

/// The most that a record may hold for each of its bytes, and any record at all.
const HELD_PER_BYTE: usize = 80;
const HELD_AT_LEAST: usize = 4 << 20;
const HELD_AT_MOST: usize = 192 << 20;

/// Checks rows and dead letters.
#[derive(Default)]
struct Checker {
    rows: u64,
    dead_letters: u64,
    fault: Option<String>,
}

impl Checker {
    fn expect(&mut self, holds: bool, what: &str, row: &dyn std::fmt::Debug) {
        if !holds {
            let about = || format!("{what} in {row:?}").chars().take(300).collect();
            self.fault.get_or_insert_with(about);
        }
    }
}

impl EventSink for Checker {
    fn row(&mut self, row: &UsageRow<'_>, _position: &Position) {
        self.rows += 1;
        let times = [Some(row.time), row.time_start];
        let in_range = times.iter().flatten().all(|time| time.in_range().is_ok());
        let ends = row
            .time_end
            .is_none_or(|end| end <= Timestamp::LATEST && end >= Timestamp::EARLIEST);
        self.expect(in_range && ends, "time", row);
        let counts = CountField::ALL.iter().filter_map(|field| row.count(*field));
        self.expect(counts.max().unwrap_or(0) <= 1_000_000_000_000, "count", row);
        let texts = row
            .text
            .values()
            .chain(row.extra.iter().map(|(_, value)| value));
        self.expect(
            texts.map(|text| text.len()).max().unwrap_or(0) <= 4096,
            "length",
            row,
        );
        let cost = row.cost.unwrap_or_default();
        let may_be_negative = row.text(TextField::Kind) == Some("cost");
        self.expect(cost >= Nanos::default() || may_be_negative, "cost", row);
    }

    fn dead_letter(&mut self, dead_letter: DeadLetter) {
        self.dead_letters += 1;
        let fits = dead_letter.payload.len() <= 8192 && dead_letter.detail.len() <= 1024;
        self.expect(fits, "dead letter", &dead_letter);
    }
}

struct Options {
    duration: Duration,
    seed: u64,
    out: PathBuf,
    formats: Vec<Format>,
}

impl Options {
    fn parse() -> Result<Self, Box<dyn Error>> {
        let mut options = Self {
            duration: Duration::from_secs(60),
            seed: 1,
            out: env::temp_dir(),
            formats: Vec::new(),
        };
        let mut words = env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or("a value is missing");
            match word.as_str() {
                "--secs" => options.duration = Duration::from_secs(value()?.parse()?),
                "--seed" => options.seed = value()?.parse()?,
                "--out" => options.out = value()?.into(),
                name => options.formats.push(Format::from_name(name)?),
            }
        }
        if options.formats.is_empty() {
            options.formats = Format::ALL.to_vec();
        }
        Ok(options)
    }
}

fn records_below(folder: &Path, records: &mut Vec<Vec<u8>>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_file() {
            records.push(fs::read(&path)?);
        } else if !path.ends_with("snapshots") {
            records_below(&path, records)?;
        }
    }
    Ok(())
}

/// Decodes a record and says what is wrong, if anything is.
fn run(codec: &Codec, payload: &[u8], checker: &mut Checker) -> Option<String> {
    let mut records = Records::new(Partition::new("usage", 0), 0);
    records.push(0, Timestamp::parse("2026-05-06T00:00:00Z").ok(), payload);
    let (start, before) = (Instant::now(), checker.dead_letters);
    let (ended, held) = allocations::most_held(|| {
        catch_unwind(AssertUnwindSafe(|| codec.decode(&records, checker)))
    });
    let took = start.elapsed();
    let bound = (HELD_PER_BYTE * payload.len()).max(HELD_AT_LEAST);
    let packed = payload
        .windows(2)
        .any(|pair| pair == b"\x1f\x8b" || pair == b"H4");
    if ended.is_err() {
        Some("panic".to_owned())
    } else if took > LONGEST {
        Some(format!("took {took:?}"))
    } else if held
        > if packed {
            HELD_AT_MOST
        } else {
            bound.min(HELD_AT_MOST)
        }
    {
        Some(format!("held {held} bytes"))
    } else if checker.dead_letters > before + 1 {
        Some("more than one dead letter".to_owned())
    } else {
        checker.fault.take()
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse()?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/payloads");
    let mut all = Vec::new();
    records_below(&root, &mut all)?;
    all.sort();
    let new = || Codec::new(FingerprintSecret::public_test_secret());
    let any = new();
    let mut seed = Seed(options.seed);
    let mut findings = 0;
    for format in &options.formats {
        let mut own = Vec::new();
        records_below(&root.join(format.name()), &mut own)?;
        own.sort();
        let set = new().with_formats([("usage".to_owned(), *format)]);
        let (start, mut checker, mut count) = (Instant::now(), Checker::default(), 0u64);
        while start.elapsed() < options.duration {
            let record = &own[seed.below(own.len())];
            let other = &all[seed.below(all.len())];
            let changed = mutate(&mut seed, record, other);
            for (topic, codec) in [("any", &any), (format.name(), &set)] {
                count += 1;
                if let Some(fault) = run(codec, &changed, &mut checker) {
                    findings += 1;
                    let file = options.out.join(format!("{format}-{topic}-{findings}.bin"));
                    fs::write(&file, &changed)?;
                    println!(
                        "{format} in a topic of {topic}: {fault}; {}",
                        file.display()
                    );
                }
            }
        }
        let secs = start.elapsed().as_secs_f64();
        println!(
            "{format}: {count} records in {secs:.0} s, {:.0} a second; {} rows, {} dead letters",
            count as f64 / secs,
            checker.rows,
            checker.dead_letters,
        );
    }
    println!("{findings} findings with seed {}", options.seed);
    Ok(())
}
