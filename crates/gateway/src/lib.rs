//! SQL for the tools that analysts have: the PostgreSQL wire.
//!
//! A query can end the process that answers it, so this runs in one of its own; it holds no
//! Kafka connection and writes nothing. Every door fails closed:
//!
//! - [`Users`]: SCRAM-SHA-256, a password for each, and the accounts whose rows each may see.
//! - TLS, without which nothing but loopback is listened on, and with which nothing is said in clear.
//! - Statements are read-only by what they are ([`columns::SqlGate`]); each has bounds on memory,
//!   time and rows, each user a bound on queries at once, the gateway one on connections.
//!
//! What is understood beside queries is what drivers say when they connect: `session.rs`.

mod answer;
mod config;
mod error;
mod session;
mod settings;
mod sign_in;
mod tls;
mod users;
mod wire;

pub use config::{GatewayConfig, TlsConfig, UserConfig};
pub use error::GatewayError;
pub use users::{ANALYST, Users};
pub use wire::{Gateway, bind};
