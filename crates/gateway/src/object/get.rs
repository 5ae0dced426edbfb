//! `GetObject` and `HeadObject`.

use std::{ops::Range, sync::Arc};

use bucketbell_ledger::{Content, ObjectRecord};
use futures_util::TryStreamExt as _;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::StreamBody;
use hyper::body::Frame;
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, StdError, dto};

use super::{
    answer::{Answer, Span, http_date},
    condition::{ReadCondition, Verdict},
};
use crate::{doorman::of_request, exchange::Exchange, failure, gateway::Backend, operation, text::s3_time};

/// Which object is asked for, and on what condition.
struct Question {
    bucket: String,
    key: String,
    version_id: Option<String>,
    condition: ReadCondition,
}

/// Takes the question out of an input. The inputs of both operations have these fields, and no type in common.
macro_rules! question {
    ($input:ident) => {
        Question {
            bucket: $input.bucket,
            key: $input.key,
            version_id: $input.version_id,
            condition: ReadCondition {
                if_match: $input.if_match,
                if_none_match: $input.if_none_match,
                if_modified_since: $input.if_modified_since,
                if_unmodified_since: $input.if_unmodified_since,
            },
        }
    };
}

impl Backend {
    pub(crate) async fn get_object(
        &self,
        request: S3Request<dto::GetObjectInput>,
    ) -> S3Result<S3Response<dto::GetObjectOutput>> {
        let exchange = of_request(&request.extensions)?;
        let input = request.input;
        let mut record = self.readable(&exchange, &question!(input), true).await?;
        let span = Span::of(input.range, record.size)?;
        let body = self.bytes(&exchange, record.content.take(), span.range.clone()).await?;
        // `s3s` puts the `response-*` parameters into the answer to a GET.
        let answer = Answer::of(record, &span, input.checksum_mode.as_ref());
        Ok(S3Response::new(dto::GetObjectOutput { body: Some(body), ..answer.into() }))
    }

    pub(crate) async fn head_object(
        &self,
        request: S3Request<dto::HeadObjectInput>,
    ) -> S3Result<S3Response<dto::HeadObjectOutput>> {
        let exchange = of_request(&request.extensions)?;
        let input = request.input;
        let record = self.readable(&exchange, &question!(input), false).await?;
        let span = Span::of(input.range, record.size)?;
        let mut answer = Answer::of(record, &span, input.checksum_mode.as_ref());
        for (field, instead) in [
            (&mut answer.content_type, input.response_content_type),
            (&mut answer.cache_control, input.response_cache_control),
            (&mut answer.content_disposition, input.response_content_disposition),
            (&mut answer.content_encoding, input.response_content_encoding),
            (&mut answer.content_language, input.response_content_language),
            (&mut answer.expires, input.response_expires.as_ref().and_then(http_date)),
        ] {
            if instead.is_some() {
                *field = instead;
            }
        }
        Ok(S3Response::new(answer.into()))
    }

    /// Returns an object that is there and that the condition lets be answered.
    async fn readable(&self, exchange: &Exchange, question: &Question, with_content: bool) -> S3Result<ObjectRecord> {
        operation::check_version(question.version_id.as_deref())?;
        let record = self.ledger.object(&question.bucket, &question.key, with_content).await;
        let record = record.map_err(|error| failure::of_commit(exchange, &error))?.ok_or_else(failure::no_such_key)?;
        match question.condition.judge(&record) {
            Verdict::Answer => Ok(record),
            Verdict::Failed => Err(failure::precondition_failed()),
            Verdict::NotModified => Err(not_modified(&record)),
        }
    }

    async fn bytes(
        &self,
        exchange: &Arc<Exchange>,
        content: Option<Content>,
        range: Range<u64>,
    ) -> S3Result<dto::StreamingBlob> {
        let blob = match content {
            Some(Content::Inline(bytes)) => {
                let slice = usize::try_from(range.start).ok().zip(usize::try_from(range.end).ok());
                let slice = slice.filter(|(_, end)| *end <= bytes.len()).map(|(start, end)| bytes.slice(start..end));
                return slice.map(dto::StreamingBlob::from).ok_or_else(|| {
                    failure::internal(exchange, &BrokenRow("the bytes are shorter than the object's size"))
                });
            }
            Some(Content::Blob(blob)) => blob,
            None => return Err(failure::internal(exchange, &BrokenRow("the object has no content"))),
        };
        let pieces = self.blobs.open(blob, range).await.map_err(|error| failure::of_blob(exchange, &error))?;
        let exchange = Arc::clone(exchange);
        let frames = pieces.map_ok(Frame::data).map_err(move |error| {
            // The status is long sent: all that is left is to break the connection, and to say why here.
            failure::of_blob(&exchange, &error);
            StdError::from(error)
        });
        Ok(dto::StreamingBlob::from(Body::http_body_unsync(StreamBody::new(frames))))
    }
}

/// A row that the ledger should not have been able to write.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BrokenRow(&'static str);

/// Returns the 304, with what a cache keeps up to date by (RFC 9110 §15.4.5).
fn not_modified(record: &ObjectRecord) -> S3Error {
    let mut headers = HeaderMap::new();
    let mut set = |name, value: Option<String>| {
        headers.extend(value.and_then(|value| HeaderValue::try_from(value).ok()).map(|value| (name, value)));
    };
    set(header::ETAG, Some(format!("\"{}\"", record.etag)));
    set(header::LAST_MODIFIED, http_date(&s3_time(record.last_modified)));
    set(header::CACHE_CONTROL, record.headers.cache_control.clone());
    set(header::EXPIRES, record.headers.expires.clone());
    let mut error = S3Error::new(S3ErrorCode::NotModified);
    error.set_headers(headers);
    error
}
