//! A small HTTP client for the server in this very process: plain HTTP, whole bodies, one deadline for each request.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client as Legacy, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::Value;
use tokio::time::timeout;

const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, Clone)]
pub struct Client(Legacy<HttpConnector, Full<Bytes>>);

impl Client {
    pub fn new() -> Self {
        Self(Legacy::builder(TokioExecutor::new()).build_http())
    }

    /// Sends a request and returns its answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> anyhow::Result<(StatusCode, HeaderMap, Bytes)> {
        let what = format!("{} {}", request.method(), request.uri());
        let exchange = async {
            let answer = self.0.request(request).await?;
            let (parts, body) = answer.into_parts();
            match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
                Ok(body) => anyhow::Ok((parts.status, parts.headers, body.to_bytes())),
                Err(error) => Err(anyhow::anyhow!(error)),
            }
        };
        timeout(REQUEST_TIME_MAX, exchange).await.with_context(|| format!("{what}: no answer in time"))?.context(what)
    }

    /// Sends JSON to the API, or asks it for some, and returns its answer when that is a success.
    pub async fn api(&self, method: Method, url: &str, token: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))?;
        let (status, _, answer) = self.send(request).await?;
        if !status.is_success() {
            bail!("{url} answered {status}: {}", String::from_utf8_lossy(&answer));
        }
        serde_json::from_slice(&answer).with_context(|| format!("{url} answered something else than JSON"))
    }
}
