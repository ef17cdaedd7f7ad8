//! Why the server could not start or go on.

use std::net::SocketAddr;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address can be reached from other machines.
    #[error(
        "could not listen on \"{0}\": the pages have no sign-in yet, so only loopback addresses \
         are allowed; put a reverse proxy that signs people in before 127.0.0.1 and name its \
         host in allowed_hosts"
    )]
    NotLoopback(SocketAddr),
    /// An allowed host is not a host name.
    #[error("allowed host \"{0}\" is not a host name with or without a port")]
    Host(String),
    /// The address is taken or not ours.
    #[error("could not listen on \"{listen}\"")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// The cause.
        source: std::io::Error,
    },
    /// The listening socket failed.
    #[error("could not go on serving")]
    Serve(#[source] std::io::Error),
}
