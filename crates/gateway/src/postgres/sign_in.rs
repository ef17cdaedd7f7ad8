//! Signing in: SCRAM-SHA-256, and nothing in clear where there is a certificate.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::Sink;
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramAuth};
use pgwire::api::auth::{DefaultServerParameterProvider, StartupHandler};
use pgwire::api::{ClientInfo, ConnectionManager, METADATA_USER, PgWireConnectionState};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use crate::Users;
use crate::users::AFTER_REFUSAL;

/// Signs one connection in.
pub(crate) struct SignIn {
    scram: SASLAuthStartupHandler<DefaultServerParameterProvider>,
    needs_tls: bool,
    is_done: AtomicBool,
}

impl SignIn {
    pub(crate) fn new(
        users: Arc<Users>,
        connections: Arc<ConnectionManager>,
        server_version: &str,
        needs_tls: bool,
    ) -> Self {
        let mut parameters = DefaultServerParameterProvider::default();
        parameters.server_version = server_version.to_owned();
        parameters.is_superuser = false;
        parameters.default_transaction_read_only = true;
        let mut scram = ScramAuth::new(users);
        scram.set_iterations(SCRAM_ITERATIONS);
        Self {
            scram: SASLAuthStartupHandler::new(Arc::new(parameters))
                .with_scram(scram)
                .with_connection_manager(connections),
            needs_tls,
            is_done: AtomicBool::new(false),
        }
    }

    /// Waits until signing in has taken so long; if it is done by then, for ever.
    pub(crate) async fn overdue(self: Arc<Self>, patience: Duration) {
        tokio::time::sleep(patience).await;
        if self.is_done.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }
}

#[async_trait]
impl StartupHandler for SignIn {
    async fn on_startup<C>(
        &self,
        client: &mut C,
        message: PgWireFrontendMessage,
    ) -> PgWireResult<()>
    where
        C: ClientInfo + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        if self.needs_tls && !client.is_secure() {
            return Err(PgWireError::UserError(Box::new(ErrorInfo::new(
                "FATAL".to_owned(),
                "28000".to_owned(),
                "TLS is needed here: connect with sslmode=require or stricter".to_owned(),
            ))));
        }
        let signed_in = self.scram.on_startup(client, message).await;
        let user = client.metadata().get(METADATA_USER);
        let address = client.socket_addr();
        match &signed_in {
            Ok(()) if matches!(client.state(), PgWireConnectionState::ReadyForQuery) => {
                self.is_done.store(true, Ordering::Relaxed);
                tracing::info!(user, %address, "signed in to SQL");
            }
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(user, %address, %error, "not signed in to SQL");
                tokio::time::sleep(AFTER_REFUSAL).await;
            }
        }
        signed_in
    }
}
