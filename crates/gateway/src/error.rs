//! Why there is no gateway.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the gateway cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// Passwords and rows would cross a network in clear.
    #[error(
        "[sql] {field} = \"{address}\" can be reached from other machines: give [sql.tls] cert_file and key_file, or listen on 127.0.0.1"
    )]
    Clear {
        /// The key in the configuration.
        field: &'static str,
        /// The address.
        address: SocketAddr,
    },
    /// A password that anybody could guess.
    #[error("[sql.users.{0}] password is shorter than {min} characters", min = crate::users::MIN_PASSWORD)]
    Password(String),
    /// A file of the certificate cannot be used.
    #[error("[sql.tls] {field} \"{}\" cannot be used: {message}", .file.display())]
    Tls {
        /// The key in the configuration.
        field: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The address is taken, or not of this machine.
    #[error("[sql] {field} = \"{address}\" cannot be listened on")]
    Listen {
        /// The key in the configuration.
        field: &'static str,
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// What answers Flight SQL cannot be set up.
    #[error("Flight SQL cannot be answered")]
    Flight(#[from] tonic::transport::Error),
}
