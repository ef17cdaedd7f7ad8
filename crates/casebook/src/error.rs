//! What can go wrong with a casebook.

use std::path::PathBuf;

use model::StoreError;

/// Why the casebook could not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be created, or its permissions not set.
    #[error("could not create casebook \"{}\" with mode 0600", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The database could not be opened.
    #[error("could not open casebook \"{place}\"")]
    Open {
        /// The file, or the URL without its password.
        place: String,
        /// The cause.
        source: sqlx::Error,
    },
    /// The database was written by a newer version of the program.
    #[error("the casebook has schema version {found}, this program knows up to {known}")]
    Newer {
        /// The version in the database.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The database refused a statement.
    #[error("could not {doing}")]
    Sql {
        /// What was being done, in the present tense.
        doing: &'static str,
        /// The cause.
        source: sqlx::Error,
    },
    /// A value could not be written as JSON, or a stored one not be read.
    #[error("could not read or write the JSON of {what}")]
    Json {
        /// What the value is.
        what: &'static str,
        /// The cause.
        source: serde_json::Error,
    },
    /// A stored value has a form that this program does not write.
    #[error("column \"{column}\" holds an unknown value \"{value}\"")]
    Value {
        /// The column.
        column: &'static str,
        /// The value.
        value: String,
    },
    /// An outbox entry names an incident that is not there.
    #[error("no incident \"{0}\"")]
    NoIncident(String),
    /// Several actions begin with what was typed.
    #[error("{count} actions begin with \"{prefix}\"")]
    Ambiguous {
        /// What was typed.
        prefix: String,
        /// How many actions begin with it.
        count: usize,
    },
    /// The audit chain does not hold.
    #[error("the audit chain breaks at line {sequence}: {reason}")]
    AuditBroken {
        /// The first line that does not fit.
        sequence: i64,
        /// How it does not fit.
        reason: &'static str,
    },
}

impl Error {
    /// Returns whether trying again may help: the database was locked or cannot be reached,
    /// or all connections are in use.
    pub fn is_transient(&self) -> bool {
        let (Self::Sql { source, .. } | Self::Open { source, .. }) = self else {
            return false;
        };
        match source {
            sqlx::Error::PoolTimedOut | sqlx::Error::Io(_) => true,
            sqlx::Error::Database(database) => {
                let code = database.code().unwrap_or_default();
                match database.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
                    // SQLITE_BUSY and SQLITE_LOCKED; the extended codes keep them in the low byte.
                    Some(_) => code
                        .parse::<u32>()
                        .is_ok_and(|code| matches!(code & 0xff, 5 | 6)),
                    // Connection, conflict, resources, a person who stops the server or a
                    // statement that took too long (PostgreSQL, appendix A).
                    None => ["08", "40", "53", "55P03", "57"]
                        .iter()
                        .any(|class| code.starts_with(class)),
                }
            }
            _ => false,
        }
    }
}

impl Error {
    /// Returns the whole chain of causes in one line.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            cause = inner.source();
        }
        text
    }
}

impl From<Error> for StoreError {
    /// Writes the whole chain of causes; the door knows no other form.
    fn from(error: Error) -> Self {
        StoreError(error.chain())
    }
}

/// Says what was being done when a statement failed.
pub(crate) trait Doing<T> {
    /// Turns the database's error into ours.
    fn doing(self, doing: &'static str) -> Result<T, Error>;
}

impl<T> Doing<T> for Result<T, sqlx::Error> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|source| Error::Sql { doing, source })
    }
}

/// Reads a stored JSON text.
pub(crate) fn from_json<T: serde::de::DeserializeOwned>(
    what: &'static str,
    text: &str,
) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|source| Error::Json { what, source })
}

/// Writes a value as JSON text.
pub(crate) fn to_json<T: serde::Serialize>(what: &'static str, value: &T) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|source| Error::Json { what, source })
}
