//! A ledger with an admin and a bucket, and the owner of its endpoints.

use std::{sync::Arc, time::Duration};

use bucketbell_dialect::DialectName;
use bucketbell_event::{EventId, Origin};
use bucketbell_ledger::{
    AccountId, AdminCredentials, AttemptOutcome, AttemptRecord, BlobId, Change, ChangeKind, CommitError, Committed,
    Content, DeleteObject, DueDelivery, Endpoint, EndpointId, Instance, Ledger, Number, ObjectRecord, PruneLimits,
    Pruned, PutObject, RulesSaved, Settlement, Signal, Taken, TokenHash, WritePrecondition,
};
use bucketbell_rule::{Rule, RuleId, Scope, Secret, Target};
use bucketbell_testkit::{DEADLINE, ManualClock};
use bytes::Bytes;
use tokio::sync::mpsc;

use crate::store::Store;

pub const BUCKET: &str = "photos";
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// An open ledger with an admin and the bucket [`BUCKET`].
pub struct House {
    pub ledger: Arc<dyn Ledger>,
    pub owner: AccountId,
    pub clock: ManualClock,
}

impl House {
    pub async fn open(store: &impl Store) -> Self {
        let ledger = store.open().await;
        let owner = ledger.put_admin(admin()).await.expect("an admin").id;
        let house = Self { ledger, owner, clock: store.clock().clone() };
        match house.make_bucket(BUCKET).await {
            Ok(_) | Err(CommitError::BucketExists { same_owner: true, .. }) => house,
            Err(error) => panic!("{error}"),
        }
    }

    /// Closes the ledger and opens it again, as a restart does.
    pub async fn reopen(self, store: &impl Store) -> Self {
        self.ledger.close().await;
        Self::open(store).await
    }

    pub async fn commit(&self, kind: ChangeKind) -> Result<Committed, CommitError> {
        self.ledger.commit(Change { origin: Origin::default(), kind }).await
    }

    pub async fn make_bucket(&self, name: &str) -> Result<Committed, CommitError> {
        self.commit(ChangeKind::CreateBucket { name: name.to_owned(), owner: self.owner }).await
    }

    pub async fn delete_bucket(&self, name: &str) -> Result<Committed, CommitError> {
        self.commit(ChangeKind::DeleteBucket { name: name.to_owned() }).await
    }

    pub async fn put(&self, key: &str) -> Committed {
        self.commit(ChangeKind::PutObject(object(BUCKET, key))).await.expect("a put")
    }

    pub async fn put_if(&self, key: &str, precondition: WritePrecondition) -> Result<Committed, CommitError> {
        self.commit(ChangeKind::PutObject(PutObject { precondition, ..object(BUCKET, key) })).await
    }

    pub async fn put_content(&self, key: &str, content: Content, size: u64) -> Result<Committed, CommitError> {
        self.commit(ChangeKind::PutObject(PutObject { content, size, ..object(BUCKET, key) })).await
    }

    pub async fn delete(&self, key: &str) -> Committed {
        let delete = DeleteObject { bucket: BUCKET.to_owned(), key: key.to_owned() };
        self.commit(ChangeKind::DeleteObject(delete)).await.expect("a delete")
    }

    pub async fn get(&self, key: &str) -> Option<ObjectRecord> {
        self.ledger.object(BUCKET, key, true).await.expect("a read")
    }

    /// Saves the rules of [`BUCKET`].
    pub async fn rules(&self, rules: Vec<Rule>) -> RulesSaved {
        self.ledger.put_rules(&bucket_scope(), rules, None).await.expect("rules")
    }

    pub async fn server_rules(&self, rules: Vec<Rule>) -> RulesSaved {
        self.ledger.put_rules(&Scope::Server, rules, None).await.expect("rules")
    }

    pub async fn join(&self) -> Owner {
        let (sender, signals) = mpsc::unbounded_channel();
        let instance = self.ledger.join(sender).await.expect("joining");
        Owner { ledger: Arc::clone(&self.ledger), instance, signals, clock: self.clock.clone() }
    }

    /// Returns what a rule is owed; `None` when its endpoint is no more.
    pub async fn owed(&self, rule: &Rule) -> Option<u64> {
        let depths = self.ledger.queue_depths().await.expect("depths");
        depths.iter().find(|depth| depth.rule == rule.id).map(|depth| depth.owed)
    }

    pub async fn prune(&self, history: Duration, dead: Duration, rows_max: usize) -> Pruned {
        self.prune_by(PruneLimits { history, dead, rows_max, history_bytes_max: u64::MAX }).await
    }

    pub async fn prune_by(&self, limits: PruneLimits) -> Pruned {
        self.ledger.prune(limits).await.expect("pruning")
    }

    /// Prunes until there is no more to do, and returns what each round did.
    pub async fn prune_all(&self, limits: PruneLimits) -> Vec<Pruned> {
        let mut rounds = Vec::new();
        while rounds.last().is_none_or(|pruned: &Pruned| pruned.more) {
            rounds.push(self.prune_by(limits).await);
        }
        rounds
    }
}

/// The owner of every endpoint, as `delivery` is.
pub struct Owner {
    pub ledger: Arc<dyn Ledger>,
    pub instance: Instance,
    pub signals: mpsc::UnboundedReceiver<Signal>,
    pub clock: ManualClock,
}

