//! `${VAR}` and `*_file`: values that do not stand in the file.

use std::path::Path;

use toml::{Table, Value};

use super::ConfigError;

/// Fields that hold a secret; each may be given as `<name>_file` instead.
const SECRETS: &[&str] = &[
    "password",
    "webhook_url",
    "admin_key",
    "secret_access_key",
    "session_token",
    "signing_secret",
];

/// Returns whether a field's value must not be shown.
pub(crate) fn is_secret(name: &str) -> bool {
    SECRETS.contains(&name) || name.contains("password") || name.contains("secret")
}

/// Replaces `${VAR}` and `${VAR:-default}` in every text, and reads every `*_file` of a secret.
pub(crate) fn resolve(table: &mut Table, file: &Path, path: &str) -> Result<(), ConfigError> {
    for (name, value) in table.iter_mut() {
        let key = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        resolve_value(value, file, &key)?;
    }
    let from_files: Vec<String> = table
        .keys()
        .filter(|name| {
            name.strip_suffix("_file")
                .is_some_and(|base| SECRETS.contains(&base))
        })
        .cloned()
        .collect();
    for name in from_files {
        let key = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let Some(Value::String(secret_file)) = table.remove(&name) else {
            return Err(ConfigError::value(file, &key, "is not a path"));
        };
        let base = name.trim_end_matches("_file");
        if table.contains_key(base) {
            return Err(ConfigError::value(
                file,
                &key,
                format!("\"{base}\" is given too"),
            ));
        }
        let secret = read_secret(Path::new(&secret_file))
            .map_err(|message| ConfigError::value(file, &key, message))?;
        table.insert(base.to_owned(), Value::String(secret));
    }
    Ok(())
}

fn resolve_value(value: &mut Value, file: &Path, key: &str) -> Result<(), ConfigError> {
    match value {
        Value::String(text) => {
            *text = interpolate(text).map_err(|err| ConfigError::value(file, key, err))?;
            Ok(())
        }
        Value::Array(items) => items
            .iter_mut()
            .try_for_each(|item| resolve_value(item, file, key)),
        Value::Table(table) => resolve(table, file, key),
        _ => Ok(()),
    }
}

/// Reads a secret that others cannot read, without the line end that editors leave.
pub(crate) fn read_secret(path: &Path) -> Result<String, String> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |err: std::io::Error| format!("could not read \"{}\": {err}", path.display());
    let mode = std::fs::metadata(path)
        .map_err(failed)?
        .permissions()
        .mode();
    // Mounted secrets of containers are often group-readable; the world is too many.
    if mode & 0o007 != 0 {
        return Err(format!(
            "\"{}\" can be read by everybody; chmod 600 it",
            path.display()
        ));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

fn interpolate(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            return Err("\"${\" is not closed by \"}\"".to_owned());
        };
        let (name, default) = match name.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (name, None),
        };
        match (std::env::var(name), default) {
            (Ok(value), _) if !value.is_empty() || default.is_none() => out.push_str(&value),
            (_, Some(default)) => out.push_str(default),
            _ => return Err(format!("environment variable \"{name}\" is not set")),
        }
        rest = tail;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_or_named() {
        assert_eq!(interpolate("a${SPIKEWATCH_NOT_SET:-b}c").unwrap(), "abc");
        assert_eq!(interpolate("plain $HOME {x}").unwrap(), "plain $HOME {x}");
        assert!(
            interpolate("${SPIKEWATCH_NOT_SET}")
                .unwrap_err()
                .contains("SPIKEWATCH_NOT_SET")
        );
        assert!(interpolate("${OPEN").unwrap_err().contains("not closed"));
    }

    #[test]
    fn a_secret_that_everybody_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "hunter2\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read_secret(&path).unwrap_err().contains("chmod 600"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read_secret(&path).unwrap(), "hunter2");
    }
}
