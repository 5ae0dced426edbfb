//! What is old enough to go, and what is not (B1, B10).

use std::time::Duration;

use bucketbell_ledger::{DeadReason, Pruned, Settlement};

use crate::{
    fixture::{DAY, House, numbers, rule},
    store::Store,
};

pub async fn pruning_keeps_what_is_owed_or_dead_and_removes_the_rest(store: &impl Store) {
    let mut house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    for key in ["delivered", "dead", "owed"] {
        house.put(key).await;
    }
    owner.take(endpoint, 2).await;
    let dead = Settlement::Dead { number: 2, reason: DeadReason::Attempts, attempt: Some(owner.attempt(500)) };
    owner.settle(endpoint, vec![owner.delivered(1), dead], 0).await;
    assert_eq!(house.prune(DAY, DAY, 100).await, Pruned::default(), "nothing is old");

    house.clock.advance(2 * DAY);
    let pruned = house.prune(DAY, 7 * DAY, 100).await;
    assert_eq!((pruned.events, pruned.attempts, pruned.dead), (1, 2, 0), "B1: only the delivered one's");
    house.put("young").await;
    house.clock.advance(6 * DAY);
    let pruned = house.prune(7 * DAY, 7 * DAY, 100).await;
    assert_eq!((pruned.events, pruned.dead), (1, 1), "the dead letter's event goes with it (B10)");
    house = house.reopen(store).await;
    let owner = house.join().await;
    let due = owner.take(endpoint, 9).await.due;
    assert_eq!(numbers(&due), [3, 4]);
    owner.settle(endpoint, vec![owner.delivered(3), owner.delivered(4)], 0).await;
    house.clock.advance(8 * DAY);
    let pruned = house.prune(7 * DAY, 7 * DAY, 100).await;
    assert_eq!((pruned.events, pruned.attempts), (2, 2));
    assert_eq!(house.put("next").await.events.len(), 1);
}

pub async fn pruning_is_bounded_and_says_when_there_is_more(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1), rule(2)]).await;
    let owner = house.join().await;
    for key in 0..5 {
        house.put(&key.to_string()).await;
    }
    for rule in [rule(1), rule(2)] {
        let endpoint = owner.endpoint(&rule).await;
        owner.take(endpoint, 9).await;
        owner.settle(endpoint, (1..=5).map(|number| owner.delivered(number)).collect(), 0).await;
    }
    house.clock.advance(DAY);
    assert_eq!(house.prune(Duration::ZERO, DAY, 0).await, Pruned::default());
    let mut rounds = Vec::new();
    loop {
        let pruned = house.prune(Duration::from_secs(60), DAY, 3).await;
        assert!(pruned.events <= 3 && pruned.attempts <= 3, "{pruned:?}");
        rounds.push((pruned.events, pruned.attempts));
        if !pruned.more {
            break;
        }
    }
    let sum = rounds.iter().fold((0, 0), |sum, round| (sum.0 + round.0, sum.1 + round.1));
    assert_eq!(sum, (5, 10), "{rounds:?}");
}
