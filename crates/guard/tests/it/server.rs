//! A listener on loopback whose connections a test scripts byte by byte.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use bucketbell_guard::{Answer, Client, ClientConfig, Destination, Post, Reach, SendError};
use bytes::Bytes;
use http::HeaderMap;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

/// Longer than anything here may take: a test that needs it has failed.
pub(crate) const LONG: Duration = Duration::from_secs(20);
pub(crate) const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Serves every connection with `script`, in its own task, and returns the address.
pub(crate) async fn serve<F, S>(script: S) -> SocketAddr
where
    S: Fn(TcpStream, usize) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let script = Arc::new(script);
    tokio::spawn(async move {
        let mut count = 0;
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(script(stream, count));
            count += 1;
        }
    });
    address
}

/// Reads one request, head and body, and returns its text; `None` when the connection ends.
pub(crate) async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        match stream.read_buf(&mut read).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

/// Answers each request of the connection with `answer`.
pub(crate) async fn answer_all(mut stream: TcpStream, answer: &[u8]) {
    while request(&mut stream).await.is_some() && stream.write_all(answer).await.is_ok() {}
}

pub(crate) fn client() -> Client {
    Client::new(ClientConfig::default()).expect("the defaults are right")
}

pub(crate) fn destination(url: &str) -> Destination {
    Destination::try_from(&Url::parse(url).expect("a url")).expect("a destination")
}

/// Posts to `address` as an admin's rule would.
pub(crate) async fn post(client: &Client, address: SocketAddr, timeout: Duration) -> Result<Answer, SendError> {
    post_to(client, &destination(&format!("http://{address}/hook?token=hidden")), timeout, Reach::Vouched).await
}

pub(crate) async fn post_to(
    client: &Client,
    destination: &Destination,
    timeout: Duration,
    reach: Reach,
) -> Result<Answer, SendError> {
    let body = Bytes::from_static(b"{\"a\":1}");
    client.post(Post { destination, headers: HeaderMap::new(), body, timeout, reach }).await
}
