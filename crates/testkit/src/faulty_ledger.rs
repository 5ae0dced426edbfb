//! A ledger that can be told to misbehave. Everything else is the real one's.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bucketbell_ledger::{
    AccessKey, Account, AccountId, AdminCredentials, BlobId, Bucket, Change, CommitError, Committed, Endpoint,
    EndpointId, Instance, Ledger, Listing, ListingQuery, ObjectRecord, PruneLimits, Pruned, QueueDepth, Role, RuleSet,
    RulesError, RulesSaved, RulesVersion, SettleError, Settlement, Signal, StoreError, StoreId, Taken, TokenHash,
};
use bucketbell_rule::{Rule, Scope};
use tokio::sync::{Semaphore, mpsc};

/// A real ledger, with hands on it.
pub struct FaultyLedger {
    inner: Arc<dyn Ledger>,
    /// What the next commits answer, instead of being done.
    pub refuse: Mutex<Option<CommitError>>,
    /// Every commit waits for one of these.
    pub gate: Semaphore,
    /// Commits that have come to the gate.
    pub arrived: Semaphore,
    /// Everybody is a user with another account than the buckets' owner.
    pub strangers: Mutex<bool>,
    /// Settles asked for so far.
    pub settles: AtomicU64,
}

impl FaultyLedger {
    #[must_use]
    pub fn new(inner: Arc<dyn Ledger>) -> Self {
        Self {
            inner,
            refuse: Mutex::new(None),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            arrived: Semaphore::new(0),
            strangers: Mutex::new(false),
            settles: AtomicU64::new(0),
        }
    }

    /// Keeps every later commit waiting until a permit is added.
    pub fn close_gate(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }
}

#[async_trait]
impl Ledger for FaultyLedger {
    async fn commit(&self, change: Change) -> Result<Committed, CommitError> {
        self.arrived.add_permits(1);
        self.gate.acquire().await.expect("an open gate").forget();
        let refuse = self.refuse.lock().expect("no poisoned test").clone();
        match refuse {
            Some(error) => Err(error),
            None => self.inner.commit(change).await,
        }
    }

    async fn access_key(&self, access_key: &str) -> Result<Option<AccessKey>, StoreError> {
        let mut key = self.inner.access_key(access_key).await?;
        if let (Some(key), true) = (&mut key, *self.strangers.lock().expect("no poisoned test")) {
            key.account = Account { id: AccountId(4711), name: "stranger".into(), role: Role::User };
        }
        Ok(key)
    }

    async fn bucket(&self, name: &str) -> Result<Option<Bucket>, StoreError> {
        self.inner.bucket(name).await
    }

    async fn buckets(&self) -> Result<Vec<Bucket>, StoreError> {
        self.inner.buckets().await
    }

    async fn object(&self, bucket: &str, key: &str, content: bool) -> Result<Option<ObjectRecord>, CommitError> {
        self.inner.object(bucket, key, content).await
    }

    async fn list(&self, bucket: &str, query: ListingQuery) -> Result<Listing, CommitError> {
        self.inner.list(bucket, query).await
    }

    async fn put_admin(&self, credentials: AdminCredentials) -> Result<Account, StoreError> {
        self.inner.put_admin(credentials).await
    }

    async fn has_admin(&self) -> Result<bool, StoreError> {
        self.inner.has_admin().await
    }

    async fn account_by_token(&self, token: TokenHash) -> Result<Option<Account>, StoreError> {
        self.inner.account_by_token(token).await
    }

    async fn rules(&self, scope: &Scope) -> Result<RuleSet, RulesError> {
        self.inner.rules(scope).await
    }

    async fn put_rules(
        &self,
        scope: &Scope,
        rules: Vec<Rule>,
        if_match: Option<RulesVersion>,
    ) -> Result<RulesSaved, RulesError> {
        self.inner.put_rules(scope, rules, if_match).await
    }

    async fn join(&self, signals: mpsc::UnboundedSender<Signal>) -> Result<Instance, StoreError> {
        self.inner.join(signals).await
    }

    async fn endpoints(&self, instance: Instance, only: Option<Vec<EndpointId>>) -> Result<Vec<Endpoint>, StoreError> {
        self.inner.endpoints(instance, only).await
    }

    async fn settle(
        &self,
        instance: Instance,
        endpoint: EndpointId,
        settlements: Vec<Settlement>,
        free: usize,
    ) -> Result<Taken, SettleError> {
        self.settles.fetch_add(1, Ordering::Relaxed);
        self.inner.settle(instance, endpoint, settlements, free).await
    }

    async fn queue_depths(&self) -> Result<Vec<QueueDepth>, StoreError> {
        self.inner.queue_depths().await
    }

    async fn stage_blob(&self, blob: BlobId) -> Result<(), StoreError> {
        self.inner.stage_blob(blob).await
    }

    async fn unstage_blob(&self, blob: BlobId) -> Result<(), StoreError> {
        self.inner.unstage_blob(blob).await
    }

    async fn removable_blobs(&self, unreferenced_for: Duration, max: usize) -> Result<Vec<BlobId>, StoreError> {
        self.inner.removable_blobs(unreferenced_for, max).await
    }

    async fn forget_blobs(&self, blobs: Vec<BlobId>) -> Result<(), StoreError> {
        self.inner.forget_blobs(blobs).await
    }

    async fn prune(&self, limits: PruneLimits) -> Result<Pruned, StoreError> {
        self.inner.prune(limits).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.inner.check().await
    }

    fn store_id(&self) -> StoreId {
        self.inner.store_id()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
