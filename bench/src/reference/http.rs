//! R-http: sign and post, nothing else.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::task::JoinSet;

use super::signature::Signer;
use crate::client::{Client, client};

/// Posts `posts` bodies of 600 bytes, `concurrency` at a time, and returns how long that took.
///
/// # Errors
///
/// When a POST fails, or is not answered 204.
pub async fn post(url: &str, posts: u64, concurrency: usize) -> anyhow::Result<Duration> {
    let (client, signer) = (client(), Signer::new(url)?);
    let given = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let mut lanes = JoinSet::new();
    for _ in 0..concurrency {
        lanes.spawn(lane(client.clone(), signer.clone(), Arc::clone(&given), posts));
    }
    while let Some(lane) = lanes.join_next().await {
        lane.context("a lane of R-http ended early")??;
    }
    Ok(began.elapsed())
}

async fn lane(client: Client, signer: Signer, given: Arc<AtomicU64>, posts: u64) -> anyhow::Result<()> {
    loop {
        let number = given.fetch_add(1, Ordering::Relaxed);
        if number >= posts {
            return Ok(());
        }
        let answer = client.request(signer.request(number)?).await.context("a POST of R-http failed")?;
        ensure!(answer.status() == StatusCode::NO_CONTENT, "the sink answers {}", answer.status());
        answer.into_body().collect().await?;
    }
}
