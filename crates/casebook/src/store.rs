//! The database, its connections and its transactions.

use std::path::Path;
use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{Any, AnyConnection, AnyPool, Connection, Executor, Transaction};
use url::Url;

use crate::error::{Doing, Error};
use crate::migrations;

/// How long a caller waits for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections for reading; pages and the deliverer read while one writer writes.
const READERS_MAX: u32 = 4;

/// How a connection to a file begins. A writer waits for another process before it reports a
/// locked database.
const SQLITE_WRITER: &str = "PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000;
    PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";
const SQLITE_READER: &str =
    "PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 10000; PRAGMA query_only = ON;";

/// How a connection to a server begins. Nothing is waited for without a bound, and what is
/// committed is on its disk.
const POSTGRES_WRITER: &str = "SET lock_timeout = '30s'; SET statement_timeout = '60s';
    SET idle_in_transaction_session_timeout = '60s'; SET synchronous_commit = on;";
const POSTGRES_READER: &str = "SET statement_timeout = '60s';
    SET idle_in_transaction_session_timeout = '60s'; SET default_transaction_read_only = on;";

/// Only one transaction of all processes writes at a time, as SQLite has it: what is read in it
/// is still so when it is written. The number is the name of that lock ("casebook" in ASCII).
const POSTGRES_LOCK: &str = "SELECT pg_advisory_xact_lock(7161131761776160619)";

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// A file of this machine, or memory.
    Sqlite,
    /// A server, which several instances share.
    Postgres,
}

/// Alerts, incidents, inventory, outbox, actions and audit chain; cloning shares the connections.
#[derive(Clone, Debug)]
pub struct Casebook {
    dialect: Dialect,
    /// One connection: there is one writer at a time, and a queue in front of it beats retries.
    writer: AnyPool,
    /// Connections that refuse to write; the writer itself for a casebook in memory.
    readers: AnyPool,
}

impl Casebook {
    /// Opens the casebook at `path`, creating it with mode 0600, and brings its schema up to date.
    ///
    /// # Errors
    /// When the file cannot be created or opened, or was written by a newer version.
    pub async fn open(path: &Path) -> Result<Self, Error> {
        create_private(path).map_err(|source| Error::Create {
            path: path.to_owned(),
            source,
        })?;
        let place = path.display().to_string();
        // The library reads it as a URL, which has another mind about `..` and two slashes.
        let whole = path.canonicalize().map_err(|source| Error::Create {
            path: path.to_owned(),
            source,
        })?;
        let url = sqlite_url(&whole);
        let writer = pool(1, SQLITE_WRITER)
            // Where SQLite rolls back by itself, on a full disk, the connection believes for ever
            // that it is in a transaction: it gives way to another.
            .before_acquire(|connection, _| {
                let is_good = !connection.is_in_transaction();
                Box::pin(async move { Ok(is_good) })
            });
        let writer = connect(writer, &url, &place).await?;
        migrate(&writer, Dialect::Sqlite).await?;
        let readers = pool(READERS_MAX, SQLITE_READER);
        Ok(Self {
            dialect: Dialect::Sqlite,
            readers: connect(readers, &url, &place).await?,
            writer,
        })
    }

    /// Opens the casebook in a database of a PostgreSQL server, and brings its schema up to date.
    ///
    /// A server on another machine is spoken to with its certificate verified (`verify-full`),
    /// unless the URL has an `sslmode` of its own; `sslrootcert` names who vouches for it.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, or the schema is of a newer version.
    pub async fn connect(url: &Url) -> Result<Self, Error> {
        let place = display(url);
        let url = with_safe_tls(url.clone());
        let writer = connect(pool(1, POSTGRES_WRITER), url.as_str(), &place).await?;
        migrate(&writer, Dialect::Postgres).await?;
        let readers = pool(READERS_MAX, POSTGRES_READER);
        Ok(Self {
            dialect: Dialect::Postgres,
            readers: connect(readers, url.as_str(), &place).await?,
            writer,
        })
    }

    /// Reaches a server without making or changing anything; returns whether there is a casebook
    /// that this program can read.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses, or the schema is of a newer version.
    pub async fn reach(url: &Url) -> Result<bool, Error> {
        let place = display(url);
        let url = with_safe_tls(url.clone());
        let readers = connect(pool(1, POSTGRES_READER), url.as_str(), &place).await?;
        let mut connection = readers.acquire().await.doing("connect to the casebook")?;
        let found = migrations::found(&mut connection, Dialect::Postgres).await;
        drop(connection);
        readers.close().await;
        let found = found?;
        migrations::check(found, Dialect::Postgres)?;
        Ok(found > 0)
    }

    /// Opens a casebook that lives as long as its last clone; the double of the one on disk.
    ///
    /// # Errors
    /// When SQLite has no memory for it.
    pub async fn in_memory() -> Result<Self, Error> {
        let writer = connect(pool(1, SQLITE_WRITER), "sqlite::memory:", "memory").await?;
        migrate(&writer, Dialect::Sqlite).await?;
        Ok(Self {
            dialect: Dialect::Sqlite,
            readers: writer.clone(),
            writer,
        })
    }

