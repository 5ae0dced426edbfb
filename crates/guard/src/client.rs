//! The HTTP client: one POST, one deadline, one answer (X5).

use std::{
    error::Error,
    fmt, io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderValue, Method, Request, Response, Uri,
    header::{CONTENT_LENGTH, HOST},
};
use http_body_util::Full;
use hyper::{body::Incoming, client::conn::http1};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy,
    rt::{TokioExecutor, TokioTimer},
};
use tokio::time::timeout;
use tower_service::Service;

use crate::{
    Answer, ClientError, Destination, Reach, Resolve, SendError, SystemResolver,
    connector::{ConnectedSince, Connector, Dialling},
    lookups::Lookups,
    tls,
};

/// A kept connection is closed after this: sooner than the 5 s after which common servers close theirs.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Bytes of an answer's head, give or take one buffer.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Headers of an answer.
pub const HEADERS_MAX: usize = 100;

/// How requests leave.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Certificates (PEM) that are trusted beside those of the platform. Default: none.
    pub extra_roots_pem: Option<Vec<u8>>,
    /// For each address of a host that is tried. Default: 2 s.
    pub connect_timeout: Duration,
    /// For resolving a host. Default: 5 s.
    pub resolve_timeout: Duration,
    /// Connections to one host that are kept while nothing is sent. Default: 128.
    pub idle_per_host_max: usize,
    /// Asked for one name once at a time, however many requests wait for it. Default: [`SystemResolver`].
    pub resolver: Arc<dyn Resolve>,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Post<'a> {
    pub destination: &'a Destination,
    /// `Host` and `Content-Length` are set by the client, whatever stands here.
    pub headers: HeaderMap,
    /// Sent as it is (SG-1).
    pub body: Bytes,
    /// For everything: resolving, connecting, sending, and the whole of the answer.
    pub timeout: Duration,
    pub reach: Reach,
}

/// The only HTTP client that leaves the house. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client(Arc<Pools>);

/// One pool for each reach: a connection that was vouched for is never taken by a request that nobody vouches for.
struct Pools {
    public: Pool,
    vouched: Pool,
}

struct Pool {
    kept: legacy::Client<HttpsConnector<Connector>, Full<Bytes>>,
    connector: HttpsConnector<Connector>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            extra_roots_pem: None,
            connect_timeout: Duration::from_secs(2),
            resolve_timeout: Duration::from_secs(5),
            idle_per_host_max: 128,
            resolver: Arc::new(SystemResolver),
        }
    }
}

impl Client {
    /// Makes a client. It reads no proxy, and nothing else, from the environment but where the platform keeps its roots.
    ///
    /// # Errors
    ///
    /// [`ClientError`] when the extra root certificates are none.
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        let tls = tls::config(config.extra_roots_pem.as_deref())?;
        let dialling = Arc::new(Dialling {
            lookups: Lookups::new(config.resolver),
            resolve_timeout: config.resolve_timeout,
            connect_timeout: config.connect_timeout,
        });
        // A pool that keeps nothing cannot connect either (hyper issue 3499).
        let idle_max = config.idle_per_host_max.max(1);
        let pool = |reach| Pool::new(tls.clone(), Connector::new(Arc::clone(&dialling), reach), idle_max);
        Ok(Self(Arc::new(Pools { public: pool(Reach::Public), vouched: pool(Reach::Vouched) })))
    }

    /// Sends `post` and reads the answer. A redirect is an answer like any other.
    ///
    /// A request whose kept connection ends before a byte of the answer is sent once more, at once, over a new
    /// connection: the receiver had closed it while we wrote. That is no second attempt, the request is the same.
    ///
    /// # Errors
    ///
    /// [`SendError`] when there is no answer.
    pub async fn post(&self, post: Post<'_>) -> Result<Answer, SendError> {
        let pool = match post.reach {
            Reach::Public => &self.0.public,
            Reach::Vouched => &self.0.vouched,
        };
        let Post { destination, mut headers, body, timeout: limit, .. } = post;
        headers.insert(HOST, destination.host_header().clone());
        headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let exchange = async { Ok(Answer::read(pool.send(destination.uri(), headers, body).await?).await) };
        timeout(limit, exchange).await.unwrap_or(Err(SendError::TimedOut))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Client")
    }
}

impl Pool {
    fn new(tls: rustls::ClientConfig, connector: Connector, idle_max: usize) -> Self {
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector);
        let kept = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(idle_max)
            .http1_max_buf_size(HEADER_BYTES_MAX)
            .http1_max_headers(HEADERS_MAX)
            .set_host(false)
            .build(connector.clone());
        Self { kept, connector }
    }

    async fn send(&self, uri: &Uri, headers: HeaderMap, body: Bytes) -> Result<Response<Incoming>, SendError> {
        let started = Instant::now();
        let first = request(uri.clone(), headers.clone(), body.clone());
        match self.kept.request(first).await {
            Ok(response) => Ok(response),
            Err(error) if kept_connection_ended(&error, started) => self.send_afresh(uri, headers, body).await,
            Err(error) => Err(SendError::from_pool(&error)),
        }
    }

    /// Sends over a connection of its own, past the pool, whose other connections may have ended as the first did.
    async fn send_afresh(&self, uri: &Uri, headers: HeaderMap, body: Bytes) -> Result<Response<Incoming>, SendError> {
        let stream = self.connector.clone().call(uri.clone()).await.map_err(|error| SendError::from_chain(&*error))?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEADER_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .handshake(stream)
            .await
            .map_err(|error| SendError::from_chain(&error))?;
        // Ends with its one exchange: when the answer is read, or the sender and the answer are dropped.
        tokio::spawn(connection);
        let path = uri.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()));
        sender.send_request(request(path, headers, body)).await.map_err(|error| SendError::from_chain(&error))
    }
}

fn request(uri: Uri, headers: HeaderMap, body: Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    request
}

/// Returns whether the request went into a connection from before it, and that ended without a byte of an answer.
fn kept_connection_ended(error: &legacy::Error, started: Instant) -> bool {
    let mut extras = Extensions::new();
    if let Some(connection) = error.connect_info() {
        connection.get_extras(&mut extras);
    }
    let kept = extras.get::<ConnectedSince>().is_some_and(|since| since.0 < started);
    kept && error.source().is_some_and(ended_without_answer)
}

fn ended_without_answer(error: &(dyn Error + 'static)) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    if let Some(error) = error.downcast_ref::<hyper::Error>()
        && (error.is_incomplete_message() || error.is_canceled() || error.is_closed())
    {
        return true;
    }
    let ended = |kind| matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof);
    error.downcast_ref::<io::Error>().is_some_and(|error| ended(error.kind()))
        || error.source().is_some_and(ended_without_answer)
}
