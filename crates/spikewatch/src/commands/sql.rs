//! `spikewatch sql`.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use columns::arrow::array::RecordBatch;
use columns::{Format, HistoryReader};
use history::Lake;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::{Context as LineContext, Editor, Helper, Highlighter, Hinter, Validator};

use crate::cli::{RowFormat, SqlArgs};
use crate::marked::marked;
use crate::{config, lake, wiring};

const HELP: &str = "\\dt  tables      \\d TABLE  columns of a table      \\q  end
A statement may take several lines and ends with a semicolon.";

pub(crate) async fn run(file: Option<&Path>, args: SqlArgs) -> anyhow::Result<ExitCode> {
    let config = config::load(file)?;
    let casebook = wiring::existing_casebook(&config).await?;
    let asked = Asked {
        lake: lake::open(&config, &casebook)?,
        cluster: args.ballista,
    };
    let format = match args.format {
        Some(RowFormat::Table) => Format::Table,
        Some(RowFormat::Csv) => Format::Csv,
        Some(RowFormat::Json) => Format::Json,
        Some(RowFormat::Arrow) => Format::Arrow,
        None if std::io::stdout().is_terminal() => Format::Table,
        None => Format::Csv,
    };
    match args.query {
        Some(query) => print(&asked, &query, format).await?,
        None if std::io::stdin().is_terminal() => prompt(&asked, &config.data_dir).await?,
        None => {
            let query = std::io::read_to_string(std::io::stdin())?;
            print(&asked, &query, format).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What answers.
struct Asked {
    lake: Lake,
    /// The scheduler of a cluster that does the work.
    cluster: Option<String>,
}

impl Asked {
    async fn query(&self, query: &str) -> anyhow::Result<Vec<RecordBatch>> {
        let answer = match &self.cluster {
            None => self.lake.query(query).await,
            #[cfg(feature = "ballista")]
            Some(scheduler) => self.lake.query_on(scheduler, query).await,
            #[cfg(not(feature = "ballista"))]
            Some(_) => anyhow::bail!(
                "this program cannot ask a cluster: it was built without `--features ballista`"
            ),
        };
        answer.map_err(|err| match err {
            columns::Error::Query(message) => anyhow::anyhow!(marked(query, &message)),
            err => err.into(),
        })
    }
}

async fn print(asked: &Asked, query: &str, format: Format) -> anyhow::Result<()> {
    let batches = asked.query(query).await?;
    let schema = batches[0].schema();
    let mut out = std::io::stdout().lock();
    match columns::write_batches(&mut out, format, &schema, &batches) {
        // Whoever reads us (`| head`) has seen enough.
        Err(columns::Error::Output(err)) if err.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?).and_then(|()| Ok(out.flush()?)),
    }
}

/// Completes table names, their columns and the words of SQL.
#[derive(Helper, Highlighter, Hinter, Validator)]
struct Words(Vec<String>);

impl Completer for Words {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _context: &LineContext<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..at).unwrap_or_default();
        let start = typed
            .rfind(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(0, |end| end + 1);
        let beginning = typed.get(start..).unwrap_or_default().to_lowercase();
        let fits = |word: &&String| word.to_lowercase().starts_with(&beginning);
        Ok((start, self.0.iter().filter(fits).cloned().collect()))
    }
}

async fn prompt(asked: &Asked, data_dir: &Path) -> anyhow::Result<()> {
    let tables = asked.lake.tables().await?;
    let mut words: Vec<String> = [
        "SELECT", "FROM", "WHERE", "GROUP BY", "ORDER BY", "LIMIT", "count(*)",
    ]
    .map(str::to_owned)
    .to_vec();
    for (name, schema) in &tables {
        words.push(name.clone());
        words.extend(schema.fields().iter().map(|field| field.name().clone()));
    }
    words.sort();
    words.dedup();
    let mut editor = Editor::new()?;
    editor.set_helper(Some(Words(words)));
    let remembered = data_dir.join("sql-history");
    // The first time there is none.
    let _ = editor.load_history(&remembered);
    eprintln!("spikewatch sql; \\h for help, \\q to end");
    let mut statement = String::new();
    loop {
        let sign = if statement.is_empty() {
            "spikewatch> "
        } else {
            "       ...> "
        };
        // The editor waits for a person; other tasks of the runtime have their own threads.
        let line = match tokio::task::block_in_place(|| editor.readline(sign)) {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => {
                statement.clear();
                continue;
            }
            Err(ReadlineError::Eof) => break,
            Err(err) => return Err(err.into()),
        };
        match line.trim() {
            "" if statement.is_empty() => continue,
            "\\q" | "exit" | "quit" => break,
            "\\h" | "\\?" | "help" => println!("{HELP}"),
            command if command.starts_with("\\d") => describe(&tables, command),
            part => {
                statement.push_str(part);
                statement.push('\n');
                if part.ends_with(';') {
                    let whole = std::mem::take(&mut statement);
                    // Added for the arrow keys; not being able to is no reason to stop.
                    let _ = editor.add_history_entry(whole.trim());
                    let started = Instant::now();
                    match print(asked, whole.trim().trim_end_matches(';'), Format::Table).await {
                        Ok(()) => eprintln!("{:.3} s", started.elapsed().as_secs_f64()),
                        Err(err) => eprintln!("error: {err:#}"),
                    }
                }
            }
        }
    }
    let _ = editor.save_history(&remembered);
    Ok(())
}

fn describe(tables: &[(String, columns::arrow::schema::SchemaRef)], command: &str) {
    match command.split_whitespace().nth(1) {
        None => tables.iter().for_each(|(name, _)| println!("{name}")),
        Some(wanted) => match tables.iter().find(|(name, _)| name == wanted) {
            Some((_, schema)) => {
                for field in schema.fields() {
                    println!("{:24} {}", field.name(), field.data_type());
                }
            }
            None => eprintln!("error: there is no table \"{wanted}\"; \\dt lists them"),
        },
    }
}
