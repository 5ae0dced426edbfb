//! The least that can tell of a commit: one thread commits to SQLite, signs, and posts on a connection that is open.

use std::{
    net::SocketAddr,
    path::Path,
    sync::mpsc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::{signature::Signer, sqlite::Table};

/// When a commit was begun and when it was durable.
#[derive(Debug, Clone, Copy)]
pub struct Committed {
    pub begun: Instant,
    pub durable: Instant,
}

/// Commits and posts `count` times with a pause between two, and tells of each commit before it posts. Blocks.
///
/// # Errors
///
/// When SQLite or the receiver fails.
pub fn commit_and_post(
    folder: &Path,
    address: SocketAddr,
    count: u64,
    pause: impl Fn(u64) -> Duration,
    commits: &mpsc::Sender<Committed>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut table = Table::make(folder)?;
    let signer = Signer::new("/hook")?;
    let host = HeaderValue::from_str(&address.to_string())?;
    let mut sender = runtime.block_on(async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        anyhow::Ok(sender)
    })?;
    for number in 0..count {
        let begun = Instant::now();
        table.commit(1)?;
        let durable = Instant::now();
        commits.send(Committed { begun, durable }).context("nobody measures")?;
        let mut request = signer.request(number)?;
        request.headers_mut().insert(header::HOST, host.clone());
        runtime.block_on(async {
            sender.ready().await?;
            let answer = sender.send_request(request).await?;
            ensure!(answer.status() == StatusCode::NO_CONTENT, "the sink answers {}", answer.status());
            answer.into_body().collect().await?;
            Ok(())
        })?;
        std::thread::sleep(pause(number));
    }
    Ok(())
}
