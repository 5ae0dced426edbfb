//! Many clients that put small objects, each on its own kept connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use bucketbell_ledger::{Clock, SystemClock};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, task::JoinSet};

use super::sigv4::Signer;
use crate::{
    latency::Latencies,
    server::{ACCESS_KEY, SECRET_KEY},
};

/// What to put where.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    pub host: &'a str,
    pub bucket: &'a str,
    pub clients: usize,
    pub puts: u64,
    /// Number of the first key: no key is put twice.
    pub first: u64,
    pub body_bytes: usize,
}

/// What came of it.
#[derive(Debug)]
pub struct Puts {
    pub took: Duration,
    pub latencies: Latencies,
}

/// One client.
struct Lane {
    signer: Signer,
    sender: SendRequest<Full<Bytes>>,
}

/// Puts as told, and returns when the last is answered.
///
/// # Errors
///
/// When a put is not answered 200.
pub async fn put(load: Load<'_>) -> anyhow::Result<Puts> {
    let given = Arc::new(AtomicU64::new(load.first));
    let body = Bytes::from(vec![b'p'; load.body_bytes]);
    let mut ready = Vec::with_capacity(load.clients);
    for _ in 0..load.clients {
        ready.push(Lane::connect(load.host).await?);
    }
    let began = Instant::now();
    let mut lanes = JoinSet::new();
    for lane in ready {
        let (bucket, given, body) = (load.bucket.to_owned(), Arc::clone(&given), body.clone());
        lanes.spawn(lane.put_until(load.first + load.puts, bucket, given, body));
    }
    let mut latencies = Latencies::default();
    while let Some(lane) = lanes.join_next().await {
        latencies.append(lane.context("a client ended early")??);
    }
    Ok(Puts { took: began.elapsed(), latencies })
}

/// Makes a bucket.
///
/// # Errors
///
/// When it is not answered 200.
pub async fn create_bucket(host: &str, bucket: &str) -> anyhow::Result<()> {
    Lane::connect(host).await?.put(&format!("/{bucket}"), Bytes::new()).await
}

impl Lane {
    async fn connect(host: &str) -> anyhow::Result<Self> {
        let now = jiff::Timestamp::from_microsecond(SystemClock.now().as_micros())?;
        let signer = Signer::new(host, ACCESS_KEY, SECRET_KEY, now)?;
        let stream = TcpStream::connect(host).await.context("the server does not accept a connection")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Ends when the sender is dropped.
        tokio::spawn(connection);
        Ok(Self { signer, sender })
    }

    async fn put_until(
        mut self,
        end: u64,
        bucket: String,
        given: Arc<AtomicU64>,
        body: Bytes,
    ) -> anyhow::Result<Latencies> {
        let mut latencies = Latencies::default();
        loop {
            let number = given.fetch_add(1, Ordering::Relaxed);
            if number >= end {
                return Ok(latencies);
            }
            let began = Instant::now();
            self.put(&format!("/{bucket}/images/{number:010}.jpg"), body.clone()).await?;
            latencies.push_duration(began.elapsed());
        }
    }

    async fn put(&mut self, path: &str, body: Bytes) -> anyhow::Result<()> {
        let request = self
            .signer
            .request(&Method::PUT, path)
            .header(header::CONTENT_LENGTH, body.len())
            .header(header::CONTENT_TYPE, "image/jpeg")
            .body(Full::new(body))?;
        self.sender.ready().await.context("the server closed a connection")?;
        let answer = self.sender.send_request(request).await.context("a put failed")?;
        let status = answer.status();
        let text = answer.into_body().collect().await?.to_bytes();
        ensure!(
            status != StatusCode::SERVICE_UNAVAILABLE,
            "the server is too busy: {}",
            String::from_utf8_lossy(&text)
        );
        if status != StatusCode::OK {
            bail!("a put is answered {status}: {}", String::from_utf8_lossy(&text));
        }
        Ok(())
    }
}
