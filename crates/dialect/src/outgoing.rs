//! What is sent: the body of an event, frozen, and the headers that sign exactly that body (SG-1).

use base64::{Engine, engine::general_purpose::STANDARD};
use bucketbell_event::{Event, EventId, Timestamp};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue,
    header::{self, HeaderName},
};

use crate::{DialectName, SigningKey, cloudevents};

/// Id of the event: the same on every attempt, what receivers drop repeats by.
pub const ID_HEADER: HeaderName = HeaderName::from_static("webhook-id");
/// When this attempt was made, in whole seconds since 1970.
pub const TIMESTAMP_HEADER: HeaderName = HeaderName::from_static("webhook-timestamp");
/// `v1,<base64>` of the HMAC-SHA256 of `{id}.{timestamp}.{body}`; a list separated by spaces.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("webhook-signature");
/// `sha256=<hex>` of the HMAC-SHA256 of the body (B9).
pub const BODY_SIGNATURE_HEADER: HeaderName = HeaderName::from_static("x-signature-256");
/// The event's number within its rule (X1).
pub const SEQUENCE_HEADER: HeaderName = HeaderName::from_static("bucketbell-sequence");
/// 1 for the first attempt.
pub const ATTEMPT_HEADER: HeaderName = HeaderName::from_static("bucketbell-attempt");
/// Who sends.
pub const USER_AGENT: &str = concat!("bucketbell/", env!("CARGO_PKG_VERSION"));

/// The bytes of one delivery, rendered once, never changed after that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    pub content_type: &'static str,
    pub bytes: Bytes,
}

/// What surrounds a body on one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    pub id: EventId,
    /// When this attempt is made: retries have their own.
    pub timestamp: Timestamp,
    /// The event's number within its rule (DL-4).
    pub number: u64,
    /// 1 for the first attempt.
    pub attempt: u32,
}

/// Returns the body of `event` in `dialect`.
#[must_use]
pub fn render(dialect: DialectName, event: &Event) -> Body {
    match dialect {
        DialectName::Bucketbell => Body { content_type: cloudevents::CONTENT_TYPE, bytes: cloudevents::render(event) },
    }
}

/// Returns the headers of one attempt, signed with `key` where the rule has one. The signatures are computed from the
/// bytes of `body`, which are the bytes to send (SG-1).
#[must_use]
pub fn headers(dialect: DialectName, body: &Body, envelope: &Envelope, key: Option<&SigningKey>) -> HeaderMap {
    match dialect {
        DialectName::Bucketbell => standard_webhook(body, envelope, key),
    }
}

/// Returns whether an answer of `status` says that the event arrived. Anything else is retried, or ends the delivery.
#[must_use]
pub const fn acknowledges(dialect: DialectName, status: u16) -> bool {
    match dialect {
        DialectName::Bucketbell => 200 <= status && status <= 299,
    }
}

fn standard_webhook(body: &Body, envelope: &Envelope, key: Option<&SigningKey>) -> HeaderMap {
    let id = envelope.id.to_string();
    let timestamp = envelope.timestamp.as_secs().to_string();
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(body.content_type));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    headers.insert(SEQUENCE_HEADER, HeaderValue::from(envelope.number));
    headers.insert(ATTEMPT_HEADER, HeaderValue::from(envelope.attempt));
    if let Some(key) = key {
        let mac = key.timestamped(id.as_bytes(), timestamp.as_bytes(), &body.bytes);
        let mut text = String::with_capacity(48);
        text.push_str("v1,");
        STANDARD.encode_string(mac, &mut text);
        insert_hidden(&mut headers, SIGNATURE_HEADER, text);
        let mut text = vec![0; 71];
        text[..7].copy_from_slice(b"sha256=");
        // The slice is twice the length of the signature, so the encoder has room.
        if hex::encode_to_slice(key.plain(&body.bytes), &mut text[7..]).is_ok() {
            insert_hidden(&mut headers, BODY_SIGNATURE_HEADER, text);
        }
    }
    insert(&mut headers, ID_HEADER, id);
    insert(&mut headers, TIMESTAMP_HEADER, timestamp);
    headers
}

/// Adds a header whose value is digits, letters and `-,=+/` only: every such value is a legal one.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: impl Into<Bytes>) {
    if let Ok(value) = HeaderValue::from_maybe_shared(value.into()) {
        headers.insert(name, value);
    }
}

/// Adds a signature, which debug output of the headers then leaves out (SG-2).
fn insert_hidden(headers: &mut HeaderMap, name: HeaderName, value: impl Into<Bytes>) {
    insert(headers, name.clone(), value);
    if let Some(value) = headers.get_mut(name) {
        value.set_sensitive(true);
    }
}
