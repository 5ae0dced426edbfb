//! Who wants which events, saved as a whole (C1, C12).

use std::{sync::Arc, time::Duration};

use bucketbell_ledger::{RulesError, RulesVersion, SettleError, Signal};
use bucketbell_rule::{Rule, Scope, Target};
use bucketbell_testkit::DEADLINE;
use tokio::task::JoinSet;

use crate::{
    fixture::{DAY, House, bucket_scope, buried, numbers, rule},
    store::Store,
};

pub async fn of_concurrent_saves_with_one_version_one_wins(store: &impl Store) {
    let house = Arc::new(House::open(store).await);
    for scope in [bucket_scope(), Scope::Server] {
        let version = house.ledger.rules(&scope).await.expect("rules").version;
        let mut savers = JoinSet::new();
        for number in 1..=12 {
            let (ledger, scope) = (Arc::clone(&house.ledger), scope.clone());
            let base = if scope == Scope::Server { 100 } else { 0 };
            savers.spawn(
                async move { (number, ledger.put_rules(&scope, vec![rule(base + number)], Some(version)).await) },
            );
        }
        let results = savers.join_all().await;
        let won: Vec<_> = results.iter().filter(|(_, result)| result.is_ok()).collect();
        assert_eq!(won.len(), 1, "{results:?}");
        let lost = results.iter().filter(|(_, result)| matches!(result, Err(RulesError::Changed))).count();
        assert_eq!(lost, 11, "{results:?}");
        let stored = house.ledger.rules(&scope).await.expect("rules");
        assert_eq!(stored.rules[0].id.as_bytes()[0] % 100, won[0].0);
        assert_eq!(Some(stored.version), won[0].1.as_ref().ok().map(|saved| saved.version));
        assert_ne!(stored.version, version);
    }
    let absent = house.ledger.put_rules(&bucket_scope(), vec![], Some(RulesVersion(i64::MAX))).await;
    assert!(matches!(absent, Err(RulesError::Changed)));
}

pub async fn rules_keep_their_order_and_all_their_fields(store: &impl Store) {
    let mut house = House::open(store).await;
    let odd = Rule {
        name: Some("über".into()),
        events: vec!["s3:ObjectCreated:*".parse().expect("known"), "s3:ObjectRemoved:Delete".parse().expect("known")],
        prefix: "a%_*".into(),
        suffix: "é".into(),
        enabled: false,
        paused: true,
        target: Target {
            url: "http://[::1]:8080/a?token=x%20y".parse().expect("a url"),
            secret: None,
            timeout: Duration::from_millis(1),
            max_retries: 0,
            max_age: DAY,
            concurrency: 1,
            ..rule(9).target
        },
        ..rule(9)
    };
    let rules = vec![rule(3), odd, rule(1), rule(2)];
    house.rules(rules.clone()).await;
    for _ in 0..2 {
        assert_eq!(house.ledger.rules(&bucket_scope()).await.expect("rules").rules, rules, "secrets opened again");
        house = house.reopen(store).await;
    }
    let turned: Vec<Rule> = rules.into_iter().rev().collect();
    house.rules(turned.clone()).await;
    assert_eq!(house.ledger.rules(&bucket_scope()).await.expect("rules").rules, turned);
    let owner = house.join().await;
    let labels: Vec<String> = owner.endpoints().await.into_iter().map(|endpoint| endpoint.label).collect();
    assert!(labels.contains(&"über".to_owned()) && labels.contains(&"https://receiver-1.example".to_owned()), "Y6");
    let targets = owner.endpoints().await;
    assert!(turned.iter().all(|rule| targets.iter().any(|t| t.rule == rule.id && t.target == rule.target)));
}

pub async fn a_repeated_id_and_one_of_another_scope_are_refused(store: &impl Store) {
    let house = House::open(store).await;
    house.make_bucket("another").await.expect("a bucket");
    house.rules(vec![rule(1)]).await;
    house.server_rules(vec![rule(2)]).await;
    let before = house.ledger.rules(&bucket_scope()).await.expect("rules");
    let twice = house.ledger.put_rules(&bucket_scope(), vec![rule(3), rule(3)], None).await;
    assert!(matches!(twice, Err(RulesError::RepeatedRule(id)) if id == rule(3).id), "{twice:?}");
    let another = Scope::Bucket("another".to_owned());
    for (scope, foreign) in [(&another, rule(1)), (&another, rule(2)), (&Scope::Server, rule(1))] {
        let refused = house.ledger.put_rules(scope, vec![rule(7), foreign.clone()], None).await;
        assert!(matches!(refused, Err(RulesError::UnknownRule(id)) if id == foreign.id), "{refused:?}");
    }
    let after = house.ledger.rules(&bucket_scope()).await.expect("rules");
    assert_eq!((after.version, after.rules), (before.version, before.rules), "nothing was saved");
    assert!(house.ledger.rules(&another).await.expect("rules").rules.is_empty());
    assert_eq!(house.owed(&rule(7)).await, None, "not even the good one before the bad one");
    assert_eq!(house.put("a").await.events.len(), 1);
    assert_eq!((house.owed(&rule(1)).await, house.owed(&rule(2)).await), (Some(1), Some(1)));
}

