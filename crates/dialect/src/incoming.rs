//! What comes in: verified first, decoded after that.

mod bearer;
mod cloud_event;
mod field;
mod received;
mod records;
mod signature;

use std::time::Duration;

use bucketbell_event::Timestamp;
use http::HeaderMap;
use serde_json::Value;

use crate::{IncomingDialect, SigningKey};

pub use field::DecodeError;
pub use received::{Family, Received};
pub use signature::SIGNATURES_MAX;

/// How far the signed time of a request may be from ours (Standard Webhooks).
pub const TOLERANCE_DEFAULT: Duration = Duration::from_secs(5 * 60);
/// Events in one body.
pub const RECORDS_MAX: usize = 1_000;

/// Why a request is not believed. It names a header, never a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The receiver has nothing to verify with: a mistake of its configuration, not of the sender.
    #[error("no secret is configured")]
    NoSecret,
    #[error("the header `{0}` is missing")]
    Missing(&'static str),
    #[error("the header `{0}` is given more than once, or is malformed")]
    Malformed(&'static str),
    #[error("the signature in `{0}` is not one of this body under a configured secret")]
    Mismatch(&'static str),
    /// A captured request sent again later, or two clocks that differ.
    #[error(
        "the signed time is {off_by_seconds} seconds off, more than the {tolerance_seconds} allowed: check both clocks"
    )]
    Stale { off_by_seconds: u64, tolerance_seconds: u64 },
}

/// Verifies that the holder of one of `secrets` sent this very request (A7). Every comparison takes constant time.
///
/// `bucketbell` needs the timestamped signature, at most `tolerance` from `now`, and the signature of the body too
/// where it is given; `s3-orchestrator` the signature of the body. `minio` and `aws` sign nothing: there `Authorization`
/// must carry a secret, as `Bearer <secret>`, verbatim, or as `Basic` of a secret of the form `user:password`.
///
/// # Errors
///
/// [`VerifyError`]: the caller answers 401 and handles nothing.
pub fn verify(
    dialect: IncomingDialect,
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[SigningKey],
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    if secrets.is_empty() {
        return Err(VerifyError::NoSecret);
    }
    match dialect {
        IncomingDialect::Bucketbell => {
            signature::timestamped(headers, body, secrets, now, tolerance)?;
            signature::of_body(headers, body, secrets).map(|_| ())
        }
        IncomingDialect::S3Orchestrator => match signature::of_body(headers, body, secrets)? {
            true => Ok(()),
            false => Err(VerifyError::Missing("x-signature-256")),
        },
        IncomingDialect::Minio | IncomingDialect::Aws => bearer::authorized(headers, secrets),
    }
}

/// Reads the events of a body, in its order. Verify first: this believes what it reads.
///
/// The headers are for dialects that put an event's attributes there; none of today's does.
///
/// # Errors
///
/// [`DecodeError`]: the caller answers 400. Nothing of the body may be handled then.
pub fn decode(dialect: IncomingDialect, _headers: &HeaderMap, body: &[u8]) -> Result<Vec<Received>, DecodeError> {
    // `serde_json` stops at a depth of 128, so no body can exhaust the stack.
    let json: Value = serde_json::from_slice(body).map_err(|error| DecodeError::NotJson(error.to_string()))?;
    match dialect {
        IncomingDialect::Bucketbell | IncomingDialect::S3Orchestrator => cloud_event::decode(json),
        IncomingDialect::Minio => records::decode(json),
        IncomingDialect::Aws => records::decode_or_test(json),
    }
}
