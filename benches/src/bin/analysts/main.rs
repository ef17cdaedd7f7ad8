//! How long do the questions take that analysts ask, over the files that Spikewatch writes, and how
//! long does DuckDB take for the same on the same files, in the same run?
//!
//! ```text
//! cargo run --release -p benches --bin analysts -- --python PYTHON [--rows N] [--folder DIR]
//! ```
//!
//! `PYTHON` is one that has the package `duckdb`; `target/test-tools/bin/python` is one after
//! `./scripts/test`. The folder is kept and taken again where it has its rows.

mod duck;
mod lake;
mod usage;

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use columns::HistoryReader;

use crate::duck::Duck;
use crate::usage::DAYS;

/// Each question is asked so often, by both in turn; the median counts.
const ROUNDS: usize = 5;

#[derive(Parser)]
struct Args {
    /// A Python with the package duckdb.
    #[arg(long)]
    python: PathBuf,
    /// Events, over 35 days.
    #[arg(long, default_value_t = 50_000_000)]
    rows: usize,
    /// Where the lake is; else in the folder of temporary files.
    #[arg(long)]
    folder: Option<PathBuf>,
}

/// A question: what it is, and its SQL, in which both differ in the name of the quantile only.
struct Question {
    name: &'static str,
    sql: &'static str,
}

const QUESTIONS: [Question; 5] = [
    Question {
        name: "top 20 keys by cost, last day",
        sql: "SELECT key_id, sum(cost_usd) AS usd FROM usage_events \
              WHERE event_date = DATE '2026-05-04' GROUP BY key_id ORDER BY usd DESC LIMIT 20",
    },
    Question {
        name: "cost of one key by the hour, 30 days",
        sql: "SELECT date_trunc('hour', event_time) AS hour, sum(cost_usd) AS usd \
              FROM usage_events WHERE key_id = 'key_00042' \
              AND event_date >= DATE '2026-04-05' GROUP BY hour ORDER BY hour",
    },
    Question {
        name: "new addresses of each key by day",
        sql: "SELECT key_id, day, count(*) AS addresses FROM (\
              SELECT key_id, source_ip, min(event_date) AS day FROM usage_events \
              GROUP BY key_id, source_ip) AS first GROUP BY key_id, day",
    },
    Question {
        name: "99th percentile of output tokens by model",
        sql: "SELECT model, QUANTILE(output_tokens, 0.99) AS p99 FROM usage_events GROUP BY model",
    },
    Question {
        name: "week over week by account",
        sql: "SELECT account, \
              sum(CASE WHEN event_date >= DATE '2026-04-28' THEN cost_usd ELSE 0 END) AS this_week, \
              sum(CASE WHEN event_date < DATE '2026-04-28' THEN cost_usd ELSE 0 END) AS last_week \
              FROM usage_events WHERE event_date >= DATE '2026-04-21' GROUP BY account",
    },
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let folder = args
        .folder
        .unwrap_or_else(|| std::env::temp_dir().join("spikewatch-analysts"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(history::STACK_BYTES)
        .build()?;
    runtime.block_on(measure(&args.python, args.rows, &folder))
}

async fn measure(
    python: &std::path::Path,
    rows: usize,
    folder: &std::path::Path,
) -> Result<(), Box<dyn std::error::Error>> {
    lake::write(folder, rows).await?;
    let lake = lake::open(folder)?;
    let mut duck = Duck::start(python, &folder.join("usage_events"))?;
    println!("analysts: {rows} events over {DAYS} days; milliseconds, medians of {ROUNDS}");
    let mut ratios = Vec::new();
    for Question { name, sql } in QUESTIONS {
        let ours = sql.replace("QUANTILE(", "approx_percentile_cont(");
        let theirs = sql.replace("QUANTILE(", "approx_quantile(");
        let (mut times, mut count) = ([Vec::new(), Vec::new()], 0);
        // The first is not counted: it reads the files for both.
        for round in 0..=ROUNDS {
            let began = Instant::now();
            let answer = lake.query(&ours).await?;
            let took = began.elapsed().as_secs_f64() * 1e3;
            let (their_count, their_took) = duck.ask(&theirs)?;
            count = answer.iter().map(|batch| batch.num_rows()).sum();
            assert_eq!(count, their_count, "rows of \"{name}\"");
            if round > 0 {
                times[0].push(took);
                times[1].push(their_took);
            }
        }
        let [ours, theirs] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        ratios.push(ours / theirs);
        println!(
            "  {name:42} {ours:8.0}  DuckDB {theirs:8.0}  ratio {:.2}  ({count} rows)",
            ours / theirs
        );
    }
    let worst = ratios.iter().copied().fold(0.0, f64::max);
    let product: f64 = ratios.iter().product();
    println!(
        "  geometric mean {:.2}, worst {worst:.2}",
        product.powf(1.0 / ratios.len() as f64)
    );
    // What roll-ups answer: the second question again.
    let hours = "SELECT window_start, sum(cost_usd) AS usd FROM usage_1h \
                 WHERE key_id = 'key_00042' AND window_start >= TIMESTAMP '2026-04-05T00:00:00Z' \
                 GROUP BY window_start ORDER BY window_start";
    let mut times = Vec::new();
    for _ in 0..=ROUNDS {
        let began = Instant::now();
        lake.query(hours).await?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    let times = &mut times[1..];
    times.sort_by(f64::total_cmp);
    println!("  the second from usage_1h: {:.0}", times[times.len() / 2]);
    Ok(())
}
