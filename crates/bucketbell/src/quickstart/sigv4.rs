//! Signature Version 4, as a client makes it: enough for the few requests of the quickstart.
//!
//! Paths are taken as they are: the quickstart's own hold nothing that would have to be escaped.

use bucketbell_event::Timestamp;
use bucketbell_rule::Secret;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue, Method, Request, header};
use http_body_util::Full;
use sha2::{Digest, Sha256};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DATE: HeaderName = HeaderName::from_static("x-amz-date");

/// Who signs, and for which region.
#[derive(Debug, Clone)]
pub struct Signer {
    pub access_key: String,
    pub secret_key: Secret,
    pub region: String,
}

impl Signer {
    /// Returns the request, signed at `now`.
    ///
    /// # Errors
    ///
    /// A part of it cannot stand in a request.
    pub fn request(
        &self,
        method: Method,
        host: &str,
        path: &str,
        body: Bytes,
        now: Timestamp,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let date = jiff::Timestamp::from_microsecond(now.as_micros())?.strftime("%Y%m%dT%H%M%SZ").to_string();
        let content = hex::encode(Sha256::digest(&body));
        let authorization = self.authorization(&method, host, path, &content, &date);
        let mut authorization = HeaderValue::try_from(authorization)?;
        authorization.set_sensitive(true);
        Ok(Request::builder()
            .method(method)
            .uri(format!("http://{host}{path}"))
            .header(header::HOST, host)
            .header(DATE, &date)
            .header(CONTENT_SHA256, &content)
            .header(header::AUTHORIZATION, authorization)
            .body(Full::new(body))?)
    }

    fn authorization(&self, method: &Method, host: &str, path: &str, content: &str, date: &str) -> String {
        let signed = "host;x-amz-content-sha256;x-amz-date";
        let canonical = format!(
            "{method}\n{path}\n\nhost:{host}\nx-amz-content-sha256:{content}\nx-amz-date:{date}\n\n{signed}\n{content}"
        );
        let day = &date[..8];
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let text = format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
        let secret = format!("AWS4{}", self.secret_key.expose());
        let key = [day, &self.region, "s3", "aws4_request", &text]
            .into_iter()
            .fold(secret.into_bytes(), |key, part| hmac(&key, part.as_bytes()));
        let signature = hex::encode(key);
        let access_key = &self.access_key;
        format!("{ALGORITHM} Credential={access_key}/{scope}, SignedHeaders={signed}, Signature={signature}")
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length; the fallback cannot be reached.
    Hmac::<Sha256>::new_from_slice(key)
        .map_or_else(|_| Vec::new(), |mac| mac.chain_update(text).finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signature of this request was made with botocore 1.43 (`botocore.auth.S3SigV4Auth`).
    #[test]
    fn a_request_is_signed_as_botocore_signs_it() {
        let signer = Signer {
            access_key: "AKIDEXAMPLE".into(),
            secret_key: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            region: "us-east-1".into(),
        };
        let now = Timestamp::from_micros(1_440_938_160_000_000);
        let body = Bytes::from_static(b"hello");
        let request = signer.request(Method::PUT, "127.0.0.1:9000", "/demo/hello.txt", body, now).unwrap();
        assert_eq!(request.headers()[DATE], "20150830T123600Z");
        assert_eq!(
            request.headers()[header::AUTHORIZATION],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=5eb6fa4cde54331471d5d9391c0801800e1b331d34b488af5aae3e3d980a0e79"
        );
    }
}
