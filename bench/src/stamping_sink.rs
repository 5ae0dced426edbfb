//! The receiver of P4: in this process, so that one clock measures, on threads of its own, so that it takes no turn of
//! the runtime that sends. It notes when the first byte of each request arrives, and answers 204 when it has the whole.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use anyhow::Context;
use tokio::sync::mpsc;

const REQUEST_BYTES_MAX: usize = 64 * 1024;
const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// A receiver on a free loopback port, until it is dropped.
pub struct StampingSink {
    address: SocketAddr,
    stamps: mpsc::UnboundedReceiver<Instant>,
    stopped: Arc<AtomicBool>,
}

impl StampingSink {
    /// Starts to listen.
    ///
    /// # Errors
    ///
    /// When there is no loopback port.
    pub fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("no loopback port")?;
        let address = listener.local_addr()?;
        let (sender, stamps) = mpsc::unbounded_channel();
        let stopped = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stopped);
        std::thread::Builder::new().name("sink".to_owned()).spawn(move || accept(&listener, &sender, &told))?;
        Ok(Self { address, stamps, stopped })
    }

    /// Returns where to post.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns when the first byte of the next request arrived.
    ///
    /// # Errors
    ///
    /// When the sink has stopped.
    pub async fn next(&mut self) -> anyhow::Result<Instant> {
        self.stamps.recv().await.context("the sink has stopped")
    }
}

impl Drop for StampingSink {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, which then sees the flag. Those of connections end with their clients.
        let _ = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, stamps: &mpsc::UnboundedSender<Instant>, stopped: &AtomicBool) {
    for stream in listener.incoming() {
        if stopped.load(Ordering::SeqCst) {
            return;
        }
        let (Ok(stream), stamps) = (stream, stamps.clone()) else { continue };
        // A connection that ends, in whatever way, ends its thread.
        let answering = move || drop(answer(stream, &stamps));
        if std::thread::Builder::new().name("sink-connection".to_owned()).spawn(answering).is_err() {
            return;
        }
    }
}

/// Answers the requests of one connection. They come one after the other: a client that pipelines is not measured here.
fn answer(mut stream: TcpStream, stamps: &mpsc::UnboundedSender<Instant>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; REQUEST_BYTES_MAX];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..])?;
        if filled == 0 && read > 0 && stamps.send(Instant::now()).is_err() {
            return Ok(());
        }
        filled += read;
        if read == 0 {
            return Ok(());
        }
        if is_whole(&buffer[..filled]) {
            stream.write_all(ANSWER)?;
            filled = 0;
        }
    }
}

/// Returns whether a request with a Content-Length, or without a body, is there to its end.
fn is_whole(bytes: &[u8]) -> bool {
    let Some(head) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let length = String::from_utf8_lossy(&bytes[..head])
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .unwrap_or(0);
    bytes.len() >= head + 4 + length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_with_its_last_byte() {
        let request = b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
        for end in 0..request.len() {
            assert!(!is_whole(&request[..end]), "{end}");
        }
        assert!(is_whole(request) && is_whole(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
    }

    #[tokio::test]
    async fn each_request_is_stamped_once() {
        let mut sink = StampingSink::start().unwrap();
        let client = crate::client::client();
        for _ in 0..2 {
            let before = Instant::now();
            assert_eq!(client.get(sink.url().parse().unwrap()).await.unwrap().status(), 204);
            assert!(sink.next().await.unwrap() >= before);
        }
    }
}
