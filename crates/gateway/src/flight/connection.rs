//! A connection that counts, and whose other end has to prove soon who it is.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use tonic::Extensions;
use tonic::transport::server::{Connected, TcpConnectInfo, TlsConnectInfo};

/// The other end of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    tcp: TcpConnectInfo,
    is_proven: Arc<AtomicBool>,
}

impl Peer {
    /// Returns whose request has these extensions.
    pub(crate) fn of(extensions: &Extensions) -> Option<Self> {
        let over_tls = extensions
            .get::<TlsConnectInfo<Peer>>()
            .map(TlsConnectInfo::get_ref);
        extensions.get::<Peer>().or(over_tls).cloned()
    }

    /// Returns its address.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.tcp.remote_addr()
    }

    /// Says that it has signed in, or has a good token.
    pub(crate) fn prove(&self) {
        self.is_proven.store(true, Ordering::Relaxed);
    }
}

/// One connection, and its place among as many as there may be.
pub(crate) struct Connection {
    socket: TcpStream,
    _permit: OwnedSemaphorePermit,
    peer: Peer,
    patience: Pin<Box<Sleep>>,
}

impl Connection {
    /// Gives the other end so long to sign in.
    pub(crate) fn new(permit: OwnedSemaphorePermit, socket: TcpStream, patience: Duration) -> Self {
        let peer = Peer {
            tcp: socket.connect_info(),
            is_proven: Arc::default(),
        };
        Self {
            socket,
            _permit: permit,
            peer,
            patience: Box::pin(tokio::time::sleep(patience)),
        }
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let is_proven = self.peer.is_proven.load(Ordering::Relaxed);
        if !is_proven && self.patience.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}