impl Owner {
    pub async fn endpoints(&self) -> Vec<Endpoint> {
        self.ledger.endpoints(self.instance, None).await.expect("endpoints")
    }

    pub async fn endpoint(&self, rule: &Rule) -> EndpointId {
        let endpoints = self.endpoints().await;
        endpoints.iter().find(|endpoint| endpoint.rule == rule.id).expect("an endpoint of the rule").id
    }

    pub async fn take(&self, endpoint: EndpointId, free: usize) -> Taken {
        self.settle(endpoint, vec![], free).await
    }

    pub async fn settle(&self, endpoint: EndpointId, settlements: Vec<Settlement>, free: usize) -> Taken {
        self.ledger.settle(self.instance, endpoint, settlements, free).await.expect("a settle")
    }

    /// Waits until `count` deliveries were handed over by commits, and returns them in the order they came.
    pub async fn handed(&mut self, count: usize) -> Vec<(EndpointId, Number)> {
        let mut handed = Vec::new();
        while handed.len() < count {
            let signal = tokio::time::timeout(DEADLINE, self.signals.recv()).await.expect("a signal in time");
            if let Signal::Committed { endpoint, due } = signal.expect("an owner that is still told") {
                handed.extend(due.iter().map(|delivery| (endpoint, delivery.number)));
            }
        }
        handed
    }

    /// Returns what is in the channel now. A commit's signal is there before its answer.
    pub fn handed_now(&mut self) -> Vec<(EndpointId, Number)> {
        let mut handed = Vec::new();
        while let Ok(signal) = self.signals.try_recv() {
            if let Signal::Committed { endpoint, due } = signal {
                handed.extend(due.iter().map(|delivery| (endpoint, delivery.number)));
            }
        }
        handed
    }

    pub fn attempt(&self, status: u16) -> AttemptRecord {
        AttemptRecord {
            started: bucketbell_ledger::Clock::now(&self.clock),
            took: Duration::from_millis(3),
            outcome: AttemptOutcome::Answered { status },
            excerpt: "answer".repeat(300),
        }
    }

    pub fn delivered(&self, number: Number) -> Settlement {
        Settlement::Delivered { number, attempt: self.attempt(204) }
    }

    pub fn retry(&self, number: Number, wait: Duration) -> Settlement {
        let due = bucketbell_ledger::Clock::now(&self.clock).after(wait);
        Settlement::Retry { number, due, attempt: self.attempt(503) }
    }
}

pub fn admin() -> AdminCredentials {
    AdminCredentials {
        token: TokenHash([7; 32]),
        access_key: "AKIAADMIN".to_owned(),
        secret_key: Secret::new("the admin's secret key"),
    }
}

pub fn bucket_scope() -> Scope {
    Scope::Bucket(BUCKET.to_owned())
}

/// Returns an object of four bytes.
pub fn object(bucket: &str, key: &str) -> PutObject {
    PutObject {
        bucket: bucket.to_owned(),
        key: key.to_owned(),
        precondition: WritePrecondition::None,
        content: Content::Inline(Bytes::from_static(b"data")),
        size: 4,
        etag: "8d777f385d3dfec8815d20f7496026dc".to_owned(),
        content_type: None,
        headers: Default::default(),
        metadata: Default::default(),
        checksum: None,
    }
}

/// Returns an enabled rule that wants every data event, told apart by its number.
pub fn rule(number: u8) -> Rule {
    Rule {
        id: RuleId::from_bytes([number; 16]),
        name: None,
        events: vec!["*".parse().expect("a pattern")],
        prefix: String::new(),
        suffix: String::new(),
        enabled: true,
        paused: false,
        target: Target {
            url: format!("https://receiver-{number}.example/hook").parse().expect("a url"),
            dialect: DialectName::Bucketbell,
            secret: Some(Secret::new(format!("the secret of rule {number}"))),
            timeout: Duration::from_secs(5),
            max_retries: 16,
            max_age: 7 * DAY,
            concurrency: 16,
        },
    }
}

/// Returns the rule with a longest age of one hour.
pub fn short(rule: Rule) -> Rule {
    Rule { target: Target { max_age: DAY / 24, ..rule.target }, ..rule }
}

/// Returns rules that want nothing.
pub fn many_rules(count: u16) -> Vec<Rule> {
    let id = |number: u16| {
        let mut bytes = [0xFE; 16];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        RuleId::from_bytes(bytes)
    };
    (1..=count).map(|number| Rule { id: id(number), prefix: "never".to_owned(), ..rule(1) }).collect()
}

pub fn blob(number: u8) -> BlobId {
    BlobId::from_bytes([number; 16])
}

/// Returns how many deliveries became dead letters, for whatever reason.
pub fn buried(pruned: &Pruned) -> u64 {
    pruned.buried.iter().map(|buried| buried.count).sum()
}

pub fn numbers(due: &[DueDelivery]) -> Vec<Number> {
    due.iter().map(|delivery| delivery.number).collect()
}

pub fn event_ids(due: &[DueDelivery]) -> Vec<EventId> {
    due.iter().map(|delivery| delivery.event.id).collect()
}
