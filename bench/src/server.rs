//! The program under test: `bucketbell serve` on a folder of its own, as it is installed, with its defaults.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use http::{Method, Request, header};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::{
    client::{Client, client},
    cpu,
};

pub const ACCESS_KEY: &str = "BENCHACCESSKEY000001";
pub const SECRET_KEY: &str = "bench-secret-key-0123456789";
const TOKEN: &str = "bench-admin-token-0123456789";
const START_TIME_MAX: Duration = Duration::from_secs(30);
const LOG_BYTES_SHOWN: usize = 2000;
const DEPTH: &str = "bucketbell_notification_outbox_depth";
/// Between two looks at the metrics page.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// A running server, until it is dropped.
pub struct Server {
    /// Host and port of the S3 side.
    pub s3: String,
    api: String,
    client: Client,
    child: Child,
}

impl Server {
    /// Starts `program` on `folder` and waits until both ports answer.
    ///
    /// # Errors
    ///
    /// When it does not start: with the end of its log.
    pub async fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        let build = "build it first: cargo build --release -p bucketbell";
        ensure!(program.is_file(), "`{}` is not there; {build}, or name it with --server", program.display());
        let log = folder.join("server.log");
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"BUCKETBELL_")) {
            command.env_remove(name);
        }
        let mut child = command
            .arg("serve")
            .args(["--s3-listen", "127.0.0.1:0", "--api-listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.join("data"))
            .current_dir(folder)
            .env("BUCKETBELL_ADMIN_TOKEN", TOKEN)
            .env("BUCKETBELL_ADMIN_ACCESS_KEY", ACCESS_KEY)
            .env("BUCKETBELL_ADMIN_SECRET_KEY", SECRET_KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start `{}`", program.display()))?;
        let stdout = child.stdout.take().context("the server has no standard output")?;
        let ready = tokio::time::timeout(START_TIME_MAX, ready(stdout)).await.context("the server is never ready");
        match ready.flatten() {
            Ok((s3, api)) => Ok(Self { s3, api, client: client(), child }),
            Err(error) => Err(error.context(format!("the server's log ends with:\n{}", end_of(&log)))),
        }
    }

    /// Returns what the server has used of the processors so far.
    pub fn cpu_used(&self) -> Duration {
        self.child.id().map(cpu::used_by).unwrap_or_default()
    }

    /// Makes these the rules of a bucket.
    ///
    /// # Errors
    ///
    /// When the API does not answer 200.
    pub async fn put_rules(&self, bucket: &str, rules: &Value) -> anyhow::Result<()> {
        let body = serde_json::json!({ "rules": rules }).to_string();
        self.call(Method::PUT, &format!("/api/v1/buckets/{bucket}/notifications"), body).await?;
        Ok(())
    }

    /// Returns how many deliveries are owed, as the metrics page tells it.
    ///
    /// # Errors
    ///
    /// When the page does not answer, or does not tell it.
    pub async fn owed(&self) -> anyhow::Result<f64> {
        let page = self.call(Method::GET, "/metrics", String::new()).await?;
        ensure!(page.contains(DEPTH), "the metrics page does not tell `{DEPTH}`");
        let samples = page.lines().filter(|line| line.starts_with(DEPTH));
        samples.map(|line| line.rsplit(' ').next().unwrap_or_default().parse::<f64>().context("no number")).sum()
    }

    /// Waits until nothing is owed. The caller sets a limit.
    ///
    /// # Errors
    ///
    /// As [`Server::owed`].
    pub async fn drained(&self) -> anyhow::Result<()> {
        while self.owed().await? > 0.0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn call(&self, method: Method, path: &str, body: String) -> anyhow::Result<String> {
        let request = Request::builder()
            .method(method.clone())
            .uri(format!("{}{path}", self.api))
            .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body))?;
        let answer = self.client.request(request).await.with_context(|| format!("{method} {path} failed"))?;
        let status = answer.status();
        let text = String::from_utf8_lossy(&answer.into_body().collect().await?.to_bytes()).into_owned();
        if !status.is_success() {
            bail!("{method} {path} answers {status}: {text}");
        }
        Ok(text)
    }
}

/// Reads the line that tells the addresses: `ready s3=http://… api=http://…`.
async fn ready(stdout: tokio::process::ChildStdout) -> anyhow::Result<(String, String)> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        let Some(addresses) = line.strip_prefix("ready ") else { continue };
        let named = |name: &str| addresses.split(' ').find_map(|word| word.strip_prefix(name)).map(str::to_owned);
        let (Some(s3), Some(api)) = (named("s3=http://"), named("api=")) else {
            bail!("the server tells no http addresses: {line}");
        };
        // What it prints later must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        return Ok((s3, api));
    }
    bail!("the server ended before it was ready")
}

fn end_of(log: &PathBuf) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(LOG_BYTES_SHOWN)..]).into_owned()
}
