//! The one place where failures become S3 error codes.
//!
//! A client learns what it can do. What only the operator can do something about (paths, SQL, which disk) goes to the log,
//! once, here, under the request's id.

use std::fmt::Write as _;

use bucketbell_blob::BlobError;
use bucketbell_ledger::{CommitError, StoreError};
use http::StatusCode;
use s3s::{
    BodySizeLimitExceeded, S3Error, S3ErrorCode, StdError, s3_error,
    stream::{aws_chunked_stream::AwsChunkedStreamError, upload_stream::UploadStreamError},
};

use crate::exchange::Exchange;

const DISK_FULL: &str = "The server has no disk space left, and nothing was stored. Its operator has to free some; then send the request again.";
const READ_ONLY: &str = "The server cannot write to its disk, and nothing was stored. Its operator has to look at the log; then send the request again.";
const CLOSED: &str = "The server is shutting down. Send the request again.";
const INTERNAL: &str = "The server failed, and its log says why under this request's id. Send the request again.";

/// Returns an error with a code that `s3s` does not know.
pub(crate) fn custom(
    status: StatusCode,
    code: &'static str,
    message: impl Into<std::borrow::Cow<'static, str>>,
) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(status);
    error
}

/// Answers a failure of the ledger.
pub(crate) fn of_store(exchange: &Exchange, error: &StoreError) -> S3Error {
    exchange.note_failure();
    tracing::error!(request.id = %exchange.request_id, error = chain(error), "the ledger failed a request");
    match error {
        StoreError::Full => s3_error!(ServiceUnavailable, "{}", DISK_FULL),
        StoreError::ReadOnly(_) => s3_error!(ServiceUnavailable, "{}", READ_ONLY),
        StoreError::Closed => s3_error!(ServiceUnavailable, "{}", CLOSED),
        _ => s3_error!(InternalError, "{}", INTERNAL),
    }
}

/// Answers why a change was not committed, or a bucket not read.
pub(crate) fn of_commit(exchange: &Exchange, error: &CommitError) -> S3Error {
    match error {
        CommitError::NoSuchBucket(_) => s3_error!(NoSuchBucket, "The specified bucket does not exist."),
        CommitError::BucketExists { same_owner: true, .. } => {
            s3_error!(BucketAlreadyOwnedByYou, "You have this bucket already.")
        }
        CommitError::BucketExists { .. } => {
            s3_error!(BucketAlreadyExists, "The bucket name is taken. Choose another one.")
        }
        CommitError::BucketNotEmpty(_) => s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty."),
        CommitError::PreconditionFailed => precondition_failed(),
        CommitError::NoSuchKey => no_such_key(),
        CommitError::BlobGone => {
            s3_error!(RequestTimeout, "The upload took longer than the server keeps unfinished ones. Send it again.")
        }
        CommitError::Store(error) => of_store(exchange, error),
        other => {
            exchange.note_failure();
            tracing::error!(request.id = %exchange.request_id, error = chain(other), "a change was refused");
            s3_error!(InternalError, "{}", INTERNAL)
        }
    }
}

/// Answers a failure of the blob store.
pub(crate) fn of_blob(exchange: &Exchange, error: &BlobError) -> S3Error {
    exchange.note_failure();
    let broken = matches!(error, BlobError::Missing(_) | BlobError::Truncated { .. });
    let invariant = if broken { "OB-2" } else { "" };
    tracing::error!(request.id = %exchange.request_id, invariant, error = chain(error), "the blob store failed a request");
    match error {
        BlobError::Full { .. } => s3_error!(ServiceUnavailable, "{}", DISK_FULL),
        BlobError::ReadOnly { .. } => s3_error!(ServiceUnavailable, "{}", READ_ONLY),
        _ => s3_error!(InternalError, "{}", INTERNAL),
    }
}

/// Answers a failure that no type tells more about.
pub(crate) fn internal(exchange: &Exchange, what: &dyn std::error::Error) -> S3Error {
    exchange.note_failure();
    tracing::error!(request.id = %exchange.request_id, error = chain(what), "a request failed");
    s3_error!(InternalError, "{}", INTERNAL)
}

