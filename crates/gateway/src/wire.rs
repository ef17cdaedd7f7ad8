//! The listener: so many connections, each with its own sign-in.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use columns::SqlGate;
use pgwire::api::auth::StartupHandler;
use pgwire::api::cancel::{CancelHandler, DefaultCancelHandler};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::{ConnectionManager, PgWireServerHandlers};
use pgwire::tokio::process_socket;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::session::Session;
use crate::sign_in::SignIn;
use crate::{GatewayConfig, GatewayError, Users, tls};

/// How long to wait when the system has no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What listens, and has not begun to answer yet.
pub struct Gateway {
    listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    session: Session,
    connections: Arc<ConnectionManager>,
    permits: Arc<Semaphore>,
}

/// Listens for who speaks PostgreSQL.
///
/// # Errors
/// When the address would have passwords cross a network in clear, a password could be guessed, the
/// certificate cannot be used, or the address is taken.
pub async fn bind(config: &GatewayConfig, gate: Arc<dyn SqlGate>) -> Result<Gateway, GatewayError> {
    config.check()?;
    let users = Arc::new(Users::new(config)?);
    let tls = config.tls.as_ref().map(tls::acceptor).transpose()?;
    let listen = |source| GatewayError::Listen {
        address: config.listen,
        source,
    };
    let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
    Ok(Gateway {
        address: listener.local_addr().map_err(listen)?,
        listener,
        tls,
        session: Session { gate, users },
        connections: Arc::default(),
        permits: Arc::new(Semaphore::new(config.max_connections)),
    })
}

impl Gateway {
    /// Returns the address that is listened on.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Answers until it is cancelled; what runs then is not waited for.
    pub async fn serve(self, cancel: CancellationToken) {
        loop {
            let next = async {
                // The semaphore is never closed; if it were, nobody would be let in.
                let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
                Some((permit, self.listener.accept().await))
            };
            let (permit, accepted) = tokio::select! {
                () = cancel.cancelled() => return,
                next = next => match next {
                    Some(next) => next,
                    None => return,
                },
            };
            let socket = match accepted {
                Ok((socket, _)) => socket,
                Err(error) => {
                    tracing::warn!(%error, "could not accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let handlers = Connection {
                sign_in: Arc::new(SignIn::new(
                    self.session.users.clone(),
                    self.connections.clone(),
                    self.session
                        .gate
                        .setting("server_version")
                        .unwrap_or_default(),
                    self.tls.is_some(),
                )),
                session: Arc::new(self.session.clone()),
                cancel: Arc::new(DefaultCancelHandler::new(self.connections.clone())),
            };
            let (tls, cancel) = (self.tls.clone(), cancel.clone());
            tokio::spawn(async move {
                let outcome: Option<io::Result<()>> = tokio::select! {
                    () = cancel.cancelled() => None,
                    outcome = process_socket(socket, tls, handlers) => Some(outcome),
                };
                if let Some(Err(error)) = outcome {
                    tracing::debug!(%error, "a connection of the PostgreSQL wire ended");
                }
                drop(permit);
            });
        }
    }
}

/// What answers one connection.
struct Connection {
    sign_in: Arc<SignIn>,
    session: Arc<Session>,
    cancel: Arc<DefaultCancelHandler>,
}

impl PgWireServerHandlers for Connection {
    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        self.sign_in.clone()
    }

    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        self.session.clone()
    }

    fn extended_query_handler(&self) -> Arc<impl ExtendedQueryHandler> {
        self.session.clone()
    }

    fn cancel_handler(&self) -> Arc<impl CancelHandler> {
        self.cancel.clone()
    }
}
