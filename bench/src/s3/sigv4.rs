//! AWS Signature Version 4 in the Authorization header, with the payload left unsigned: so the client's share of the
//! cores goes to requests, not to hashing. Keys made here need no escaping, which is not done.
//!
//! Source: "Authenticating Requests: Using the Authorization Header" in the Amazon S3 API reference.

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderValue, Method, Request, header, request};
use sha2::{Digest, Sha256};

const PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const SIGNED_HEADERS: &str = "host;x-amz-content-sha256;x-amz-date";
const REGION: &str = "us-east-1";

/// Signs requests to one host for one moment. A server accepts it for 15 minutes.
#[derive(Clone)]
pub struct Signer {
    host: String,
    /// `YYYYMMDDTHHMMSSZ`.
    date_time: String,
    credential: String,
    scope: String,
    keyed: Hmac<Sha256>,
}

impl Signer {
    /// Makes a signer.
    ///
    /// # Errors
    ///
    /// When the key is none.
    pub fn new(host: &str, access_key: &str, secret_key: &str, now: jiff::Timestamp) -> anyhow::Result<Self> {
        let date_time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let scope = format!("{}/{REGION}/s3/aws4_request", &date_time[..8]);
        let mut key = format!("AWS4{secret_key}").into_bytes();
        for part in scope.split('/') {
            key = hmac(&key)?.chain_update(part).finalize().into_bytes().to_vec();
        }
        let credential = format!("{access_key}/{scope}");
        Ok(Self { host: host.to_owned(), date_time, credential, scope, keyed: hmac(&key)? })
    }

    /// Returns the beginning of a signed request. `path` needs no escaping.
    pub fn request(&self, method: &Method, path: &str) -> request::Builder {
        let (host, date_time) = (&self.host, &self.date_time);
        let canonical = format!(
            "{method}\n{path}\n\nhost:{host}\nx-amz-content-sha256:{PAYLOAD}\nx-amz-date:{date_time}\n\n{SIGNED_HEADERS}\n{PAYLOAD}"
        );
        let hash = hex::encode(Sha256::digest(canonical));
        let to_sign = format!("AWS4-HMAC-SHA256\n{date_time}\n{}\n{hash}", self.scope);
        let signature = hex::encode(self.keyed.clone().chain_update(to_sign).finalize().into_bytes());
        let credential = &self.credential;
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, host)
            .header("x-amz-content-sha256", HeaderValue::from_static(PAYLOAD))
            .header("x-amz-date", date_time)
            .header(
                header::AUTHORIZATION,
                format!(
                    "AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
                ),
            )
    }
}

fn hmac(key: &[u8]) -> anyhow::Result<Hmac<Sha256>> {
    Hmac::new_from_slice(key).map_err(|error| anyhow::anyhow!("no key: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signature was computed by botocore 1.44.5 (`S3SigV4Auth` over an unsigned payload) for the same request.
    #[test]
    fn a_signature_is_that_of_botocore() {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        let signer = Signer::new("127.0.0.1:9000", "AKIDEXAMPLE", "secret/key+0123456789", now).unwrap();
        let request = signer.request(&Method::PUT, "/bench/images/1.jpg").body(()).unwrap();
        assert_eq!(request.headers()["x-amz-date"], "20260102T030405Z");
        assert_eq!(
            request.headers()[header::AUTHORIZATION],
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/s3/aws4_request, \
             SignedHeaders=host;x-amz-content-sha256;x-amz-date, \
             Signature=d7957a7b71fd7d910c7543baca9eb547c4acf1600659bbcbd1a9f6d920da79f8"
        );
    }
}
