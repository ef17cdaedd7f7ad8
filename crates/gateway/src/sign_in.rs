//! Signing in: SCRAM-SHA-256, and nothing in clear where there is a certificate.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::Sink;
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramAuth};
use pgwire::api::auth::{DefaultServerParameterProvider, StartupHandler};
use pgwire::api::{ClientInfo, ConnectionManager};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::messages::{PgWireBackendMessage, PgWireFrontendMessage};

use crate::Users;
use crate::settings::SERVER_VERSION;

/// Signs one connection in.
pub(crate) struct SignIn {
    scram: SASLAuthStartupHandler<DefaultServerParameterProvider>,
    needs_tls: bool,
}

impl SignIn {
    pub(crate) fn new(
        users: Arc<Users>,
        connections: Arc<ConnectionManager>,
        needs_tls: bool,
    ) -> Self {
        let mut parameters = DefaultServerParameterProvider::default();
        parameters.server_version = SERVER_VERSION.to_owned();
        parameters.is_superuser = false;
        parameters.default_transaction_read_only = true;
        let mut scram = ScramAuth::new(users);
        scram.set_iterations(SCRAM_ITERATIONS);
        Self {
            scram: SASLAuthStartupHandler::new(Arc::new(parameters))
                .with_scram(scram)
                .with_connection_manager(connections),
            needs_tls,
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
        self.scram.on_startup(client, message).await
    }
}
