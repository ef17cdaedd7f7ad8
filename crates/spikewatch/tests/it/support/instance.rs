//! A configuration, its data folder, and the commands on it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::{Broker, Outcome, Running, eventually, program, run};

/// The topic that usage is produced to.
const TOPIC: &str = "usage";

/// One installation of the program.
pub(crate) struct Instance {
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
}

impl Instance {
    /// Writes the smallest configuration that reads from `broker`, and `more` after it.
    pub(crate) fn new(broker: &Broker, more: &str) -> Self {
        Self::at(&broker.address, more)
    }

    /// The same without a broker that must be there.
    pub(crate) fn at(address: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let instance = Self {
            folder,
            variables: Vec::new(),
        };
        let text = format!(
            "data_dir = \"{}\"\n\n[kafka]\nbrokers = \"{address}\"\ntopics = [\"{TOPIC}\"]\n\n\
             [kafka.properties]\n\"group.instance.id\" = \"one\"\n\n\
             [server]\nlisten = \"127.0.0.1:0\"\n\n{more}",
            instance.data_dir().display()
        );
        std::fs::write(instance.config(), text).unwrap();
        instance
    }

    /// Gives every command a variable of the environment.
    pub(crate) fn set_variable(&mut self, name: &'static str, value: &str) {
        self.variables.push((name, value.to_owned()));
    }

    /// Returns the folder that everything of the instance lies in.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder().join("spikewatch.toml")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder().join("data")
    }

    /// Returns a command on this configuration.
    pub(crate) fn command<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Command {
        let mut command = program(self.folder());
        command.arg("--config").arg(self.config()).args(args);
        command.envs(self.variables.iter().cloned());
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run<I: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = I>) -> Outcome {
        run(&mut self.command(args))
    }

    /// Starts `run` to the end of the log, the figures going to the usual file.
    pub(crate) fn start_until_end(&self) -> Running {
        let stats = self.stats_file();
        let args = [
            OsStr::new("run"),
            "--until-end".as_ref(),
            "--stats".as_ref(),
        ];
        Running::start(self.command(args).arg(stats))
    }

    /// Starts `run` as a service, the figures going to the usual file.
    pub(crate) fn start_service(&self) -> Running {
        let stats = self.stats_file();
        Running::start(self.command(["run", "--stats"]).arg(stats))
    }

    /// Reads the log to its end and returns the figures.
    pub(crate) fn run_until_end(&self) -> Value {
        self.start_until_end().wait().good();
        self.stats()
    }

    fn stats_file(&self) -> PathBuf {
        self.folder().join("stats.json")
    }

    /// Returns the figures of the run that ended last.
    pub(crate) fn stats(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.stats_file()).unwrap()).unwrap()
    }

    /// Asks in SQL and returns the CSV below its header.
    pub(crate) fn sql(&self, query: &str) -> String {
        let text = self.run(["sql", "--format", "csv", query]).good();
        text.split_once('\n').unwrap().1.trim_end().to_owned()
    }

    /// Asks in SQL and returns the rows.
    pub(crate) fn sql_rows(&self, query: &str) -> Vec<Value> {
        lines(&self.run(["sql", "--format", "json", query]).good())
    }

    /// Waits until the history has so many events, each once.
    pub(crate) fn await_rows(&self, running: &mut Running, rows: usize) {
        eventually("the rows of all that was produced", || {
            assert!(running.ended().is_none(), "{}", running.stderr());
            if self.commits() < 2 {
                return None;
            }
            let counts = self.sql("SELECT count(*), count(DISTINCT event_id) FROM usage_events");
            (counts == format!("{rows},{rows}")).then_some(())
        });
    }

    /// Changes the configuration.
    pub(crate) fn change_config(&self, change: impl Fn(&str) -> String) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        std::fs::write(self.config(), change(&text)).unwrap();
    }

    /// Returns every alert, by id.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        let mut alerts = lines(&self.run(["alerts", "--json", "--limit", "100000"]).good());
        alerts.sort_by_key(|alert| alert["alert_id"].as_str().unwrap().to_owned());
        alerts
    }

    /// Returns every incident.
    pub(crate) fn incidents(&self) -> Vec<Value> {
        lines(
            &self
                .run(["incidents", "--json", "--limit", "100000"])
                .good(),
        )
    }

    /// Returns how many commits the history has, the one that made it included.
    pub(crate) fn commits(&self) -> usize {
        let Ok(folder) = std::fs::read_dir(self.data_dir().join("history/usage_events/_delta_log"))
        else {
            return 0;
        };
        let is_commit = |name: &str| name.ends_with(".json") && !name.starts_with('.');
        folder
            .flatten()
            .filter(|entry| is_commit(&entry.file_name().to_string_lossy()))
            .count()
    }

    /// Returns how many Parquet files lie in the history, whether a commit names them or not.
    pub(crate) fn parquet_files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let days = std::fs::read_dir(self.data_dir().join("history/usage_events"));
        for day in days.into_iter().flatten().flatten() {
            let files = std::fs::read_dir(day.path())
                .into_iter()
                .flatten()
                .flatten();
            let is_parquet = |path: &PathBuf| path.extension().is_some_and(|e| e == "parquet");
            found.extend(files.map(|file| file.path()).filter(is_parquet));
        }
        found.sort();
        found
    }
}

/// Reads JSON lines.
fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
