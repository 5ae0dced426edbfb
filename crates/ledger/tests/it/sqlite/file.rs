//! The file, the lock beside it, and what is written in them.

use std::{fs, time::Duration};

use bucketbell_ledger::{AdminCredentials, Clock as _, StoreError, TokenHash};
use bucketbell_rule::Secret;

use super::{
    Sqlite, sqlite,
    tables::{count, dump},
};
use crate::fixture::{House, numbers, rule};

#[tokio::test]
async fn a_wrong_master_key_is_found_at_the_start() {
    let store = sqlite();
    let house = House::open(&store).await;
    house.rules(vec![rule(1)]).await;
    house.ledger.close().await;
    let wrong = Sqlite { key: 2, ..store };
    assert!(matches!(wrong.try_open(), Err(StoreError::WrongMasterKey { table: "store", .. })), "X14");
    let right = Sqlite { key: 1, ..wrong };
    right.try_open().expect("and does no harm");
}

#[tokio::test]
async fn a_second_process_is_kept_out_until_the_first_has_closed() {
    let store = sqlite();
    let house = House::open(&store).await;
    let refused = store.try_open().err().expect("it is in use");
    let folder = store.folder.path().display().to_string();
    assert!(matches!(&refused, StoreError::InUse { path } if *path == folder), "{refused:?}");
    house.put("a").await;
    house.ledger.close().await;
    store.try_open().expect("it is free again");
}

#[tokio::test]
async fn a_ledger_of_a_newer_version_is_refused_and_left_alone() {
    let store = sqlite();
    House::open(&store).await.ledger.close().await;
    let newer = "PRAGMA user_version = 99; UPDATE store SET written_by = '7.1.0'";
    store.beside().execute_batch(newer).expect("a version");
    let before = dump(&store.beside());
    let refused = store.try_open().err().expect("it is of a later version");
    assert!(matches!(refused, StoreError::TooNew { found: 99, known: 1, .. }), "Y1");
    assert!(refused.to_string().contains("run bucketbell 7.1.0 or newer"), "Y1: which one to use: {refused}");
    assert_eq!(dump(&store.beside()), before);
    store.beside().execute_batch("PRAGMA user_version = 1").expect("a version");
    store.try_open().expect("its own version");
    let written_by: String =
        store.beside().query_row("SELECT written_by FROM store", [], |row| row.get(0)).expect("it");
    assert_eq!(written_by, env!("CARGO_PKG_VERSION"), "who opened it last");
}

#[tokio::test]
async fn no_secret_stands_in_the_files() {
    let store = sqlite();
    let house = House::open(&store).await;
    let token = "token-that-nobody-may-read";
    let credentials = AdminCredentials {
        token: TokenHash([9; 32]),
        access_key: "AKIAVISIBLE".to_owned(),
        secret_key: Secret::new("secret-key-that-nobody-may-read"),
    };
    house.ledger.put_admin(credentials).await.expect("an admin");
    house.rules(vec![rule(1)]).await;
    house.server_rules(vec![rule(2)]).await;
    for closed in [false, true] {
        if closed {
            house.ledger.close().await;
        }
        let mut visible = false;
        for entry in fs::read_dir(store.folder.path()).expect("the folder") {
            let bytes = fs::read(entry.expect("a file").path()).expect("its bytes");
            let holds = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            visible |= holds("AKIAVISIBLE");
            for secret in [token, "secret-key-that-nobody-may-read", "the admin's secret", "the secret of rule"] {
                assert!(!holds(secret), "X14: `{secret}`");
            }
        }
        assert!(visible, "the search finds what is there");
    }
}

#[tokio::test]
async fn without_a_rule_no_event_is_stored() {
    let store = sqlite();
    let house = House::open(&store).await;
    for key in ["a", "b", "a"] {
        house.put(key).await;
    }
    house.delete("b").await;
    let beside = store.beside();
    assert_eq!((count(&beside, "event"), count(&beside, "delivery")), (0, 0), "B1");
    assert_eq!((count(&beside, "object"), count(&beside, "blob_inline")), (1, 1), "no body outlives its object");
}

/// A take that finds nothing once wrote the endpoint's row, so that every idle endpoint cost an fsync at each look.
#[tokio::test]
async fn looking_writes_nothing() {
    let store = sqlite();
    let house = House::open(&store).await;
    house.rules(vec![rule(1)]).await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    let beside = store.beside();
    let version = || beside.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).expect("a version");
    let before = version();
    owner.take(endpoint, 9).await;
    owner.take(endpoint, 0).await;
    house.ledger.queue_depths().await.expect("depths");
    assert_eq!(version(), before);
    house.put("a").await;
    assert_ne!(version(), before, "the check sees a write");
}

/// Left out of the taking in silence, such a row was once never sent, and its due time made the owner look without end.
#[tokio::test]
async fn a_delivery_whose_event_cannot_be_read_is_set_aside_and_holds_up_no_other() {
    let store = sqlite();
    let house = House::open(&store).await;
    house.rules(vec![rule(1)]).await;
    for key in ["missing", "broken", "good", "good too"] {
        house.put(key).await;
    }
    let mut owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    let broken = "DELETE FROM event WHERE body LIKE '%missing%';
                  UPDATE event SET body = 'not json' WHERE body LIKE '%broken%'";
    store.beside().execute_batch(broken).expect("a broken file");
    let taken = owner.take(endpoint, 1).await;
    assert_eq!(numbers(&taken.due), [3], "the first that can be sent");
    let taken = owner.settle(endpoint, vec![owner.delivered(3)], 3).await;
    assert_eq!(numbers(&taken.due), [4], "what else is there is settled and taken");
    let hour = Duration::from_secs(3600);
    assert_eq!(taken.next_due, Some(house.clock.now().after(hour)), "no sooner: looking costs");
    for key in ["handed", "handed too", "one more than asked for"] {
        house.put(key).await;
    }
    assert_eq!(owner.handed(2).await, [(endpoint, 5), (endpoint, 6)]);
    assert!(owner.handed_now().is_empty(), "three were asked for, whatever could not be read");
    house.clock.advance(hour);
    let taken = owner.take(endpoint, 5).await;
    assert_eq!((numbers(&taken.due), taken.next_due), (vec![7], Some(house.clock.now().after(hour))));
    assert_eq!(house.owed(&rule(1)).await, Some(6), "nothing is given up (B3)");
    for key in 0..5 {
        house.put(&key.to_string()).await;
    }
    assert_eq!(owner.handed_now().len(), 4, "of five, one was there, and what could not be read does not count");
}
