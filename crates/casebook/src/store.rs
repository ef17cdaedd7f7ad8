//! The file, its connections and its transactions.

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Sqlite, Transaction};

use crate::error::{Doing, Error};
use crate::migrations;

/// How long a writer waits for another process before it reports a locked database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a caller waits for a connection of the pool.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// Connections for reading; pages and the deliverer read while one writer writes.
const READERS_MAX: u32 = 4;

/// Alerts, incidents, inventory, outbox, actions and audit chain; cloning shares the connections.
#[derive(Clone, Debug)]
pub struct Casebook {
    /// One connection: SQLite has one writer, and a queue in front of it beats busy retries.
    writer: SqlitePool,
    /// Connections that refuse to write; the writer itself for a casebook in memory.
    readers: SqlitePool,
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
        let options = options().filename(path);
        let opening = |source| Error::Open {
            path: path.to_owned(),
            source,
        };
        let writer = pool(1)
            // Where SQLite rolls back by itself, on a full disk, the connection believes for ever
            // that it is in a transaction: it gives way to another.
            .before_acquire(|connection, _| {
                let is_good = !connection.is_in_transaction();
                Box::pin(async move { Ok(is_good) })
            })
            .connect_with(
                options
                    .clone()
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full),
            )
            .await
            .map_err(opening)?;
        migrate(&writer).await?;
        let readers = pool(READERS_MAX)
            .connect_with(options.pragma("query_only", "ON"))
            .await
            .map_err(opening)?;
        Ok(Self { writer, readers })
    }

    /// Opens a casebook that lives as long as its last clone; the double of the one on disk.
    ///
    /// # Errors
    /// When SQLite has no memory for it.
    pub async fn in_memory() -> Result<Self, Error> {
        let writer = pool(1)
            .connect_with(options().in_memory(true))
            .await
            .doing("open a casebook in memory")?;
        migrate(&writer).await?;
        Ok(Self {
            readers: writer.clone(),
            writer,
        })
    }

    /// Closes the connections and folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Begins the one write transaction; it rolls back when dropped.
    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        self.writer
            .begin_with("BEGIN IMMEDIATE")
            .await
            .doing("begin a transaction")
    }

    /// Begins a transaction that sees one state of the tables throughout.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        self.readers.begin().await.doing("begin to read")
    }

    /// Returns the connections for single reads.
    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.readers
    }
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
}

fn pool(connections_max: u32) -> SqlitePoolOptions {
    // A connection that was closed for age would take a casebook in memory with it.
    SqlitePoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
}

async fn migrate(writer: &SqlitePool) -> Result<(), Error> {
    let mut connection = writer.acquire().await.doing("connect to the casebook")?;
    migrations::run(&mut connection).await
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
        let path = folder.path().join("casebook.db");
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
    }
}
