//! Objects: there and back.

use crate::{client::Call, server::Server};

/// Bytes in which a piece that is missing, repeated or misplaced shows.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at / 65_536) as u8).collect()
}

#[tokio::test]
async fn an_object_goes_in_and_comes_out_and_goes() {
    let server = Server::with_bucket().await;
    let put = server.ok(Call::put("/bkt/k").body("hello")).await;
    assert_eq!(put.header("etag"), "\"5d41402abc4b2a76b9719d911017c592\"");
    assert!(!put.header("x-amz-checksum-crc64nvme").is_empty(), "the checksum that it got");

    let get = server.ok(Call::get("/bkt/k")).await;
    assert_eq!((get.status, get.body.as_slice()), (200, &b"hello"[..]));
    assert_eq!(get.header("etag"), put.header("etag"));
    assert_eq!(get.header("content-type"), "binary/octet-stream");
    assert_eq!(get.header("accept-ranges"), "bytes");
    assert!(get.header("last-modified").ends_with(" GMT"));
    assert_eq!(get.header("x-amz-checksum-crc64nvme"), "", "only on request");

    let head = server.ok(Call::head("/bkt/k").header("x-amz-checksum-mode", "ENABLED")).await;
    assert_eq!((head.header("content-length"), head.body.len()), ("5", 0));
    assert_eq!(head.header("x-amz-checksum-crc64nvme"), put.header("x-amz-checksum-crc64nvme"));
    assert_eq!(head.header("x-amz-checksum-type"), "FULL_OBJECT");

    assert_eq!(server.ok(Call::delete("/bkt/k")).await.status, 204);
    assert_eq!(server.send(Call::get("/bkt/k")).await.error(), (404, "NoSuchKey".into()));
    assert_eq!(server.send(Call::head("/bkt/k")).await.status, 404);
    assert_eq!(server.ok(Call::delete("/bkt/k")).await.status, 204, "gone is gone");
}

/// 16 KiB is where the ledger ends and the blob store begins.
#[tokio::test]
async fn every_size_is_kept_whole_on_its_side_of_the_boundary() {
    let server = Server::with_bucket().await;
    let sizes = [(0, 0), (1, 0), (16_383, 0), (16_384, 0), (16_385, 1), (524_288, 2), (524_289, 3), (2_000_003, 4)];
    for (size, blobs) in sizes {
        let body = pattern(size);
        for chunked in [false, true] {
            let mut call = Call::put("/bkt/k").body(body.clone());
            if chunked {
                call = call.chunked(65_536, true, None);
            }
            server.ok(call).await;
            let get = server.ok(Call::get("/bkt/k")).await;
            assert!(get.body == body, "{size} bytes, chunked: {chunked}");
            assert_eq!(get.header("content-length"), size.to_string());
        }
        // An overwritten blob stays for a day (Y2): each size adds its two.
        assert_eq!(server.blob_files().await.len(), 2 * blobs, "{size} bytes");
    }
}

#[tokio::test]
async fn ranges_are_cut_out() {
    let server = Server::with_bucket().await;
    for (key, size) in [("/bkt/small", 1_000usize), ("/bkt/large", 700_000)] {
        let body = pattern(size);
        server.ok(Call::put(key).body(body.clone())).await;
        for (range, start, end) in [
            ("bytes=0-0".to_owned(), 0, 1),
            ("bytes=10-99".to_owned(), 10, 100),
            ("bytes=500-".to_owned(), 500, size),
            ("bytes=-7".to_owned(), size - 7, size),
            (format!("bytes=1-{}", size * 2), 1, size),
        ] {
            let get = server.ok(Call::get(key).header("range", &*range)).await;
            assert_eq!(get.status, 206, "{range}");
            assert!(get.body == body[start..end], "{range}");
            assert_eq!(get.header("content-range"), format!("bytes {start}-{}/{size}", end - 1));
            let head = server.ok(Call::head(key).header("range", &*range)).await;
            assert_eq!((head.status, head.header("content-length")), (206, (end - start).to_string().as_str()));
        }
        let beyond = server.send(Call::get(key).header("range", format!("bytes={size}-"))).await;
        assert_eq!(beyond.error(), (416, "InvalidRange".into()));
        assert_eq!(beyond.header("content-range"), format!("bytes */{size}"));
    }
    server.ok(Call::put("/bkt/empty")).await;
    let none = server.send(Call::get("/bkt/empty").header("range", "bytes=-5")).await;
    assert_eq!(none.error(), (416, "InvalidRange".into()));
}

