//! From a url's authority to a connected socket, past the address policy.

use std::{
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use tokio::{net::TcpStream, time::timeout};
use tower_service::Service;

use crate::{Reach, Refusal, judge, lookups::Lookups};

/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("the url has no host")]
    NoHost,
    #[error("the address policy refused the host")]
    Blocked(#[source] Refusal),
    #[error("the host does not resolve")]
    Unresolved(#[source] io::Error),
    #[error("resolving the host took too long")]
    ResolveTimedOut,
    #[error("no address of the host accepts the connection")]
    Refused(#[source] io::Error),
}

/// How connections are made, the same for every reach.
#[derive(Debug)]
pub(crate) struct Dialling {
    pub(crate) lookups: Lookups,
    pub(crate) resolve_timeout: Duration,
    /// For each address that is tried.
    pub(crate) connect_timeout: Duration,
}

/// Connects within one reach. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    dialling: Arc<Dialling>,
    reach: Reach,
}

/// A connected socket that knows since when.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TokioIo<TcpStream>,
    since: Instant,
}

/// When a connection was made: an older one than the request is one that was kept alive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectedSince(pub(crate) Instant);

impl Connector {
    pub(crate) const fn new(dialling: Arc<Dialling>, reach: Reach) -> Self {
        Self { dialling, reach }
    }

    async fn connect(self, uri: Uri) -> Result<Socket, ConnectError> {
        let addresses = self.addresses(&uri).await?;
        let mut refused = None;
        let mut failed = None;
        for address in addresses.into_iter().take(ADDRESSES_MAX) {
            match judge(address.ip(), self.reach) {
                Ok(()) => match self.dial(address).await {
                    Ok(socket) => return Ok(socket),
                    Err(error @ ConnectError::Blocked(_)) => return Err(error),
                    Err(error) => failed = Some(error),
                },
                Err(refusal) => refused = Some(refusal),
            }
        }
        // What could be tried says more than what was not.
        Err(failed.or(refused.map(ConnectError::Blocked)).unwrap_or_else(|| {
            ConnectError::Unresolved(io::Error::new(io::ErrorKind::NotFound, "no address was found"))
        }))
    }

    /// Returns what the host stands for: an address literal is one too, and no resolver is asked for it.
    async fn addresses(&self, uri: &Uri) -> Result<Vec<SocketAddr>, ConnectError> {
        let host = uri.host().ok_or(ConnectError::NoHost)?;
        let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let unzoned = bare.split_once('%').map_or(bare, |(address, _zone)| address);
        if let Ok(address) = unzoned.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        match timeout(self.dialling.resolve_timeout, self.dialling.lookups.resolve(host, port)).await {
            Ok(found) => found.map_err(ConnectError::Unresolved),
            Err(_) => Err(ConnectError::ResolveTimedOut),
        }
    }

    async fn dial(&self, address: SocketAddr) -> Result<Socket, ConnectError> {
        let stream = match timeout(self.dialling.connect_timeout, TcpStream::connect(address)).await {
            Ok(connected) => connected.map_err(ConnectError::Refused)?,
            Err(_) => return Err(ConnectError::Refused(io::ErrorKind::TimedOut.into())),
        };
        // The second line: whatever happened below, this is who we talk to.
        let peer = stream.peer_addr().map_err(ConnectError::Refused)?;
        judge(peer.ip(), self.reach).map_err(ConnectError::Blocked)?;
        stream.set_nodelay(true).map_err(ConnectError::Refused)?;
        Ok(Socket { stream: TokioIo::new(stream), since: Instant::now() })
    }
}

impl Service<Uri> for Connector {
    type Response = Socket;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Socket, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

impl Connection for Socket {
    fn connected(&self) -> Connected {
        Connected::new().extra(ConnectedSince(self.since))
    }
}

impl Read for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl Write for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
