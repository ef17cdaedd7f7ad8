//! The rows that are not committed yet, lent to other processes over a local socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use columns::arrow::array::RecordBatch;
use columns::arrow::ipc::reader::StreamReader;
use columns::arrow::ipc::writer::StreamWriter;
use columns::arrow::schema::SchemaRef;
use columns::{Error, LiveRows, TableSource, usage_schema};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tracing::debug;

/// How long a reader of the socket may take for all rows.
const SOCKET_PATIENCE: Duration = Duration::from_secs(30);

/// Lends the live rows to other processes of the same user: whoever connects gets them once as
/// an Arrow IPC stream.
pub struct LiveSocket {
    listener: UnixListener,
    path: PathBuf,
    rows: LiveRows,
}

impl LiveSocket {
    /// Listens at `path`, which only its owner may open; a socket left by a dead process is
    /// replaced.
    ///
    /// # Errors
    /// When the path cannot be used.
    pub fn bind(path: &Path, rows: LiveRows) -> Result<Self, Error> {
        use std::os::unix::fs::PermissionsExt;
        if path.exists() {
            std::fs::remove_file(path)?;
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            rows,
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
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, &usage_schema())?;
        for batch in self.rows.batches().await? {
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

/// The live rows of a running service, read over its socket; none if there is no service.
pub struct SocketRows {
    path: PathBuf,
}

impl SocketRows {
    /// Reads from the socket at `path`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

#[async_trait]
impl TableSource for SocketRows {
    fn name(&self) -> &str {
        "usage_events"
    }

    fn schema(&self) -> SchemaRef {
        usage_schema()
    }

    async fn batches(&self) -> Result<Vec<RecordBatch>, Error> {
        // A socket nobody answers at is left over from a service that was killed.
        let Ok(mut stream) = UnixStream::connect(&self.path).await else {
            return Ok(Vec::new());
        };
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(SOCKET_PATIENCE, stream.read_to_end(&mut bytes)).await;
        read.map_err(|_| Error::Storage {
            message: "the running service did not send its newest rows in time".to_owned(),
            transient: true,
        })??;
        let reader = StreamReader::try_new(bytes.as_slice(), None)?;
        reader.map(|batch| Ok(batch?)).collect()
    }
}
