//! Both HMAC-SHA256 signatures that a delivery carries, made as cheaply as they can be: from keys hashed once.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue, Request, Uri, header};
use http_body_util::Full;
use sha2::Sha256;

const KEY: &[u8] = b"a signing key of thirty-two byte";
const TIMESTAMP: &str = "1767323045";
/// What each body of the reference loops is long, and about what a body of ours is.
pub const BODY_BYTES: usize = 600;

/// Makes signed requests with the headers of a delivery.
#[derive(Clone)]
pub struct Signer {
    keyed: Hmac<Sha256>,
    uri: Uri,
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
        let mut body = frame.replace(r#""data":""#, &format!(r#""data":"{}"#, "x".repeat(BODY_BYTES - frame.len())));
        body.truncate(BODY_BYTES);
        let keyed = Hmac::new_from_slice(KEY).map_err(|error| anyhow::anyhow!("no key: {error}"))?;
        Ok(Self { keyed, uri: url.parse()?, body: body.into() })
    }

    /// Makes the request of one number.
    ///
    /// # Errors
    ///
    /// Never with the headers that are made here.
    pub fn request(&self, number: u64) -> http::Result<Request<Full<Bytes>>> {
        let id = format!("019b7ca9-8f2e-7e40-8000-{number:012x}");
        let mut timestamped = self.keyed.clone();
        for part in [id.as_bytes(), b".", TIMESTAMP.as_bytes(), b".", &self.body] {
            timestamped.update(part);
        }
        let signature = format!("v1,{}", STANDARD.encode(timestamped.finalize().into_bytes()));
        let mut plain = self.keyed.clone();
        plain.update(&self.body);
        let body_signature = format!("sha256={}", hex::encode(plain.finalize().into_bytes()));
        Request::post(self.uri.clone())
            .header(header::CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json; charset=utf-8"))
            .header(header::USER_AGENT, HeaderValue::from_static("bucketbell/reference"))
            .header(HeaderName::from_static("bucketbell-sequence"), number)
            .header(HeaderName::from_static("bucketbell-attempt"), 1)
            .header(HeaderName::from_static("webhook-signature"), signature)
            .header(HeaderName::from_static("x-signature-256"), body_signature)
            .header(HeaderName::from_static("webhook-id"), id)
            .header(HeaderName::from_static("webhook-timestamp"), HeaderValue::from_static(TIMESTAMP))
            .body(Full::new(self.body.clone()))
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
