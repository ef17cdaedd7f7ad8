//! `[casebook]`: where alerts, incidents and actions are kept.

use std::path::{Path, PathBuf};

use model::Secret;
use serde::Deserialize;
use url::Url;

/// What may follow the question mark of a server's URL.
const PARAMETERS: [&str; 6] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "application_name",
    "options",
];

/// `[casebook]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CasebookConfig {
    /// `sqlite:PATH` or `postgres://USER@HOST/DATABASE`; without it `casebook.db` below `data_dir`.
    pub(crate) url: Option<String>,
    /// The password of the server's user.
    pub(crate) password: Option<Secret<String>>,
}

/// Where the casebook lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CasebookPlace {
    /// In a file of SQLite.
    File(PathBuf),
    /// In a database of PostgreSQL; the URL holds the password, if there is one.
    Server(Secret<Url>),
}

impl CasebookConfig {
    pub(super) fn place(&self, data_dir: &Path) -> Result<CasebookPlace, String> {
        let Some(url) = &self.url else {
            return Ok(CasebookPlace::File(data_dir.join("casebook.db")));
        };
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = PathBuf::from(path.trim_start_matches("//"));
            return Ok(CasebookPlace::File(path));
        }
        // What was typed may hold a password, and is not repeated.
        let unknown = || "is neither sqlite:PATH nor postgres://USER@HOST/DATABASE".to_owned();
        let mut url = Url::parse(url).map_err(|_| unknown())?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(unknown());
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err("names no server, which would then be one of the environment".to_owned());
        }
        let mut names = url.query_pairs().map(|(name, _)| name.into_owned());
        if url.password().is_some() || names.clone().any(|name| name == "password") {
            return Err("holds a password; give it as casebook.password_file".to_owned());
        }
        // Another server or user in what follows would go unnoticed.
        if let Some(other) = names.find(|name| !PARAMETERS.contains(&name.as_str())) {
            let known = PARAMETERS.join(", ");
            return Err(format!("has \"{other}\" where only {known} are known"));
        }
        if let Some(password) = &self.password {
            url.set_password(Some(password.expose()))
                .map_err(|()| unknown())?;
        }
        Ok(CasebookPlace::Server(Secret::new(url)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Result<CasebookPlace, String> {
        let config = CasebookConfig {
            url: Some(url.to_owned()),
            password: Some(Secret::new("hush".to_owned())),
        };
        config.place(Path::new("/data"))
    }

    #[test]
    fn a_casebook_is_a_file_or_on_a_server() {
        let file = CasebookConfig::default().place(Path::new("/data"));
        assert_eq!(file, Ok(CasebookPlace::File("/data/casebook.db".into())));
        for url in ["sqlite:/cases.db", "sqlite:///cases.db"] {
            assert_eq!(place(url), Ok(CasebookPlace::File("/cases.db".into())));
        }
        let server = Url::parse("postgres://watch:hush@db.example/cases").unwrap();
        let named = place("postgres://watch@db.example/cases");
        assert_eq!(named, Ok(CasebookPlace::Server(Secret::new(server))));
    }

    #[test]
    fn a_password_in_the_url_and_other_databases_are_refused_without_repeating_them() {
        for (url, word) in [
            ("postgres://watch:hush@db.example/cases", "password_file"),
            ("postgres://db.example/cases?password=hush", "password_file"),
            ("postgres://db.example/cases?host=hush", "\"host\""),
            ("postgres:///cases", "no server"),
            ("mysql://watch:hush@db.example/cases", "neither"),
            ("casebook.db", "neither"),
        ] {
            let refused = place(url).unwrap_err();
            assert!(
                refused.contains(word) && !refused.contains("hush"),
                "{refused}"
            );
        }
    }
}
