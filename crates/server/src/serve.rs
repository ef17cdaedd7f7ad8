//! Taking the address, and answering until told to stop.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::guard::Guard;
use crate::listener::BoundedListener;
use crate::{AppState, Error, ServerConfig, api, assets, guard, health, metrics, pages};

/// How long requests under way may take after the server was told to stop.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A server that has its address and answers nobody yet.
pub struct BoundServer {
    listener: TcpListener,
    local_addr: SocketAddr,
    router: Router,
}

/// Checks the configuration and takes the address.
///
/// # Errors
/// When the configuration is refused or the address cannot be had.
pub async fn bind(config: &ServerConfig, state: AppState) -> Result<BoundServer, Error> {
    config.validate()?;
    let listen = config.listen;
    let failed = |source| Error::Bind { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let local_addr = listener.local_addr().map_err(failed)?;
    Ok(BoundServer {
        listener,
        local_addr,
        router: router(config, state),
    })
}

impl BoundServer {
    /// Returns the address, with the port that the system chose if 0 was configured.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Answers until `cancel`, then lets requests under way end, but not for ever.
    ///
    /// # Errors
    /// When the listening socket fails.
    pub async fn serve(self, cancel: CancellationToken) -> Result<(), Error> {
        info!(address = %self.local_addr, "serving pages");
        let listener = BoundedListener::new(self.listener);
        let serving = axum::serve(listener, self.router)
            .with_graceful_shutdown(cancel.clone().cancelled_owned());
        let overdue = async {
            cancel.cancelled().await;
            tokio::time::sleep(DRAIN_TIMEOUT).await;
        };
        tokio::select! {
            served = serving => served.map_err(Error::Serve),
            () = overdue => {
                warn!("requests were still under way when the server stopped");
                Ok(())
            }
        }
    }
}

fn router(config: &ServerConfig, state: AppState) -> Router {
    let guard = Arc::new(Guard::new(&config.allowed_hosts));
    Router::new()
        .route("/", get(pages::overview))
        .route("/incidents/{id}", get(pages::incident))
        .route("/api/v1/incidents", get(api::incidents))
        .route("/api/v1/incidents/{id}", get(api::incident))
        .route("/api/v1/alerts", get(api::alerts))
        .route("/api/v1/alerts/{id}", get(api::alert))
        .route("/metrics", get(metrics::metrics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/assets/style.css", get(assets::style))
        .route("/assets/icon.svg", get(assets::icon))
        .fallback(pages::not_found)
        .with_state(state)
        .layer(middleware::from_fn_with_state(guard, guard::guard))
}
