//! SQL for the tools that analysts have: the PostgreSQL wire, and Arrow Flight SQL.
//!
//! A query can end the process that answers it, so this runs in one of its own; it holds no
//! Kafka connection and writes nothing. Every door fails closed:
//!
//! - [`Users`]: a password for each, and the accounts whose rows each may see. On the PostgreSQL
//!   wire it is proved by SCRAM-SHA-256; over Flight SQL it is given once, for a token.
//! - TLS, without which nothing but loopback is listened on, and with which nothing is said in clear.
//! - Statements are read-only by what they are ([`columns::SqlGate`]); each has bounds on memory,
//!   time and rows, each user a bound on queries at once, the gateway one on connections.
//!
//! What is understood beside queries is what drivers say when they connect:
//! `postgres/session.rs` and `flight/service.rs`.

mod config;
mod connections;
mod error;
mod flight;
mod gateway;
mod postgres;
mod seal;
mod tls;
mod users;

pub use config::{GatewayConfig, TlsConfig, UserConfig};
pub use error::GatewayError;
pub use gateway::{Gateway, bind};
pub use users::{ANALYST, Users};
