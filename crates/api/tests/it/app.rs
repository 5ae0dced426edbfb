//! An API on a ledger of its own, with one admin and the buckets that a test asks for.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{Router, body::Body, response::Response};
use bucketbell_access::{Accounts, token_hash};
use bucketbell_api::{ApiState, REQUEST_ID, Readiness, router};
use bucketbell_ledger::{
    AccountId, AdminCredentials, Change, ChangeKind, Ledger, MasterKey, SystemClock,
    sqlite::{Config, SqliteLedger},
};
use bucketbell_rule::Secret;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

pub const TOKEN: &str = "bbt_the-admins-token";
/// Whatever a test does, this must not be in an answer.
pub const SECRET: &str = "hunter2-is-the-secret";
pub const PHOTOS: &str = "/api/v1/buckets/photos/notifications";

pub struct App {
    pub ledger: Arc<dyn Ledger>,
    pub readiness: Arc<Readiness>,
    pub recorder: PrometheusRecorder,
    router: Router,
    folder: TempDir,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

fn random() -> std::io::Result<[u8; 16]> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut bits = [7; 16];
    bits[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    Ok(bits)
}

impl App {
    /// Has the bucket `photos`.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let config = Config { path, master_key: MasterKey::new([3; 32]), clock: Arc::new(SystemClock) };
        let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open(config).unwrap());
        let credentials = AdminCredentials {
            token: token_hash(TOKEN),
            access_key: "AKIA".to_owned(),
            secret_key: Secret::new("the-secret-key"),
        };
        let admin = ledger.put_admin(credentials).await.unwrap();
        let readiness = Arc::new(Readiness::default());
        readiness.ready();
        let recorder = PrometheusBuilder::new().build_recorder();
        let state = ApiState {
            ledger: Arc::clone(&ledger),
            accounts: Arc::new(Accounts::new(Arc::clone(&ledger))),
            readiness: Arc::clone(&readiness),
            metrics: recorder.handle(),
            rules_per_bucket_max: 16,
            random,
        };
        let app = Self { ledger, readiness, recorder, router: router(state), folder };
        app.make_bucket("photos", admin.id).await;
        app
    }

    pub async fn make_bucket(&self, name: &str, owner: AccountId) {
        let kind = ChangeKind::CreateBucket { name: name.to_owned(), owner };
        self.ledger.commit(Change { origin: Default::default(), kind }).await.unwrap();
    }

    /// Opens a connection to the ledger's file, to hold its writer up.
    pub fn beside(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("ledger.db")).unwrap()
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response: Response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert!(parts.headers.contains_key(REQUEST_ID), "every answer carries its request's id");
        assert!(!text.contains(SECRET), "C6: {text}");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(authorized(Method::GET, path).body(Body::empty()).unwrap()).await
    }

    pub async fn put(&self, body: impl Into<Body>) -> Answer {
        self.send(authorized(Method::PUT, PHOTOS).body(body.into()).unwrap()).await
    }

    pub async fn put_if(&self, etag: &str, body: impl Into<Body>) -> Answer {
        self.send(authorized(Method::PUT, PHOTOS).header("if-match", etag).body(body.into()).unwrap()).await
    }
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect(&self.text)
    }

    pub fn etag(&self) -> String {
        self.headers["etag"].to_str().unwrap().to_owned()
    }

    /// Checks the one shape of every error, and returns `code` and `field`.
    pub fn error(&self, status: u16) -> (String, Option<String>) {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/json", "{}", self.text);
        let json = self.json();
        let error = json["error"].as_object().expect("an error");
        assert!(error.keys().all(|key| matches!(key.as_str(), "code" | "message" | "field")), "{json}");
        assert!(!error["message"].as_str().expect("a message").is_empty());
        (
            error["code"].as_str().expect("a code").to_owned(),
            error.get("field").map(|field| field.as_str().unwrap().into()),
        )
    }
}

pub fn authorized(method: Method, path: &str) -> http::request::Builder {
    Request::builder().method(method).uri(path).header("authorization", format!("Bearer {TOKEN}"))
}

/// A body with one rule, and `more` fields in it.
pub fn one_rule(more: &str) -> String {
    format!(r#"{{"rules":[{{"url":"https://example.com/hook","events":["s3:ObjectCreated:*"]{more}}}]}}"#)
}
