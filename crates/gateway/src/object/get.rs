//! `GetObject` and `HeadObject`.

use std::{ops::Range, sync::Arc};

use bucketbell_ledger::{Content, ObjectRecord};
use futures_util::TryStreamExt as _;
use http::{HeaderMap, HeaderValue, header};
use http_body_util::StreamBody;
use hyper::body::Frame;
use s3s::{Body, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, StdError, dto, s3_error};

use super::condition::{ReadCondition, Verdict};
use crate::{checksum, doorman::of_request, exchange::Exchange, failure, gateway::Backend, operation, text::s3_time};

/// What an object without a content type is answered with, as S3 does.
const CONTENT_TYPE_DEFAULT: &str = "binary/octet-stream";

impl Backend {
    pub(crate) async fn get_object(
        &self,
        request: S3Request<dto::GetObjectInput>,
    ) -> S3Result<S3Response<dto::GetObjectOutput>> {
        let exchange = of_request(&request.extensions)?;
        let input = request.input;
        check_selection(input.version_id.as_deref(), input.part_number)?;
        let condition = ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let mut record = self.readable(&exchange, &input.bucket, &input.key, true, &condition).await?;
        let span = Span::of(input.range, record.size)?;
        let body = self.bytes(&exchange, record.content.take(), span.range.clone()).await?;
        let sums =
            checksum::fields(record.checksum.as_ref().filter(|_| span.checksum_applies(input.checksum_mode.as_ref())));
        Ok(S3Response::new(dto::GetObjectOutput {
            body: Some(body),
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(span.length()).ok(),
            content_range: span.content_range(),
            content_type: Some(record.content_type.unwrap_or_else(|| CONTENT_TYPE_DEFAULT.to_owned())),
            cache_control: record.headers.cache_control,
            content_disposition: record.headers.content_disposition,
            content_encoding: record.headers.content_encoding,
            content_language: record.headers.content_language,
            expires: record.headers.expires,
            e_tag: Some(dto::ETag::Strong(record.etag)),
            last_modified: Some(s3_time(record.last_modified)),
            metadata: Some(record.metadata.into_iter().collect()),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            ..Default::default()
        }))
    }

