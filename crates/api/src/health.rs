//! `/healthz` and `/readyz`.

use std::time::Duration;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use crate::{ApiError, ApiState, Phase};

/// Time for the ledger to answer. Longer is not ready.
const LEDGER_TIME_MAX: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process runs and answers. Nothing else is asked, so that a full disk does not get it restarted.
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// `GET /readyz`: 200 from the `ready` line until shutdown begins, while the ledger reads and writes; else 503 with the
/// reason.
pub(crate) async fn ready(State(state): State<ApiState>) -> Result<Json<Value>, ApiError> {
    match state.readiness.phase() {
        Phase::Starting => return Err(ApiError::not_ready("the server is starting")),
        Phase::Stopping => return Err(ApiError::not_ready("the server is shutting down")),
        Phase::Ready => {}
    }
    match tokio::time::timeout(LEDGER_TIME_MAX, state.ledger.check()).await {
        Ok(Ok(())) => Ok(Json(json!({"status": "ready"}))),
        Ok(Err(error)) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "not ready: the ledger does not answer");
            Err(ApiError::not_ready("the ledger does not answer"))
        }
        Err(_) => Err(ApiError::not_ready("the ledger did not answer within 2 s")),
    }
}
