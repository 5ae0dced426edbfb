//! The verbs, each handed to the writer or to a reader.

use std::time::Duration;

use async_trait::async_trait;
use bucketbell_rule::{Rule, Scope};
use tokio::sync::mpsc;

use super::{
    accounts,
    checkpoint::Checkpointer,
    log::{self, Log},
    memory::Memory,
    open::{self, Config, Opened},
    owed,
    readers::Readers,
    reads, rules,
    writer::{Bench, Writer},
};
use crate::{
    AccessKey, Account, AdminCredentials, BlobId, Bucket, Change, CommitError, Committed, Endpoint, EndpointId,
    Instance, Ledger, Listing, ListingQuery, ObjectRecord, PruneLimits, Pruned, QueueDepth, RuleSet, RulesError,
    RulesSaved, RulesVersion, Sealer, SettleError, Settlement, Signal, StoreError, StoreId, Taken, TokenHash,
};

/// The ledger in one SQLite file.
pub struct SqliteLedger {
    writer: Writer,
    readers: Readers,
    sealer: Sealer,
    store_id: StoreId,
}

impl SqliteLedger {
    /// Opens the ledger, or makes a new one where there is none. Blocks while it migrates.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`] while another process has it, [`StoreError::TooNew`] when a newer version wrote it,
    /// [`StoreError::WrongMasterKey`] when its secrets were sealed with another key.
    pub fn open(config: Config) -> Result<Self, StoreError> {
        let sealer = Sealer::new(&config.master_key);
        let Opened { connection, lock, store_id } = open::open(&config, &sealer)?;
        let memory = Memory::load(&connection)?;
        let checkpointer = Checkpointer::start(&config.path)?;
        let log = Log::of(&config.path, log::BYTES_MAX);
        let bench = Bench { connection, memory, clock: config.clock, sealer: sealer.clone(), log, checkpointer, lock };
        Ok(Self { writer: Writer::start(bench)?, readers: Readers::new(config.path), sealer, store_id })
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn commit(&self, change: Change) -> Result<Committed, CommitError> {
        self.writer.write(move |tx| tx.change(change)).await
    }

    async fn bucket(&self, name: &str) -> Result<Option<Bucket>, StoreError> {
        let name = name.to_owned();
        self.readers.read(move |connection| reads::bucket(connection, &name)).await
    }

    async fn buckets(&self) -> Result<Vec<Bucket>, StoreError> {
        self.readers.read(reads::buckets).await
    }

    async fn object(&self, bucket: &str, key: &str, with_content: bool) -> Result<Option<ObjectRecord>, CommitError> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.readers.read(move |connection| reads::object(connection, &bucket, &key, with_content)).await
    }

    async fn list(&self, bucket: &str, query: ListingQuery) -> Result<Listing, CommitError> {
        let bucket = bucket.to_owned();
        self.readers.read(move |connection| reads::list(connection, &bucket, &query)).await
    }

    async fn put_admin(&self, credentials: AdminCredentials) -> Result<Account, StoreError> {
        self.writer.write(move |tx| tx.put_admin(&credentials)).await
    }

    async fn has_admin(&self) -> Result<bool, StoreError> {
        self.readers.read(accounts::has_admin).await
    }

    async fn access_key(&self, access_key: &str) -> Result<Option<AccessKey>, StoreError> {
        let (access_key, sealer) = (access_key.to_owned(), self.sealer.clone());
        self.readers.read(move |connection| accounts::access_key(connection, &sealer, &access_key)).await
    }

    async fn account_by_token(&self, token: TokenHash) -> Result<Option<Account>, StoreError> {
        self.readers.read(move |connection| accounts::by_token(connection, token)).await
    }

    async fn rules(&self, scope: &Scope) -> Result<RuleSet, RulesError> {
        let (scope, sealer) = (scope.clone(), self.sealer.clone());
        self.readers.read(move |connection| rules::read(connection, &scope, &sealer)).await
    }

