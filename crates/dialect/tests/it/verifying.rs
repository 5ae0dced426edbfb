//! Nothing forged gets in (A7).

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use bucketbell_dialect::{
    DialectName, Envelope, IncomingDialect, SIGNATURES_MAX, SigningKey, TOLERANCE_DEFAULT, VerifyError, headers,
    render, verify,
};
use bucketbell_event::Timestamp;
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::{prelude::*, sample::Index};

use crate::events::{NOW, any_event};

fn key(text: &str) -> SigningKey {
    SigningKey::parse(text).expect("the secret is one")
}

fn given(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&'static str, &str)| {
        (HeaderName::from_static(name), HeaderValue::from_str(value).expect("visible ASCII"))
    };
    pairs.iter().map(pair).collect()
}

fn judged(dialect: IncomingDialect, headers: &HeaderMap, body: &[u8], keys: &[SigningKey]) -> Result<(), VerifyError> {
    verify(dialect, headers, body, keys, NOW, TOLERANCE_DEFAULT)
}

/// The vector of the reference implementation of Standard Webhooks.
#[test]
fn the_published_vector_is_believed_at_its_time_and_not_later() {
    let body = br#"{"test": 2432232314}"#;
    let sent = given(&[
        ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
        ("webhook-timestamp", "1614265330"),
        ("webhook-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
    ]);
    let keys = [key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
    let at = |seconds: i64| {
        verify(
            IncomingDialect::Bucketbell,
            &sent,
            body,
            &keys,
            Timestamp::from_micros(seconds * 1_000_000),
            TOLERANCE_DEFAULT,
        )
    };
    for (off, believed) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
        assert_eq!(at(1_614_265_330 + off).is_ok(), believed, "{off}");
    }
    let error = at(1_614_265_330 + 900).expect_err("fifteen minutes late");
    assert_eq!(error, VerifyError::Stale { off_by_seconds: 900, tolerance_seconds: 300 });
    assert!(at(i64::MAX / 1_000_000).is_err());
}

proptest! {
    #[test]
    fn what_is_sent_is_believed_and_any_flipped_bit_is_not(
        event in any_event(), which in 0u8..5, at in any::<Index>(), bit in 0u8..7,
    ) {
        let keys = [key("other"), key("whsec_c2VjcmV0IQ==")];
        let body = render(DialectName::Bucketbell, &event);
        let envelope = Envelope { id: event.id, timestamp: NOW, number: 1, attempt: 1 };
        let mut sent = headers(DialectName::Bucketbell, &body, &envelope, Some(&keys[1]));
        let mut bytes = body.bytes.to_vec();
        prop_assert_eq!(judged(IncomingDialect::Bucketbell, &sent, &bytes, &keys), Ok(()));
        prop_assert_eq!(judged(IncomingDialect::S3Orchestrator, &sent, &bytes, &keys), Ok(()), "the body is signed too");

        let flip = |bytes: &mut [u8]| bytes[at.index(bytes.len())] ^= 1 << bit;
        let name = ["", "webhook-id", "webhook-timestamp", "webhook-signature", "x-signature-256"][usize::from(which)];
        if name.is_empty() {
            flip(&mut bytes);
        } else {
            let mut value = sent[name].as_bytes().to_vec();
            flip(&mut value);
            // An upper-case digit is the same digit, and a flip that no header can carry never arrives.
            prop_assume!(which != 4 || !value.eq_ignore_ascii_case(sent[name].as_bytes()));
            let Ok(value) = HeaderValue::from_bytes(&value) else { return Ok(()) };
            sent.insert(name, value);
        }
        prop_assert!(judged(IncomingDialect::Bucketbell, &sent, &bytes, &keys).is_err());
    }
}

#[test]
fn a_signature_of_the_body_alone_is_not_enough_for_bucketbell() {
    let keys = [key("s")];
    let body = b"{}";
    // printf '{}' | openssl dgst -sha256 -hmac s
    let signed = "sha256=143ca8d517ba1b181025d732b1cf275d90104fca57bb02a565542978aa18c4b6";
    for name in ["x-signature-256", "x-webhook-signature"] {
        let sent = given(&[(name, signed)]);
        assert_eq!(judged(IncomingDialect::S3Orchestrator, &sent, body, &keys), Ok(()), "{name}");
        assert_eq!(judged(IncomingDialect::Bucketbell, &sent, body, &keys), Err(VerifyError::Missing("webhook-id")));
    }
    let one_wrong = given(&[("x-signature-256", signed), ("x-webhook-signature", &signed.replace("=", "=00")[..71])]);
    assert!(judged(IncomingDialect::S3Orchestrator, &one_wrong, body, &keys).is_err(), "each that is given is checked");
    assert!(judged(IncomingDialect::S3Orchestrator, &HeaderMap::new(), body, &keys).is_err());
    for broken in ["", "sha256=", "sha1=00", &signed[..70], &signed[7..]] {
        assert!(judged(IncomingDialect::S3Orchestrator, &given(&[("x-signature-256", broken)]), body, &keys).is_err());
    }
}

#[test]
fn headers_given_twice_or_listing_too_much_are_refused() {
    let keys = [key("s")];
    let sent = |id: &str, time: &str, signature: &str| {
        given(&[("webhook-id", id), ("webhook-timestamp", time), ("webhook-signature", signature)])
    };
    let malformed = |name| Err(VerifyError::Malformed(name));
    let ask = |sent: &HeaderMap| judged(IncomingDialect::Bucketbell, sent, b"{}", &keys);
    let many = vec!["v1,AA=="; SIGNATURES_MAX + 1].join(" ");
    assert_eq!(ask(&sent("a", "1767323045", &many)), malformed("webhook-signature"));
    assert_eq!(ask(&sent("a", "1767323045", "v1a,AAAA")), malformed("webhook-signature"));
    assert_eq!(ask(&sent("a.1", "1767323045", "v1,AA==")), malformed("webhook-id"));
    for time in ["", "-1", "+1767323045", "1767323045.0", "99999999999999999999"] {
        assert_eq!(ask(&sent("a", time, "v1,AA==")), malformed("webhook-timestamp"), "{time}");
    }
    let mut twice = sent("a", "1767323045", "v1,AA==");
    twice.append("webhook-id", HeaderValue::from_static("b"));
    assert_eq!(ask(&twice), malformed("webhook-id"));
}

#[test]
fn minio_and_aws_are_known_by_what_authorization_carries() {
    let keys = [key("unused"), key("tok3n"), key("Custom two-words"), key("alice:p4ss:word")];
    let basic = |pair: &str| format!("Basic {}", STANDARD.encode(pair));
    for dialect in [IncomingDialect::Minio, IncomingDialect::Aws] {
        let ask = |value: &str| judged(dialect, &given(&[("authorization", value)]), b"{}", &keys);
        for good in ["Bearer tok3n", "bearer tok3n", "tok3n", "Custom two-words", &basic("alice:p4ss:word")] {
            assert_eq!(ask(good), Ok(()), "{good}");
        }
        for bad in
            ["", "Bearer", "Bearer ", "Bearer tok3", "Bearer tok3n2", "Basic tok3n", &basic("tok3n"), &basic("alice:")]
        {
            assert_eq!(ask(bad), Err(VerifyError::Mismatch("authorization")), "{bad}");
        }
        assert_eq!(judged(dialect, &HeaderMap::new(), b"{}", &keys), Err(VerifyError::Missing("authorization")));
        let twice: HeaderMap = {
            let mut sent = given(&[("authorization", "Bearer tok3n")]);
            sent.append("authorization", HeaderValue::from_static("Bearer x"));
            sent
        };
        assert_eq!(judged(dialect, &twice, b"{}", &keys), Err(VerifyError::Malformed("authorization")));
    }
}

#[test]
fn without_a_secret_nothing_is_believed() {
    for &dialect in IncomingDialect::ALL {
        let sent = given(&[("authorization", "Bearer ")]);
        assert_eq!(verify(dialect, &sent, b"{}", &[], NOW, Duration::MAX), Err(VerifyError::NoSecret));
    }
}
