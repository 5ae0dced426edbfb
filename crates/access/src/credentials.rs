//! A set of credentials in the clear: what one caller shows, before hashing and sealing.

use std::fmt;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bucketbell_ledger::AdminCredentials;
use bucketbell_rule::Secret;

use crate::token_hash;

/// Random bytes that [`PlainCredentials::generate`] uses up.
pub const ENTROPY_BYTES: usize = TOKEN_BYTES + ACCESS_KEY_CHARS + SECRET_KEY_BYTES;

const TOKEN_PREFIX: &str = "bbt_";
const TOKEN_BYTES: usize = 32;
const ACCESS_KEY_CHARS: usize = 20;
/// 40 characters of base64.
const SECRET_KEY_BYTES: usize = 30;
/// 32 letters, so that five bits of a random byte choose one without bias. No `0`, `1`, which people misread.
const ACCESS_KEY_LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

const TOKEN_CHARS: std::ops::RangeInclusive<usize> = 8..=256;
const ACCESS_KEY_LENGTHS: std::ops::RangeInclusive<usize> = 3..=128;
const SECRET_KEY_CHARS: std::ops::RangeInclusive<usize> = 8..=128;

/// An API token and an S3 key pair, as their holder types them.
#[derive(Clone, PartialEq, Eq)]
pub struct PlainCredentials {
    pub token: Secret,
    pub access_key: String,
    pub secret_key: Secret,
}

/// A given credential cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the {what} {reason}")]
pub struct CredentialError {
    /// `token`, `access key` or `secret key`.
    pub what: &'static str,
    pub reason: String,
}

impl fmt::Debug for PlainCredentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PlainCredentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

impl PlainCredentials {
    /// Makes new credentials: a token `bbt_…` of 256 bits, an access key of 20 letters, a secret key of 40.
    #[must_use]
    pub fn generate(entropy: &[u8; ENTROPY_BYTES]) -> Self {
        let (token, rest) = entropy.split_at(TOKEN_BYTES);
        let (letters, secret_key) = rest.split_at(ACCESS_KEY_CHARS);
        Self {
            token: Secret::new(format!("{TOKEN_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(token))),
            access_key: letters.iter().map(|byte| char::from(ACCESS_KEY_LETTERS[usize::from(byte & 31)])).collect(),
            secret_key: Secret::new(BASE64_URL_SAFE_NO_PAD.encode(secret_key)),
        }
    }

    /// Returns what the ledger keeps of them.
    #[must_use]
    pub fn to_admin(&self) -> AdminCredentials {
        AdminCredentials {
            token: token_hash(self.token.expose()),
            access_key: self.access_key.clone(),
            secret_key: self.secret_key.clone(),
        }
    }

    /// Checks lengths and characters: what could not be sent in a header, or would break SigV4's credential scope.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] with the first one that is refused, without its text.
    pub fn check(&self) -> Result<(), CredentialError> {
        let printable = |letter: char| letter.is_ascii_graphic();
        let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
        check("token", self.token.expose(), &TOKEN_CHARS, printable, "ASCII characters without spaces")?;
        check("access key", &self.access_key, &ACCESS_KEY_LENGTHS, plain, "of the characters A-Z a-z 0-9 _ - .")?;
        check("secret key", self.secret_key.expose(), &SECRET_KEY_CHARS, printable, "ASCII characters without spaces")
    }
}

fn check(
    what: &'static str,
    text: &str,
    lengths: &std::ops::RangeInclusive<usize>,
    allowed: impl Fn(char) -> bool,
    wanted: &str,
) -> Result<(), CredentialError> {
    let length = text.chars().count();
    if !lengths.contains(&length) || !text.chars().all(allowed) {
        let (min, max) = (lengths.start(), lengths.end());
        return Err(CredentialError { what, reason: format!("must be {min} to {max} {wanted}; it has {length}") });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn given(token: &str, access_key: &str, secret_key: &str) -> PlainCredentials {
        PlainCredentials {
            token: Secret::new(token),
            access_key: access_key.to_owned(),
            secret_key: Secret::new(secret_key),
        }
    }

    proptest! {
        #[test]
        fn made_credentials_pass_the_check_of_given_ones(entropy in any::<[u8; 32]>(), more in any::<[u8; 32]>()) {
            let mut bytes = [0; ENTROPY_BYTES];
            for (index, byte) in bytes.iter_mut().enumerate() {
                *byte = if index < 32 { entropy[index] } else { more[index % 32] };
            }
            let made = PlainCredentials::generate(&bytes);
            prop_assert_eq!(made.check(), Ok(()));
            prop_assert_eq!((made.token.expose().len(), made.access_key.len(), made.secret_key.expose().len()), (47, 20, 40));
            prop_assert!(made.access_key.bytes().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit()));
        }
    }

    #[test]
    fn each_bad_credential_is_named_and_not_shown() {
        for (credentials, what) in [
            (given("short", "AKIA", "long enough"), "token"),
            (given("with space in it", "AKIA", "long-enough"), "token"),
            (given("long-enough", "", "long-enough"), "access key"),
            (given("long-enough", "a/b/c", "long-enough"), "access key"),
            (given("long-enough", "AKIA", "hunter2"), "secret key"),
            (given("long-enough", "AKIA", &"x".repeat(129)), "secret key"),
            (given("long-enough", "AKIA", "pässword-ü"), "secret key"),
        ] {
            let error = credentials.check().expect_err(what);
            assert_eq!(error.what, what);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let shown = format!("{:?}", given("the-token-itself", "AKIA", "the-secret-key"));
        assert!(shown.contains("AKIA") && !shown.contains("the-"), "{shown}");
    }
}
