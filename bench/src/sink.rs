//! The receiver of most scenarios: another process of this same program, which reads every request, answers 204, and
//! counts. It ends when its standard input does, so it cannot outlive the process that started it.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, ChildStdin, Command},
    sync::{Notify, oneshot},
};

use crate::client::{Client, client};

const START_TIME_MAX: Duration = Duration::from_secs(10);
const COUNT: &str = "/count";
const WAIT: &str = "/wait/";

/// What came in since the sink started.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Count {
    pub posts: u64,
    pub body_bytes: u64,
}

/// A sink in another process, until it is dropped.
pub struct Sink {
    address: SocketAddr,
    client: Client,
    _child: Child,
    /// Closing it ends the child.
    _stdin: Option<ChildStdin>,
}

impl Sink {
    /// Starts a sink on a free loopback port.
    ///
    /// # Errors
    ///
    /// When the process does not start, or does not say its port in time.
    pub async fn start() -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("sink")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the sink")?;
        let stdout = child.stdout.take().context("the sink has no standard output")?;
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        let told = stdout.read_line(&mut line);
        tokio::time::timeout(START_TIME_MAX, told).await.context("the sink says nothing")??;
        let address = line.trim().parse().context("the sink does not say its address")?;
        Ok(Self { address, client: client(), _stdin: child.stdin.take(), _child: child })
    }

    /// Returns where to post.
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Returns what came in so far.
    ///
    /// # Errors
    ///
    /// When the sink does not answer.
    pub async fn count(&self) -> anyhow::Result<Count> {
        self.ask(COUNT).await
    }

    /// Waits until `posts` came in since the sink started, without asking again and again. The caller sets a limit.
    ///
    /// # Errors
    ///
    /// When the sink does not answer.
    pub async fn wait_for(&self, posts: u64) -> anyhow::Result<Count> {
        self.ask(&format!("{WAIT}{posts}")).await
    }

    async fn ask(&self, path: &str) -> anyhow::Result<Count> {
        let uri = format!("http://{}{path}", self.address).parse()?;
        let answer = self.client.get(uri).await.context("the sink does not answer")?;
        if answer.status() != StatusCode::OK {
            bail!("the sink answers {}", answer.status());
        }
        Ok(serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?)
    }
}

#[derive(Default)]
struct Counter {
    posts: AtomicU64,
    body_bytes: AtomicU64,
    /// Somebody waits for this many. One waits at a time.
    awaited: AtomicU64,
    reached: Notify,
}

impl Counter {
    fn add(&self, body_bytes: u64) {
        self.body_bytes.fetch_add(body_bytes, Ordering::SeqCst);
        let posts = self.posts.fetch_add(1, Ordering::SeqCst) + 1;
        if posts == self.awaited.load(Ordering::SeqCst) {
            self.reached.notify_one();
        }
    }

    fn count(&self) -> Count {
        Count { posts: self.posts.load(Ordering::SeqCst), body_bytes: self.body_bytes.load(Ordering::SeqCst) }
    }

    async fn wait_for(&self, posts: u64) {
        self.awaited.store(posts, Ordering::SeqCst);
        // A permit may be left of a wait that was given up, so the count decides.
        while self.count().posts < posts {
            self.reached.notified().await;
        }
    }
}

/// Is the sink: prints its address and answers until standard input ends.
///
/// # Errors
///
/// When there is no loopback port.
pub async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.context("no loopback port")?;
    println!("{}", listener.local_addr()?);
    tokio::select! {
        failed = accept(listener) => failed,
        _ = parent_gone() => Ok(()),
    }
}

/// Returns when standard input ends.
async fn parent_gone() {
    let (sender, ended) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(sender);
    });
    let _ = ended.await;
}

async fn accept(listener: TcpListener) -> anyhow::Result<()> {
    let counter = Arc::new(Counter::default());
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let counter = Arc::clone(&counter);
        tokio::spawn(async move {
            let service = service_fn(|request| answer(request, Arc::clone(&counter)));
            // A client that goes away is no failure of the sink.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, counter: Arc<Counter>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    if request.method() == Method::GET {
        if let Some(posts) = request.uri().path().strip_prefix(WAIT).and_then(|posts| posts.parse().ok()) {
            counter.wait_for(posts).await;
        }
        return Ok(Response::new(serde_json::to_vec(&counter.count()).unwrap_or_default().into()));
    }
    let mut body = request.into_body();
    let mut body_bytes = 0;
    while let Some(frame) = body.frame().await {
        body_bytes += frame?.data_ref().map_or(0, Bytes::len) as u64;
    }
    counter.add(body_bytes);
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_with_the_post_that_it_waits_for() {
        let counter = Counter::default();
        counter.add(5);
        let ((), ()) = tokio::join!(counter.wait_for(3), async {
            counter.add(5);
            tokio::task::yield_now().await;
            counter.add(5);
        });
        assert_eq!((counter.count().posts, counter.count().body_bytes), (3, 15));
        counter.wait_for(2).await;
    }
}