/// S3 ignores a range that it does not understand.
#[tokio::test]
async fn a_range_that_is_none_means_the_whole_object() {
    let server = Server::with_bucket().await;
    server.ok(Call::put("/bkt/k").body("hello")).await;
    for range in ["bytes=5-1", "bytes=abc", "lines=1-2", "bytes=0-0,2-3", "bytes=", ""] {
        for method in ["GET", "HEAD"] {
            let whole = server.ok(Call::new(method, "/bkt/k").unsigned("range", range)).await;
            assert_eq!((whole.status, whole.header("content-length")), (200, "5"), "{method} {range}");
            assert_eq!(whole.header("content-range"), "", "{method} {range}");
        }
    }
    // What was signed cannot be left out, and `s3s` refuses it.
    let signed = server.send(Call::get("/bkt/k").header("range", "bytes=5-1")).await;
    assert_eq!(signed.error(), (400, "InvalidArgument".into()));
    let twice = Call::get("/bkt/k").unsigned("range", "bytes=0-0").unsigned("range", "bytes=1-1");
    assert_eq!(server.ok(twice).await.text(), "hello");
    for (range, status) in [("bytes=1-99999999999999999999", 206), ("bytes=99999999999999999999-", 416)] {
        let answer = server.send(Call::get("/bkt/k").unsigned("range", range)).await;
        assert_eq!(answer.status, status, "{range}");
    }
}

#[tokio::test]
async fn reads_keep_their_conditions() {
    let server = Server::with_bucket().await;
    let put = server.ok(Call::put("/bkt/k").body("hello").header("cache-control", "max-age=60")).await;
    let etag = put.header("etag").to_owned();
    let date = server.ok(Call::head("/bkt/k")).await.header("last-modified").to_owned();
    let past = "Fri, 02 Jan 2015 03:04:05 GMT";
    for (name, value, status) in [
        ("if-match", &*etag, 200),
        ("if-match", "*", 200),
        ("if-match", "\"other\"", 412),
        ("if-none-match", &etag, 304),
        ("if-none-match", etag.trim_matches('"'), 304),
        ("if-none-match", "\"other\"", 200),
        ("if-modified-since", past, 200),
        ("if-modified-since", &date, 304),
        ("if-unmodified-since", &date, 200),
        ("if-unmodified-since", past, 412),
    ] {
        for method in ["GET", "HEAD"] {
            let answer = server.send(Call::new(method, "/bkt/k").header(name, value)).await;
            assert_eq!(answer.status, status, "{method} {name}: {value}");
            if status == 304 {
                assert_eq!((answer.header("etag"), answer.header("cache-control")), (&*etag, "max-age=60"));
                assert_eq!(answer.header("last-modified"), date);
                assert!(answer.body.is_empty());
            }
        }
    }
}

