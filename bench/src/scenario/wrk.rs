//! Whether R-http is a fair yardstick: a slow one would flatter us. `wrk`, a load generator in C,
//! posts the same bytes to the same sink; it signs nothing, which is what the difference is allowed to be.

use std::{fmt::Write, process::Stdio};

use anyhow::{Context, bail};
use http_body_util::BodyExt;
use tokio::process::Command;

use super::references::per_second;
use crate::{
    arguments::Settings,
    folder, reference,
    report::{Budget, Outcome},
    sink::Sink,
    turns::Turns,
};

const POSTS: usize = 200_000;
const WRK_SECONDS: u32 = 3;
const RATIO_MIN: f64 = 0.6;

/// Measures R-http against `wrk`, 16 and 64 at a time.
///
/// # Errors
///
/// When `wrk` is not installed, or says something unknown.
pub async fn run(settings: &Settings) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for (id, concurrency) in [("wrk-16", 16), ("wrk-64", 64)] {
        let sink = Sink::start().await?;
        let url = sink.url();
        let posts = settings.scaled(POSTS) as u64;
        let turns = Turns::run(
            settings.runs,
            |rate: &f64| *rate,
            || wrk(settings, &url, concurrency),
            async || Ok(per_second(posts, reference::http::post(&url, posts, concurrency).await?.as_secs_f64())),
        )
        .await?;
        let main = turns.compare(|rate| *rate)?;
        let met = main.ratio.median() >= RATIO_MIN;
        outcomes.push(Outcome {
            id,
            title: format!("R-http (as ours) against wrk (as the reference), {concurrency} at a time"),
            unit: "POST/s",
            main,
            budgets: vec![Budget { text: "R-http reaches at least 0.6 of wrk", met }],
            details: vec![],
        });
    }
    Ok(outcomes)
}

async fn wrk(settings: &Settings, url: &str, concurrency: usize) -> anyhow::Result<f64> {
    let folder = folder::temporary(&settings.scratch)?;
    let script = folder.path().join("post.lua");
    std::fs::write(&script, lua(url).await?)?;
    let output = Command::new("wrk")
        .args(["--threads", "2", "--connections", &concurrency.to_string()])
        .args(["--duration", &format!("{WRK_SECONDS}s"), "--script"])
        .args([script.as_os_str(), url.as_ref()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .context("`wrk` cannot be started: install it, for example by `apt-get install wrk`")?;
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("Non-2xx") || text.contains("Socket errors") {
        bail!("wrk met errors:\n{text}");
    }
    let rate = text.lines().find_map(|line| line.trim().strip_prefix("Requests/sec:"));
    rate.and_then(|rate| rate.trim().parse().ok()).with_context(|| format!("wrk says nothing known:\n{text}"))
}

/// Returns a script that makes wrk send what R-http sends: one request of it, signature and all, again and again.
async fn lua(url: &str) -> anyhow::Result<String> {
    let (head, body) = reference::Signer::new(url)?.request(1)?.into_parts();
    let body = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
    let mut script = format!("wrk.method = \"POST\"\nwrk.body = [==[{body}]==]\n");
    for (name, value) in &head.headers {
        let _ = writeln!(script, "wrk.headers[\"{name}\"] = \"{}\"", value.to_str()?);
    }
    Ok(script)
}
