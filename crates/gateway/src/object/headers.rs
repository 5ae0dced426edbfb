//! What an object keeps of the headers of its PUT, and how long that may be.

use bucketbell_event::Metadata;
use bucketbell_ledger::ContentHeaders;
use s3s::{S3Result, dto, s3_error};

/// Names and values of user metadata together (S3's own limit).
const METADATA_BYTES_MAX: usize = 2 * 1024;
/// Standard headers together. S3 takes 8 KiB of headers in all.
const HEADERS_BYTES_MAX: usize = 8 * 1024;
/// About the transfer, not about the object.
const TRANSFER_ENCODING: &str = "aws-chunked";

/// Returns the standard headers to keep.
///
/// # Errors
///
/// `MetadataTooLarge`.
pub(super) fn content_headers(input: &mut dto::PutObjectInput) -> S3Result<ContentHeaders> {
    let headers = ContentHeaders {
        cache_control: input.cache_control.take(),
        content_disposition: input.content_disposition.take(),
        content_encoding: input.content_encoding.take().and_then(|encoding| without_transfer_encoding(&encoding)),
        content_language: input.content_language.take(),
        expires: input.expires.take(),
    };
    let bytes: usize = [
        &headers.cache_control,
        &headers.content_disposition,
        &headers.content_encoding,
        &headers.content_language,
        &headers.expires,
        &input.content_type,
    ]
    .into_iter()
    .flatten()
    .map(String::len)
    .sum();
    if bytes > HEADERS_BYTES_MAX {
        return Err(s3_error!(MetadataTooLarge, "The headers to keep are larger than {HEADERS_BYTES_MAX} bytes."));
    }
    Ok(headers)
}

/// Returns the user metadata to keep.
///
/// # Errors
///
/// `MetadataTooLarge`, or `InvalidArgument` for a value that no header could give back.
pub(super) fn metadata(given: Option<dto::Metadata>) -> S3Result<Metadata> {
    let metadata: Metadata = given.into_iter().flatten().collect();
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > METADATA_BYTES_MAX {
        return Err(s3_error!(MetadataTooLarge, "User metadata is larger than {METADATA_BYTES_MAX} bytes."));
    }
    match metadata
        .iter()
        .find(|(_, value)| value.contains(|character: char| character.is_control() && character != '\t'))
    {
        Some((name, _)) => Err(s3_error!(InvalidArgument, "The metadata `{name}` contains a control character.")),
        None => Ok(metadata),
    }
}

/// Removes `aws-chunked`. What an SDK adds for the transfer would otherwise come back with every GET.
fn without_transfer_encoding(encoding: &str) -> Option<String> {
    let kept: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|token| !token.is_empty() && !token.eq_ignore_ascii_case(TRANSFER_ENCODING))
        .collect();
    (!kept.is_empty()).then(|| kept.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transfer_encoding_is_not_the_objects() {
        for (given, kept) in [
            ("aws-chunked", None),
            ("AWS-Chunked,gzip", Some("gzip")),
            ("gzip, aws-chunked", Some("gzip")),
            ("gzip,br", Some("gzip, br")),
            ("", None),
        ] {
            assert_eq!(without_transfer_encoding(given).as_deref(), kept, "{given}");
        }
    }

    #[test]
    fn metadata_has_two_kilobytes() {
        let of = |bytes: usize| metadata(Some([("name".to_owned(), "v".repeat(bytes - 4))].into()));
        assert_eq!(of(2048).unwrap().len(), 1);
        assert_eq!(of(2049).unwrap_err().code().as_str(), "MetadataTooLarge");
        let control = metadata(Some([("name".to_owned(), "a\r\nb".to_owned())].into()));
        assert_eq!(control.unwrap_err().code().as_str(), "InvalidArgument");
        assert!(metadata(None).unwrap().is_empty());
    }
}
