//! The end: nothing that was answered is lost, and nothing is taken after it.

use std::{sync::Arc, time::Duration};

use bucketbell_ledger::{CommitError, Instance, PruneLimits, RulesError, SettleError, StoreError, TokenHash};
use bucketbell_rule::Scope;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    fixture::{BUCKET, House, admin, blob, rule},
    store::Store,
};

/// What a call said in the end.
trait Said {
    fn closed(self) -> bool;
}

impl<T> Said for Result<T, StoreError> {
    fn closed(self) -> bool {
        matches!(self, Err(StoreError::Closed))
    }
}

impl<T> Said for Result<T, CommitError> {
    fn closed(self) -> bool {
        matches!(self, Err(CommitError::Store(StoreError::Closed)))
    }
}

impl<T> Said for Result<T, RulesError> {
    fn closed(self) -> bool {
        matches!(self, Err(RulesError::Store(StoreError::Closed)))
    }
}

impl<T> Said for Result<T, SettleError> {
    fn closed(self) -> bool {
        self.err() == Some(SettleError::Store(StoreError::Closed))
    }
}

pub async fn a_closed_ledger_answers_closed_to_every_call(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    let ledger = &house.ledger;
    ledger.close().await;
    ledger.close().await;
    assert!(house.make_bucket("b").await.closed());
    assert!(ledger.bucket(BUCKET).await.closed());
    assert!(ledger.buckets().await.closed());
    assert!(ledger.object(BUCKET, "a", true).await.closed());
    assert!(ledger.list(BUCKET, Default::default()).await.closed());
    assert!(ledger.put_admin(admin()).await.closed());
    assert!(ledger.has_admin().await.closed());
    assert!(ledger.access_key("AKIAADMIN").await.closed());
    assert!(ledger.account_by_token(TokenHash([7; 32])).await.closed());
    assert!(ledger.rules(&Scope::Server).await.closed());
    assert!(ledger.put_rules(&Scope::Server, vec![], None).await.closed());
    assert!(ledger.join(mpsc::unbounded_channel().0).await.closed());
    assert!(ledger.endpoints(Instance { epoch: 1 }, None).await.closed());
    assert!(ledger.settle(owner.instance, endpoint, vec![], 1).await.closed());
    assert!(ledger.take(owner.instance, endpoint, 1).await.closed());
    assert!(ledger.queue_depths().await.closed());
    assert!(ledger.stage_blob(blob(1)).await.closed());
    assert!(ledger.unstage_blob(blob(1)).await.closed());
    assert!(ledger.removable_blobs(Duration::ZERO, 1).await.closed());
    assert!(ledger.forget_blobs(vec![]).await.closed());
    assert!(ledger.check().await.closed());
    let limits = PruneLimits { history: Duration::ZERO, history_bytes_max: 0, dead: Duration::ZERO, rows_max: 1 };
    assert!(ledger.prune(limits).await.closed());
}

pub async fn what_was_committed_before_the_close_is_there_after_it(store: &impl Store) {
    let house = Arc::new(House::open(store).await);
    house.rules(vec![rule(1)]).await;
    let mut writers = JoinSet::new();
    for number in 0..32 {
        let house = Arc::clone(&house);
        writers.spawn(async move {
            let key = format!("k{number}");
            (key.clone(), house.put_if(&key, Default::default()).await)
        });
    }
    tokio::task::yield_now().await;
    house.ledger.close().await;
    let results = writers.join_all().await;
    let store_id = house.ledger.store_id();
    drop(house);

    let house = House::open(store).await;
    assert_eq!(house.ledger.store_id(), store_id);
    let mut committed = 0;
    for (key, result) in results {
        match &result {
            Ok(_) => committed += 1,
            Err(error) => assert!(matches!(error, CommitError::Store(StoreError::Closed)), "{error}"),
        }
        assert_eq!(house.get(&key).await.is_some(), result.is_ok(), "answered and there, or neither: {key}");
    }
    assert_eq!(house.owed(&rule(1)).await, Some(committed), "each with its event (B2)");
}
