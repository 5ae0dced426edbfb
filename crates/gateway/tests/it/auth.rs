//! Who is let in.

use crate::{
    client::{Call, Proof},
    server::{ACCESS_KEY, Server},
};

#[tokio::test]
async fn only_a_right_signature_is_let_in() {
    let server = Server::with_bucket().await;
    server.ok(Call::put("/bkt/k").body("hello")).await;
    let with = |change: fn(&mut Call)| {
        let mut call = Call::get("/bkt/k");
        change(&mut call);
        call
    };
    for (call, code) in [
        (with(|call| call.proof = Proof::Nothing), "AccessDenied"),
        (with(|call| call.secret_key = "wrong".into()), "SignatureDoesNotMatch"),
        (with(|call| call.access_key = "AKIDNOBODY".into()), "InvalidAccessKeyId"),
        (with(|call| call.access_key = "A".repeat(1000)), "InvalidAccessKeyId"),
        (with(|call| call.clock_ahead = 16 * 60), "RequestTimeTooSkewed"),
        (with(|call| call.clock_ahead = -16 * 60), "RequestTimeTooSkewed"),
        (
            with(|call| call.tamper = Some(|wire| replaced(&wire, "GET /bkt/k ", "GET /bkt/j "))),
            "SignatureDoesNotMatch",
        ),
    ] {
        let answer = server.send(call).await;
        assert_eq!(answer.error(), (403, code.into()));
        assert!(!answer.text().contains("hello"));
    }
    for minutes in [14, -14] {
        let mut call = Call::get("/bkt/k");
        call.clock_ahead = minutes * 60;
        server.ok(call).await;
    }
}

#[tokio::test]
async fn a_presigned_url_does_what_it_was_made_for_while_it_lasts() {
    let server = Server::with_bucket().await;
    server.ok(Call::put("/bkt/k").body("hello").proof(Proof::Url(60))).await;
    assert_eq!(server.ok(Call::get("/bkt/k").proof(Proof::Url(60))).await.text(), "hello");
    server.ok(Call::put("/bkt/large").body(vec![7; 100_000]).proof(Proof::Url(60))).await;

    let mut expired = Call::get("/bkt/k").proof(Proof::Url(60));
    expired.clock_ahead = -120;
    assert_eq!(server.send(expired).await.error(), (403, "AccessDenied".into()));
    let mut tampered = Call::get("/bkt/k").proof(Proof::Url(60));
    tampered.tamper = Some(|wire| replaced(&wire, "X-Amz-Expires=60", "X-Amz-Expires=61"));
    assert_eq!(server.send(tampered).await.error(), (403, "SignatureDoesNotMatch".into()));
    let mut other = Call::get("/bkt/k").proof(Proof::Url(60));
    other.tamper = Some(|wire| replaced(&wire, "GET /bkt/k?", "DELETE /bkt/k?"));
    assert_eq!(server.send(other).await.error(), (403, "SignatureDoesNotMatch".into()));
    // A header that was not signed could make another request of it.
    let mut added = Call::put("/bkt/k").body("x").proof(Proof::Url(60));
    added.tamper = Some(|wire| replaced(&wire, "content-length", "x-amz-meta-added: x\r\ncontent-length"));
    assert_eq!(server.send(added).await.error(), (403, "AccessDenied".into()));
}

#[tokio::test]
async fn signature_version_2_is_off() {
    let server = Server::with_bucket().await;
    let by_header = Call::get("/bkt")
        .proof(Proof::Nothing)
        .header("date", "Fri, 02 Jan 2026 03:04:05 GMT")
        .header("authorization", format!("AWS {ACCESS_KEY}:frJIUN8DYpKDtOLCwo//yllqDzg="));
    assert_eq!(server.send(by_header).await.error(), (403, "AccessDenied".into()));
    let by_url = Call::get("/bkt")
        .proof(Proof::Nothing)
        .query("AWSAccessKeyId", ACCESS_KEY)
        .query("Expires", "4102444800")
        .query("Signature", "frJIUN8DYpKDtOLCwo//yllqDzg=");
    assert_eq!(server.send(by_url).await.error(), (403, "AccessDenied".into()));
}

/// A signature that does not name the host is good for any, and one that leaves out a header lets anybody change it.
#[tokio::test]
async fn what_changes_a_request_must_be_signed() {
    let server = Server::with_bucket().await;
    for forgotten in ["host", "x-amz-content-sha256", "x-amz-date", "x-amz-meta-camera"] {
        let mut call = Call::put("/bkt/k").body("x").header("x-amz-meta-camera", "x100");
        call.forgotten = Some(forgotten);
        assert_eq!(server.send(call).await.error(), (403, "AccessDenied".into()), "{forgotten}");
    }
    let mut call = Call::get("/bkt").proof(Proof::Url(60)).header("x-test", "1");
    call.forgotten = Some("host");
    assert_eq!(server.send(call).await.error(), (403, "AccessDenied".into()));
    assert_eq!(server.send(Call::get("/bkt/k")).await.status, 404);
    server.ok(Call::put("/bkt/k").body("x").unsigned("content-type", "text/plain")).await;
}

#[tokio::test]
async fn two_proofs_are_one_too_many() {
    let server = Server::with_bucket().await;
    let call = Call::get("/bkt").proof(Proof::Url(60)).unsigned("authorization", "AWS4-HMAC-SHA256 Credential=x");
    assert_eq!(server.send(call).await.error(), (400, "InvalidArgument".into()));
}

fn replaced(wire: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(wire.to_vec()).unwrap();
    assert!(text.contains(from));
    text.replacen(from, to, 1).into_bytes()
}
