//! Both HMAC-SHA256 signatures that a delivery carries, made as cheaply as they can be: from keys hashed once.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use sha2::Sha256;

const KEY: &[u8] = b"a signing key of thirty-two byte";
const SENT_AT: &str = "1767323045";
/// Room for those made here and those that the client adds.
const HEADERS: usize = 12;
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const BODY_SIGNATURE: HeaderName = HeaderName::from_static("x-signature-256");
const SEQUENCE: HeaderName = HeaderName::from_static("bucketbell-sequence");
const ATTEMPT: HeaderName = HeaderName::from_static("bucketbell-attempt");
/// What each body of the reference loops is long, and about what a body of ours is.
const BODY_BYTES: usize = 600;

/// Makes signed requests with the headers of a delivery.
#[derive(Clone)]
pub struct Signer {
    keyed: Hmac<Sha256>,
    uri: Uri,
    /// Those that are the same every time.
    headers: HeaderMap,
    body: Bytes,
}

impl Signer {
    /// Makes a signer of a JSON body of [`BODY_BYTES`] for one address.
    ///
    /// # Errors
    ///
    /// When the address is none.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        let frame = r#"{"specversion":"1.0","data":""}"#;
        let filled = format!(r#""data":"{}"#, "x".repeat(BODY_BYTES - frame.len()));
        let body = frame.replace(r#""data":""#, &filled);
        let keyed = Hmac::new_from_slice(KEY).map_err(|error| anyhow::anyhow!("no key: {error}"))?;
        let mut headers = HeaderMap::with_capacity(HEADERS);
        let content_type = HeaderValue::from_static("application/cloudevents+json; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, content_type);
        headers.insert(header::USER_AGENT, HeaderValue::from_static("bucketbell/reference"));
        headers.insert(ATTEMPT, HeaderValue::from_static("1"));
        headers.insert(TIMESTAMP, HeaderValue::from_static(SENT_AT));
        Ok(Self { keyed, uri: url.parse()?, headers, body: body.into() })
    }

    /// Makes the request of one number.
    ///
    /// # Errors
    ///
    /// Never with the headers that are made here.
    pub fn request(&self, number: u64) -> anyhow::Result<Request<Full<Bytes>>> {
        let id = format!("019b7ca9-8f2e-7e40-8000-{number:012x}");
        let mut timestamped = self.keyed.clone();
        for part in [id.as_bytes(), b".", SENT_AT.as_bytes(), b".", &self.body] {
            timestamped.update(part);
        }
        let mut signature = String::with_capacity(47);
        signature.push_str("v1,");
        STANDARD.encode_string(timestamped.finalize().into_bytes(), &mut signature);
        let mut plain = self.keyed.clone();
        plain.update(&self.body);
        let mut body_signature = vec![0; 71];
        body_signature[..7].copy_from_slice(b"sha256=");
        hex::encode_to_slice(plain.finalize().into_bytes(), &mut body_signature[7..])?;

        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        *headers = self.headers.clone();
        headers.insert(SEQUENCE, HeaderValue::from(number));
        headers.insert(SIGNATURE, HeaderValue::from_maybe_shared(Bytes::from(signature))?);
        headers.insert(BODY_SIGNATURE, HeaderValue::from_maybe_shared(Bytes::from(body_signature))?);
        headers.insert(ID, HeaderValue::from_maybe_shared(Bytes::from(id))?);
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_request_is_signed_and_its_body_is_json_of_the_length_that_is_told() {
        let request = Signer::new("http://127.0.0.1:1/hook").unwrap().request(7).unwrap();
        assert!(request.headers()["webhook-signature"].to_str().unwrap().starts_with("v1,"));
        assert_eq!(request.headers()["x-signature-256"].len(), 71);
        let body = request.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), BODY_BYTES);
        assert!(serde_json::from_slice::<serde_json::Value>(&body).is_ok());
    }
}
