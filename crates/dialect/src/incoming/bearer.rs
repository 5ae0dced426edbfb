//! `Authorization`: what senders that sign nothing are known by.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header::AUTHORIZATION};

use super::{VerifyError, signature::single};
use crate::SigningKey;

const NAME: &str = "authorization";

/// Checks that `Authorization` carries one of `secrets`: as `Bearer`, verbatim (MinIO sends a token of two words as it
/// is), or as `Basic` of `user:password`.
pub(super) fn authorized(headers: &HeaderMap, secrets: &[SigningKey]) -> Result<(), VerifyError> {
    let value = single(headers, &AUTHORIZATION, NAME)?.ok_or(VerifyError::Missing(NAME))?;
    let bearer = after_scheme(value, "bearer");
    let basic = after_scheme(value, "basic").and_then(|encoded| STANDARD.decode(encoded).ok());
    // No early end: how long it takes tells nothing of which secret was met.
    let met = secrets.iter().fold(false, |met, secret| {
        secret.is_text(value)
            | bearer.is_some_and(|token| secret.is_text(token))
            | basic.as_deref().is_some_and(|pair| pair.contains(&b':') && secret.is_text(pair))
            | met
    });
    if met { Ok(()) } else { Err(VerifyError::Mismatch(NAME)) }
}

/// Returns what follows `scheme`, whose case does not matter (RFC 9110 §11.1).
fn after_scheme<'a>(value: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let (start, rest) = value.split_at_checked(scheme.len())?;
    let rest = rest.strip_prefix(b" ").filter(|_| start.eq_ignore_ascii_case(scheme.as_bytes()))?;
    Some(rest.trim_ascii())
}