/// Answers a body that is not what was announced or signed. Nothing of it may be committed.
pub(crate) fn of_body(error: &StdError) -> S3Error {
    let mut link: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
    while let Some(error) = link {
        if error.is::<BodySizeLimitExceeded>() {
            return too_large();
        }
        match error.downcast_ref::<UploadStreamError>() {
            Some(UploadStreamError::Sha256Mismatch) => return sha256_mismatch(),
            Some(UploadStreamError::LengthMismatch | UploadStreamError::Incomplete) => return incomplete(),
            Some(UploadStreamError::Underlying(_)) | None => {}
        }
        match error.downcast_ref::<AwsChunkedStreamError>() {
            Some(AwsChunkedStreamError::SignatureMismatch) => {
                return s3_error!(
                    SignatureDoesNotMatch,
                    "The signature of a chunk, or of the trailer, does not match."
                );
            }
            Some(AwsChunkedStreamError::ChunkDataTooLarge(_, max)) => {
                return s3_error!(
                    EntityTooLarge,
                    "A signed chunk is larger than {} bytes. Set the client's chunk size to {} or less (64 KiB is usual), or send the chunks unsigned (STREAMING-UNSIGNED-PAYLOAD-TRAILER).",
                    max,
                    max
                );
            }
            Some(AwsChunkedStreamError::Underlying(_)) | None => {}
            Some(_) => return incomplete(),
        }
        link = error.source();
    }
    incomplete()
}

/// Answers an XML body that `s3s` could not read to its end.
pub(crate) fn unreadable() -> S3Error {
    s3_error!(InvalidRequest, "The body is not the one that the request announced and signed.")
}

pub(crate) fn incomplete() -> S3Error {
    s3_error!(IncompleteBody, "The body does not have the length, or the framing, that the headers announced.")
}

pub(crate) fn too_large() -> S3Error {
    s3_error!(EntityTooLarge, "The object is larger than one PUT may be.")
}

pub(crate) fn no_such_key() -> S3Error {
    s3_error!(NoSuchKey, "The specified key does not exist.")
}

pub(crate) fn precondition_failed() -> S3Error {
    s3_error!(PreconditionFailed, "At least one of the preconditions you specified did not hold.")
}

fn sha256_mismatch() -> S3Error {
    let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
    custom(StatusCode::BAD_REQUEST, "XAmzContentSHA256Mismatch", message)
}

/// Returns an error and all its sources, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut link = error.source();
    while let Some(source) = link {
        let _ = write!(text, ": {source}");
        link = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn exchange() -> Exchange {
        Exchange::new("id".into(), None, b"")
    }

    /// The operator's remedies are in the log; a client must not learn the server's paths from an error.
    #[test]
    fn no_path_and_no_sql_reaches_a_client() {
        let io = || Arc::new(std::io::Error::other("/secret/path"));
        let path = || std::path::PathBuf::from("/secret/path");
        let errors = [
            of_blob(&exchange(), &BlobError::Full { path: path() }),
            of_blob(&exchange(), &BlobError::ReadOnly { path: path(), source: io() }),
            of_blob(&exchange(), &BlobError::Io { doing: "write", path: path(), source: io() }),
            of_store(&exchange(), &StoreError::Database("secret sql".into())),
            of_store(&exchange(), &StoreError::ReadOnly("/secret/path".into())),
            of_store(&exchange(), &StoreError::InUse { path: "/secret/path".into() }),
        ];
        for error in errors {
            assert!(!error.message().unwrap().contains("secret"), "{error}");
            assert!(error.status_code().unwrap().is_server_error(), "{error}");
        }
    }

    #[test]
    fn a_full_disk_says_so_and_what_to_do() {
        for error in
            [of_store(&exchange(), &StoreError::Full), of_blob(&exchange(), &BlobError::Full { path: "/blobs".into() })]
        {
            assert_eq!(
                (error.code(), error.status_code()),
                (&S3ErrorCode::ServiceUnavailable, Some(StatusCode::SERVICE_UNAVAILABLE))
            );
            assert!(error.message().unwrap().contains("free some"), "{error}");
        }
    }

    #[test]
    fn a_body_error_is_found_at_any_depth() {
        #[derive(Debug, thiserror::Error)]
        #[error("wrapped")]
        struct Wrapped(#[source] StdError);
        let code = |error: StdError| of_body(&error).code().as_str().to_owned();
        let deep = |error: StdError| -> StdError { Box::new(Wrapped(Box::new(Wrapped(error)))) };
        assert_eq!(code(deep(Box::new(UploadStreamError::Sha256Mismatch))), "XAmzContentSHA256Mismatch");
        assert_eq!(code(Box::new(AwsChunkedStreamError::SignatureMismatch)), "SignatureDoesNotMatch");
        assert_eq!(code(Box::new(AwsChunkedStreamError::LengthMismatch)), "IncompleteBody");
        assert_eq!(code(Box::new(AwsChunkedStreamError::ChunkDataTooLarge(2, 1))), "EntityTooLarge");
        let inner: StdError = Box::new(std::io::Error::other("reset"));
        assert_eq!(code(Box::new(AwsChunkedStreamError::Underlying(inner))), "IncompleteBody");
    }
}
