//! What can be typed.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};

/// Finds abused AI-provider keys in the usage events that pass through Kafka.
#[derive(Debug, Parser)]
#[command(name = "spikewatch", version, arg_required_else_help = true)]
#[command(after_help = "Examples:
  spikewatch demo                                     watch a vendor breach being caught, nothing installed
  spikewatch run --config spikewatch.toml             the service
  spikewatch sql 'SELECT count(*) FROM usage_events'  one query
  spikewatch act freeze --key key_7f3a --reason 'stolen'")]
pub(crate) struct Cli {
    /// The configuration; else $SPIKEWATCH_CONFIG, ./spikewatch.toml, /etc/spikewatch/spikewatch.toml.
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// How much is said on stderr: error, warn, info, debug, trace, or a filter like ingest=debug.
    #[arg(long, global = true, value_name = "LEVEL")]
    pub(crate) log: Option<String>,

    /// Log lines as JSON.
    #[arg(long, global = true)]
    pub(crate) log_json: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch a vendor breach being caught: embedded broker, real pipeline, pages, SQL.
    Demo(DemoArgs),
    /// The service: read Kafka, detect, alert, keep history.
    Run(RunArgs),
    /// Poll the feeds that exist only as APIs, and produce them to Kafka; `run` does it too.
    Poll(PollArgs),
    /// Validate the configuration and reach every server named in it.
    Check(CheckArgs),
    /// Run the detector over files.
    Backtest(BacktestArgs),
    /// Show what becomes of payloads: events on stdout, dead letters in --rejects.
    Decode(DecodeArgs),
    /// Write labelled usage of a scenario.
    Simulate(SimulateArgs),
    /// Score alerts against labels.
    Evaluate(EvaluateArgs),
    /// Ask the history in SQL; without a query a prompt.
    Sql(SqlArgs),
    /// Do something to a key at its provider.
    Act(ActArgs),
    /// Undo an action.
    Undo(UndoArgs),
    /// Take what an alert's key does for its new normal.
    Accept(AcceptArgs),
    /// Erase a key's or a person's rows from the usage history, old versions too.
    Erase(EraseArgs),
    /// Learn baselines from the usage history, where there is no snapshot of them.
    Backfill(BackfillArgs),
    /// List alerts.
    Alerts(ListArgs),
    /// Say why an alert was raised, with a plot.
    Explain(ExplainArgs),
    /// List incidents.
    Incidents(ListArgs),
    /// List the keys of the inventory.
    Keys(ListArgs),
    /// Show or verify the audit chain.
    Audit(AuditArgs),
    /// Show the configuration as it is understood, without secrets.
    Config(ConfigArgs),
    /// Answer the PostgreSQL wire; `run` starts it and keeps it running.
    #[command(hide = true)]
    SqlGateway,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// End after the replay, with a summary.
    #[arg(long)]
    pub(crate) exit: bool,
    /// Another seed tells the same story with other usage.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where to keep the demo's data; else a temporary folder.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// The address of the pages.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub(crate) listen: std::net::SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Stop when every partition has been read to the end offset seen at start.
    #[arg(long)]
    pub(crate) until_end: bool,
    /// Write figures of the run as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) stats: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct PollArgs {
    /// Read each feed once, and end.
    #[arg(long)]
    pub(crate) once: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Do not reach any server.
    #[arg(long)]
    pub(crate) no_environment: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:
  spikewatch simulate --scenario small --seed 7 --out /tmp/small
  spikewatch backtest --events /tmp/small/events.jsonl --inventory /tmp/small/inventory.json --alerts /tmp/alerts.jsonl
  spikewatch evaluate --labels /tmp/small/labels.json --alerts /tmp/alerts.jsonl")]
pub(crate) struct BacktestArgs {
    /// Files of events, JSON lines or Parquet, in order of arrival.
    #[arg(long, required = true, num_args = 1.., value_name = "PATH")]
    pub(crate) events: Vec<PathBuf>,
    /// The key inventory.
    #[arg(long, value_name = "FILE")]
    pub(crate) inventory: Option<PathBuf>,
    /// Where alerts go as JSON lines; else stdout. Each is written once, as it was raised.
    #[arg(long, value_name = "OUT")]
    pub(crate) alerts: Option<PathBuf>,
    /// Write every revision of an alert.
    #[arg(long)]
    pub(crate) revisions: bool,
    /// Where the scores of every judged window go: JSON lines, or Parquet by ending.
    #[arg(long, value_name = "OUT")]
    pub(crate) scores: Option<PathBuf>,
    /// Where it goes whether each key is judged by the end, by which families, and why not, as
    /// JSON lines.
    #[arg(long, value_name = "OUT")]
    pub(crate) keys: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The service must not run meanwhile. What is found in old usage goes to the casebook, and nobody is
told of it. `run` goes on from the snapshot that this writes, and reads from Kafka only what the
history does not have yet. The history must be of one cluster, the one of kafka.cluster.

Example:
  spikewatch --config spikewatch.toml backfill")]
pub(crate) struct BackfillArgs {
    /// Make a snapshot although there is one.
    #[arg(long)]
    pub(crate) replace: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DecodeArgs {
    /// The format of the payloads; without it each is looked at.
    #[arg(long, value_name = "NAME")]
    pub(crate) format: Option<String>,
    /// A Kafka header of the records.
    #[arg(long, value_name = "K=V")]
    pub(crate) header: Vec<String>,
    /// The Kafka time of the records, RFC 3339.
    #[arg(long, value_name = "T")]
    pub(crate) kafka_time: Option<String>,
    /// The time to take for now where there is no Kafka time, RFC 3339.
    #[arg(long, value_name = "T")]
    pub(crate) now: Option<String>,
    /// Where dead letters go as JSON lines; else stderr.
    #[arg(long, value_name = "OUT")]
    pub(crate) rejects: Option<PathBuf>,
    /// Files: one payload, or one JSON document a line. `-` is stdin.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// The scenario: full, small, braintrust, goals.
    #[arg(long, value_name = "NAME")]
    pub(crate) scenario: String,
    /// The same seed gives the same bytes.
    #[arg(long, value_name = "N")]
    pub(crate) seed: u64,
    /// Times as many keys.
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    pub(crate) scale: f64,
    /// The folder to write events.jsonl, inventory.json and labels.json to.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// The labels.
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: PathBuf,
    /// The alerts as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub(crate) alerts: PathBuf,
    /// The report as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RowFormat {
    /// A table.
    Table,
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    Json,
    /// An Arrow IPC stream.
    Arrow,
}

#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// How rows are printed; a table on a terminal, CSV elsewhere.
    #[arg(long, value_enum)]
    pub(crate) format: Option<RowFormat>,
    /// Have the query carried out by a Ballista cluster: the address of its scheduler, as
    /// df://HOST:50050. It sees what is committed to the lake.
    #[arg(long, value_name = "URL")]
    pub(crate) ballista: Option<String>,
    /// The query.
    #[arg(value_name = "QUERY")]
    pub(crate) query: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ActArgs {
    /// throttle, freeze, rotate or delete.
    #[arg(value_name = "RUNG")]
    pub(crate) rung: model::Rung,
    /// The key's id.
    #[arg(long, value_name = "K")]
    pub(crate) key: String,
    /// The provider; needed where the inventory does not know the key.
    #[arg(long, value_name = "P")]
    pub(crate) provider: Option<String>,
    /// The account; needed where the inventory does not know the key.
    #[arg(long, value_name = "A")]
    pub(crate) account: Option<String>,
    /// Why; kept in the audit.
    #[arg(long, value_name = "R")]
    pub(crate) reason: String,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// The outcome as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct UndoArgs {
    /// The action's id, or the beginning of it.
    #[arg(value_name = "ACTION")]
    pub(crate) action: String,
    /// Why; kept in the audit.
    #[arg(long, value_name = "R", default_value = "undone from the terminal")]
    pub(crate) reason: String,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
    /// The outcome as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spikewatch accept alt_0123 --reason 'the new product is live'")]
pub(crate) struct AcceptArgs {
    /// The alert's id, or the beginning of it.
    #[arg(value_name = "ALERT")]
    pub(crate) alert: String,
    /// Why; kept in the audit.
    #[arg(long, value_name = "R")]
    pub(crate) reason: String,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spikewatch erase --key key_7f3a --reason 'customer left'
  spikewatch erase --user ann@example.com --reason 'request of 4 May'")]
#[command(group(ArgGroup::new("whose").required(true).args(["key", "user"])))]
pub(crate) struct EraseArgs {
    /// The id of a key.
    #[arg(long, value_name = "K")]
    pub(crate) key: Option<String>,
    /// The account that the key is of, where others have keys of the same id.
    #[arg(long, value_name = "A", requires = "key")]
    pub(crate) account: Option<String>,
    /// A person: the provider's user, the caller's own user, or the principal.
    #[arg(long, value_name = "U")]
    pub(crate) user: Option<String>,
    /// Why; kept in the audit.
    #[arg(long, value_name = "R")]
    pub(crate) reason: String,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// At most so many.
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  spikewatch explain alt_0123456789abcdef0123
  spikewatch explain alt_0123 --json
  spikewatch explain --alerts alerts.jsonl alt_0123    an alert that a backtest wrote")]
pub(crate) struct ExplainArgs {
    /// The alert's id, or the beginning of it.
    #[arg(value_name = "ALERT")]
    pub(crate) alert: String,
    /// A file of alerts as JSON lines, in place of the casebook.
    #[arg(long, value_name = "FILE")]
    pub(crate) alerts: Option<PathBuf>,
    /// The alert as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    pub(crate) command: Option<AuditCommand>,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// At most so many, the newest first.
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(crate) limit: u32,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Recompute the hash chain.
    Verify,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print it, secrets redacted.
    Show,
}
