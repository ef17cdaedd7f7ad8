//! `[sql.tls]` and `[sql.users]`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use model::Secret;
use serde::Deserialize;

use crate::{GatewayError, Users, tls};

/// Where SQL is answered, and for whom.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// The address of the PostgreSQL wire.
    pub listen: Option<SocketAddr>,
    /// The address of Flight SQL.
    pub flight_listen: Option<SocketAddr>,
    /// The certificate, without which only loopback is listened on.
    pub tls: Option<TlsConfig>,
    /// Who may sign in, by name.
    pub users: BTreeMap<String, UserConfig>,
    /// Connections at one time, those that did not sign in yet included.
    pub max_connections: usize,
    /// How long whoever connects may take to sign in: it holds the place of somebody else.
    pub sign_in_timeout: Duration,
    /// Queries of one user at one time.
    pub max_queries_per_user: usize,
    /// Rows of one answer on the PostgreSQL wire.
    pub max_rows: usize,
    /// Rows of one answer over Flight SQL.
    pub flight_max_rows: usize,
}

impl GatewayConfig {
    /// Finds what would keep the gateway from listening, but for an address that is taken.
    ///
    /// # Errors
    /// When passwords and rows would cross a network in clear, a password could be guessed, or the
    /// certificate cannot be used.
    pub fn check(&self) -> Result<(), GatewayError> {
        for (field, address) in [
            ("listen", self.listen),
            ("flight_listen", self.flight_listen),
        ] {
            if let Some(address) = address
                && self.tls.is_none()
                && !address.ip().is_loopback()
            {
                return Err(GatewayError::Clear { field, address });
            }
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
