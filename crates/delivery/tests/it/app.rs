//! A ledger with one bucket, the engine on it, and the way to put things in.

use std::{sync::Arc, time::Duration};

use bucketbell_delivery::{Engine, EngineConfig, RetryPolicy};
use bucketbell_event::{EventId, Origin};
use bucketbell_guard::{Client, ClientConfig};
use bucketbell_ledger::{
    AdminCredentials, Change, ChangeKind, Content, Ledger, MasterKey, PutObject, SystemClock, TokenHash,
    WritePrecondition,
    sqlite::{Config, SqliteLedger},
};
use bucketbell_rule::{Draft, Rule, RuleId, Scope, Secret};
use bytes::Bytes;
use tempfile::TempDir;

pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A ledger on disk, reopened at will.
pub struct App {
    pub folder: TempDir,
    pub ledger: Arc<dyn Ledger>,
}

impl App {
    pub async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let ledger = open(&folder);
        let admin = AdminCredentials {
            token: TokenHash([1; 32]),
            access_key: "ADMIN".to_owned(),
            secret_key: Secret::new("secret-key"),
        };
        let owner = ledger.put_admin(admin).await.unwrap().id;
        let create = ChangeKind::CreateBucket { name: "photos".to_owned(), owner };
        ledger.commit(Change { origin: Origin::default(), kind: create }).await.unwrap();
        Self { folder, ledger }
    }

    /// Closes the ledger and opens it again, as another process would.
    pub async fn reopen(self) -> Self {
        self.ledger.close().await;
        let ledger = open(&self.folder);
        Self { ledger, ..self }
    }

    pub async fn engine(&self) -> Engine {
        let first = Duration::from_millis(20);
        let retry = RetryPolicy::try_new(first, Duration::from_secs(1)).unwrap();
        let config = EngineConfig { retry, ..EngineConfig::default() };
        let client = Client::new(ClientConfig::default()).unwrap();
        Engine::start(config, Arc::clone(&self.ledger), client, Arc::new(SystemClock)).await.unwrap()
    }

    /// Saves one rule for each draft, with ids that stay the same.
    pub async fn rules(&self, drafts: &[Draft]) -> Vec<RuleId> {
        let rules: Vec<Rule> = (1u8..)
            .zip(drafts)
            .map(|(place, draft)| draft.validate(RuleId::from_bytes([place; 16]), None).unwrap())
            .collect();
        let ids = rules.iter().map(|rule| rule.id).collect();
        self.ledger.put_rules(&Scope::Bucket("photos".to_owned()), rules, None).await.unwrap();
        ids
    }

    pub async fn put(&self, key: &str) -> EventId {
        let put = PutObject {
            bucket: "photos".to_owned(),
            key: key.to_owned(),
            precondition: WritePrecondition::None,
            content: Content::Inline(Bytes::from_static(b"x")),
            size: 1,
            etag: "9dd4e461268c8034f5c8564e155c67a6".to_owned(),
            content_type: None,
            headers: Default::default(),
            metadata: Default::default(),
            checksum: None,
        };
        let change = Change { origin: Origin::default(), kind: ChangeKind::PutObject(put) };
        self.ledger.commit(change).await.unwrap().events[0]
    }

    /// Returns how many deliveries are owed in all.
    pub async fn owed(&self) -> u64 {
        self.ledger.queue_depths().await.unwrap().iter().map(|depth| depth.owed).sum()
    }

    /// Waits until nothing is owed any more.
    pub async fn wait_until_settled(&self) {
        bucketbell_testkit::eventually("nothing is owed", || async { (self.owed().await == 0).then_some(()) }).await;
    }
}

fn open(folder: &TempDir) -> Arc<dyn Ledger> {
    let config = Config {
        path: folder.path().join("ledger.db"),
        master_key: MasterKey::new([7; 32]),
        clock: Arc::new(SystemClock),
    };
    Arc::new(SqliteLedger::open(config).unwrap())
}

pub fn draft(url: &str) -> Draft {
    Draft { url: url.to_owned(), events: vec!["s3:ObjectCreated:*".to_owned()], ..Draft::default() }
}

pub const GRACE: Duration = Duration::from_secs(10);
