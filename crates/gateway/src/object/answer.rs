//! What a GET and a HEAD answer alike, and which bytes of the object that is about.

use std::ops::Range;

use bucketbell_ledger::ObjectRecord;
use http::{HeaderMap, HeaderValue, header};
use s3s::{S3Result, dto, s3_error};

use crate::{checksum, text::s3_time};

/// What an object without a content type is answered with, as S3 does.
const CONTENT_TYPE_DEFAULT: &str = "binary/octet-stream";

/// Declares the answer, and how it becomes the output of either operation: a field is named once.
macro_rules! answer {
    ($($field:ident: $type:ty,)*) => {
        /// What describes an object, in the types of the protocol.
        #[derive(Debug)]
        pub(super) struct Answer {
            $(pub(super) $field: Option<$type>,)*
        }

        answer!(@into dto::GetObjectOutput: $($field)*);
        answer!(@into dto::HeadObjectOutput: $($field)*);
    };
    (@into $output:ty: $($field:ident)*) => {
        impl From<Answer> for $output {
            fn from(answer: Answer) -> Self {
                Self { $($field: answer.$field,)* ..Default::default() }
            }
        }
    };
}

answer! {
    accept_ranges: String,
    content_length: i64,
    content_range: String,
    content_type: String,
    cache_control: String,
    content_disposition: String,
    content_encoding: String,
    content_language: String,
    expires: String,
    e_tag: dto::ETag,
    last_modified: dto::Timestamp,
    metadata: dto::Metadata,
    checksum_crc32: String,
    checksum_crc32c: String,
    checksum_crc64nvme: String,
    checksum_sha1: String,
    checksum_sha256: String,
    checksum_type: dto::ChecksumType,
}

impl Answer {
    /// Describes an object of which `span` is answered.
    pub(super) fn of(record: ObjectRecord, span: &Span, checksums: Option<&dto::ChecksumMode>) -> Self {
        let sums = checksum::fields(record.checksum.as_ref().filter(|_| span.checksum_applies(checksums)));
        Self {
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
        }
    }
}

/// The bytes that are asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) range: Range<u64>,
    size: u64,
    /// A range was asked for, even if it is all of it.
    partial: bool,
}

impl Span {
    /// Cuts what is asked for to the object.
    ///
    /// # Errors
    ///
    /// `InvalidRange` (416) when nothing of the object is in the range.
    pub(super) fn of(asked: Option<dto::Range>, size: u64) -> S3Result<Self> {
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

/// Returns a time as a header says it.
pub(super) fn http_date(time: &dto::Timestamp) -> Option<String> {
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