#[tokio::test]
async fn what_describes_an_object_is_kept() {
    let server = Server::with_bucket().await;
    let put = Call::put("/bkt/k")
        .body("hello")
        .header("content-type", "text/plain; charset=utf-8")
        .header("cache-control", "no-cache")
        .header("content-disposition", "attachment; filename=\"x\"")
        .header("content-encoding", "aws-chunked,gzip")
        .header("content-language", "de")
        .header("expires", "Fri, 02 Jan 2026 03:04:05 GMT")
        .header("x-amz-meta-camera", "x100")
        .header("x-amz-meta-empty", "");
    server.ok(put).await;
    for method in ["GET", "HEAD"] {
        let answer = server.ok(Call::new(method, "/bkt/k")).await;
        for (name, value) in [
            ("content-type", "text/plain; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("content-disposition", "attachment; filename=\"x\""),
            ("content-encoding", "gzip"),
            ("content-language", "de"),
            ("expires", "Fri, 02 Jan 2026 03:04:05 GMT"),
            ("x-amz-meta-camera", "x100"),
            ("x-amz-meta-empty", ""),
        ] {
            assert_eq!(answer.headers.get(name).map(String::as_str), Some(value), "{method} {name}");
        }
        let instead = Call::new(method, "/bkt/k")
            .query("response-content-type", "image/png")
            .query("response-content-disposition", "inline")
            .query("response-cache-control", "max-age=1");
        let answer = server.ok(instead).await;
        assert_eq!(answer.header("content-type"), "image/png", "{method}");
        assert_eq!((answer.header("content-disposition"), answer.header("cache-control")), ("inline", "max-age=1"));
    }
    let large = server.send(Call::put("/bkt/k").header("x-amz-meta-a", "v".repeat(2048))).await;
    assert_eq!(large.error(), (400, "MetadataTooLarge".into()));
}

#[tokio::test]
async fn writes_keep_their_conditions() {
    let server = Server::with_bucket().await;
    for body in [pattern(10), pattern(20_000)] {
        let put = |name: &str, value: &str| Call::put("/bkt/k").body(body.clone()).header(name, value);
        assert_eq!(server.send(put("if-match", "\"aa\"")).await.error(), (404, "NoSuchKey".into()));
        let etag = server.ok(put("if-none-match", "*")).await.header("etag").to_owned();
        assert_eq!(server.send(put("if-none-match", "*")).await.error(), (412, "PreconditionFailed".into()));
        assert_eq!(server.send(put("if-match", "\"aa\"")).await.error(), (412, "PreconditionFailed".into()));
        server.ok(put("if-match", &etag)).await;
        server.ok(put("if-match", "*")).await;
        assert_eq!(server.send(put("if-none-match", &etag)).await.error(), (501, "NotImplemented".into()));
        server.ok(Call::delete("/bkt/k")).await;
    }
}

/// A race that counts: of many who create one key, one does.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_creators_wins() {
    let server = Server::with_bucket().await;
    for size in [10, 20_000] {
        let calls = (0..16).map(|_| {
            let (call, address) =
                (Call::put("/bkt/race").body(pattern(size)).header("if-none-match", "*"), server.address);
            tokio::spawn(async move { call.send(address).await.status })
        });
        let mut statuses = Vec::new();
        for call in calls.collect::<Vec<_>>() {
            statuses.push(call.await.unwrap());
        }
        statuses.sort_unstable();
        assert_eq!((statuses[0], &statuses[1..]), (200, &[412; 15][..]), "{size} bytes");
        server.ok(Call::delete("/bkt/race")).await;
    }
    assert_eq!(server.blob_files().await.len(), 1, "the losers' bytes are gone");
}

#[tokio::test]
async fn any_key_of_1024_bytes_is_a_key() {
    let server = Server::with_bucket().await;
    let longest = "k".repeat(1024);
    let umlauts = "ü".repeat(512);
    for key in ["ünï/ cö+de?&=%.txt", "a//b/../c", "/", "//", ".", "a b", "%2F", "\u{1F514}", &longest, &umlauts] {
        let path = format!("/bkt/{key}");
        server.ok(Call::put(&path).body(key)).await;
        assert_eq!(server.ok(Call::get(&path)).await.text(), key);
    }
    let list = server.ok(Call::get("/bkt").query("list-type", "2").query("encoding-type", "url")).await;
    assert_eq!(list.element("KeyCount"), "10");

    for key in ["k".repeat(1025), "ü".repeat(513)] {
        let long = server.send(Call::put(&format!("/bkt/{key}")).body("x")).await;
        assert_eq!(long.error(), (400, "KeyTooLongError".into()));
    }
    let mut call = Call::put("/bkt/").body("x");
    call.path.extend_from_slice(&[0xff, 0xfe]);
    let (status, code) = server.send(call).await.error();
    assert_eq!((status, code.as_str()), (400, "InvalidURI"), "not UTF-8");
}
