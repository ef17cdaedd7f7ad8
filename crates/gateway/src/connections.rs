//! Connections: so many at one time, over all doors.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long to wait when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// The room for connections.
#[derive(Clone, Debug)]
pub(crate) struct Connections(Arc<Semaphore>);

impl Connections {
    pub(crate) fn new(at_most: usize) -> Self {
        Self(Arc::new(Semaphore::new(at_most)))
    }

    /// Waits for who wants in, and for room. Whoever drops the permit makes room.
    pub(crate) async fn next(
        &self,
        listener: &TcpListener,
    ) -> Option<(OwnedSemaphorePermit, TcpStream)> {
        let socket = loop {
            match listener.accept().await {
                Ok((socket, _)) => break socket,
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        };
        // Only now: a door at which nobody stands takes no place. The semaphore is never closed; if
        // it were, nobody would be let in.
        let permit = Arc::clone(&self.0).acquire_owned().await.ok()?;
        Some((permit, socket))
    }
}