    /// Returns whether several processes of several machines may use it.
    pub fn is_shared(&self) -> bool {
        self.dialect == Dialect::Postgres
    }

    /// Closes the connections; SQLite folds its write-ahead log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Begins the one write transaction; it rolls back when dropped.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Any>, Error> {
        let doing = "begin a transaction";
        match self.dialect {
            Dialect::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await.doing(doing),
            Dialect::Postgres => {
                let mut transaction = self.writer.begin().await.doing(doing)?;
                lock(&mut transaction).await?;
                Ok(transaction)
            }
        }
    }

    /// Begins a transaction that sees one state of the tables throughout.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Any>, Error> {
        let begin = match self.dialect {
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.readers.begin_with(begin).await.doing("begin to read")
    }

    /// Returns the connections for single reads.
    pub(crate) fn readers(&self) -> &AnyPool {
        &self.readers
    }
}

/// Waits until no other transaction writes, until the end of this one.
pub(crate) async fn lock(connection: &mut AnyConnection) -> Result<(), Error> {
    let locked = sqlx::query(POSTGRES_LOCK).execute(connection).await;
    locked.map(drop).doing("wait for another writer")
}

fn pool(connections_max: u32, begin: &'static str) -> AnyPoolOptions {
    // A connection that was closed for age would take a casebook in memory with it.
    AnyPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |connection, _| {
            Box::pin(async move { connection.execute(sqlx::raw_sql(begin)).await.map(drop) })
        })
}

async fn connect(pool: AnyPoolOptions, url: &str, place: &str) -> Result<AnyPool, Error> {
    sqlx::any::install_default_drivers();
    pool.connect(url).await.map_err(|source| Error::Open {
        place: place.to_owned(),
        source,
    })
}

async fn migrate(writer: &AnyPool, dialect: Dialect) -> Result<(), Error> {
    let mut connection = writer.acquire().await.doing("connect to the casebook")?;
    migrations::run(&mut connection, dialect).await
}

/// Returns a file as a URL, in which a question mark begins options and a percent sign a byte.
fn sqlite_url(path: &Path) -> String {
    let path = path.to_string_lossy();
    let path = path.replace('%', "%25").replace('?', "%3F");
    format!("sqlite:{path}?mode=rw")
}

/// Returns a URL without its password.
fn display(url: &Url) -> String {
    let mut url = url.clone();
    // Only a URL that cannot have a password refuses.
    let _ = url.set_password(None);
    url.set_query(None);
    url.to_string()
}

/// A server on another machine has to prove who it is, where the URL does not say otherwise.
fn with_safe_tls(mut url: Url) -> Url {
    let has_mode = url
        .query_pairs()
        .any(|(name, _)| name == "sslmode" || name == "ssl-mode");
    let is_here = url.host_str().is_none_or(|host| {
        // The folder of a socket.
        if host.starts_with("%2F") || host.starts_with("%2f") {
            return true;
        }
        let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
        host.is_empty() || host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    });
    if !has_mode && !is_here {
        url.query_pairs_mut().append_pair("sslmode", "verify-full");
    }
    url
}

/// Creates the file before SQLite does, which would leave its mode to the umask. SQLite gives
/// the mode of the main file to the write-ahead log and the shared memory beside it.
fn create_private(path: &Path) -> std::io::Result<()> {
    let mut open = std::fs::OpenOptions::new();
    open.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
        let file = open.mode(0o600).open(path)?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        }
    }
    #[cfg(not(unix))]
    open.open(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_transaction_that_ended_by_itself_keeps_nobody_from_writing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("case?book%20.db");
        let casebook = Casebook::open(&path).await.unwrap();
        let mut transaction = casebook.write().await.unwrap();
        // As SQLite does when the disk is full, and the library does not notice.
        sqlx::query("ROLLBACK")
            .execute(&mut *transaction)
            .await
            .unwrap();
        drop(transaction);
        casebook.set_meta("after", "1").await.unwrap();
        let stored = casebook.meta("after").await.unwrap();
        assert_eq!(stored.as_deref(), Some("1"));
        assert!(path.metadata().unwrap().len() > 0);
    }

    #[test]
    fn another_machine_is_verified_and_a_password_is_not_shown() {
        let safe = |url: &str| with_safe_tls(Url::parse(url).unwrap()).to_string();
        let there = "postgres://watch:secret@db.example/cases";
        assert_eq!(safe(there), format!("{there}?sslmode=verify-full"));
        for as_it_is in [
            "postgres://watch@127.0.0.1:5432/cases",
            "postgres://watch@[::1]/cases",
            "postgres://watch@localhost/cases",
            "postgres://watch@%2Frun%2Fpostgresql/cases",
            "postgres://watch@db.example/cases?sslmode=require",
        ] {
            assert_eq!(safe(as_it_is), as_it_is);
        }
        let shown = display(&Url::parse(there).unwrap());
        assert_eq!(shown, "postgres://watch@db.example/cases");
    }
}
