//! The outermost layer: what every request and every answer has, whatever the operation.

use std::{
    convert::Infallible,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use s3s::{Body, S3Error, s3_error, service::S3Service};
use tokio::sync::Semaphore;

use crate::{GatewayConfig, PeerAddr, exchange::Exchange, failure, lingering::Returned, preflight, text::xml_escaped};

/// The body of an answer.
pub type GatewayBody = Body;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");
const EVENT_ID: HeaderName = HeaderName::from_static("x-bucketbell-event-id");
const EVENT_COUNT: HeaderName = HeaderName::from_static("x-bucketbell-event-count");
/// Events whose ids a writer is told (X11).
const EVENT_IDS_MAX: usize = 10;
/// Where `s3s` ends an error document.
const ERROR_END: &[u8] = b"</Error>";

/// Serves S3 requests. Cheap to clone; one clone per connection.
#[derive(Clone)]
pub struct GatewayService {
    s3: S3Service,
    shared: Arc<Shared>,
}

struct Shared {
    host_id: String,
    /// Requests that may still start.
    slots: Semaphore,
    /// Bytes that signed chunks may still hold in memory.
    signed_chunk_bytes: Semaphore,
    /// Makes request ids differ should the system have no randomness to give.
    served: AtomicU64,
}

impl fmt::Debug for GatewayService {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("GatewayService").finish_non_exhaustive()
    }
}

impl GatewayService {
    pub(crate) fn new(s3: S3Service, config: &GatewayConfig) -> Self {
        let slots = Semaphore::new(config.requests_max.min(Semaphore::MAX_PERMITS));
        let signed_chunk_bytes = Semaphore::new(config.signed_chunk_bytes_max.min(Semaphore::MAX_PERMITS));
        let host_id = config.host_id.clone();
        let shared = Shared { host_id, slots, signed_chunk_bytes, served: AtomicU64::new(0) };
        Self { s3, shared: Arc::new(shared) }
    }

    /// Serves one request. Every answer, also to a request that is refused, has a request id and is logged.
    ///
    /// The listener puts a [`PeerAddr`] into the request's extensions.
    pub async fn serve(&self, mut request: Request<Body>) -> Response<Body> {
        let peer = request.extensions().get::<PeerAddr>().map(|peer| peer.0);
        let user_agent = request.headers().get(header::USER_AGENT).map_or(&b""[..], HeaderValue::as_bytes);
        let exchange = Arc::new(Exchange::new(self.request_id(), peer, user_agent));
        let mut line = LogLine::new(&exchange, request.method().clone());
        let resource = request.uri().path().to_owned();
        request.extensions_mut().insert(Arc::clone(&exchange));

        let answer = self.answer(request).await;
        let answer = if is_broken_xml_body(&answer, &exchange) { refused(failure::unreadable()) } else { answer };
        let answer = self.completed(answer, &exchange, &resource);
        line.status = Some(answer.status());
        answer
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let Ok(_slot) = self.shared.slots.try_acquire() else { return refused(busy()) };
        let (mut head, body) = request.into_parts();
        let chunks = u32::try_from(preflight::signed_chunk_bytes(&head.headers)).unwrap_or(u32::MAX);
        let Ok(_memory) = self.shared.signed_chunk_bytes.try_acquire_many(chunks) else { return refused(busy()) };
        let returned = Returned::default();
        let body = returned.lend(body, &head.headers);
        let mut answer = match preflight::check(&head) {
            Ok(()) => {
                preflight::settle_range(&mut head);
                self.protocol(Request::from_parts(head, body)).await
            }
            Err(error) => {
                drop(body);
                refused(error)
            }
        };
        returned.linger();
        if returned.is_unasked() {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    async fn protocol(&self, request: Request<Body>) -> Response<Body> {
        self.s3.call(request).await.unwrap_or_else(|error| {
            tracing::error!(%error, "the protocol layer failed");
            refused(s3_error!(InternalError))
        })
    }

    /// Adds what every answer has, and to an error document what `s3s` leaves out.
    fn completed(&self, answer: Response<Body>, exchange: &Exchange, resource: &str) -> Response<Body> {
        let (mut parts, mut body) = answer.into_parts();
        if (parts.status.is_client_error() || parts.status.is_server_error())
            && let Some(document) = body.bytes()
            && let Some(document) = completed_document(&document, &exchange.request_id, &self.shared.host_id, resource)
        {
            parts.headers.remove(header::CONTENT_LENGTH);
            body = Body::from(document);
        }
        // `s3s` answers 206 to a GET of a range, and 200 to the HEAD of the same.
        if parts.status == StatusCode::OK && parts.headers.contains_key(header::CONTENT_RANGE) {
            parts.status = StatusCode::PARTIAL_CONTENT;
        }
        let mut set = |name, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                parts.headers.insert(name, value);
            }
        };
        set(REQUEST_ID, &exchange.request_id);
        set(HOST_ID, &self.shared.host_id);
        let events = exchange.events();
        if !events.is_empty() {
            set(EVENT_ID, &event_ids(exchange));
            set(EVENT_COUNT, &events.len().to_string());
        }
        Response::from_parts(parts, body)
    }