pub async fn a_write_that_starts_after_the_rules_were_saved_sees_them(store: &impl Store) {
    let house = Arc::new(House::open(store).await);
    // Others write all the time, so that a set of compiled rules is always there to be out of date.
    let writer = Arc::clone(&house);
    let others = tokio::spawn(async move {
        loop {
            writer.put("others").await;
        }
    });
    for round in 0..6 {
        house.rules(vec![Rule { prefix: format!("{round}/"), ..rule(1) }]).await;
        assert_eq!(house.put(&format!("{round}/a")).await.events.len(), 1);
        house.server_rules(vec![Rule { prefix: format!("s{round}/"), ..rule(2) }]).await;
        assert_eq!(house.put(&format!("s{round}/a")).await.events.len(), 1);
        house.rules(vec![Rule { prefix: format!("{round}/"), enabled: false, ..rule(1) }]).await;
        assert!(house.put(&format!("{round}/a")).await.events.is_empty(), "disabled");
        house.server_rules(vec![]).await;
        assert!(house.put(&format!("s{round}/a")).await.events.is_empty(), "removed");
    }
    others.abort();
    assert_eq!(house.owed(&rule(1)).await, Some(6));
}

pub async fn edits_of_a_rule_keep_its_queue_and_its_numbers(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    house.put("a").await;
    let edited = Rule {
        prefix: "b".into(),
        target: Target { url: "https://elsewhere.example/".parse().expect("a url"), ..rule(1).target },
        ..rule(1)
    };
    assert_eq!(house.rules(vec![rule(2), edited.clone()]).await.dead, 0);
    house.put("c").await;
    house.put("b").await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&edited).await;
    let endpoints = owner.endpoints().await;
    assert!(endpoints.iter().any(|found| found.id == endpoint && found.target == edited.target), "C12: at once");
    let due = owner.take(endpoint, 9).await.due;
    assert_eq!(numbers(&due), [1, 2]);
    let keys: Vec<_> = due.iter().filter_map(|d| Some(d.event.object()?.key.as_str())).collect();
    assert_eq!(keys, ["a", "b"], "C12: the prefix for later changes only");
}

pub async fn a_removed_rule_leaves_dead_letters_and_is_finally_forgotten(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1), rule(2)]).await;
    for key in ["a", "b", "c"] {
        house.put(key).await;
    }
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    owner.take(endpoint, 1).await;
    assert_eq!(house.rules(vec![rule(2)]).await.dead, 3, "the answer says how many (C12)");
    assert_eq!(owner.endpoints().await.len(), 1);
    assert!(owner.take(endpoint, 9).await.due.is_empty(), "nothing of it is sent any more");
    house.put("d").await;

    let hour = Duration::from_secs(3600);
    let pruned = house.prune(hour, hour, 2).await;
    assert_eq!((buried(&pruned), pruned.more), (2, true), "bounded");
    assert_eq!(house.owed(&rule(1)).await, Some(1));
    let pruned = house.prune(hour, hour, 2).await;
    assert_eq!((buried(&pruned), pruned.more), (1, false));
    assert_eq!(house.owed(&rule(1)).await, Some(0));
    assert_eq!(house.owed(&rule(2)).await, Some(4));
    house.clock.advance(2 * hour);
    let pruned = house.prune(hour, hour, 100).await;
    assert_eq!((pruned.dead, pruned.events), (3, 0), "rule 2 is still owed all of them (B1)");
    assert_eq!(house.owed(&rule(1)).await, None, "forgotten");
    assert_eq!(house.ledger.take(owner.instance, endpoint, 1).await.err(), Some(SettleError::Gone));
    assert_eq!(house.put("e").await.events.len(), 1);
    assert_eq!(house.owed(&rule(2)).await, Some(5));
}

pub async fn a_settle_after_its_rule_was_removed_is_kept_or_says_that_it_is_gone(store: &impl Store) {
    let house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    house.put("a").await;
    house.put("b").await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    owner.take(endpoint, 2).await;
    house.rules(vec![]).await;
    let taken = owner.settle(endpoint, vec![owner.delivered(1)], 9).await;
    assert!(taken.due.is_empty());
    assert_eq!(house.owed(&rule(1)).await, Some(1), "what was on its way is counted as it came out");
    let pruned = house.prune(DAY, DAY, 100).await;
    assert_eq!(buried(&pruned), 1);
    owner.settle(endpoint, vec![owner.delivered(2)], 9).await;
    assert_eq!(house.owed(&rule(1)).await, Some(0), "a dead letter already: nothing is counted twice");
    house.clock.advance(2 * DAY);
    house.prune(DAY, DAY, 100).await;
    let gone = house.ledger.settle(owner.instance, endpoint, vec![owner.delivered(2)], 1).await;
    assert_eq!(gone.err(), Some(SettleError::Gone));
}

pub async fn a_rule_that_comes_back_takes_up_its_numbers(store: &impl Store) {
    let house = House::open(store).await;
    house.server_rules(vec![rule(1)]).await;
    house.put("a").await;
    house.put("b").await;
    assert_eq!(house.server_rules(vec![]).await.dead, 2);
    house.prune(DAY, DAY, 1).await;
    assert!(house.put("c").await.events.is_empty());
    house.server_rules(vec![rule(1)]).await;
    house.put("d").await;
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    assert_eq!(numbers(&owner.take(endpoint, 9).await.due), [2, 3], "1 was buried, and none is given twice (DL-4)");
    assert_eq!(buried(&house.prune(DAY, DAY, 100).await), 0);
}

pub async fn the_owner_is_told_that_rules_changed(store: &impl Store) {
    let house = House::open(store).await;
    let mut owner = house.join().await;
    house.rules(vec![rule(1)]).await;
    let signal = tokio::time::timeout(DEADLINE, owner.signals.recv()).await.expect("a signal in time");
    assert!(matches!(signal, Some(Signal::RulesChanged { .. })), "{signal:?}");
    assert_eq!(owner.endpoints().await.len(), 1, "and finds them, all committed");
    assert!(house.ledger.put_rules(&bucket_scope(), vec![rule(2), rule(2)], None).await.is_err());
    assert!(owner.signals.try_recv().is_err(), "a refused save is not told");
}
