//! The verbs. `sqlite/` keeps them in one file; a second store passes the same conformance suite.

use async_trait::async_trait;
use bucketbell_rule::{Rule, Scope};
use tokio::sync::mpsc;

use crate::{
    AccessKey, Account, AdminCredentials, BlobId, Bucket, Change, CommitError, Committed, Endpoint, EndpointId,
    Instance, Listing, ListingQuery, ObjectRecord, PruneLimits, Pruned, QueueDepth, RuleSet, RulesError, RulesSaved,
    RulesVersion, SettleError, Settlement, Signal, StoreError, StoreId, Taken, TokenHash,
};

/// The transactional store. Every method that writes is one transaction, durable when it returns.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Commits one change and the event that tells of it, or neither (OB-1, B2).
    ///
    /// Bytes that the change refers to must be durable already (OB-2).
    ///
    /// # Errors
    ///
    /// [`CommitError`]: nothing was written.
    async fn commit(&self, change: Change) -> Result<Committed, CommitError>;

    // ---- reading -------------------------------------------------------------------------------------------------

    async fn bucket(&self, name: &str) -> Result<Option<Bucket>, StoreError>;

    /// Returns all buckets in the order of their names.
    async fn buckets(&self) -> Result<Vec<Bucket>, StoreError>;

    /// Returns the current version of a key, with its [`crate::Content`] when `with_content`.
    ///
    /// # Errors
    ///
    /// [`CommitError::NoSuchBucket`], or the store's own failure.
    async fn object(&self, bucket: &str, key: &str, with_content: bool) -> Result<Option<ObjectRecord>, CommitError>;

    /// Returns one page of the current keys, without content.
    ///
    /// # Errors
    ///
    /// [`CommitError::NoSuchBucket`], or the store's own failure.
    async fn list(&self, bucket: &str, query: ListingQuery) -> Result<Listing, CommitError>;

    // ---- accounts ------------------------------------------------------------------------------------------------

    /// Makes the admin's credentials these and no others. Secret keys are sealed (X14).
    async fn put_admin(&self, credentials: AdminCredentials) -> Result<Account, StoreError>;

    /// Returns whether an admin has been made: false before the first start has finished.
    async fn has_admin(&self) -> Result<bool, StoreError>;

    async fn access_key(&self, access_key: &str) -> Result<Option<AccessKey>, StoreError>;

    async fn account_by_token(&self, token: TokenHash) -> Result<Option<Account>, StoreError>;

    // ---- rules ---------------------------------------------------------------------------------------------------

    async fn rules(&self, scope: &Scope) -> Result<RuleSet, RulesError>;

    /// Replaces all rules of a scope (C1). A rule whose id is stored in the scope keeps its queue; one that is no longer
    /// there is removed, and what it was owed becomes dead letters (C12). A write that starts after this returned is
    /// matched against the new set.
    ///
    /// An id that is not stored in the scope is a new rule's: telling a caller's unknown id apart is `validate`'s work,
    /// against [`Ledger::rules`] of the same version, which `if_match` then fences.
    ///
    /// # Errors
    ///
    /// [`RulesError`]: nothing was saved.
    async fn put_rules(
        &self,
        scope: &Scope,
        rules: Vec<Rule>,
        if_match: Option<RulesVersion>,
    ) -> Result<RulesSaved, RulesError>;

    // ---- deliveries ----------------------------------------------------------------------------------------------

    /// Joins as a new instance and takes over what earlier ones owned and lost: each delivery they had taken and not
    /// settled is recorded as one attempt of unknown outcome and is due again (DL-3). Signals go to `signals`.
    async fn join(&self, signals: mpsc::UnboundedSender<Signal>) -> Result<Instance, StoreError>;

    /// Returns the endpoints that the instance owns, all of them or those of `only` that still have a rule, with opened
    /// secrets.
    async fn endpoints(&self, instance: Instance, only: Option<Vec<EndpointId>>) -> Result<Vec<Endpoint>, StoreError>;

    /// Records what became of taken deliveries, and takes up to `free` more, in one transaction.
    ///
    /// When fewer than `free` were there, the rest is remembered as credit: the next commits hand their deliveries to
    /// the owner at once, by [`Signal::Committed`]. Each call replaces the credit of the one before. `free` 0 takes
    /// nothing and gives no credit.
    ///
    /// # Errors
    ///
    /// [`SettleError::NotOwner`] when the endpoint has another owner by now: nothing was recorded (DL-2).
    async fn settle(
        &self,
        instance: Instance,
        endpoint: EndpointId,
        settlements: Vec<Settlement>,
        free: usize,
    ) -> Result<Taken, SettleError>;

    /// Takes up to `free` deliveries: a [`Ledger::settle`] of nothing.
    async fn take(&self, instance: Instance, endpoint: EndpointId, free: usize) -> Result<Taken, SettleError> {
        self.settle(instance, endpoint, Vec::new(), free).await
    }

    /// Returns what each endpoint is owed.
    async fn queue_depths(&self) -> Result<Vec<QueueDepth>, StoreError>;

    // ---- blobs and upkeep ----------------------------------------------------------------------------------------

    /// Journals the name of a blob before its first byte is written, so that what a crash leaves behind can be found.
    /// What is staged before [`Ledger::join`] counts as left by an earlier instance from the join on.
    async fn stage_blob(&self, blob: BlobId) -> Result<(), StoreError>;

    /// Takes a staged blob that was removed again, or never written, out of the journal.
    async fn unstage_blob(&self, blob: BlobId) -> Result<(), StoreError>;

    /// Returns up to `max` blobs that may be removed: staged by an instance that is no more, or unreferenced for longer
    /// than `unreferenced_for` (Y2). From then on a commit of one is [`CommitError::BlobGone`], so its bytes can go (OB-2).
    /// Only the blob store decides whether there are bytes.
    async fn removable_blobs(
        &self,
        unreferenced_for: std::time::Duration,
        max: usize,
    ) -> Result<Vec<BlobId>, StoreError>;

    /// Forgets blobs whose bytes are gone.
    async fn forget_blobs(&self, blobs: Vec<BlobId>) -> Result<(), StoreError>;

    /// Removes what the limits do not allow, at most `rows_max` rows of each kind, and makes dead letters of what nobody
    /// will take any more: what removed rules were owed (C12), and what has become too old while its endpoint was held
    /// (B10). With [`Pruned::more`] the next call goes on where this one stopped.
    async fn prune(&self, limits: PruneLimits) -> Result<Pruned, StoreError>;

    /// Returns when writing and reading work, to the end: the writer has committed a transaction without content.
    ///
    /// # Errors
    ///
    /// What every other call would answer.
    async fn check(&self) -> Result<(), StoreError>;

    /// Returns the id that the blob store must carry too.
    fn store_id(&self) -> StoreId;

    /// Finishes what was handed in, flushes the log and closes. Every later call answers [`StoreError::Closed`].
    async fn close(&self);
}
