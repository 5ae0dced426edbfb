//! What is signed is what is sent (SG-1), as others sign it.

use base64::{Engine, engine::general_purpose::STANDARD};
use bucketbell_dialect::{
    Body, DialectName, Envelope, IncomingDialect, SigningKey, acknowledges, headers, render, verify,
};
use bucketbell_event::{EventId, Sequencer};
use bytes::Bytes;
use proptest::prelude::*;

use crate::events::{NOW, any_event};

fn envelope() -> Envelope {
    Envelope { id: EventId::new(Sequencer::from_u64(1), 2), timestamp: NOW, number: 17, attempt: 3 }
}

#[test]
fn every_header_of_the_contract_is_sent() {
    let body = Body { content_type: "application/cloudevents+json; charset=utf-8", bytes: Bytes::from_static(b"{}") };
    let key = SigningKey::parse("s3cr3t").unwrap();
    let sent = headers(DialectName::Bucketbell, &body, &envelope(), Some(&key));
    let value = |name: &str| sent.get(name).map(|value| value.to_str().unwrap().to_owned());
    let expected = |name: &str, text: &str| assert_eq!(value(name).as_deref(), Some(text), "{name}");
    expected("content-type", "application/cloudevents+json; charset=utf-8");
    expected("webhook-id", "00000000-0000-7004-8000-000000000002");
    expected("webhook-timestamp", "1767323045");
    // printf '{}' | openssl dgst -sha256 -hmac s3cr3t
    expected("x-signature-256", "sha256=608b0c406f3dda19702d71a048483b8c331283106d80a208e3cf43dbde505286");
    // printf '00000000-0000-7004-8000-000000000002.1767323045.{}' | openssl dgst -sha256 -hmac s3cr3t -binary | base64
    expected("webhook-signature", "v1,HK+VzeYBMBSQD+x2aVAMfFRoON5hN3I/EYK2wdRAz3g=");
    expected("bucketbell-sequence", "17");
    expected("bucketbell-attempt", "3");
    assert!(value("user-agent").unwrap().starts_with("bucketbell/"));
    assert_eq!(sent.len(), 8);
    assert!(!format!("{sent:?}").contains("v1,"), "SG-2: signatures are not printed");
}

#[test]
fn without_a_secret_nothing_is_signed() {
    let body = Body { content_type: "application/json", bytes: Bytes::from_static(b"{}") };
    let sent = headers(DialectName::Bucketbell, &body, &envelope(), None);
    assert!(sent.get("webhook-signature").is_none() && sent.get("x-signature-256").is_none());
    assert!(sent.get("webhook-id").is_some());
}

#[test]
fn only_a_2xx_is_a_yes() {
    for status in 100..=599 {
        assert_eq!(acknowledges(DialectName::Bucketbell, status), (200..300).contains(&status), "{status}");
    }
}

proptest! {
    /// The independent implementation signs the same bytes to the same signature, and we believe what it signed.
    #[test]
    fn the_public_library_signs_alike(event in any_event(), secret in proptest::collection::vec(any::<u8>(), 1..80)) {
        let secret = format!("whsec_{}", STANDARD.encode(secret));
        let key = SigningKey::parse(&secret).unwrap();
        let body = render(DialectName::Bucketbell, &event);
        let envelope = Envelope { id: event.id, ..envelope() };
        let mut sent = headers(DialectName::Bucketbell, &body, &envelope, Some(&key));
        let theirs = standardwebhooks::Webhook::new(&secret).unwrap();
        let signature = theirs.sign(&event.id.to_string(), NOW.as_secs(), &body.bytes).unwrap();
        prop_assert_eq!(sent["webhook-signature"].to_str().unwrap(), &signature);
        sent.insert("webhook-signature", format!("v1,AAAA v1a,AAAA {signature}").parse().unwrap());
        let verified = verify(IncomingDialect::Bucketbell, &sent, &body.bytes, &[key], NOW, std::time::Duration::ZERO);
        prop_assert_eq!(verified, Ok(()));
    }
}
