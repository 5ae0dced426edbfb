//! What surrounds every request: its id, and its line in the log.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderName, HeaderValue};
use tracing::Instrument;

use crate::error::ErrorCode;

/// Carries the request's id back.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const PATH_CHARS_MAX: usize = 256;

/// Numbers the requests of one process, after a start that tells processes apart.
#[derive(Debug, Clone)]
pub(crate) struct RequestIds {
    process: u32,
    next: Arc<AtomicU64>,
}

impl RequestIds {
    pub(crate) fn new(process: u32) -> Self {
        Self { process, next: Arc::default() }
    }

    fn next(&self) -> String {
        format!("{:08x}-{:010x}", self.process, self.next.fetch_add(1, Ordering::Relaxed))
    }
}

/// Gives the request an id, and logs what became of it: never its query, its headers or its body.
pub(crate) async fn observe(State(ids): State<RequestIds>, request: Request, next: Next) -> Response {
    let (id, started) = (ids.next(), Instant::now());
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(PATH_CHARS_MAX).collect();
    let span = tracing::info_span!("request", request_id = %id);
    let mut response = next.run(request).instrument(span).await;
    let status = response.status().as_u16();
    let took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let error = response.extensions().get::<ErrorCode>().map_or("", |code| code.0);
    if path.starts_with("/api/") {
        tracing::info!(request_id = %id, %method, path, status, took_us, error, "{method} {path} {status}");
    } else {
        tracing::debug!(request_id = %id, %method, path, status, took_us, error, "{method} {path} {status}");
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}
