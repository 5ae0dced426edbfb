//! Signatures of the body, with and without a time.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bucketbell_event::Timestamp;
use http::{HeaderMap, HeaderName};
use subtle::{Choice, ConstantTimeEq};

use super::VerifyError;
use crate::{
    SigningKey,
    outgoing::{BODY_SIGNATURE_HEADER, ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER},
};

/// Signatures that one header may list. More is no rotation but an attempt to make us work.
pub const SIGNATURES_MAX: usize = 16;
/// The name that some versions of s3-orchestrator give to `X-Signature-256`.
const OTHER_BODY_SIGNATURE: HeaderName = HeaderName::from_static("x-webhook-signature");

/// Checks `webhook-signature` (Standard Webhooks): one of the listed `v1` signatures must be one of a secret's.
pub(super) fn timestamped(
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[SigningKey],
    now: Timestamp,
    tolerance: Duration,
) -> Result<(), VerifyError> {
    let required = |header: &HeaderName, name| single(headers, header, name)?.ok_or(VerifyError::Missing(name));
    let id = required(&ID_HEADER, "webhook-id")?;
    let timestamp = required(&TIMESTAMP_HEADER, "webhook-timestamp")?;
    let listed = required(&SIGNATURE_HEADER, "webhook-signature")?;
    // A dot in the id would let `a.1` and body `x` be signed as `a` at time 1 (the specification forbids it too).
    if id.is_empty() || id.contains(&b'.') {
        return Err(VerifyError::Malformed("webhook-id"));
    }
    let signed_at = seconds(timestamp).ok_or(VerifyError::Malformed("webhook-timestamp"))?;
    let offered = v1_signatures(listed)?;
    let met = secrets.iter().fold(Choice::from(0), |met, secret| {
        let expected = secret.timestamped(id, timestamp, body);
        offered.iter().fold(met, |met, offered| met | expected.ct_eq(offered))
    });
    if !bool::from(met) {
        return Err(VerifyError::Mismatch("webhook-signature"));
    }
    let off_by_seconds = now.as_secs().abs_diff(signed_at);
    if off_by_seconds > tolerance.as_secs() {
        return Err(VerifyError::Stale { off_by_seconds, tolerance_seconds: tolerance.as_secs() });
    }
    Ok(())
}

/// Checks `X-Signature-256` and `X-Webhook-Signature`, each where it is given, and returns whether any was.
pub(super) fn of_body(headers: &HeaderMap, body: &[u8], secrets: &[SigningKey]) -> Result<bool, VerifyError> {
    let mut given = false;
    for (header, name) in [(&BODY_SIGNATURE_HEADER, "x-signature-256"), (&OTHER_BODY_SIGNATURE, "x-webhook-signature")]
    {
        let Some(value) = single(headers, header, name)? else { continue };
        let mut offered = [0; 32];
        value
            .strip_prefix(b"sha256=")
            .and_then(|digits| hex::decode_to_slice(digits, &mut offered).ok())
            .ok_or(VerifyError::Malformed(name))?;
        let met = secrets.iter().fold(Choice::from(0), |met, secret| met | secret.plain(body).ct_eq(&offered));
        if !bool::from(met) {
            return Err(VerifyError::Mismatch(name));
        }
        given = true;
    }
    Ok(given)
}

/// Returns the value of a header that may be given once only: of two, each reader would believe another one.
pub(super) fn single<'a>(
    headers: &'a HeaderMap,
    header: &HeaderName,
    name: &'static str,
) -> Result<Option<&'a [u8]>, VerifyError> {
    let mut values = headers.get_all(header).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value.map(http::HeaderValue::as_bytes)),
        (_, Some(_)) => Err(VerifyError::Malformed(name)),
    }
}

/// Returns the signatures of the scheme `v1`. Others (`v1a`) are for those who know them.
fn v1_signatures(list: &[u8]) -> Result<Vec<[u8; 32]>, VerifyError> {
    let malformed = VerifyError::Malformed("webhook-signature");
    let listed: Vec<&[u8]> = list.split(|byte| *byte == b' ').filter(|one| !one.is_empty()).collect();
    if listed.len() > SIGNATURES_MAX {
        return Err(malformed);
    }
    let decoded = |one: &[u8]| STANDARD.decode(one.strip_prefix(b"v1,")?).ok()?.try_into().ok();
    let signatures: Vec<[u8; 32]> = listed.into_iter().filter_map(decoded).collect();
    if signatures.is_empty() { Err(malformed) } else { Ok(signatures) }
}

fn seconds(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    if text.bytes().all(|digit| digit.is_ascii_digit()) { text.parse().ok() } else { None }
}
