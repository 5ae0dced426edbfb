//! What a signature covers.
//!
//! `s3s` compares the signature over the headers that the client names. Which of them must be named, it does not ask for all.

use http::{HeaderMap, HeaderName, Uri, header, request::Parts};
use s3s::{S3Result, s3_error};

use crate::parameter;

const SIGNED_HEADERS: &str = "SignedHeaders=";
const HOST: &str = "host";
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// Refuses a signature that is good for another host, or leaves out a header that changes what the request does.
///
/// # Errors
///
/// `AccessDenied`.
pub(crate) fn check(headers: &HeaderMap, uri: &Uri) -> S3Result<()> {
    let signed = signed_headers(headers, uri);
    let names = |wanted: &str| signed.split(';').any(|name| name.eq_ignore_ascii_case(wanted));
    // In a presigned url the payload is never signed, and a header about it only asks for more.
    let by_header = headers.contains_key(header::AUTHORIZATION);
    let amz = headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
    let mut wanted = amz.filter(|name| by_header || *name != CONTENT_SHA256).chain([HOST]);
    if wanted.all(names) {
        return Ok(());
    }
    Err(s3_error!(AccessDenied, "There were headers present in the request which were not signed"))
}

/// Returns whether the client says that it signed a header.
pub(crate) fn signs(head: &Parts, name: &str) -> bool {
    signed_headers(&head.headers, &head.uri).split(';').any(|signed| signed.eq_ignore_ascii_case(name))
}

/// Returns the names of the signed headers as the client wrote them, with `;` between them.
fn signed_headers(headers: &HeaderMap, uri: &Uri) -> String {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let value = value.to_str().unwrap_or_default();
        let part = value.split([',', ' ']).find_map(|part| part.trim().strip_prefix(SIGNED_HEADERS));
        return part.unwrap_or_default().to_owned();
    }
    let named = parameter::pairs(uri).find(|(name, _)| name == "X-Amz-SignedHeaders");
    named.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn signed_by_header(signed: &str, extra: &'static str) -> bool {
        let proof = format!("AWS4-HMAC-SHA256 Credential=a/b,SignedHeaders={signed}, Signature=c");
        let head = Request::get("/b/k").header("authorization", proof).header("x-amz-content-sha256", "x");
        let (head, ()) = head.header("x-amz-date", "d").header(extra, "e").body(()).unwrap().into_parts();
        check(&head.headers, &head.uri).is_ok()
    }

    #[test]
    fn host_and_every_amz_header_must_be_signed() {
        assert!(signed_by_header("host;x-amz-content-sha256;x-amz-date", "range"));
        assert!(signed_by_header("Host;X-Amz-Content-Sha256;X-Amz-Date", "range"));
        assert!(!signed_by_header("x-amz-content-sha256;x-amz-date", "range"));
        assert!(!signed_by_header("host;x-amz-date", "range"));
        assert!(!signed_by_header("host;x-amz-content-sha256;x-amz-date", "x-amz-meta-a"));
        assert!(!signed_by_header("", "range"));
    }

    #[test]
    fn a_presigned_url_must_be_for_one_host() {
        let of = |uri: &'static str| {
            let headers = [(CONTENT_SHA256, "UNSIGNED-PAYLOAD".parse().unwrap())].into_iter().collect();
            check(&headers, &Uri::from_static(uri)).is_ok()
        };
        assert!(of("/b/k?X-Amz-SignedHeaders=content-type%3Bhost"));
        assert!(!of("/b/k?X-Amz-SignedHeaders=content-type"));
        assert!(!of("/b/k?X-Amz-SignedHeaders="));
        assert!(!of("/b/k"));
    }
}
