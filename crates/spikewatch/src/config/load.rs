//! Finding and reading the file, and saying where it is wrong.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::secrets::{is_secret, resolve};
use super::{CasebookPlace, Config, ConfigError};

/// Returns the file to read: the one named, else `$SPIKEWATCH_CONFIG`, else the usual places.
pub(crate) fn find(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(named) = named {
        return Some(named.to_owned());
    }
    if let Some(file) = std::env::var_os("SPIKEWATCH_CONFIG") {
        return Some(PathBuf::from(file));
    }
    ["spikewatch.toml", "/etc/spikewatch/spikewatch.toml"]
        .into_iter()
        .map(PathBuf::from)
        .find(|file| file.exists())
}

/// Reads and checks the configuration.
pub(crate) fn load(named: Option<&Path>) -> Result<Config, ConfigError> {
    let Some(file) = find(named) else {
        let missing = ConfigError::file(Path::new("spikewatch.toml"), "no configuration was found");
        let hint = "name one with --config, or start from deploy/spikewatch.toml";
        return Err(missing.with_hint(Some(hint.to_owned())));
    };
    let (config, _) = parse(&file, &read(&file)?)?;
    config.validate(&file)?;
    Ok(config)
}

/// Reads the configuration if there is one; commands on files go without.
pub(crate) fn load_or_default(named: Option<&Path>) -> Result<Option<Config>, ConfigError> {
    match named {
        Some(_) => load(named).map(Some),
        None => Ok(None),
    }
}

/// Says that a value cannot be used, as it shows when what it names is opened.
pub(crate) fn refused(config: &Config, key: &str, message: impl Into<String>) -> ConfigError {
    let place = read(&config.file)
        .ok()
        .and_then(|text| find_key(&text, key));
    ConfigError::value(&config.file, key, message).at(place)
}

/// Returns the configuration as it is understood, with secrets redacted.
pub(crate) fn shown(named: Option<&Path>) -> Result<String, ConfigError> {
    let config = load(named)?;
    let file = find(named).unwrap_or_default();
    let (_, mut table) = parse(&file, &read(&file)?)?;
    redact(&mut table);
    let mut text = table.to_string();
    text.push_str(&format!("\n# history: {}\n", config.history_url()));
    let casebook = match config.casebook()? {
        CasebookPlace::File(path) => path.display().to_string(),
        // Its password, if it has one, is redacted above.
        CasebookPlace::Server(_) => config.casebook.url.unwrap_or_default(),
    };
    text.push_str(&format!("# casebook: {casebook}\n"));
    Ok(text)
}

fn read(file: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(file).map_err(|err| {
        ConfigError::file(file, format!("could not be read: {err}"))
            .with_hint(Some("name another one with --config".to_owned()))
    })
}

fn redact(table: &mut Table) {
    for (name, value) in table.iter_mut() {
        match value {
            Value::Table(table) => redact(table),
            value if is_secret(name) => *value = Value::String("[redacted]".to_owned()),
            _ => {}
        }
    }
}

fn parse(file: &Path, text: &str) -> Result<(Config, Table), ConfigError> {
    let mut table: Table = text.parse().map_err(|err: toml::de::Error| {
        let place = err.span().map(|span| place_of(text, span.start));
        ConfigError::file(file, err.message().to_owned()).at(place)
    })?;
    resolve(&mut table, file, "").map_err(|err| place_key(err, text))?;
    match serde_path_to_error::deserialize(Value::Table(table.clone())) {
        Ok(config) => {
            let file = file.to_owned();
            Ok((Config { file, ..config }, table))
        }
        Err(err) => {
            let path = err.path().to_string();
            Err(explain(file, text, &path, err.inner().message()))
        }
    }
}

