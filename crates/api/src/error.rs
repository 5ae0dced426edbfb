//! The one error shape, and the one place where the ledger's errors become it.

use std::borrow::Cow;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use bucketbell_ledger::{RulesError, StoreError};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// A refusal: `{"error":{"code","message","field"?}}`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    pub status: StatusCode,
    /// For programs. A released code never changes.
    pub code: &'static str,
    /// For people: what is wrong and what would be right. Never a secret.
    pub message: Cow<'static, str>,
    /// The part of the request that is refused, such as `rules[2].url`.
    pub field: Option<String>,
}

#[derive(Serialize)]
struct Envelope<'a> {
    error: Shape<'a>,
}

#[derive(Serialize)]
struct Shape<'a> {
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl ApiError {
    const fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self { status, code, message: Cow::Borrowed(message), field: None }
    }

    pub(crate) const fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "give a valid API token as `Authorization: Bearer <token>`")
    }

    /// Also what somebody else's bucket answers: no hint that it exists (C2).
    pub(crate) const fn no_bucket() -> Self {
        Self::new(StatusCode::NOT_FOUND, "bucket_not_found", "no such bucket")
    }

    pub(crate) const fn no_route() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "nothing is served under this path")
    }

    pub(crate) const fn wrong_method() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path does not take this method")
    }

    pub(crate) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", "") }
    }

    pub(crate) fn bad_field(field: impl Into<String>, message: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field.into()), ..Self::bad_request(message) }
    }

    pub(crate) const fn forbidden(message: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    pub(crate) fn too_large(bytes_max: usize) -> Self {
        let message = format!("the body is larger than {bytes_max} bytes");
        Self { message: message.into(), ..Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "") }
    }

    pub(crate) const fn too_slow() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "the body did not arrive in time")
    }

    pub(crate) const fn changed() -> Self {
        let message = "the rules were changed since the version that If-Match names: read them again";
        Self::new(StatusCode::PRECONDITION_FAILED, "precondition_failed", message)
    }

    pub(crate) const fn contended() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the rules are being changed by others: try again")
    }

    pub(crate) const fn not_ready(message: &'static str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", message)
    }

    /// What must not fail did. The cause is in the log, under the answer's request id.
    pub(crate) const fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed: its log says why, by request id")
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let shape = Shape { code: self.code, message: &self.message, field: self.field.as_deref() };
        let mut response = (self.status, Json(Envelope { error: shape })).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        // The log line of the request names the code; the message may quote what the caller sent.
        response.extensions_mut().insert(ErrorCode(self.code));
        response
    }
}

/// What the log line of a refused request says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ErrorCode(pub(crate) &'static str);

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "storage_full",
                "the ledger's disk is full: nothing was changed",
            ),
            StoreError::ReadOnly(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the ledger cannot be written");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "read_only",
                    "the ledger cannot be written: nothing was changed",
                )
            }
            StoreError::Closed => Self::not_ready("the server is shutting down"),
            error => {
                tracing::error!(error = &error as &dyn std::error::Error, "the ledger failed");
                Self::internal()
            }
        }
    }
}

impl From<RulesError> for ApiError {
    fn from(error: RulesError) -> Self {
        match error {
            RulesError::NoSuchBucket(_) => Self::no_bucket(),
            RulesError::UnknownRule(_) | RulesError::RepeatedRule(_) => Self::bad_field("rules", error.to_string()),
            RulesError::Changed => Self::changed(),
            RulesError::Store(error) => error.into(),
            error => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the ledger refused rules for a reason unknown here"
                );
                Self::internal()
            }
        }
    }
}
