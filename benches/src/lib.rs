//! Seeded measurements of decode, observe and the pipeline.
//!
//! Each bench is a program that asks one question, prints one line a variant, and compares
//! variants in turns within one run (A B A B …): absolute figures drift from machine to
//! machine and from minute to minute, ratios of one run much less. See `benches/README.md`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use model::{Partition, Records};

/// How often each variant runs; the median counts.
pub const ROUNDS: usize = 9;

/// One variant of a bench: a name and what it does once.
pub struct Variant<'a> {
    /// The name that is printed.
    pub name: &'static str,
    /// What is measured.
    pub run: Box<dyn FnMut() + 'a>,
}

impl<'a> Variant<'a> {
    /// Makes a variant.
    pub fn new(name: &'static str, run: impl FnMut() + 'a) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }
}

/// Runs the variants in turns and prints the median time per item of each, and its ratio to the
/// first. With an argument on the command line, only variants that have it in their name run.
pub fn compare(question: &str, items: usize, mut variants: Vec<Variant<'_>>) {
    if let Some(only) = std::env::args().nth(1) {
        variants.retain(|variant| variant.name.contains(&only));
    }
    println!("{question} ({items} items, median of {ROUNDS} rounds)");
    let mut times: Vec<Vec<Duration>> = variants.iter().map(|_| Vec::new()).collect();
    for round in 0..=ROUNDS {
        for (variant, times) in variants.iter_mut().zip(&mut times) {
            let started = Instant::now();
            (variant.run)();
            // The first round warms caches and is not counted.
            if round > 0 {
                times.push(started.elapsed());
            }
        }
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2].as_nanos() as f64 / items as f64
    };
    let medians: Vec<f64> = times.iter_mut().map(median).collect();
    for (variant, nanos) in variants.iter().zip(&medians) {
        println!(
            "  {:32} {nanos:10.1} ns/item   x{:.2}",
            variant.name,
            nanos / medians[0]
        );
    }
}

/// Returns native events of a simulated customer, at most `limit`, as records of one partition.
///
/// # Panics
/// When the simulator does not know its own scenario.
pub fn simulated_records(limit: usize) -> Records {
    let simulation = simulator::simulate("small", 1, 1.0).expect("the scenario exists");
    let mut records = Records::new(Partition::new("usage", 0), 0);
    let mut line = Vec::new();
    for (offset, event) in (0..).zip(simulation.events.iter().take(limit)) {
        line.clear();
        event.write_json(&mut line);
        records.push(offset, None, &line);
    }
    records
}

/// Deals records out to partitions, a key's events to one of them, in batches that come in turns.
///
/// # Panics
/// When a record names no key.
pub fn partitioned(records: &Records, partitions: usize, batch: usize) -> VecDeque<Records> {
    let key_of = |payload: &[u8]| {
        let marker = br#""key":"key_"#;
        let at = payload
            .windows(marker.len())
            .position(|part| part == marker);
        let digits = &payload[at.expect("each event has a key") + marker.len()..];
        let value = |digit: &u8| usize::from(digit - b'0');
        digits
            .iter()
            .take(6)
            .fold(0, |key, digit| key * 10 + value(digit))
    };
    let new = |number: usize, offset| Records::new(Partition::new("usage", number as i32), offset);
    let mut open: Vec<Records> = (0..partitions).map(|number| new(number, 0)).collect();
    let mut offsets = vec![0; partitions];
    let mut batches = VecDeque::new();
    for record in records.iter() {
        let number = key_of(record.payload) % partitions;
        open[number].push(offsets[number], record.time, record.payload);
        offsets[number] += 1;
        if open[number].len() == batch {
            let full = std::mem::replace(&mut open[number], new(number, offsets[number]));
            batches.push_back(full);
        }
    }
    batches.extend(open.into_iter().filter(|records| !records.is_empty()));
    batches
}

/// Returns events of `keys` keys whose popularity follows Zipf's law with s = 1.1, in order of
/// time, `per_minute` a minute: the data of the throughput figures.
pub fn zipf_records(events: usize, keys: usize, per_minute: usize) -> Records {
    let weights: Vec<f64> = (1..=keys).map(|rank| (rank as f64).powf(-1.1)).collect();
    let total: f64 = weights.iter().sum();
    let mut cumulative = 0.0;
    let steps: Vec<f64> = weights
        .iter()
        .map(|weight| {
            cumulative += weight / total;
            cumulative
        })
        .collect();
    let start = model::Timestamp::parse("2026-05-04T00:00:00Z").expect("a constant");
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = move || {
        // SplitMix64, Steele, Lea and Flood 2014.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let mut records = Records::new(Partition::new("usage", 0), 0);
    for at in 0..events {
        let draw = (random() >> 11) as f64 / (1u64 << 53) as f64;
        let key = steps.partition_point(|&step| step < draw).min(keys - 1);
        let time = start.plus(at as i64 * 60_000 / per_minute as i64);
        let (input, output) = (200 + random() % 4000, 20 + random() % 800);
        let line = format!(
            r#"{{"id":"evt_{:016x}","time":"{time}","provider":"openai","account":"acct_{}","project":"proj_{}","key":"key_{key:06}","model":"gpt-5-mini","operation":"chat","status":200,"requests":1,"input_tokens":{input},"output_tokens":{output},"cost_usd":{:.6},"source_ip":"198.51.{}.{}","user_agent":"openai-python/2.1"}}"#,
            random(),
            key % 500,
            key % 2000,
            input as f64 * 25e-8 + output as f64 * 2e-6,
            key % 200,
            random() % 4,
        );
        records.push(at as i64, None, line.as_bytes());
    }
    records
}
