//! Taking, handing over, settling (DL-1, DL-2, DL-3).

use std::time::Duration;

use bucketbell_ledger::{Clock as _, DeadReason, SettleError, Settlement};
use bucketbell_rule::Rule;

use crate::{
    fixture::{House, numbers, rule},
    store::Store,
};

const SECOND: Duration = Duration::from_secs(1);

pub async fn a_commit_hands_over_what_the_owner_asked_for_and_no_more(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let mut owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    house.put("before").await;
    assert!(owner.handed_now().is_empty(), "nobody asked yet");
    assert_eq!(numbers(&owner.take(endpoint, 3).await.due), [1]);
    for key in ["a", "b", "c", "d"] {
        house.put(key).await;
    }
    assert_eq!(owner.handed(2).await, [(endpoint, 2), (endpoint, 3)], "the rest of the three, in order (B5)");
    assert!(owner.handed_now().is_empty(), "no more than was asked for");
    assert_eq!(numbers(&owner.take(endpoint, 9).await.due), [4, 5], "the others by taking");
    assert_eq!(house.owed(&rule(1)).await, Some(5), "handing over settles nothing");
}

pub async fn asking_again_replaces_what_was_asked_before(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let mut owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    owner.take(endpoint, 100).await;
    owner.take(endpoint, 1).await;
    house.put("a").await;
    house.put("b").await;
    assert_eq!(owner.handed(1).await, [(endpoint, 1)]);
    assert!(owner.handed_now().is_empty(), "1 replaced 100");
    owner.take(endpoint, 100).await;
    assert!(owner.take(endpoint, 0).await.due.is_empty(), "0 takes nothing");
    house.put("c").await;
    assert!(owner.handed_now().is_empty(), "and gives no credit");
    assert_eq!(numbers(&owner.take(endpoint, 9).await.due), [3], "2 was taken by the hundred");
}

pub async fn nothing_is_handed_to_a_held_endpoint_and_its_rows_wait(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let mut owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    owner.take(endpoint, 9).await;
    house.rules(vec![Rule { paused: true, ..rule(1) }]).await;
    assert_eq!(house.put("a").await.events.len(), 1, "a paused rule's deliveries are made (C11)");
    assert!(owner.handed_now().is_empty(), "the credit ended with the pause");
    let taken = owner.take(endpoint, 9).await;
    assert!(taken.due.is_empty() && taken.next_due.is_none(), "{taken:?}");
    assert!(owner.endpoints().await[0].held);
    house.rules(vec![Rule { enabled: false, ..rule(1) }]).await;
    assert!(house.put("b").await.events.is_empty(), "a disabled rule's are not (C11)");
    assert!(owner.take(endpoint, 9).await.due.is_empty());
    assert_eq!(house.owed(&rule(1)).await, Some(1), "the row waits");
    house.rules(vec![rule(1)]).await;
    house.put("c").await;
    assert!(owner.handed_now().is_empty(), "its owner has not asked again");
    assert_eq!(numbers(&owner.take(endpoint, 9).await.due), [1, 2]);
    assert!(!owner.endpoints().await[0].held);
}

pub async fn a_retry_waits_until_it_is_due(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    house.put("a").await;
    house.put("b").await;
    owner.take(endpoint, 2).await;
    let start = house.clock.now();
    let taken = owner.settle(endpoint, vec![owner.retry(1, 20 * SECOND), owner.retry(2, 10 * SECOND)], 9).await;
    assert!(taken.due.is_empty());
    assert_eq!(taken.next_due, Some(start.after(10 * SECOND)), "the nearest of the two");
    house.clock.advance(10 * SECOND - Duration::from_micros(1));
    assert!(owner.take(endpoint, 9).await.due.is_empty(), "not a microsecond early");
    house.clock.advance(Duration::from_micros(1));
    let taken = owner.take(endpoint, 9).await;
    assert_eq!(numbers(&taken.due), [2]);
    assert_eq!(taken.due[0].attempts, 1);
    assert_eq!(taken.next_due, Some(start.after(20 * SECOND)));
    assert!(owner.take(endpoint, 9).await.due.is_empty(), "taken once");
    house.clock.advance(10 * SECOND);
    let taken = owner.settle(endpoint, vec![owner.retry(2, SECOND)], 0).await;
    assert_eq!(taken.next_due, Some(start.after(20 * SECOND)), "told also to one who takes nothing");
    assert_eq!(numbers(&owner.take(endpoint, 1).await.due), [1]);
    house.clock.advance(SECOND);
    let taken = owner.take(endpoint, 9).await;
    assert_eq!((numbers(&taken.due), taken.due[0].attempts, taken.next_due), (vec![2], 2, None));
}

