//! The receiver on a port: `POST /webhooks/<dialect>`.

use std::{future::Future, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::any,
};
use bucketbell_dialect::IncomingDialect;
use bucketbell_event::Timestamp;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::{Receiver, Reply};

/// Bytes of a request's body.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a body that is too large, until the connection is cut.
const BODY_BYTES_PAST_MAX: usize = 8 * BODY_BYTES_MAX;
/// Connections at once. More wait to be accepted.
pub const CONNECTIONS_MAX: usize = 1024;
/// How long a sender has for the head of a request, and again for its body.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How long answers to what was cut off have to leave.
const LAST_ANSWERS_TIMEOUT: Duration = Duration::from_secs(1);

/// Returns the paths of `receiver`, to serve them, or to merge them into a program's own. `now` is the clock.
pub fn router(receiver: Receiver, now: fn() -> Timestamp) -> Router {
    Router::new().route("/webhooks/{dialect}", any(webhook)).fallback(unknown).with_state((receiver, now))
}

/// Serves `receiver` on `listener` until `shutdown` ends, and then until what is in progress has ended too, whether its
/// sender still waits for it or not, for at most `stop_timeout` of the configuration.
pub async fn serve(listener: TcpListener, receiver: Receiver, shutdown: impl Future<Output = ()>) {
    let router = router(receiver.clone(), system_clock);
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
        };
        let Some((stream, slot)) = accepted else { break };
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(READ_TIMEOUT)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
            drop(slot);
        });
    }
    drop(listener);
    stop(&receiver, graceful).await;
}

/// Waits for what is in progress. First those who still wait for an answer: what they send is handled too.
async fn stop(receiver: &Receiver, connections: GracefulShutdown) {
    let (started, limit) = (Instant::now(), receiver.stop_timeout());
    let mut closing = std::pin::pin!(connections.shutdown());
    let closed = timeout(limit, &mut closing).await.is_ok();
    let unfinished = receiver.finish(limit.saturating_sub(started.elapsed())).await;
    if unfinished > 0 {
        tracing::warn!(
            requests = unfinished,
            "{unfinished} requests were not finished within {} s and are cut off: their senders try again",
            limit.as_secs()
        );
    }
    if !closed && timeout(LAST_ANSWERS_TIMEOUT, closing).await.is_err() {
        tracing::warn!("some connections are closed without an answer; their senders try again");
    }
}

/// Waits for room, then for a connection. `None` when there will be none any more.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = Arc::clone(slots).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY refused");
                }
                return Some((stream, slot));
            }
            // Out of file descriptors, or the peer is gone already: neither is a reason to end, nor to spin.
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn webhook(
    State((receiver, now)): State<(Receiver, fn() -> Timestamp)>,
    Path(name): Path<String>,
    request: Request,
) -> Response {
    let Ok(dialect) = name.parse::<IncomingDialect>() else { return unknown().await };
    match *request.method() {
        // MinIO asks with HEAD whether somebody is there (A1).
        Method::GET | Method::HEAD => Json(json!({"receives": dialect.as_str()})).into_response(),
        Method::POST => {
            let (head, body) = request.into_parts();
            match read(body).await {
                Ok(body) => receiver.receive(dialect, &head.headers, body, now()).await.into_response(),
                Err(reply) => reply.into_response(),
            }
        }
        _ => {
            let message = "post events here; GET and HEAD answer 200 and do nothing";
            let mut response = Reply::error(405, "MethodNotAllowed", message).into_response();
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, GET, HEAD"));
            response
        }
    }
}

async fn read(body: Body) -> Result<Bytes, Reply> {
    match timeout(READ_TIMEOUT, collect(body)).await {
        Ok(Ok(Some(body))) => Ok(body),
        Ok(Ok(None)) => Err(Reply::error(413, "BodyTooLarge", &format!("a body has at most {BODY_BYTES_MAX} bytes"))),
        Ok(Err(_)) => Err(Reply::error(400, "IncompleteBody", "the body broke off")),
        Err(_) => Err(Reply::error(408, "Timeout", "the body did not arrive in time")),
    }
}

/// Returns the body, or `None` when it is longer than [`BODY_BYTES_MAX`]. What is too much is read past for a while: a
/// sender that is cut off while it writes never sees why.
async fn collect(mut body: Body) -> Result<Option<Bytes>, axum::Error> {
    let mut kept = BytesMut::new();
    let mut read_bytes: usize = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        read_bytes = read_bytes.saturating_add(data.len());
        if read_bytes <= BODY_BYTES_MAX {
            kept.extend_from_slice(&data);
        } else if read_bytes > BODY_BYTES_PAST_MAX {
            break;
        }
    }
    Ok((read_bytes <= BODY_BYTES_MAX).then(|| kept.freeze()))
}

async fn unknown() -> Response {
    let paths =
        IncomingDialect::ALL.iter().map(|dialect| format!("/webhooks/{dialect}")).collect::<Vec<_>>().join(", ");
    Reply::error(404, "NotFound", &format!("there is nothing here: events are posted to {paths}")).into_response()
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.body)).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        response
    }
}

fn system_clock() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "the edge where a program that embeds nothing else gets the time")]
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    Timestamp::from_micros(since.map_or(0, |age| i64::try_from(age.as_micros()).unwrap_or(i64::MAX)))
}