    pub(crate) async fn head_object(
        &self,
        request: S3Request<dto::HeadObjectInput>,
    ) -> S3Result<S3Response<dto::HeadObjectOutput>> {
        let exchange = of_request(&request.extensions)?;
        let input = request.input;
        check_selection(input.version_id.as_deref(), input.part_number)?;
        let condition = ReadCondition {
            if_match: input.if_match,
            if_none_match: input.if_none_match,
            if_modified_since: input.if_modified_since,
            if_unmodified_since: input.if_unmodified_since,
        };
        let record = self.readable(&exchange, &input.bucket, &input.key, false, &condition).await?;
        let span = Span::of(input.range, record.size)?;
        let sums =
            checksum::fields(record.checksum.as_ref().filter(|_| span.checksum_applies(input.checksum_mode.as_ref())));
        let content_type = input.response_content_type.or(record.content_type);
        let output = dto::HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(span.length()).ok(),
            content_range: span.content_range(),
            content_type: Some(content_type.unwrap_or_else(|| CONTENT_TYPE_DEFAULT.to_owned())),
            cache_control: input.response_cache_control.or(record.headers.cache_control),
            content_disposition: input.response_content_disposition.or(record.headers.content_disposition),
            content_encoding: input.response_content_encoding.or(record.headers.content_encoding),
            content_language: input.response_content_language.or(record.headers.content_language),
            expires: input.response_expires.as_ref().and_then(http_date).or(record.headers.expires),
            e_tag: Some(dto::ETag::Strong(record.etag)),
            last_modified: Some(s3_time(record.last_modified)),
            metadata: Some(record.metadata.into_iter().collect()),
            checksum_crc32: sums.checksum_crc32,
            checksum_crc32c: sums.checksum_crc32c,
            checksum_crc64nvme: sums.checksum_crc64nvme,
            checksum_sha1: sums.checksum_sha1,
            checksum_sha256: sums.checksum_sha256,
            checksum_type: sums.checksum_type,
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    /// Returns an object that is there and that the condition lets be answered.
    async fn readable(
        &self,
        exchange: &Exchange,
        bucket: &str,
        key: &str,
        with_content: bool,
        condition: &ReadCondition,
    ) -> S3Result<ObjectRecord> {
        let record = self.ledger.object(bucket, key, with_content).await;
        let record = record.map_err(|error| failure::of_commit(exchange, &error))?.ok_or_else(failure::no_such_key)?;
        match condition.judge(&record) {
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

/// The bytes that are asked for.
#[derive(Debug, PartialEq, Eq)]
struct Span {
    range: Range<u64>,
    size: u64,
    /// A range was asked for, even if it is all of it.
    partial: bool,
}

impl Span {
    /// # Errors
    ///
    /// `InvalidRange` (416) when nothing of the object is in the range.
    fn of(asked: Option<dto::Range>, size: u64) -> S3Result<Self> {
        let Some(asked) = asked else { return Ok(Self { range: 0..size, size, partial: false }) };
        match asked.check(size) {
            Ok(range) if !range.is_empty() => Ok(Self { range, size, partial: true }),
            _ => {
                let mut error = s3_error!(InvalidRange, "The requested range is not satisfiable.");
                let mut headers = HeaderMap::new();
                headers.extend(
                    HeaderValue::try_from(format!("bytes */{size}")).ok().map(|value| (header::CONTENT_RANGE, value)),
                );
                error.set_headers(headers);
                Err(error)
            }
        }
    }

    fn length(&self) -> u64 {
        self.range.end - self.range.start
    }

    fn content_range(&self) -> Option<String> {
        let Range { start, end } = self.range;
        self.partial.then(|| format!("bytes {start}-{}/{}", end - 1, self.size))
    }

    /// A checksum is of the whole object, and is answered with nothing less.
    fn checksum_applies(&self, mode: Option<&dto::ChecksumMode>) -> bool {
        self.length() == self.size && mode.is_some_and(|mode| mode.as_str() == dto::ChecksumMode::ENABLED)
    }
}

fn check_selection(version_id: Option<&str>, part_number: Option<i32>) -> S3Result<()> {
    operation::check_version(version_id)?;
    match part_number {
        None => Ok(()),
        Some(_) => Err(s3_error!(NotImplemented, "Reading one part of an object is not supported by this server.")),
    }
}

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

fn http_date(time: &dto::Timestamp) -> Option<String> {
    let mut text = Vec::new();
    time.format(dto::TimestampFormat::HttpDate, &mut text).ok()?;
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    fn span(header: &str, size: u64) -> Option<(Range<u64>, String)> {
        let span = Span::of(Some(dto::Range::parse(header).unwrap()), size).ok()?;
        Some((span.range.clone(), span.content_range().unwrap()))
    }

    #[test]
    fn ranges_are_cut_to_the_object() {
        assert_eq!(span("bytes=0-0", 10), Some((0..1, "bytes 0-0/10".into())));
        assert_eq!(span("bytes=2-", 10), Some((2..10, "bytes 2-9/10".into())));
        assert_eq!(span("bytes=2-99", 10), Some((2..10, "bytes 2-9/10".into())));
        assert_eq!(span("bytes=-3", 10), Some((7..10, "bytes 7-9/10".into())));
        assert_eq!(span("bytes=-99", 10), Some((0..10, "bytes 0-9/10".into())));
    }

    /// Guards an underflow: a suffix of an empty object is an empty range, and has no last byte.
    #[test]
    fn nothing_in_the_range_is_not_satisfiable() {
        for (header, size) in [("bytes=10-", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)] {
            let refused = Span::of(Some(dto::Range::parse(header).unwrap()), size).unwrap_err();
            assert_eq!(refused.status_code(), Some(StatusCode::RANGE_NOT_SATISFIABLE), "{header} of {size}");
            assert_eq!(refused.headers().unwrap()[header::CONTENT_RANGE], format!("bytes */{size}"));
        }
    }

    #[test]
    fn a_checksum_is_answered_with_the_whole_only() {
        let enabled = dto::ChecksumMode::from_static(dto::ChecksumMode::ENABLED);
        let whole = Span::of(None, 10).unwrap();
        assert!(whole.checksum_applies(Some(&enabled)) && !whole.checksum_applies(None));
        let part = Span::of(Some(dto::Range::parse("bytes=0-8").unwrap()), 10).unwrap();
        assert!(!part.checksum_applies(Some(&enabled)));
    }
}
