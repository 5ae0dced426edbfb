//! Accepting connections: TCP or TLS, HTTP/1.1, and HTTP/2 where TLS agreed on it. Bounded everywhere, and ended in order.
//!
//! Not its business: what a request means.

use std::{io, net::SocketAddr, time::Duration};

use anyhow::Context;
use bucketbell_gateway::PeerAddr;
use bytes::Bytes;
use http::{Request, Response};
use hyper::{
    body::{Body, Incoming},
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{settings::Listen, tls};

const CONNECTIONS_MAX: usize = 8192;
const HEADERS_MAX: usize = 128;
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// For the headers of a request, and for an idle connection to send the next one.
const HEADER_TIME_MAX: Duration = Duration::from_secs(60);
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
const STREAMS_MAX: u32 = 128;
/// Waits after accepting failed for want of file descriptors or memory: trying at once would only burn the processor.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A bound port, not served yet.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    bound: SocketAddr,
}

impl Listener {
    /// Binds the address, with the certificate where there is one.
    ///
    /// # Errors
    ///
    /// The address is taken or not ours, or the certificate is not usable. The message names the address and its flag.
    pub async fn bind(listen: &Listen) -> anyhow::Result<Self> {
        let tls = listen.tls.as_ref().map(tls::acceptor).transpose()?;
        let tcp = TcpListener::bind(&listen.address).await.with_context(|| {
            format!("cannot listen on {}: choose another address with {}", listen.address, listen.flag)
        })?;
        let bound = tcp.local_addr()?;
        Ok(Self { tcp, tls, bound })
    }

    pub const fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Serves connections until `stop`; then lets the requests in flight finish, for at most `grace`.
    ///
    /// Each request carries its [`PeerAddr`].
    pub async fn serve<S, B>(self, service: S, stop: CancellationToken, grace: Duration)
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            if connections.len() >= CONNECTIONS_MAX {
                tokio::select! {
                    _ = connections.join_next() => continue,
                    () = stop.cancelled() => break,
                }
            }
            let accepted = tokio::select! {
                accepted = self.tcp.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection(stream, peer, self.tls.clone(), service.clone(), stop.clone()));
                }
                Err(error) => after_accept_error(&error).await,
            }
        }
        // Whoever connects from now on is refused, not left waiting.
        drop(self.tcp);
        if timeout(grace, async { while connections.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!(connections = connections.len(), "requests were still in flight after {grace:?}: cut off");
        }
        connections.shutdown().await;
    }
}

/// A connection that ended before it was accepted is its client's affair; anything else is ours.
async fn after_accept_error(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    if !matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted) {
        tracing::error!(error = error as &dyn std::error::Error, "cannot accept connections: {error}");
        tokio::time::sleep(ACCEPT_RETRY).await;
    }
}

async fn connection<S, B>(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    service: S,
    stop: CancellationToken,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    // Small answers should not wait for the client's acknowledgement of the last one.
    let _ = stream.set_nodelay(true);
    let ended = match tls {
        None => serve_http(stream, peer, false, service, stop).await,
        Some(tls) => match timeout(HANDSHAKE_TIME_MAX, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                serve_http(stream, peer, http2, service, stop).await
            }
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err("the TLS handshake took too long".into()),
        },
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, "connection ended: {error}");
    }
}

async fn serve_http<S, B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    http2: bool,
    service: S,
    stop: CancellationToken,
) -> Result<(), BoxError>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(PeerAddr(peer));
        service.call(request)
    });
    let builder = builder(http2);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// One version, decided by TLS: guessing it from the first bytes would wait for them without a limit.
fn builder(http2: bool) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEADER_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .keep_alive_interval(HEADER_TIME_MAX)
        .keep_alive_timeout(HANDSHAKE_TIME_MAX);
    if http2 { builder.http2_only() } else { builder.http1_only() }
}
