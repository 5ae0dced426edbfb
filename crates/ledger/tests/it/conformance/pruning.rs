//! What is old enough to go, and what is not (B1, B10).

use std::time::Duration;

use bucketbell_ledger::{Buried, DeadReason, PruneLimits, Pruned, Settlement};
use bucketbell_rule::Rule;

use crate::{
    fixture::{DAY, House, buried, many_rules, numbers, rule, short},
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

/// One paused rule's old delivery once kept all events that came after it, for good.
pub async fn what_a_held_rule_is_owed_dies_of_age_and_is_told_by_rule(store: &impl Store) {
    let house = House::open(store).await;
    let paused = Rule { paused: true, ..short(rule(1)) };
    let (disabled, removed) = (Rule { name: Some("gone".into()), ..short(rule(2)) }, rule(3));
    house.rules(vec![paused.clone(), disabled.clone(), removed]).await;
    for key in ["a", "b", "c"] {
        house.put(key).await;
    }
    let disabled = Rule { enabled: false, ..disabled };
    assert_eq!(house.rules(vec![paused.clone(), disabled.clone()]).await.dead, 3);
    house.clock.advance(DAY / 25);
    let pruned = house.prune(DAY, DAY, 100).await;
    let of = |rule: &Rule, label: &str, reason, count| {
        let host = rule.target.url.host_str().map(|host| format!("{host}:443")).expect("a host");
        Buried { rule: rule.id, label: label.into(), host, reason, count }
    };
    let told = of(&rule(3), "https://receiver-3.example", DeadReason::RuleRemoved, 3);
    assert_eq!(pruned.buried, [told], "C12; the others are young");

    house.clock.advance(DAY / 24);
    house.put("young").await;
    let rounds =
        house.prune_all(PruneLimits { history: DAY, history_bytes_max: u64::MAX, dead: DAY, rows_max: 2 }).await;
    assert!(rounds.iter().all(|pruned| buried(pruned) <= 2), "bounded: {rounds:?}");
    let told: Vec<Buried> = rounds.into_iter().flat_map(|pruned| pruned.buried).collect();
    let age = |rule, label, count| of(rule, label, DeadReason::Age, count);
    let first = "https://receiver-1.example";
    let expected =
        [age(&paused, first, 2), age(&paused, first, 1), age(&disabled, "gone", 1), age(&disabled, "gone", 2)];
    assert_eq!(told, expected, "B10: whatever its state");
    assert_eq!((house.owed(&paused).await, house.owed(&disabled).await), (Some(1), Some(0)));

    house.clock.advance(2 * DAY);
    let pruned = house.prune(DAY, DAY, 100).await;
    assert_eq!((pruned.dead, pruned.events, buried(&pruned)), (9, 3, 1), "B1: history goes again");
}

pub async fn what_is_on_its_way_does_not_die_of_age_while_its_rule_is_held(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![short(rule(1))]).await;
    for key in ["a", "b", "c", "d"] {
        house.put(key).await;
    }
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    owner.take(endpoint, 3).await;
    owner.settle(endpoint, vec![owner.retry(1, Duration::from_secs(1))], 0).await;
    house.rules(vec![Rule { paused: true, ..short(rule(1)) }]).await;
    house.clock.advance(DAY);
    assert_eq!(buried(&house.prune(7 * DAY, DAY, 100).await), 2, "1 waits and 4 was never taken");
    owner.settle(endpoint, vec![owner.delivered(2), owner.retry(3, Duration::from_secs(1))], 0).await;
    assert_eq!(house.owed(&rule(1)).await, Some(1));
    assert_eq!(buried(&house.prune(7 * DAY, DAY, 100).await), 1);
    assert_eq!(house.owed(&rule(1)).await, Some(0));
}

pub async fn history_ends_by_its_bytes_too_oldest_first_and_never_what_is_needed(store: &impl Store) {
    let mut house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    for key in 0..10 {
        house.put(&key.to_string()).await;
    }
    let bodies: Vec<u64> = {
        let due = owner.take(endpoint, 8).await.due;
        due.iter().map(|due| serde_json::to_string(&*due.event).expect("a body").len() as u64).collect()
    };
    let dead = Settlement::Dead { number: 2, reason: DeadReason::Attempts, attempt: None };
    let delivered = [1, 3, 4, 5, 6, 7, 8].map(|number| owner.delivered(number));
    owner.settle(endpoint, delivered.into_iter().chain([dead]).collect(), 0).await;
    let by_bytes = |history_bytes_max| PruneLimits { history: DAY, history_bytes_max, dead: DAY, rows_max: 2 };
    let events = |rounds: Vec<Pruned>| rounds.iter().map(|pruned| pruned.events).sum::<u64>();
    let whole: u64 = bodies.iter().sum::<u64>() + 2 * bodies[0];
    assert_eq!(events(house.prune_all(by_bytes(whole)).await), 0, "it is not above");
    assert_eq!(events(house.prune_all(by_bytes(whole - 1)).await), 1);
    house = house.reopen(store).await;
    let left = whole - bodies[0];
    assert_eq!(events(house.prune_all(by_bytes(left)).await), 0, "the sum is kept over a restart");
    assert_eq!(
        events(house.prune_all(by_bytes(left - bodies[2] - 1)).await),
        2,
        "the dead letter's is passed over (B10)"
    );
    assert_eq!(events(house.prune_all(by_bytes(0)).await), 4, "what is owed stays (B1)");
    let owner = house.join().await;
    assert_eq!(numbers(&owner.take(endpoint, 9).await.due), [9, 10]);
}

/// A round once looked at every endpoint there is, in one transaction.
pub async fn a_pass_over_many_endpoints_takes_many_steps_and_knows_the_oldest_that_is_owed(store: &impl Store) {
    let house = House::open(store).await;
    let mut rules = many_rules(600);
    rules[599].prefix.clear();
    house.server_rules(rules.clone()).await;
    house.put("owed").await;
    house.rules(vec![Rule { prefix: "delivered".into(), ..rule(7) }]).await;
    house.put("delivered").await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(7)).await;
    owner.take(endpoint, 1).await;
    owner.settle(endpoint, vec![owner.delivered(1)], 0).await;
    house.clock.advance(2 * DAY);
    let limits = PruneLimits { history: DAY, history_bytes_max: 0, dead: DAY, rows_max: 100 };
    let rounds = house.prune_all(limits).await;
    let steps: Vec<_> = rounds.iter().map(|pruned| (pruned.events, pruned.attempts, pruned.more)).collect();
    assert_eq!(steps, [(0, 0, true), (0, 0, true), (0, 1, false)], "the last endpoint is owed the first event (B1)");
    let last = owner.endpoint(&rules[599]).await;
    let due = numbers(&owner.take(last, 9).await.due);
    owner.settle(last, due.into_iter().map(|number| owner.delivered(number)).collect(), 0).await;
    let rounds = house.prune_all(limits).await;
    assert_eq!(rounds.iter().map(|pruned| pruned.events).collect::<Vec<_>>(), [0, 0, 2]);
}