pub async fn retries_that_are_due_come_before_fresh_deliveries(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let mut owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    for key in ["a", "b", "c"] {
        house.put(key).await;
    }
    assert_eq!(numbers(&owner.take(endpoint, 3).await.due), [1, 2, 3]);
    owner.settle(endpoint, vec![owner.retry(3, SECOND), owner.retry(1, SECOND), owner.retry(2, SECOND)], 0).await;
    house.put("d").await;
    house.clock.advance(SECOND);
    assert_eq!(numbers(&owner.take(endpoint, 2).await.due), [1, 2], "the older first, and no more than is free");
    house.put("e").await;
    assert!(owner.handed_now().is_empty(), "what is older waits, so nothing is handed over");
    assert_eq!(numbers(&owner.take(endpoint, 9).await.due), [3, 4, 5]);
    house.put("f").await;
    assert_eq!(owner.handed(1).await, [(endpoint, 6)]);
}

pub async fn what_was_delivered_is_owed_no_more(store: &impl Store) {
    let mut house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    house.put("a").await;
    house.put("b").await;
    owner.take(endpoint, 2).await;
    owner.settle(endpoint, vec![owner.delivered(1)], 0).await;
    assert_eq!(house.owed(&rule(1)).await, Some(1));
    owner.settle(endpoint, vec![owner.delivered(1)], 0).await;
    assert_eq!(house.owed(&rule(1)).await, Some(1), "said twice, it counts once");
    owner.settle(endpoint, vec![owner.delivered(2)], 0).await;
    house = house.reopen(store).await;
    assert_eq!(house.owed(&rule(1)).await, Some(0));
    let owner = house.join().await;
    assert!(owner.take(endpoint, 9).await.due.is_empty());
}

pub async fn a_dead_delivery_leaves_the_queue_and_is_kept(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    house.put("a").await;
    house.put("b").await;
    owner.take(endpoint, 2).await;
    let attempt = Some(owner.attempt(503));
    let deaths = vec![
        Settlement::Dead { number: 1, reason: DeadReason::Attempts, attempt },
        Settlement::Dead { number: 2, reason: DeadReason::Age, attempt: None },
    ];
    owner.settle(endpoint, deaths, 0).await;
    assert_eq!(house.owed(&rule(1)).await, Some(0));
    assert!(owner.take(endpoint, 9).await.due.is_empty());
    house.clock.advance(60 * SECOND);
    let pruned = house.prune(SECOND, 3600 * SECOND, 100).await;
    assert_eq!((pruned.dead, pruned.events), (0, 0), "kept as dead letters, with their events (B10)");
    let pruned = house.prune(SECOND, SECOND, 100).await;
    assert_eq!((pruned.dead, pruned.events), (2, 2));
}

pub async fn returned_is_due_at_once_without_an_attempt(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    house.put("a").await;
    house.put("b").await;
    owner.take(endpoint, 2).await;
    let taken = owner.settle(endpoint, vec![Settlement::Returned { number: 1 }], 9).await;
    assert_eq!((numbers(&taken.due), taken.due[0].attempts), (vec![1], 0));
    owner.settle(endpoint, vec![owner.retry(1, SECOND)], 0).await;
    house.clock.advance(SECOND);
    owner.take(endpoint, 1).await;
    let taken = owner.settle(endpoint, vec![Settlement::Returned { number: 1 }], 9).await;
    assert_eq!((numbers(&taken.due), taken.due[0].attempts), (vec![1], 1), "its attempts stay");
}

