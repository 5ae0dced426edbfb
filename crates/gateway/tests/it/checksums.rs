//! Checksums in headers and trailers: verified, kept, and a reason to store nothing.

use crate::{
    client::{Call, Payload},
    objects::pattern,
    server::Server,
};

/// Of `hello`, by Python's zlib and hashlib, and by the AWS CRT.
const HELLO: &[(&str, &str)] = &[
    ("x-amz-checksum-crc32", "NhCmhg=="),
    ("x-amz-checksum-crc32c", "mnG7TA=="),
    ("x-amz-checksum-sha1", "qvTGHdzF6KLavt4PO0gs2a6pQ00="),
    ("x-amz-checksum-sha256", "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="),
];
/// As long as the right ones, and wrong.
const WRONG: &[(&str, &str)] = &[
    ("x-amz-checksum-crc32", "AAAAAA=="),
    ("x-amz-checksum-crc32c", "AAAAAA=="),
    ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
    ("x-amz-checksum-sha1", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ("x-amz-checksum-sha256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
];

#[tokio::test]
async fn a_right_checksum_is_kept_however_it_came() {
    let server = Server::with_bucket().await;
    let crc64 = server.ok(Call::put("/bkt/k").body("hello")).await.header("x-amz-checksum-crc64nvme").to_owned();
    for (name, value) in HELLO.iter().copied().chain([("x-amz-checksum-crc64nvme", &*crc64)]) {
        let hello = || Call::put("/bkt/k").body("hello");
        for (how, call) in [
            ("header, signed", hello().header(name, value)),
            ("header, unsigned", hello().header(name, value).payload(Payload::Unsigned)),
            ("header, signed chunks", hello().header(name, value).chunked(3, true, None)),
            ("trailer, unsigned chunks", hello().chunked(3, false, Some((name, value)))),
            ("trailer, signed chunks", hello().chunked(3, true, Some((name, value)))),
        ] {
            let put = server.ok(call).await;
            assert_eq!(put.header(name), value, "{how}");
            assert_eq!(put.header("x-amz-checksum-type"), "FULL_OBJECT", "{how}");
            let get = server.ok(Call::get("/bkt/k").header("x-amz-checksum-mode", "ENABLED")).await;
            assert_eq!((get.text().as_str(), get.header(name)), ("hello", value), "{how}");
            let part = Call::get("/bkt/k").header("x-amz-checksum-mode", "ENABLED").header("range", "bytes=0-1");
            assert_eq!(server.ok(part).await.header(name), "", "a checksum of the whole says nothing about a part");
        }
    }
}

#[tokio::test]
async fn a_wrong_checksum_stores_nothing() {
    let server = Server::with_bucket().await;
    for body in [b"hello".to_vec(), pattern(300_000)] {
        for &(name, value) in WRONG {
            let put = || Call::put("/bkt/k").body(body.clone());
            for call in [
                put().header(name, value),
                put().header(name, value).payload(Payload::Unsigned),
                put().chunked(70_000, false, Some((name, value))),
                put().chunked(70_000, true, Some((name, value))),
            ] {
                assert_eq!(server.send(call).await.error(), (400, "BadDigest".into()), "{name}");
            }
        }
        let md5 = Call::put("/bkt/k").body(body.clone()).header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
        assert_eq!(server.send(md5).await.error(), (400, "BadDigest".into()));
        let sha256 = Call::put("/bkt/k").body(body.clone()).payload(Payload::SignedAs("0".repeat(64)));
        assert_eq!(server.send(sha256).await.error(), (400, "XAmzContentSHA256Mismatch".into()));
    }
    assert_eq!(server.send(Call::get("/bkt/k")).await.error(), (404, "NoSuchKey".into()));
    assert!(server.blob_files().await.is_empty());
    assert_eq!(server.staged_blobs().await, 0);
}

#[tokio::test]
async fn a_right_content_md5_is_accepted() {
    let server = Server::with_bucket().await;
    server.ok(Call::put("/bkt/k").body("hello").header("content-md5", "XUFAKrxLKna5cZ2REBfFkg==")).await;
}

#[tokio::test]
async fn malformed_announcements_are_refused() {
    let server = Server::with_bucket().await;
    let hello = || Call::put("/bkt/k").body("hello");
    for (call, code) in [
        (hello().header("content-md5", "no"), "InvalidDigest"),
        (hello().header("content-md5", "AAAA"), "InvalidDigest"),
        (hello().header("x-amz-checksum-crc32", "no"), "InvalidRequest"),
        (hello().header("x-amz-sdk-checksum-algorithm", "CRC32"), "InvalidRequest"),
        (
            hello().header("x-amz-checksum-crc32", "NhCmhg==").header("x-amz-checksum-crc32c", "mnG7TA=="),
            "InvalidRequest",
        ),
        // Announced for a trailer that this framing does not have.
        (hello().header("x-amz-trailer", "x-amz-checksum-crc32"), "MalformedTrailerError"),
    ] {
        assert_eq!(server.send(call).await.error(), (400, code.to_owned()));
    }
    let sha512 = hello().header("x-amz-checksum-sha512", "AAAA");
    assert_eq!(server.send(sha512).await.error(), (501, "NotImplemented".into()));
    assert_eq!(server.send(Call::get("/bkt/k")).await.status, 404, "nothing was stored");
}
