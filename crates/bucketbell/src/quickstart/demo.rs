//! What the quickstart does as a user of the server: a bucket, a rule, an object.

use anyhow::{Context, bail};
use bucketbell_access::PlainCredentials;
use bucketbell_ledger::{Clock, SystemClock};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use super::{client::Client, inbox::Inbox, sigv4::Signer};
use crate::server::Server;

pub const BUCKET: &str = "demo";
pub const KEY: &str = "hello.txt";
const BODY: &[u8] = b"Hello. This object rang a bell.\n";
/// Tells the quickstart's rule from others of the bucket, which it leaves alone.
const MARK: &str = "from=quickstart";

/// The server as one user sees it.
#[derive(Debug)]
pub struct Demo {
    client: Client,
    signer: Signer,
    token: String,
    s3_host: String,
    rules_url: String,
}

/// One object that was put.
#[derive(Debug)]
pub struct Put {
    pub key: String,
    pub bytes: usize,
    /// The id of the event that the put raised, as the answer told it (X11).
    pub event: Option<String>,
}

impl Demo {
    pub fn new(server: &Server, credentials: &PlainCredentials) -> Self {
        Self {
            client: Client::new(),
            signer: Signer {
                access_key: credentials.access_key.clone(),
                secret_key: credentials.secret_key.clone(),
                region: server.s3_region.clone(),
            },
            token: credentials.token.expose().to_owned(),
            s3_host: server.s3_url.trim_start_matches("http://").to_owned(),
            rules_url: format!("{}/api/v1/buckets/{BUCKET}/notifications", server.api_url),
        }
    }

    /// Makes the bucket, and the rule that tells the inbox of everything in it.
    pub async fn prepare(&self, inbox: &Inbox) -> anyhow::Result<()> {
        let (status, _, body) = self.s3(Method::PUT, &format!("/{BUCKET}"), Bytes::new()).await?;
        // 409: an earlier run made it.
        if status != StatusCode::OK && status != StatusCode::CONFLICT {
            bail!("the bucket {BUCKET} cannot be made: {status}: {body}");
        }
        let mut set = self.client.api(Method::GET, &self.rules_url, &self.token, None).await?;
        let mut rule = json!({
            "url": format!("{}?{MARK}", inbox.url()),
            "events": ["*"],
            "secret": inbox.secret(),
        });
        let rules = set["rules"].as_array_mut().context("the API answered without rules")?;
        let ours = |rule: &Value| rule["url"].as_str().is_some_and(|url| url.ends_with(MARK));
        match rules.iter_mut().find(|rule| ours(rule)) {
            // The same rule, so that what an earlier run still owed arrives too.
            Some(stored) => {
                rule["id"] = stored["id"].take();
                *stored = rule;
            }
            None => rules.push(rule),
        }
        self.client.api(Method::PUT, &self.rules_url, &self.token, Some(&set)).await?;
        Ok(())
    }

    /// Puts the object.
    pub async fn put(&self) -> anyhow::Result<Put> {
        let (status, headers, body) =
            self.s3(Method::PUT, &format!("/{BUCKET}/{KEY}"), Bytes::from_static(BODY)).await?;
        if status != StatusCode::OK {
            bail!("the object was not taken: {status}: {body}");
        }
        let event = headers.get("x-bucketbell-event-id").and_then(|id| id.to_str().ok());
        let event = event.and_then(|ids| ids.split(',').next()).map(str::to_owned);
        Ok(Put { key: KEY.to_owned(), bytes: BODY.len(), event })
    }

    async fn s3(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<(StatusCode, HeaderMap, String)> {
        let request = self.signer.request(method, &self.s3_host, path, body, SystemClock.now())?;
        let (status, headers, answer) = self.client.send(request).await?;
        Ok((status, headers, String::from_utf8_lossy(&answer).into_owned()))
    }
}
