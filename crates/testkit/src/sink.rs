//! A webhook receiver that keeps what it is sent and answers as it is told.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Response, body::Incoming, header::HeaderMap, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

/// What the receiver does with one request.
#[derive(Debug, Clone)]
pub enum Behaviour {
    Answer(u16),
    /// Answers with a header.
    AnswerWith(u16, &'static str, String),
    /// Never answers.
    Hang,
    /// Closes the connection without an answer.
    Reset,
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Request {
    /// Returns a header's text, empty when it is absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[derive(Default)]
struct State {
    requests: Vec<Request>,
    script: VecDeque<Behaviour>,
}

/// A receiver on a free loopback port, until it is dropped.
pub struct Sink {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Sink {
    /// Starts a receiver that answers 204, after the script is used up.
    ///
    /// # Panics
    ///
    /// When the machine gives no loopback port.
    pub async fn start(script: impl IntoIterator<Item = Behaviour>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let address = listener.local_addr().expect("a bound address");
        let state = Arc::new(Mutex::new(State { script: script.into_iter().collect(), ..State::default() }));
        let server = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self { address, state, server }
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Returns what came in so far, in the order of arrival.
    ///
    /// # Panics
    ///
    /// When a request's task panicked.
    #[must_use]
    pub fn requests(&self) -> Vec<Request> {
        self.state.lock().expect("no poisoned sink").requests.clone()
    }

    /// Waits until `count` requests came in, and returns them all.
    pub async fn wait_for(&self, count: usize) -> Vec<Request> {
        crate::eventually(&format!("{count} requests at the sink"), || async {
            Some(self.requests()).filter(|requests| requests.len() >= count)
        })
        .await
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&state)));
            // A reset is an error of the connection, and wanted.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The script said `Reset`.
#[derive(Debug)]
struct Reset;

impl std::fmt::Display for Reset {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("reset by the script")
    }
}

impl std::error::Error for Reset {}

async fn answer(request: hyper::Request<Incoming>, state: Arc<Mutex<State>>) -> Result<Response<Full<Bytes>>, Reset> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Reset)?.to_bytes();
    let behaviour = {
        let mut state = state.lock().map_err(|_| Reset)?;
        state.requests.push(Request { path: head.uri.path().to_owned(), headers: head.headers, body });
        state.script.pop_front().unwrap_or(Behaviour::Answer(204))
    };
    let response = |status: u16| Response::builder().status(status);
    let built = match behaviour {
        Behaviour::Answer(status) => response(status).body(Full::default()),
        Behaviour::AnswerWith(status, name, value) => response(status).header(name, value).body(Full::default()),
        Behaviour::Reset => return Err(Reset),
        Behaviour::Hang => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            return Err(Reset);
        }
    };
    built.map_err(|_| Reset)
}