pub async fn one_settle_records_many_outcomes_and_takes_the_next(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let mut owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    for key in ["a", "b", "c", "d", "e", "f"] {
        house.put(key).await;
    }
    assert_eq!(numbers(&owner.take(endpoint, 4).await.due), [1, 2, 3, 4]);
    let settlements = vec![
        owner.delivered(1),
        owner.retry(2, SECOND),
        Settlement::Dead { number: 3, reason: DeadReason::Age, attempt: None },
        Settlement::Returned { number: 4 },
    ];
    let taken = owner.settle(endpoint, settlements, 4).await;
    assert_eq!(numbers(&taken.due), [4, 5, 6]);
    assert_eq!(taken.next_due, Some(house.clock.now().after(SECOND)));
    assert_eq!(house.owed(&rule(1)).await, Some(4));
    house.put("g").await;
    house.put("h").await;
    assert_eq!(owner.handed(1).await, [(endpoint, 7)], "the fourth that it asked for");
    assert!(owner.handed_now().is_empty());
    let depths = house.ledger.queue_depths().await.expect("depths");
    house.clock.advance(5 * SECOND);
    assert!(depths[0].oldest_due < SECOND, "nothing was due for long: {depths:?}");
    let depths = house.ledger.queue_depths().await.expect("depths");
    assert!(depths[0].oldest_due >= 4 * SECOND, "{depths:?}");
}

pub async fn a_lost_owner_settles_nothing_and_owns_nothing(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let mut lost = house.join().await;
    let endpoint = lost.endpoint(&rule(1)).await;
    house.put("a").await;
    assert_eq!(numbers(&lost.take(endpoint, 9).await.due), [1]);
    let mut owner = house.join().await;
    let settlements = vec![lost.delivered(1)];
    let refused = house.ledger.settle(lost.instance, endpoint, settlements, 9).await.expect_err("it lost it (DL-2)");
    assert_eq!(refused, SettleError::NotOwner);
    assert_eq!(house.ledger.take(lost.instance, endpoint, 9).await.err(), Some(SettleError::NotOwner), "DL-1");
    assert!(lost.endpoints().await.is_empty(), "DL-1");
    assert_eq!(house.owed(&rule(1)).await, Some(1));
    assert_eq!(numbers(&owner.take(endpoint, 9).await.due), [1]);
    house.put("b").await;
    assert_eq!(owner.handed(1).await, [(endpoint, 2)]);
    assert!(lost.handed_now().is_empty());
    house.rules(vec![rule(1), rule(2)]).await;
    assert_eq!(owner.endpoints().await.len(), 2, "new endpoints are the owner's");
}

pub async fn a_new_owner_finds_what_was_taken_and_not_settled_as_an_unknown_attempt(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let mut owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    for key in ["settled", "taken", "waits", "taken again"] {
        house.put(key).await;
    }
    owner.take(endpoint, 4).await;
    let wait = [owner.retry(3, 60 * SECOND), owner.retry(4, Duration::ZERO)];
    owner.settle(endpoint, [vec![owner.delivered(1)], wait.to_vec()].concat(), 2).await;
    house.put("handed").await;
    assert_eq!(owner.handed(1).await, [(endpoint, 5)]);
    house.put("fresh").await;

    let house = house.reopen(store).await;
    let owner = house.join().await;
    let taken = owner.take(endpoint, 9).await;
    let found: Vec<_> = taken.due.iter().map(|delivery| (delivery.number, delivery.attempts)).collect();
    assert_eq!(found, [(2, 1), (4, 2), (5, 1), (6, 0)], "may have been sent, and never was (DL-3)");
    assert_eq!(taken.next_due, Some(house.clock.now().after(60 * SECOND)), "the waiting one goes on waiting");
    let settled = numbers(&taken.due).into_iter().map(|number| owner.delivered(number)).collect();
    owner.settle(endpoint, settled, 0).await;
    house.clock.advance(60 * SECOND);
    let due = owner.take(endpoint, 9).await.due;
    assert_eq!((numbers(&due), due[0].attempts), (vec![3], 1));
}

pub async fn what_was_committed_while_nobody_was_there_is_delivered(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    house.put("a").await;
    let house = house.reopen(store).await;
    house.put("b").await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    let due = owner.take(endpoint, 9).await.due;
    assert_eq!(numbers(&due), [1, 2]);
    assert!(due.iter().all(|delivery| delivery.attempts == 0), "never taken, so never sent");
}
