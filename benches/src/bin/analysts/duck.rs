//! DuckDB in a process of its own, asked line by line.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Reads a statement a line, and answers each with how many rows it has and how many milliseconds
/// it took.
const PROGRAM: &str = r#"
import sys, time, duckdb
connection = duckdb.connect()
connection.execute("SET threads = 2")
connection.execute("SET enable_progress_bar = false")
files = f"read_parquet('{sys.argv[1]}/event_date=*/*.parquet', hive_partitioning = true)"
connection.execute(f"CREATE VIEW usage_events AS SELECT * FROM {files}")
for line in sys.stdin:
    began = time.perf_counter()
    connection.execute(f"CREATE OR REPLACE TEMP TABLE answer AS {line}")
    took = (time.perf_counter() - began) * 1000
    print(*connection.execute("SELECT count(*) FROM answer").fetchone(), took, flush=True)
"#;

pub(crate) struct Duck {
    child: Child,
    asks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Duck {
    /// Starts it on the Parquet files of a table.
    pub(crate) fn start(python: &Path, table: &Path) -> std::io::Result<Self> {
        let mut child = Command::new(python)
            .args(["-c", PROGRAM])
            .arg(table)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let missing = || std::io::Error::other("no pipe");
        let asks = child.stdin.take().ok_or_else(missing)?;
        let answers = BufReader::new(child.stdout.take().ok_or_else(missing)?);
        Ok(Self {
            child,
            asks,
            answers,
        })
    }

    /// Asks, and returns the number of rows and the milliseconds.
    pub(crate) fn ask(&mut self, sql: &str) -> Result<(usize, f64), Box<dyn std::error::Error>> {
        writeln!(self.asks, "{}", sql.replace('\n', " "))?;
        self.asks.flush()?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        let mut words = line.split_whitespace();
        let mut word = || {
            words
                .next()
                .ok_or("DuckDB ended; is the package installed?")
        };
        Ok((word()?.parse()?, word()?.parse()?))
    }
}

impl Drop for Duck {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
