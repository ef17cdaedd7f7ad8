//! What a service has in memory, the rows that are not committed yet above all, lent to other
//! processes over a local socket.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use columns::arrow::array::RecordBatch;
use columns::arrow::ipc::reader::StreamReader;
use columns::arrow::ipc::writer::StreamWriter;
use columns::arrow::schema::SchemaRef;
use columns::{Error, Table, TableSource, usage_schema};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tracing::debug;

/// How long a reader of the socket may take for all rows.
const SOCKET_PATIENCE: Duration = Duration::from_secs(30);

/// The longest name of a table that is asked for.
const NAME_BYTES: u64 = 64;

/// Lends what a service has in memory to other processes of the same user: whoever connects and
/// says the name of a table gets its rows once, as an Arrow IPC stream.
pub struct LiveSocket {
    listener: UnixListener,
    path: PathBuf,
    tables: Vec<Arc<dyn TableSource>>,
}

impl LiveSocket {
    /// Listens at `path`, which only its owner may open; a socket left by a dead process is
    /// replaced.
    ///
    /// # Errors
    /// When the path cannot be used.
    pub fn bind(path: &Path, tables: Vec<Arc<dyn TableSource>>) -> Result<Self, Error> {
        use std::os::unix::fs::PermissionsExt;
        if path.exists() {
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            tables,
        })
    }

    /// Serves one reader after another until the future is dropped.
    pub async fn serve(self) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let sent = tokio::time::timeout(SOCKET_PATIENCE, self.send(stream)).await;
                    if !matches!(sent, Ok(Ok(()))) {
                        debug!("a reader of the live rows went away before the end");
                    }
                }
                Err(error) => {
                    debug!(%error, "could not accept a reader of the live rows");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn send(&self, mut stream: UnixStream) -> Result<(), Error> {
        let mut name = String::new();
        let mut asked = BufReader::new(&mut stream).take(NAME_BYTES);
        asked.read_line(&mut name).await?;
        let named = |table: &&Arc<dyn TableSource>| table.name() == name.trim_end();
        let Some(table) = self.tables.iter().find(named) else {
            debug!(name, "a table that is not live was asked for");
            return Ok(());
        };
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, &table.schema())?;
        for batch in table.batches().await? {
            writer.write(&batch)?;
        }
        writer.finish()?;
        drop(writer);
        stream.write_all(&bytes).await?;
        Ok(stream.shutdown().await?)
    }
}

impl Drop for LiveSocket {
    fn drop(&mut self) {
        // Left behind it would only be replaced by the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A table of a running service, read over its socket; no rows if there is no service.
pub struct SocketTable {
    path: PathBuf,
    name: &'static str,
    schema: SchemaRef,
}

impl SocketTable {
    /// Reads the rows of usage that are not committed from the socket at `path`.
    pub fn usage(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            name: "usage_events",
            schema: usage_schema(),
        }
    }

    /// Reads a table from the socket at `path`.
    pub fn new(path: impl Into<PathBuf>, table: Table) -> Self {
        Self {
            path: path.into(),
            name: table.name(),
            schema: table.schema(),
        }
    }

    /// Asks once; `None` if the service hangs up without a word.
    async fn ask(&self) -> Result<Option<Vec<RecordBatch>>, Error> {
        // A socket nobody answers at is left over from a service that was killed.
        let Ok(mut stream) = UnixStream::connect(&self.path).await else {
            return Ok(Some(Vec::new()));
        };
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(SOCKET_PATIENCE, async {
            let line = format!("{}\n", self.name);
            stream.write_all(line.as_bytes()).await?;
            stream.read_to_end(&mut bytes).await
        });
        read.await.map_err(|_| Error::Storage {
            message: "the running service did not send its newest rows in time".to_owned(),
            transient: true,
        })??;
        if bytes.is_empty() {
            return Ok(None);
        }
        let reader = StreamReader::try_new(bytes.as_slice(), None)?;
        let batches: Result<_, Error> = reader.map(|batch| Ok(batch?)).collect();
        batches.map(Some)
    }
}

#[async_trait]
impl TableSource for SocketTable {
    fn name(&self) -> &str {
        self.name
    }

    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    async fn batches(&self) -> Result<Vec<RecordBatch>, Error> {
        // A service that ends while it is asked has committed what it had, or begins anew.
        let asked = match self.ask().await {
            Ok(None) | Err(Error::Output(_) | Error::Arrow(_)) => self.ask().await,
            asked => asked,
        };
        // A service of another version may not have the table.
        let batches = asked.map(Option::unwrap_or_default);
        batches.map_err(|err| match err {
            Error::Output(_) => Error::Storage {
                message: "the running service hung up before it sent its newest rows; ask again"
                    .to_owned(),
                transient: true,
            },
            err => err,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hangs up on so many askers without a look at what they said, and is gone then.
    fn hang_up(path: &Path, askers: usize) {
        let listener = UnixListener::bind(path).unwrap();
        tokio::spawn(async move {
            for _ in 0..askers {
                let (stream, _) = listener.accept().await.unwrap();
                stream.readable().await.unwrap();
            }
        });
    }

    #[tokio::test]
    async fn a_service_that_ends_while_it_is_asked_has_nothing_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.sock");
        hang_up(&path, 1);
        let table = SocketTable::usage(&path);
        assert_eq!(table.batches().await.unwrap(), Vec::new());
    }

    #[tokio::test]
    async fn one_that_always_hangs_up_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("live.sock");
        hang_up(&path, 100);
        let told = SocketTable::usage(&path).batches().await.unwrap_err();
        assert!(told.to_string().contains("ask again"), "{told}");
    }
}
