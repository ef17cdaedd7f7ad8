//! The doors, opened together: one set of users, one bound on connections.

use std::net::SocketAddr;
use std::sync::Arc;

use columns::SqlGate;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::connections::Connections;
use crate::flight::Flight;
use crate::postgres::Postgres;
use crate::{GatewayConfig, GatewayError, Users, tls};

/// What listens, and has not begun to answer yet.
pub struct Gateway {
    postgres: Option<(TcpListener, Postgres)>,
    flight: Option<(TcpListener, Flight)>,
    connections: Connections,
}

/// Listens for who speaks PostgreSQL or Flight SQL.
///
/// # Errors
/// When an address would have passwords cross a network in clear, a password could be guessed, the
/// certificate cannot be used, or an address is taken.
pub async fn bind(config: &GatewayConfig, gate: Arc<dyn SqlGate>) -> Result<Gateway, GatewayError> {
    config.check()?;
    let users = Arc::new(Users::new(config)?);
    let mut postgres = None;
    if let Some(address) = config.listen {
        let acceptor = config.tls.as_ref().map(tls::acceptor).transpose()?;
        let listener = listen("listen", address).await?;
        postgres = Some((
            listener,
            Postgres::new(
                gate.clone(),
                users.clone(),
                acceptor,
                config.sign_in_timeout,
            ),
        ));
    }
    let mut flight = None;
    if let Some(address) = config.flight_listen {
        let listener = listen("flight_listen", address).await?;
        flight = Some((listener, Flight::new(gate, users, config)?));
    }
    Ok(Gateway {
        postgres,
        flight,
        connections: Connections::new(config.max_connections),
    })
}

async fn listen(field: &'static str, address: SocketAddr) -> Result<TcpListener, GatewayError> {
    let fault = |source| GatewayError::Listen {
        field,
        address,
        source,
    };
    TcpListener::bind(address).await.map_err(fault)
}

impl Gateway {
    /// Returns the addresses that are listened on, each with what is spoken there.
    pub fn addresses(&self) -> Vec<(&'static str, SocketAddr)> {
        let postgres = self
            .postgres
            .iter()
            .map(|(at, _)| ("the PostgreSQL wire", at));
        let flight = self.flight.iter().map(|(at, _)| ("Flight SQL", at));
        let address = |(what, at): (_, &TcpListener)| Some((what, at.local_addr().ok()?));
        postgres.chain(flight).filter_map(address).collect()
    }

    /// Answers until it is cancelled; what runs then is not waited for.
    ///
    /// # Errors
    /// [`GatewayError::Flight`] when Flight SQL ends by itself.
    pub async fn serve(self, cancel: CancellationToken) -> Result<(), GatewayError> {
        let connections = self.connections;
        let postgres = async {
            if let Some((listener, postgres)) = self.postgres {
                let connections = connections.clone();
                postgres.serve(listener, connections, cancel.clone()).await;
            }
            Ok(())
        };
        let flight = async {
            match self.flight {
                Some((listener, flight)) => {
                    let connections = connections.clone();
                    flight.serve(listener, connections, cancel.clone()).await
                }
                None => Ok(()),
            }
        };
        tokio::try_join!(postgres, flight).map(|_| ())
    }
}
