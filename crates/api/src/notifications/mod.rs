//! The rules of one bucket: `/api/v1/buckets/{bucketName}/notifications` (C1 to C9).
//!
//! Checks go in the order of C2: who calls (401), whether the bucket is there for this caller (404), what the request
//! says (400), what the caller may do (403).

mod get;
mod identity;
mod put;
mod version;
mod view;

use axum::extract::{Path, rejection::PathRejection};
use bucketbell_ledger::{Account, Bucket, Role};
use http::HeaderMap;

pub(crate) use self::{get::get, put::put};
use crate::{ApiError, ApiState, caller::caller};

/// Returns the caller and the bucket that the path names.
async fn open(
    state: &ApiState,
    headers: &HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<(Account, Bucket), ApiError> {
    let account = caller(state, headers).await?;
    // Without a name the path has no parameter at all, and axum calls that a bad route.
    let name = match path {
        Ok(Path(name)) if !name.trim().is_empty() => name,
        _ => return Err(ApiError::bad_field("bucketName", "the path lacks the name of the bucket, as UTF-8")),
    };
    let bucket = state.ledger.bucket(&name).await?.ok_or_else(ApiError::no_bucket)?;
    if account.role != Role::Admin && account.id != bucket.owner {
        return Err(ApiError::no_bucket());
    }
    Ok((account, bucket))
}