/// Turns serde's message into the place, the key and the likely one meant.
fn explain(file: &Path, text: &str, path: &str, message: &str) -> ConfigError {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let path = if path == "." { "" } else { path };
    if message.starts_with("unknown field") {
        let unknown = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.collect();
        let parent = path
            .strip_suffix(unknown)
            .unwrap_or(path)
            .trim_end_matches('.');
        let key = join(parent, unknown);
        let hint = match closest(unknown, &known) {
            Some(meant) => format!("did you mean \"{}\"?", join(parent, meant)),
            None => format!("known here: {}", known.join(", ")),
        };
        return ConfigError::value(file, &key, "is not a known key")
            .at(find_key(text, &key))
            .with_hint(Some(hint));
    }
    if message.starts_with("missing field") {
        let key = join(path, quoted.next().unwrap_or_default());
        return ConfigError::value(file, &key, "is required").at(find_key(text, path));
    }
    let name = path.rsplit('.').next().unwrap_or_default();
    // A message about a secret's type would show the secret.
    let message = if is_secret(name) {
        "has another type than expected"
    } else {
        message
    };
    ConfigError::value(file, path, message).at(find_key(text, path))
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() {
        name.to_owned()
    } else {
        format!("{parent}.{name}")
    }
}

fn closest<'k>(unknown: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(unknown, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 3)
        .map(|(_, name)| name)
}

fn place_key(err: ConfigError, text: &str) -> ConfigError {
    let place = err.key().and_then(|key| find_key(text, key));
    err.at(place)
}

/// Finds a dotted key in the text through the parser's own spans.
fn find_key(text: &str, key: &str) -> Option<(usize, usize)> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut found = None;
    for part in key.split('.') {
        let (name, value) = table.iter().find(|(name, _)| name.get_ref() == part)?;
        found = Some(name.span().start);
        match value.get_ref().as_table() {
            Some(below) => table = below,
            None => break,
        }
    }
    found.map(|at| place_of(text, at))
}

fn place_of(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |end| end + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// Lets the compiler check that the configuration can be read from a table.
const _: fn(Value) -> Result<Config, toml::de::Error> = Config::deserialize::<Value>;

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "data_dir = \"/tmp/x\"\n[kafka]\nbrokers = \"127.0.0.1:9092\"\n";

    fn check(text: &str, expected: &str, hint: Option<&str>) {
        let file = Path::new("test.toml");
        let err = parse(file, text)
            .and_then(|(config, _)| config.validate(file))
            .unwrap_err();
        assert_eq!(err.to_string(), expected);
        assert_eq!(err.hint(), hint, "{text}");
    }

    #[test]
    fn the_smallest_file_is_accepted() {
        let (config, _) = parse(Path::new("test.toml"), SMALLEST).unwrap();
        config.validate(Path::new("test.toml")).unwrap();
        assert_eq!(config.kafka.topics, ["usage".into()]);
    }

    #[test]
    fn a_misspelt_key_is_placed_and_the_likely_one_named() {
        check(
            "data_dir = \"/tmp/x\"\n[kafka]\nbrokres = \"a\"\n",
            "test.toml:3:1: kafka.brokres: is not a known key",
            Some("did you mean \"kafka.brokers\"?"),
        );
        check(
            &format!("{SMALLEST}[notify.email]\nhots = \"a\"\n"),
            "test.toml:5:1: notify.email.hots: is not a known key",
            Some("did you mean \"notify.email.host\"?"),
        );
        check(
            &format!("{SMALLEST}[detectr]\n"),
            "test.toml:4:2: detectr: is not a known key",
            Some("did you mean \"detector\"?"),
        );
    }

    #[test]
    fn wrong_values_are_placed() {
        check(
            "data_dir = \"/tmp/x\"\n[kafka]\nbrokers = 5\n",
            "test.toml:3:1: kafka.brokers: invalid type: integer `5`, expected a string",
            None,
        );
        check(
            "data_dir = \"/tmp/x\"\n",
            "test.toml: kafka: is required",
            None,
        );
        check(
            &format!("{SMALLEST}[notify.email]\npassword = 5\n"),
            "test.toml:5:1: notify.email.password: has another type than expected",
            None,
        );
    }
}