    fn request_id(&self) -> String {
        let served = self.shared.served.fetch_add(1, Ordering::Relaxed);
        let mut random = served.to_be_bytes();
        // Without randomness the count is left: unique in this process, which is what a log needs.
        let _ = getrandom::fill(&mut random);
        hex::encode_upper(random)
    }
}

impl hyper::service::Service<Request<Incoming>> for GatewayService {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.serve(request.map(Body::from)).await) })
    }
}

/// Returns whether `s3s` failed to read the XML of a request: it calls every such failure its own, also a body that is
/// not the signed one. Where our own code failed, it has noted so.
fn is_broken_xml_body(answer: &Response<Body>, exchange: &Exchange) -> bool {
    answer.status() == StatusCode::INTERNAL_SERVER_ERROR
        && !exchange.has_failed()
        && exchange.target().is_some_and(|target| target.operation == "CreateBucket")
}

fn busy() -> S3Error {
    s3_error!(SlowDown, "The server is busy. Reduce your request rate.")
}

fn refused(error: S3Error) -> Response<Body> {
    error.to_http_response().unwrap_or_else(|_| {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        answer
    })
}

/// Returns an error document with the resource and the request's id in it, `None` when it is no error document.
fn completed_document(document: &Bytes, request_id: &str, host_id: &str, resource: &str) -> Option<Bytes> {
    let start = document.strip_suffix(ERROR_END)?;
    let resource = xml_escaped(resource);
    let added = format!(
        "<Resource>{resource}</Resource><RequestId>{request_id}</RequestId><HostId>{}</HostId>",
        xml_escaped(host_id)
    );
    Some([start, added.as_bytes(), ERROR_END].concat().into())
}

fn event_ids(exchange: &Exchange) -> String {
    let ids: Vec<_> = exchange.events().iter().take(EVENT_IDS_MAX).map(ToString::to_string).collect();
    ids.join(",")
}

/// The log line of one request, written when it is dropped: also when the client went away before the answer.
///
/// No key and no url is in it: a key is the owner's business, and a presigned url is a credential.
struct LogLine {
    exchange: Arc<Exchange>,
    method: Method,
    started: Instant,
    status: Option<StatusCode>,
}

impl LogLine {
    fn new(exchange: &Arc<Exchange>, method: Method) -> Self {
        Self { exchange: Arc::clone(exchange), method, started: Instant::now(), status: None }
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        let exchange = &*self.exchange;
        let target = exchange.target();
        let operation = target.map_or("", |target| target.operation.as_str());
        tracing::info!(
            request.id = %exchange.request_id,
            method = %self.method,
            operation,
            bucket = target.map_or("", |target| target.bucket.as_str()),
            key_bytes = target.map_or(0, |target| target.key_bytes),
            // 499: the client closed the connection before there was an answer (nginx's word for it).
            status = self.status.map_or(499, |status| status.as_u16()),
            duration_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX),
            principal = exchange.account().map_or("", |account| account.name.as_str()),
            peer = exchange.peer.map(tracing::field::display),
            event.ids = %event_ids(exchange),
            "s3 request {} {operation}", exchange.request_id,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_document_gets_what_is_missing() {
        let document = Bytes::from_static(b"<?xml?><Error><Code>NoSuchKey</Code></Error>");
        let completed = completed_document(&document, "4F", "host", "/b/<k>").unwrap();
        assert_eq!(
            completed,
            "<?xml?><Error><Code>NoSuchKey</Code><Resource>/b/&lt;k&gt;</Resource><RequestId>4F</RequestId><HostId>host</HostId></Error>"
        );
        assert_eq!(completed_document(&Bytes::from_static(b"hello"), "4F", "host", "/"), None);
    }
}
