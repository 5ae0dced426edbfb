//! X5: receivers that hang, reset, answer garbage, never end, redirect.

use std::time::{Duration, Instant};

use bucketbell_guard::{BODY_BYTES_MAX, EXCERPT_BYTES_MAX, HEADER_BYTES_MAX, SendError};
use tokio::{io::AsyncWriteExt, net::TcpStream, sync::mpsc};

use crate::server::{LONG, OK, answer_all, client, post, request, serve};

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_request_is_sent_whole_and_its_answer_read() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = serve(move |mut stream, _| {
        let seen = seen.clone();
        async move {
            let _ = seen.send(request(&mut stream).await.unwrap_or_default());
            let _ = stream.write_all(b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nwait").await;
        }
    })
    .await;
    let answer = post(&client(), address, LONG).await.unwrap();
    assert_eq!((answer.status, answer.retry_after), (429, Some(Duration::from_secs(7))));
    assert_eq!((&answer.excerpt[..], answer.truncated), (&b"wait"[..], false));
    let sent = requests.recv().await.unwrap();
    assert!(sent.starts_with("POST /hook?token=hidden HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains(&format!("host: {address}\r\n")), "{sent}");
    assert!(sent.contains("content-length: 7\r\n") && !sent.contains("transfer-encoding"), "{sent}");
    assert!(sent.ends_with("\r\n\r\n{\"a\":1}"), "{sent}");
}

#[tokio::test]
async fn one_deadline_covers_a_receiver_that_hangs_wherever_it_does() {
    let silent = serve(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let mute_after_head = serve(|mut stream, _| async move {
        request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n").await;
        std::future::pending::<()>().await;
    })
    .await;
    // A byte now and then keeps every per-read timeout happy, and must not keep this one.
    let dripping = serve(|mut stream, _| async move {
        request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n").await;
        let mut every = tokio::time::interval(Duration::from_millis(5));
        while stream.write_all(b"x").await.is_ok() {
            every.tick().await;
        }
    })
    .await;
    for address in [silent, mute_after_head, dripping] {
        let started = Instant::now();
        assert_eq!(post(&client(), address, SHORT).await, Err(SendError::TimedOut));
        assert!(started.elapsed() >= SHORT && started.elapsed() < LONG);
    }
}

#[tokio::test]
async fn a_new_connection_that_ends_without_an_answer_is_a_failure() {
    let closing = serve(|mut stream, _| async move {
        request(&mut stream).await;
    })
    .await;
    let resetting = serve(|stream, _| async move {
        // Unread input turns the close into a reset.
        stream.readable().await.ok();
    })
    .await;
    let cut = serve(|mut stream, _| async move {
        request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 O").await;
    })
    .await;
    for address in [closing, resetting, cut] {
        let error = post(&client(), address, LONG).await.expect_err("there was no answer");
        assert!(matches!(error, SendError::Closed(_)), "{error:?}");
        assert!(!error.to_string().contains("hidden"), "Y6: {error}");
    }
}

#[tokio::test]
async fn garbage_is_not_an_answer() {
    let too_large = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(HEADER_BYTES_MAX * 4));
    let too_many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: x\r\n".repeat(101));
    for bytes in ["\0\0\0\0\0\0\0\0 garbage\r\n\r\n", "SSH-2.0-OpenSSH_9.9\r\n\r\n", &too_large, &too_many] {
        let bytes = bytes.to_owned();
        let address = serve(move |stream, _| {
            let bytes = bytes.clone();
            async move { answer_all(stream, bytes.as_bytes()).await }
        })
        .await;
        let error = post(&client(), address, LONG).await.expect_err("that is no HTTP");
        assert!(matches!(error, SendError::NotHttp(_)), "{error:?}");
    }
}

#[tokio::test]
async fn an_endless_body_is_read_to_a_bound_and_costs_the_connection() {
    for head in
        ["Transfer-Encoding: chunked\r\n\r\n", "Content-Length: 10737418240\r\n\r\n", "Connection: close\r\n\r\n"]
    {
        let chunked = head.starts_with("Transfer");
        let (ended, mut end) = mpsc::unbounded_channel();
        let address = serve(move |mut stream, _| {
            let ended = ended.clone();
            async move {
                request(&mut stream).await;
                let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}").as_bytes()).await;
                let data = "z".repeat(0x1000);
                let piece = if chunked { format!("1000\r\n{data}\r\n") } else { data };
                let mut written: usize = 0;
                while stream.write_all(piece.as_bytes()).await.is_ok() {
                    written += 0x1000;
                }
                let _ = ended.send(written);
            }
        })
        .await;
        let answer = post(&client(), address, LONG).await.unwrap();
        assert_eq!((answer.status, answer.truncated, answer.excerpt.len()), (200, true, EXCERPT_BYTES_MAX));
        // The sockets' own buffers hold some megabytes: far from 10 GiB, which nobody read.
        let written = end.recv().await.expect("the connection was dropped");
        assert!((BODY_BYTES_MAX..1 << 28).contains(&written), "{written}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let elsewhere = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = elsewhere.local_addr().unwrap();
    let address = serve(move |stream, _| async move {
        let answer = format!("HTTP/1.1 307 Go\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n");
        answer_all(stream, answer.as_bytes()).await;
    })
    .await;
    let answer = post(&client(), address, LONG).await.unwrap();
    assert_eq!((answer.status, answer.excerpt.is_empty(), answer.truncated), (307, true, false));
    let mine = TcpStream::connect(target).await.unwrap();
    let (_, first) = elsewhere.accept().await.unwrap();
    assert_eq!(first, mine.local_addr().unwrap(), "nobody else connected");
}

#[tokio::test]
async fn an_answer_whose_body_breaks_off_still_has_its_status() {
    let address = serve(|mut stream, _| async move {
        request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nok").await;
    })
    .await;
    let answer = post(&client(), address, LONG).await.unwrap();
    assert_eq!((answer.status, &answer.excerpt[..], answer.truncated), (200, &b"ok"[..], true));
}

#[tokio::test]
async fn bodies_around_the_bounds_are_kept_right() {
    for (length, kept, truncated) in [
        (0, 0, false),
        (EXCERPT_BYTES_MAX, EXCERPT_BYTES_MAX, false),
        (EXCERPT_BYTES_MAX + 1, EXCERPT_BYTES_MAX, true),
        (BODY_BYTES_MAX, EXCERPT_BYTES_MAX, true),
        (BODY_BYTES_MAX + 1, EXCERPT_BYTES_MAX, true),
    ] {
        let address = serve(move |stream, _| async move {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{}", "y".repeat(length));
            answer_all(stream, answer.as_bytes()).await;
        })
        .await;
        let answer = post(&client(), address, LONG).await.unwrap();
        assert_eq!((answer.excerpt.len(), answer.truncated), (kept, truncated), "{length}");
    }
    assert!(OK.starts_with(b"HTTP/1.1 200"));
}
