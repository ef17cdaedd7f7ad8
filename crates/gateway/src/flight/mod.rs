//! Arrow Flight SQL: whole answers in columns, for who takes much at once.

mod catalogue;
mod connection;
mod reply;
mod service;
mod token;

use std::sync::Arc;
use std::time::Duration;

use arrow_flight::flight_service_server::FlightServiceServer;
use columns::SqlGate;
use futures::stream;
use rustls::crypto::aws_lc_rs;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Identity, Server, ServerTlsConfig};

use crate::connections::Connections;
use crate::{GatewayConfig, GatewayError, Users, tls};
use connection::Connection;
use service::FlightSql;

/// What one connection may ask at one time.
const QUESTIONS: u32 = 16;

/// How often a connection is asked whether somebody is still there, and how long it may not answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));

/// How long agreeing on TLS may take.
const TLS_PATIENCE: Duration = Duration::from_secs(10);

/// What answers Flight SQL.
pub(crate) struct Flight {
    service: FlightSql,
    identity: Option<Identity>,
    patience: Duration,
}

impl Flight {
    /// # Errors
    /// [`GatewayError::Tls`] when the certificate cannot be used.
    pub(crate) fn new(
        gate: Arc<dyn SqlGate>,
        users: Arc<Users>,
        config: &GatewayConfig,
    ) -> Result<Self, GatewayError> {
        Ok(Self {
            service: FlightSql::new(gate, users, config.flight_max_rows),
            identity: config.tls.as_ref().map(tls::identity).transpose()?,
            patience: config.sign_in_timeout,
        })
    }

    /// Answers until it is cancelled; what runs then is not waited for.
    ///
    /// # Errors
    /// [`GatewayError::Flight`] when it ends by itself.
    pub(crate) async fn serve(
        self,
        listener: TcpListener,
        connections: Connections,
        cancel: CancellationToken,
    ) -> Result<(), GatewayError> {
        let mut server = Server::builder()
            .max_concurrent_streams(QUESTIONS)
            .http2_keepalive_interval(Some(KEEP_ALIVE.0))
            .http2_keepalive_timeout(Some(KEEP_ALIVE.1));
        if let Some(identity) = self.identity {
            // It takes the provider of the process, which may be there already.
            let _ = aws_lc_rs::default_provider().install_default();
            let tls = ServerTlsConfig::new().identity(identity);
            server = server.tls_config(tls.timeout(TLS_PATIENCE))?;
        }
        let patience = self.patience;
        let doorstep = (listener, connections);
        let incoming = stream::unfold(doorstep, move |(listener, connections)| async move {
            let (permit, socket) = connections.next(&listener).await?;
            // Answers are written in large pieces; what waits for more only waits.
            let prompt = socket.set_nodelay(true);
            let connection = prompt.map(|()| Connection::new(permit, socket, patience));
            Some((connection, (listener, connections)))
        });
        let signed_in = self.service.clone();
        let asked = FlightServiceServer::with_interceptor(self.service, move |request| {
            signed_in.with_asker(request)
        });
        let serving = server.add_service(asked).serve_with_incoming(incoming);
        tokio::select! {
            () = cancel.cancelled() => Ok(()),
            ended = serving => Ok(ended?),
        }
    }
}
