//! The PostgreSQL wire: a sign-in and a session for each connection.

mod answer;
mod session;
mod settings;
mod sign_in;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use columns::SqlGate;
use pgwire::api::auth::StartupHandler;
use pgwire::api::cancel::{CancelHandler, DefaultCancelHandler};
use pgwire::api::query::{ExtendedQueryHandler, SimpleQueryHandler};
use pgwire::api::{ConnectionManager, PgWireServerHandlers};
use pgwire::tokio::process_socket;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::Users;
use crate::connections::Connections;
use session::Session;
use sign_in::SignIn;

/// What answers PostgreSQL.
pub(crate) struct Postgres {
    tls: Option<TlsAcceptor>,
    patience: Duration,
    session: Session,
    manager: Arc<ConnectionManager>,
}

impl Postgres {
    pub(crate) fn new(
        gate: Arc<dyn SqlGate>,
        users: Arc<Users>,
        tls: Option<TlsAcceptor>,
        patience: Duration,
    ) -> Self {
        Self {
            tls,
            patience,
            session: Session { gate, users },
            manager: Arc::default(),
        }
    }

    /// Answers until it is cancelled; what runs then is not waited for.
    pub(crate) async fn serve(
        &self,
        listener: TcpListener,
        connections: Connections,
        cancel: CancellationToken,
    ) {
        loop {
            let next = tokio::select! {
                () = cancel.cancelled() => return,
                next = connections.next(&listener) => next,
            };
            let Some((permit, socket)) = next else { return };
            let version = self.session.gate.setting("server_version");
            let handlers = Connection {
                sign_in: Arc::new(SignIn::new(
                    self.session.users.clone(),
                    self.manager.clone(),
                    version.unwrap_or_default(),
                    self.tls.is_some(),
                )),
                session: Arc::new(self.session.clone()),
                cancel: Arc::new(DefaultCancelHandler::new(self.manager.clone())),
            };
            let (tls, cancel) = (self.tls.clone(), cancel.clone());
            let overdue = handlers.sign_in.clone().overdue(self.patience);
            tokio::spawn(async move {
                let outcome: Option<io::Result<()>> = tokio::select! {
                    () = cancel.cancelled() => None,
                    () = overdue => Some(Err(io::ErrorKind::TimedOut.into())),
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
