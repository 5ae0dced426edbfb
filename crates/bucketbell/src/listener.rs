//! Accepting connections: TCP or TLS, HTTP/1.1, and HTTP/2 where TLS agreed on it. Bounded everywhere, and ended in order.
//!
//! Not its business: what a request means.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

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
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream, lookup_host},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;

use crate::{peers::Peers, settings::Listen, tls};

/// Connections of one port. Beyond them new ones wait in the backlog.
const CONNECTIONS_MAX: usize = 8192;
/// Of them, those of one peer: a quarter, because everybody behind one proxy, and everything on one machine, is one peer.
const PEER_CONNECTIONS_MAX: usize = CONNECTIONS_MAX / 4;
/// Connections that the system accepts before this program does: a burst of clients should wait, not be turned away.
const BACKLOG: u32 = 1024;
const HEADERS_MAX: usize = 128;
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// For a new connection to send its first request's headers. Until then nobody knows who it is, and it costs a place.
const FIRST_HEADER_TIME_MAX: Duration = Duration::from_secs(10);
/// For the headers of any later request, and so for an idle connection to send the next one.
const HEADER_TIME_MAX: Duration = Duration::from_secs(60);
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
const STREAMS_MAX: u32 = 128;
/// Waits after accepting failed for want of file descriptors or memory: trying at once would only burn the processor.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// Says once in a while that a peer is turned away: each time would fill the log at that peer's will.
const TURNED_AWAY_LOG_EVERY: Duration = Duration::from_secs(60);
/// The first byte of every TLS connection: a record of type handshake.
const TLS_HANDSHAKE: u8 = 0x16;
const PLAIN_ON_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 49\r\n\
connection: close\r\n\r\nThis port speaks https: use https:// in the url.\n";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A bound port, not served yet.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    bound: SocketAddr,
    peers: Peers,
}

impl Listener {
    /// Binds the address, with the certificate where there is one.
    ///
    /// # Errors
    ///
    /// The address is taken or not ours, or the certificate is not usable. The message names the address and its flag.
    pub async fn bind(listen: &Listen) -> anyhow::Result<Self> {
        let tls = listen.tls.as_ref().map(tls::acceptor).transpose()?;
        let tcp = bind(&listen.address).await.with_context(|| {
            format!("cannot listen on {}: choose another address with {}", listen.address, listen.flag)
        })?;
        let bound = tcp.local_addr()?;
        Ok(Self { tcp, tls, bound, peers: Peers::new(PEER_CONNECTIONS_MAX) })
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
        let (mut connections, mut told) = (JoinSet::new(), None);
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
                    let Some(seat) = self.peers.seat(peer.ip()) else {
                        turned_away(peer, &mut told);
                        continue;
                    };
                    let served = connection(stream, peer, self.tls.clone(), service.clone(), stop.clone());
                    connections.spawn(async move {
                        served.await;
                        drop(seat);
                    });
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

/// Binds the first address of the name that can be bound, as `TcpListener::bind` does, with a backlog of our own choice.
async fn bind(address: &str) -> io::Result<TcpListener> {
    let mut failed = None;
    for address in lookup_host(address).await? {
        let bound = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            // A restart should not wait for the last connections of the process before it to be forgotten.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        match bound() {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = Some(error),
        }
    }
    Err(failed.unwrap_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the name has no address")))
}

fn turned_away(peer: SocketAddr, told: &mut Option<Instant>) {
    if told.is_none_or(|told| told.elapsed() >= TURNED_AWAY_LOG_EVERY) {
        *told = Some(Instant::now());
        let peer = peer.ip();
        tracing::warn!(%peer, "{peer} has {PEER_CONNECTIONS_MAX} connections, as many as one peer may: more are closed");
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
        Some(tls) => match timeout(HANDSHAKE_TIME_MAX, handshake(tls, stream)).await {
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

/// Agrees on TLS, or tells whoever speaks plain http what to do: a closed connection alone would send people looking for a
/// firewall.
async fn handshake(tls: TlsAcceptor, mut stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await? == 1 && first[0] != TLS_HANDSHAKE {
        stream.write_all(PLAIN_ON_TLS).await?;
        stream.shutdown().await?;
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not TLS"));
    }
    tls.accept(stream).await
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
    let asked = Arc::new(AtomicBool::new(false));
    let asks = Arc::clone(&asked);
    let service = service_fn(move |mut request: Request<Incoming>| {
        asks.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(PeerAddr(peer));
        service.call(request)
    });
    let builder = builder(http2);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        () = overdue(&asked) => return Err("no complete request head came in time".into()),
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    connection.await
}

/// Returns when the first request should have come and has not.
async fn overdue(asked: &AtomicBool) {
    sleep(FIRST_HEADER_TIME_MAX).await;
    if asked.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::Empty;
    use tokio::io::{AsyncReadExt, duplex};

    use super::*;

    const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

    async fn nothing(_: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
        Ok(Response::new(Empty::new()))
    }

    /// Returns how long a connection lives on which only this was ever sent.
    async fn life(sent: &[u8]) -> Duration {
        let (mut client, server) = duplex(64 * 1024);
        let started = Instant::now();
        let served = tokio::spawn(serve_http(server, PEER, false, service_fn(nothing), CancellationToken::new()));
        client.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        let _ = served.await.unwrap();
        started.elapsed()
    }

    /// Guards against idle connections of nobody that kept a port closed for a minute.
    #[tokio::test(start_paused = true)]
    async fn a_connection_that_asks_for_nothing_is_closed_early_and_one_that_asked_is_kept() {
        for silent in ["", "GET / HT", "GET / HTTP/1.1\r\nhost: a\r\n"] {
            let life = life(silent.as_bytes()).await;
            assert!(life >= FIRST_HEADER_TIME_MAX && life < FIRST_HEADER_TIME_MAX * 2, "{silent}: {life:?}");
        }
        let idle = life(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(idle >= HEADER_TIME_MAX && idle < HEADER_TIME_MAX * 2, "{idle:?}");
    }

    async fn listener() -> Listener {
        let listen = Listen { address: "127.0.0.1:0".to_owned(), flag: "--s3-listen", tls: None };
        Listener::bind(&listen).await.unwrap()
    }

    async fn from(source: &str, to: SocketAddr) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(source.parse().unwrap()).unwrap();
        socket.connect(to).await.unwrap()
    }

    async fn ask(stream: &mut TcpStream) -> bool {
        let mut answer = [0; 12];
        let asked = stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
        asked.is_ok() && stream.read_exact(&mut answer).await.is_ok() && &answer == b"HTTP/1.1 200"
    }

    #[tokio::test]
    async fn one_peer_cannot_take_every_place() {
        let listener = Listener { peers: Peers::new(2), ..listener().await };
        let (address, stop) = (listener.bound(), CancellationToken::new());
        let served = tokio::spawn(listener.serve(service_fn(nothing), stop.clone(), HANDSHAKE_TIME_MAX));
        let mut held = [from("127.0.0.1:0", address).await, from("127.0.0.1:0", address).await];
        for stream in &mut held {
            assert!(ask(stream).await);
        }
        assert!(!ask(&mut from("127.0.0.1:0", address).await).await, "a third one of the same peer");
        assert!(ask(&mut from("127.0.0.2:0", address).await).await, "another peer");
        stop.cancel();
        served.await.unwrap();
    }

    #[test]
    fn the_hint_to_speak_https_is_as_long_as_it_says() {
        let text = String::from_utf8_lossy(PLAIN_ON_TLS);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{text}");
    }
}
