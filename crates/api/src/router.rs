//! Which path answers what.

use axum::{
    Router, middleware,
    routing::{MethodRouter, get},
};

use crate::{
    ApiError, ApiState, health, metrics, notifications,
    request::{RequestIds, observe},
};

/// Returns everything that the API port serves.
pub fn router(state: ApiState) -> Router {
    let rules = || -> MethodRouter<ApiState> { get(notifications::get).put(notifications::put) };
    // Ids need only be told apart within a log: without randomness they start at zero.
    let process = (state.random)().map_or(0, |bits| u32::from_be_bytes([bits[0], bits[1], bits[2], bits[3]]));
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::page))
        .route("/api/v1/buckets/{bucketName}/notifications", rules())
        // A path segment is never empty to the router, and a missing bucket name is 400, not 404 (C9).
        .route("/api/v1/buckets//notifications", rules())
        .fallback(async || ApiError::no_route())
        .method_not_allowed_fallback(async || ApiError::wrong_method())
        .with_state(state)
        .layer(middleware::from_fn_with_state(RequestIds::new(process), observe))
}