    async fn put_rules(
        &self,
        scope: &Scope,
        rules: Vec<Rule>,
        if_match: Option<RulesVersion>,
    ) -> Result<RulesSaved, RulesError> {
        let scope = scope.clone();
        self.writer.write(move |tx| tx.put_rules(&scope, &rules, if_match)).await
    }

    async fn join(&self, signals: mpsc::UnboundedSender<Signal>) -> Result<Instance, StoreError> {
        self.writer.write(move |tx| tx.join(signals)).await
    }

    async fn endpoints(&self, instance: Instance, only: Option<Vec<EndpointId>>) -> Result<Vec<Endpoint>, StoreError> {
        let sealer = self.sealer.clone();
        let rules = self.readers.read(move |connection| rules::owned(connection, &sealer, instance, only)).await?;
        Ok(rules
            .into_iter()
            .map(|(rule, id)| Endpoint {
                id,
                rule: rule.id,
                label: rule.label(),
                held: !rule.enabled || rule.paused,
                target: rule.target,
            })
            .collect())
    }

    async fn settle(
        &self,
        instance: Instance,
        endpoint: EndpointId,
        settlements: Vec<Settlement>,
        free: usize,
    ) -> Result<Taken, SettleError> {
        let mut found = self.writer.write(move |tx| tx.settle(instance, endpoint, &settlements, free)).await?;
        let mut taken = Taken::default();
        loop {
            taken.next_due = found.next_due;
            // Here and not in the transaction: every write would wait for it.
            let unreadable = found.read(endpoint, &mut taken.due);
            if unreadable.is_empty() {
                return Ok(taken);
            }
            let aside = self.writer.write(move |tx| tx.set_aside(instance, endpoint, &unreadable)).await;
            found = match aside {
                Ok(more) => more,
                Err(error) => {
                    // What was settled is settled. What could not be set aside stays taken until the next start.
                    tracing::error!(endpoint.id = endpoint.0, error = %error, "unreadable deliveries were not set aside");
                    return Ok(taken);
                }
            };
        }
    }

    async fn queue_depths(&self) -> Result<Vec<QueueDepth>, StoreError> {
        // The writer gives what it has in memory; looking at rows, endpoint by endpoint, would hold every write up.
        let (now, slots) = self.writer.write(|tx| Ok::<_, StoreError>((tx.clock.now(), tx.memory.all_slots()))).await?;
        self.readers.read(move |connection| owed::depths(connection, now, &slots)).await
    }

    async fn stage_blob(&self, blob: BlobId) -> Result<(), StoreError> {
        self.writer.write(move |tx| tx.stage_blob(blob)).await
    }

    async fn unstage_blob(&self, blob: BlobId) -> Result<(), StoreError> {
        self.writer.write(move |tx| tx.unstage_blob(blob)).await
    }

    async fn removable_blobs(&self, unreferenced_for: Duration, max: usize) -> Result<Vec<BlobId>, StoreError> {
        self.writer.write(move |tx| tx.removable_blobs(unreferenced_for, max)).await
    }

    async fn forget_blobs(&self, blobs: Vec<BlobId>) -> Result<(), StoreError> {
        self.writer.write(move |tx| tx.forget_blobs(&blobs)).await
    }

    async fn prune(&self, limits: PruneLimits) -> Result<Pruned, StoreError> {
        self.writer.write(move |tx| tx.prune(limits)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.writer.write(|_| Ok::<_, StoreError>(())).await?;
        self.readers.read(accounts::has_admin).await.map(drop)
    }

    fn store_id(&self) -> StoreId {
        self.store_id
    }

    async fn close(&self) {
        self.readers.close();
        let Some(thread) = self.writer.close() else { return };
        // Waiting for a thread blocks, so off the async threads it goes.
        if !matches!(tokio::task::spawn_blocking(move || thread.join()).await, Ok(Ok(()))) {
            tracing::error!("the ledger's writer thread ended by a panic");
        }
    }
}
