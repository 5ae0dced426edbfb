//! The secret that sender and receiver share, ready to sign with.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Marks a secret whose key is base64 of the bytes behind it (Standard Webhooks).
const PREFIX: &str = "whsec_";

/// A rule's signing secret, or a receiver's, with both HMAC states computed once (C6).
///
/// `whsec_` and base64 means the decoded bytes for `webhook-signature`, any other text its UTF-8 bytes. The plain
/// signature of the body (`X-Signature-256`) always uses the text as given. Cloning is cheap; everything is wiped when
/// the last clone goes, and nothing of it is ever printed (SG-2).
#[derive(Clone)]
pub struct SigningKey(Arc<Keys>);

struct Keys {
    /// SHA-256 of the text: two texts are compared by it, so that a comparison tells nothing of their length.
    digest: Zeroizing<[u8; 32]>,
    timestamped: Hmac<Sha256>,
    plain: Hmac<Sha256>,
}

/// The text is no signing secret. The error does not hold the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningKeyError {
    #[error("the secret is empty")]
    Empty,
    #[error("the secret begins with `whsec_`, and what follows is not base64 of at least one byte")]
    NotBase64,
}

impl SigningKey {
    /// Makes the key that `text` stands for.
    ///
    /// # Errors
    ///
    /// [`SigningKeyError`] when `text` is empty, or begins with `whsec_` and no padded standard base64 follows.
    pub fn parse(text: &str) -> Result<Self, SigningKeyError> {
        if text.is_empty() {
            return Err(SigningKeyError::Empty);
        }
        let decoded = match text.strip_prefix(PREFIX) {
            Some(encoded) => {
                let decoded = STANDARD.decode(encoded).map(Zeroizing::new).map_err(|_| SigningKeyError::NotBase64)?;
                if decoded.is_empty() {
                    return Err(SigningKeyError::NotBase64);
                }
                Some(decoded)
            }
            None => None,
        };
        let key = decoded.as_ref().map_or(text.as_bytes(), |decoded| decoded.as_slice());
        Ok(Self(Arc::new(Keys {
            digest: Zeroizing::new(Sha256::digest(text.as_bytes()).into()),
            timestamped: hmac(key),
            plain: hmac(text.as_bytes()),
        })))
    }

    /// Returns the HMAC of `{id}.{timestamp}.{body}`, what `webhook-signature` carries.
    #[must_use]
    pub(crate) fn timestamped(&self, id: &[u8], timestamp: &[u8], body: &[u8]) -> [u8; 32] {
        let mut mac = self.0.timestamped.clone();
        mac.update(id);
        mac.update(b".");
        mac.update(timestamp);
        mac.update(b".");
        mac.update(body);
        mac.finalize().into_bytes().into()
    }

    /// Returns the HMAC of the body alone, what `X-Signature-256` carries.
    #[must_use]
    pub(crate) fn plain(&self, body: &[u8]) -> [u8; 32] {
        let mut mac = self.0.plain.clone();
        mac.update(body);
        mac.finalize().into_bytes().into()
    }

    /// Returns whether `offered` is the very text of this secret, in a time that depends on `offered` only.
    #[must_use]
    pub(crate) fn is_text(&self, offered: &[u8]) -> bool {
        Sha256::digest(offered).as_slice().ct_eq(self.0.digest.as_slice()).into()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SigningKey(***)")
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes a key of any length (RFC 2104): the other arm does not exist, and a key of no bytes signs nothing true.
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&hmac::digest::Key::<Hmac<Sha256>>::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whsec_secret_signs_with_its_decoded_bytes_and_the_body_with_its_text() {
        let key = SigningKey::parse("whsec_c2VjcmV0IQ==").unwrap();
        let same = SigningKey::parse("secret!").unwrap();
        assert_eq!(key.timestamped(b"a", b"1", b"x"), same.timestamped(b"a", b"1", b"x"), "C6");
        assert_ne!(key.plain(b"x"), same.plain(b"x"), "C6");
    }

    #[test]
    fn secrets_that_cannot_sign_are_refused_without_being_shown() {
        assert_eq!(SigningKey::parse("").err(), Some(SigningKeyError::Empty));
        for text in ["whsec_", "whsec_%%%%", "whsec_c2VjcmV0IQ", "whsec_ c2VjcmV0IQ=="] {
            let error = SigningKey::parse(text).expect_err(text);
            assert_eq!(error, SigningKeyError::NotBase64);
            assert!(!error.to_string().contains("c2Vj"));
        }
    }

    #[test]
    fn debug_output_holds_nothing_of_the_secret() {
        assert_eq!(format!("{:?}", SigningKey::parse("hunter2").unwrap()), "SigningKey(***)");
    }

    #[test]
    fn only_the_very_text_is_the_text() {
        let key = SigningKey::parse("token").unwrap();
        assert!(key.is_text(b"token"));
        for other in [&b""[..], b"toke", b"token ", b"Token"] {
            assert!(!key.is_text(other));
        }
    }
}
