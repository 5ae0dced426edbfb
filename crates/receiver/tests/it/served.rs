//! A1: one command, one port, one path for each dialect.

use std::net::SocketAddr;

use bucketbell_receiver::{BODY_BYTES_MAX, IncomingDialect, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
};

use crate::fixture::{Home, Log, minimal};

struct Served {
    home: Home,
    log: Log,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

async fn served() -> Served {
    let (home, log) = (Home::new(), Log::default());
    let receiver = home.open_receiver(log.handlers());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let (stop, stopped) = oneshot::channel();
    let server = tokio::spawn(serve(listener, receiver, async {
        let _ = stopped.await;
    }));
    Served { home, log, address, stop, server }
}

/// Sends one request as bytes and returns the status and the whole answer.
async fn ask(address: SocketAddr, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    // The server may answer and close before it has read all.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default(), answer)
}

fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn the_curl_of_the_seed_is_answered_and_said_to_be_a_repeat() {
    let served = served().await;
    let post = request("POST", "/webhooks/minio", &minimal().to_string());
    let (status, answer) = ask(served.address, &post).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("content-type: application/json") && answer.contains("\"handled\":1"), "{answer}");
    let (status, answer) = ask(served.address, &post).await;
    assert!(status == 200 && answer.contains("\"repeats\":1"), "A5: {answer}");
    assert_eq!(served.log.len(), 1);
}

#[tokio::test]
async fn head_and_get_answer_200_and_handle_nothing() {
    let served = served().await;
    for dialect in IncomingDialect::ALL {
        for method in ["HEAD", "GET"] {
            let (status, answer) = ask(served.address, &request(method, &format!("/webhooks/{dialect}"), "")).await;
            assert_eq!(status, 200, "A1: {method} {dialect}: {answer}");
        }
    }
    assert_eq!(served.log.len(), 0);
}

#[tokio::test]
async fn other_methods_and_paths_are_told_what_there_is() {
    let served = served().await;
    let (status, answer) = ask(served.address, &request("PUT", "/webhooks/minio", "{}")).await;
    assert!(status == 405 && answer.contains("allow: POST, GET, HEAD"), "{answer}");
    for path in ["/", "/webhooks", "/webhooks/klingon", "/webhooks/minio/x", "/favicon.ico"] {
        let (status, answer) = ask(served.address, &request("POST", path, "{}")).await;
        assert!(status == 404 && answer.contains("/webhooks/s3-orchestrator"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_whether_it_says_its_length_or_not() {
    let served = served().await;
    let (status, _) = ask(served.address, &request("POST", "/webhooks/minio", &" ".repeat(BODY_BYTES_MAX + 1))).await;
    assert_eq!(status, 413);
    let head = "POST /webhooks/minio HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    let piece = " ".repeat(0x10000);
    let chunked = format!("{head}{}0\r\n\r\n", format!("10000\r\n{piece}\r\n").repeat(17));
    assert_eq!(ask(served.address, &chunked).await.0, 413);
    let body = minimal().to_string();
    let padded = format!("{body}{}", " ".repeat(BODY_BYTES_MAX - body.len()));
    assert_eq!(ask(served.address, &request("POST", "/webhooks/minio", &padded)).await.0, 200, "just at the limit");
}

#[tokio::test]
async fn a_stopped_receiver_has_closed_its_memory() {
    let served = served().await;
    let _ = served.stop.send(());
    served.server.await.unwrap();
    assert!(TcpStream::connect(served.address).await.is_err(), "nobody listens any more");
    served.home.memory();
}
