//! `GET /api/v1/buckets/{bucketName}/notifications`.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    response::{IntoResponse, Response},
};
use bucketbell_rule::Scope;
use http::{HeaderMap, header};

use super::{open, version::etag, view::RulesView};
use crate::{ApiError, ApiState};

/// Answers with the bucket's rules in their order, and their version as the ETag (C1). Secrets are not in it (C6).
pub(crate) async fn get(
    State(state): State<ApiState>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (_, bucket) = open(&state, &headers, path).await?;
    let set = state.ledger.rules(&Scope::Bucket(bucket.name)).await?;
    Ok(([(header::ETAG, etag(set.version))], Json(RulesView::stored(&set.rules))).into_response())
}
