//! Bodies that are not what they claim to be, and clients that go away.

use bucketbell_gateway::GatewayConfig;

use crate::{
    client::{Call, Payload},
    objects::pattern,
    server::Server,
};

/// Guards what s3s 0.14 let through: a length that is not the body's.
#[tokio::test]
async fn a_decoded_length_that_lies_is_refused() {
    let server = Server::with_bucket().await;
    for (size, claimed) in [(100, 50), (100, 101), (0, 1), (1, 0), (200_000, 100), (200_000, 300_000), (100, 200_000)] {
        for (signed, trailer) in [(true, None), (false, Some(("x-amz-checksum-crc32", "AAAAAA==")))] {
            let mut call = Call::put("/bkt/k").body(pattern(size)).chunked(65_536, signed, trailer);
            call.claimed_decoded_length = Some(claimed);
            let (status, code) = server.send(call).await.error();
            assert_eq!((status, code.as_str()), (400, "IncompleteBody"), "{size} as {claimed}, signed: {signed}");
        }
    }
    assert_eq!(server.send(Call::get("/bkt/k")).await.status, 404);
    assert!(server.blob_files().await.is_empty());
    assert_eq!(server.staged_blobs().await, 0);
}

#[tokio::test]
async fn a_chunk_or_a_trailer_with_another_signature_is_refused() {
    let server = Server::with_bucket().await;
    // The body holds no `z`, so the change is to a byte of it, and all lengths stay.
    let flip = |mut wire: Vec<u8>| {
        let at = wire.windows(5).rposition(|window| window == b"zzzzz").unwrap();
        wire[at] = b'y';
        wire
    };
    for size in [10, 200_000] {
        let mut call = Call::put("/bkt/k").body(vec![b'z'; size]).chunked(65_536, true, None);
        call.tamper = Some(flip);
        assert_eq!(server.send(call).await.error(), (403, "SignatureDoesNotMatch".into()));
    }
    let mut call = Call::put("/bkt/k").body("hello").chunked(3, true, Some(("x-amz-checksum-crc32", "NhCmhg==")));
    call.tamper = Some(|wire| {
        let wire = String::from_utf8(wire).unwrap();
        wire.replace("x-amz-checksum-crc32:NhCmhg==", "x-amz-checksum-crc32:NhCmhA==").into_bytes()
    });
    assert_eq!(server.send(call).await.error(), (403, "SignatureDoesNotMatch".into()));
    assert_eq!(server.send(Call::get("/bkt/k")).await.status, 404);
    assert_eq!(server.staged_blobs().await, 0);
}

#[tokio::test]
async fn an_object_beyond_the_limit_is_refused_before_it_is_read() {
    let config = GatewayConfig { object_bytes_max: 100_000, ..GatewayConfig::default() };
    let server = Server::start_with(config, |ledger| ledger).await;
    server.ok(Call::put("/bkt")).await;
    server.ok(Call::put("/bkt/k").body(pattern(100_000))).await;
    for call in [
        Call::put("/bkt/k").body(pattern(100_001)),
        Call::put("/bkt/k").body(pattern(100_001)).chunked(65_536, true, None),
    ] {
        assert_eq!(server.send(call).await.error(), (400, "EntityTooLarge".into()));
    }
    let mut huge = Call::put("/bkt/k").payload(Payload::Unsigned);
    huge.claimed_length = Some(1 << 50);
    assert_eq!(server.send(huge).await.error(), (400, "EntityTooLarge".into()));
}

/// What a client that goes away leaves behind: no object, no file, nothing in the journal.
#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let server = Server::with_bucket().await;
    let body = pattern(3_000_000);
    for (call, bytes) in [
        (Call::put("/bkt/k").body(body.clone()).payload(Payload::Unsigned), 2_500_000),
        (Call::put("/bkt/k").body(body.clone()), 2_999_999),
        (Call::put("/bkt/k").body(body.clone()).chunked(65_536, true, None), 1_000_000),
        (Call::put("/bkt/k").body(pattern(10_000)).payload(Payload::Unsigned), 5_000),
    ] {
        call.abandon(server.address, bytes).await;
    }
    server.ended(5).await;
    assert_eq!(server.send(Call::get("/bkt/k")).await.status, 404);
    assert!(server.blob_files().await.is_empty());
    assert_eq!(server.staged_blobs().await, 0);
}

#[tokio::test]
async fn a_client_that_stops_sending_is_let_go() {
    let config = GatewayConfig { body_idle_max: std::time::Duration::from_millis(50), ..GatewayConfig::default() };
    let server = Server::start_with(config, |ledger| ledger).await;
    server.ok(Call::put("/bkt")).await;
    for (sent, claimed) in [(10, 20), (100_000, 200_000), (1_000_000, 2_000_000)] {
        let mut call = Call::put("/bkt/k").body(pattern(sent)).payload(Payload::Unsigned);
        call.claimed_length = Some(claimed);
        assert_eq!(server.send(call).await.error(), (400, "RequestTimeout".into()), "{sent} of {claimed}");
    }
    assert_eq!(server.staged_blobs().await, 0);
}

/// Guards an answer that the client never sees: a connection that is closed with unread bytes in it is reset, and takes
/// the answer along.
#[tokio::test]
async fn a_refused_upload_is_told_why_although_nobody_read_it() {
    let server = Server::with_bucket().await;
    for _ in 0..5 {
        let none = Call::put("/none/k").body(pattern(8_000_000)).payload(Payload::Unsigned);
        assert_eq!(none.send_whole(server.address).await.error(), (404, "NoSuchBucket".into()));
        let mut wrong = Call::put("/bkt/k").body(pattern(8_000_000)).payload(Payload::Unsigned);
        wrong.secret_key = "wrong".into();
        assert_eq!(wrong.send_whole(server.address).await.error(), (403, "SignatureDoesNotMatch".into()));
        let digest = Call::put("/bkt/k").body(pattern(8_000_000)).header("content-md5", "no");
        assert_eq!(digest.send_whole(server.address).await.error(), (400, "InvalidDigest".into()));
    }
}

/// A client that asks first is not asked for what will not be read.
#[tokio::test]
async fn a_refused_upload_is_not_sent_for() {
    let server = Server::with_bucket().await;
    let mut call = Call::put("/none/k").header("expect", "100-continue").payload(Payload::Unsigned);
    call.claimed_length = Some(8_000_000);
    assert_eq!(server.send(call).await.error(), (404, "NoSuchBucket".into()));
}

/// A signed chunk is in memory before its signature is seen: 16 MiB of it for each of a thousand requests was too much.
#[tokio::test]
async fn a_signed_chunk_has_two_mebibytes_at_most() {
    let server = Server::with_bucket().await;
    let mebibytes = |size: usize| pattern(size * 1024 * 1024);
    let answer = server.send(Call::put("/bkt/k").body(mebibytes(3)).chunked(3 * 1024 * 1024, true, None)).await;
    assert_eq!(answer.error(), (400, "EntityTooLarge".into()));
    assert!(answer.element("Message").contains("chunk size to 2097152 or less"), "{answer:?}");
    server.ok(Call::put("/bkt/k").body(mebibytes(3)).chunked(2 * 1024 * 1024, true, None)).await;
    let sum = Some(("x-amz-checksum-crc32", "AAAAAA=="));
    let unsigned = server.send(Call::put("/bkt/k").body(mebibytes(3)).chunked(3 * 1024 * 1024, false, sum)).await;
    assert_eq!(unsigned.error(), (400, "BadDigest".into()), "unsigned ones are streamed, whatever their size");
}
