//! Reading a JSON body within its limits.

use std::time::Duration;

use axum::body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde_json::Value;

use crate::ApiError;

/// The largest body that any resource takes.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// For the whole body.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// Returns the body as JSON. Its `Content-Type` is not looked at: `curl -d` sends that of a form.
///
/// # Errors
///
/// 413 over [`BODY_BYTES_MAX`], 408 when it does not arrive, 400 when it is not JSON, with line and column.
pub(crate) async fn json(body: Body) -> Result<Value, ApiError> {
    let read = tokio::time::timeout(BODY_TIME_MAX, Limited::new(body, BODY_BYTES_MAX).collect());
    let bytes = match read.await {
        Err(_) => return Err(ApiError::too_slow()),
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(ApiError::too_large(BODY_BYTES_MAX)),
        Ok(Err(_)) => return Err(ApiError::bad_request("the body did not arrive whole")),
    };
    serde_json::from_slice(&bytes).map_err(|error| ApiError::bad_request(format!("the body is not JSON: {error}")))
}
