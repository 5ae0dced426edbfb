//! AWS Signature Version 4 from its specification: the tests must not sign with the code that verifies.

use std::fmt::Write as _;

use bucketbell_event::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

pub const REGION: &str = "us-east-1";
pub const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What signs.
pub struct Signer {
    pub secret_key: String,
    pub time: Timestamp,
}

impl Signer {
    /// `20260102T030405Z`.
    pub fn amz_date(&self) -> String {
        let text = self.time.to_string();
        text.chars().take(19).filter(|character| !"-:".contains(*character)).chain(['Z']).collect()
    }

    pub fn day(&self) -> String {
        self.amz_date().chars().take(8).collect()
    }

    pub fn scope(&self) -> String {
        format!("{}/{REGION}/s3/aws4_request", self.day())
    }

    /// Returns the signature over a text, in hexadecimal.
    pub fn sign(&self, text: &str) -> String {
        let key = format!("AWS4{}", self.secret_key);
        let key = [self.day().as_str(), REGION, "s3", "aws4_request"]
            .into_iter()
            .fold(key.into_bytes(), |key, part| hmac(&key, part.as_bytes()));
        hex::encode(hmac(&key, text.as_bytes()))
    }

    /// Returns the text that a request's signature is over.
    pub fn request(&self, canonical_request: &str) -> String {
        format!("AWS4-HMAC-SHA256\n{}\n{}\n{}", self.amz_date(), self.scope(), sha256(canonical_request.as_bytes()))
    }

    /// Returns the signature of one chunk of a streamed body.
    pub fn chunk(&self, previous: &str, bytes: &[u8]) -> String {
        self.sign(&format!(
            "AWS4-HMAC-SHA256-PAYLOAD\n{}\n{}\n{previous}\n{EMPTY_SHA256}\n{}",
            self.amz_date(),
            self.scope(),
            sha256(bytes)
        ))
    }

    /// Returns the signature of the trailer of a streamed body.
    pub fn trailer(&self, previous: &str, trailer: &str) -> String {
        self.sign(&format!(
            "AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{previous}\n{}",
            self.amz_date(),
            self.scope(),
            sha256(trailer.as_bytes())
        ))
    }
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Percent-encodes as the specification says; `/` stays in a path and not in a query.
pub fn encoded(text: &[u8], keep_slash: bool) -> String {
    let mut out = String::new();
    for &byte in text {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || (keep_slash && byte == b'/') {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").unwrap();
        }
    }
    out
}

pub fn canonical_query(pairs: &[(String, String)]) -> String {
    let mut pairs: Vec<_> =
        pairs.iter().map(|(name, value)| (encoded(name.as_bytes(), false), encoded(value.as_bytes(), false))).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

pub fn canonical_request(
    method: &str,
    path: &str,
    pairs: &[(String, String)],
    signed: &[(String, String)],
    payload: &str,
) -> String {
    let headers: String = signed.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let names: Vec<_> = signed.iter().map(|(name, _)| name.as_str()).collect();
    format!("{method}\n{path}\n{}\n{headers}\n{}\n{payload}", canonical_query(pairs), names.join(";"))
}
