//! What can be typed.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// How much abuse does the detector find at a stated budget of false alerts, and how does it
/// compare with usual methods at equal realised false alerts?
#[derive(Debug, Parser)]
#[command(name = "detection")]
pub(crate) struct Args {
    /// The simulator's scenario.
    #[arg(long, default_value = "full")]
    pub(crate) scenario: String,
    /// The seeds; the figures are pooled over them.
    #[arg(long, value_delimiter = ',', default_value = "101,102,103,104")]
    pub(crate) seeds: Vec<u64>,
    /// How many times the scenario's keys.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) scale: f64,
    /// The stated budgets, in false alerts per 1000 key-days.
    #[arg(long, value_delimiter = ',', default_value = "1,5,10")]
    pub(crate) budgets: Vec<f64>,
    /// Which baselines are run beside the detector.
    #[arg(long, value_enum, default_value_t = Baselines::All)]
    pub(crate) baselines: Baselines,
    /// How many keys of each seed the random cut forest is run on, because it is slow; 0 leaves
    /// it out.
    #[arg(long, default_value_t = 80)]
    pub(crate) forest_keys: usize,
    /// Requests of real clients in windows of ten minutes, without labels.
    #[arg(long, value_name = "FILE")]
    pub(crate) servegen: Option<PathBuf>,
    /// Leaves the simulation out.
    #[arg(long, requires = "servegen")]
    pub(crate) servegen_only: bool,
    /// Where all figures are written as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
}

/// Which baselines are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Baselines {
    /// All of them.
    All,
    /// None: the detector alone.
    None,
}

impl Args {
    /// Returns why the arguments cannot be used, if they cannot.
    pub(crate) fn fault(&self) -> Option<String> {
        let positive = |budget: &f64| budget.is_finite() && *budget > 0.0;
        let mut seeds = self.seeds.clone();
        seeds.sort_unstable();
        seeds.dedup();
        if seeds.len() < self.seeds.len() {
            return Some("a seed is named twice".into());
        }
        if !self.budgets.iter().all(positive) {
            return Some("a budget is no positive number".into());
        }
        None
    }
}

/// Returns the command that was typed, without the place of the program.
pub(crate) fn command_line(arguments: impl Iterator<Item = String>) -> String {
    let quoted = arguments.map(|argument| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=,./:".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    });
    let words: Vec<String> = quoted.collect();
    let command = "cargo run --release -p benches --bin detection --";
    format!("{command} {}", words.join(" ")).trim_end().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_pasted() {
        let words = ["--seeds", "1,2", "--json", "my file's"].map(String::from);
        assert_eq!(
            command_line(words.into_iter()),
            r"cargo run --release -p benches --bin detection -- --seeds 1,2 --json 'my file'\''s'"
        );
    }

    #[test]
    fn seeds_are_named_once_and_budgets_are_positive() {
        let fault = |words: &[&str]| {
            let words = std::iter::once(&"detection").chain(words);
            Args::try_parse_from(words).unwrap().fault()
        };
        assert_eq!(fault(&[]), None);
        assert!(fault(&["--seeds", "1,1"]).is_some());
        assert!(fault(&["--budgets", "5,0"]).is_some());
        assert!(fault(&["--budgets", "nan"]).is_some());
    }
}
