//! What the head of a request decides before `s3s` sees it: requests that it would misread, and how much memory a body
//! may need.
//!
//! Not its business: who sends it ([`crate::doorman`]).

use http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts};
use s3s::{S3Error, S3Result, s3_error};

use crate::{failure, parameter, proof};

/// A signed chunk is held in memory until its signature is checked. SDKs send 64 KiB to 1 MiB.
pub(crate) const SIGNED_CHUNK_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What an object of any size ends before: `s3s` reads positions up to here.
const POSITION_MAX: u64 = i64::MAX as u64;
const SIGNED_CHUNKS: &[u8] = b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const CONTENT_SHA256: &str = "x-amz-content-sha256";

/// Refuses what cannot be served, whoever asks.
///
/// # Errors
///
/// `NotImplemented` for a form upload, 417 for an expectation that is not known, `InvalidArgument` for two proofs.
pub(crate) fn check(head: &Parts) -> S3Result<()> {
    if is_form(head) {
        return Err(s3_error!(NotImplemented, "Form uploads are not supported by this server."));
    }
    let continues = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if !head.headers.get_all(header::EXPECT).iter().all(continues) {
        let message = "The only expectation that this server knows is 100-continue.";
        return Err(failure::custom(StatusCode::EXPECTATION_FAILED, "ExpectationFailed", message));
    }
    let by_url = parameter::pairs(&head.uri).any(|(name, _)| name == "X-Amz-Algorithm" || name == "X-Amz-Signature");
    if by_url && head.headers.contains_key(header::AUTHORIZATION) {
        return Err(two_proofs());
    }
    Ok(())
}

/// Makes of a `Range` what S3 makes of it: one range is cut to what positions can be, and one that cannot be understood,
/// or several, mean the whole object. `s3s` would refuse the request.
///
/// A header that the client signed has to stay as it is.
pub(crate) fn settle_range(head: &mut Parts) {
    if !head.headers.contains_key(header::RANGE) || proof::signs(head, header::RANGE.as_str()) {
        return;
    }
    let mut asked = head.headers.get_all(header::RANGE).iter();
    let only = asked.next().filter(|_| asked.next().is_none());
    let understood = only.and_then(|value| value.to_str().ok()).and_then(understood);
    match understood.and_then(|range| HeaderValue::try_from(range).ok()) {
        Some(range) => drop(head.headers.insert(header::RANGE, range)),
        None => drop(head.headers.remove(header::RANGE)),
    }
}

/// Returns how many bytes of the body may be in memory at one time because their signature is not seen yet.
pub(crate) fn signed_chunk_bytes(headers: &HeaderMap) -> usize {
    if !headers.get(CONTENT_SHA256).is_some_and(|value| value.as_bytes().starts_with(SIGNED_CHUNKS)) {
        return 0;
    }
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.map_or(SIGNED_CHUNK_BYTES_MAX, |length: usize| length.min(SIGNED_CHUNK_BYTES_MAX))
}

/// Returns whether it is a browser's form upload. `s3s` would read it before it asks who sends it.
fn is_form(head: &Parts) -> bool {
    let form = |value: &HeaderValue| {
        value.as_bytes().get(..19).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/form-data"))
    };
    head.method == Method::POST && head.headers.get(header::CONTENT_TYPE).is_some_and(form)
}

fn two_proofs() -> S3Error {
    s3_error!(
        InvalidArgument,
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter or the Authorization header should be specified."
    )
}

/// Returns the range as `s3s` takes it, or `None` when it is none.
fn understood(text: &str) -> Option<String> {
    let (unit, range) = text.split_once('=')?;
    let (first, last) = range.split_once('-')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    match (position(first), position(last)) {
        (Some(first), None) if last.is_empty() => Some(format!("bytes={first}-")),
        (None, Some(length)) if first.is_empty() => Some(format!("bytes=-{length}")),
        (Some(first), Some(last)) if first <= last => Some(format!("bytes={first}-{last}")),
        _ => None,
    }
}

/// Returns a position, the last one there can be for one beyond it.
fn position(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(POSITION_MAX).min(POSITION_MAX))
}

#[cfg(test)]
mod tests {
    use http::Request;
    use proptest::prelude::*;

    use super::*;

    fn head(build: http::request::Builder) -> Parts {
        build.body(()).unwrap().into_parts().0
    }

    fn settled(ranges: &[&str]) -> Option<String> {
        let mut build = Request::get("/b/k");
        for range in ranges {
            build = build.header("range", *range);
        }
        let mut head = head(build);
        settle_range(&mut head);
        head.headers.get("range").map(|value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn one_range_is_kept_and_nonsense_means_the_whole() {
        let end = POSITION_MAX;
        for (range, kept) in [
            ("bytes=0-0", Some("bytes=0-0".to_owned())),
            ("Bytes=2-", Some("bytes=2-".to_owned())),
            ("bytes=-3", Some("bytes=-3".to_owned())),
            ("bytes=0-99999999999999999999", Some(format!("bytes=0-{end}"))),
            ("bytes=99999999999999999999-", Some(format!("bytes={end}-"))),
            ("bytes=-99999999999999999999", Some(format!("bytes=-{end}"))),
            ("bytes=5-1", None),
            ("bytes=abc", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("lines=1-2", None),
            ("bytes=0-0,2-3", None),
            ("", None),
        ] {
            assert_eq!(settled(&[range]), kept, "{range}");
        }
        assert_eq!(settled(&["bytes=0-0", "bytes=2-3"]), None);
        assert_eq!(settled(&[]), None);
    }

    #[test]
    fn a_signed_range_stays_what_was_signed() {
        let signed = "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host;range, Signature=b";
        let mut head = head(Request::get("/b/k").header("range", "bytes=5-1").header("authorization", signed));
        settle_range(&mut head);
        assert_eq!(head.headers["range"], "bytes=5-1");
    }

    proptest! {
        #[test]
        fn whatever_is_left_is_read_by_s3s(text in "(bytes=)?[0-9a-z,-]{0,24}") {
            if let Some(range) = understood(&text) {
                prop_assert!(s3s::dto::Range::parse(&range).is_ok(), "{range}");
            }
        }
    }

    #[test]
    fn only_signed_chunks_take_memory() {
        let of = |kind: &'static str, length: &'static str| {
            signed_chunk_bytes(
                &head(Request::put("/b/k").header(CONTENT_SHA256, kind).header("content-length", length)).headers,
            )
        };
        let signed = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
        assert_eq!(of(signed, "1000"), 1000);
        assert_eq!(of("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "9999999999"), SIGNED_CHUNK_BYTES_MAX);
        assert_eq!(of(signed, "unknown"), SIGNED_CHUNK_BYTES_MAX);
        assert_eq!(of("STREAMING-UNSIGNED-PAYLOAD-TRAILER", "1000"), 0);
        assert_eq!(of("UNSIGNED-PAYLOAD", "1000"), 0);
    }
}
