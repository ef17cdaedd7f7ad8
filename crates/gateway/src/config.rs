//! `[sql.tls]` and `[sql.users]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use model::Secret;
use serde::Deserialize;

use crate::{GatewayError, Users, tls};

/// Where the PostgreSQL wire listens, and for whom.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The address.
    pub listen: SocketAddr,
    /// The certificate, without which only loopback is listened on.
    pub tls: Option<TlsConfig>,
    /// Who may sign in, by name.
    pub users: BTreeMap<String, UserConfig>,
    /// Connections at one time, those that did not sign in yet included.
    pub max_connections: usize,
    /// Queries of one user at one time.
    pub max_queries_per_user: usize,
}

impl GatewayConfig {
    /// Finds what would keep the gateway from listening, but for an address that is taken.
    ///
    /// # Errors
    /// When passwords and rows would cross a network in clear, a password could be guessed, or the
    /// certificate cannot be used.
    pub fn check(&self) -> Result<(), GatewayError> {
        if self.tls.is_none() && !self.listen.ip().is_loopback() {
            return Err(GatewayError::Clear(self.listen));
        }
        Users::new(self)?;
        self.tls.as_ref().map(tls::acceptor).transpose()?;
        Ok(())
    }
}

/// `[sql.tls]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate and those that lead to its authority, PEM.
    pub cert_file: PathBuf,
    /// Its private key, PEM.
    pub key_file: PathBuf,
}

/// `[sql.users.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserConfig {
    /// The password.
    pub password: Secret<String>,
    /// The accounts whose rows there are for the user; without it all.
    pub accounts: Option<Vec<String>>,
}
