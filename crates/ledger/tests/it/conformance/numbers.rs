//! A rule gives each number once, to one event, and leaves none out (DL-4).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use bucketbell_event::{EventId, Sequencer};
use bucketbell_ledger::{ChangeKind, DueDelivery, Number, WritePrecondition};
use bucketbell_rule::Rule;
use bucketbell_testkit::eventually;
use tokio::{sync::Mutex, task::JoinSet};

use crate::{
    fixture::{House, Owner, numbers, object, rule},
    store::Store,
};

const WRITERS: usize = 8;
const ROUNDS: usize = 12;

/// What the receivers of one rule saw.
type Seen = BTreeMap<Number, (EventId, Sequencer)>;

pub async fn numbers_have_no_gap_and_no_repeat_under_concurrent_writers_and_refusals(store: &impl Store) {
    let house = Arc::new(House::open(store).await);
    let rules = [rule(1), Rule { prefix: "even/".into(), ..rule(2) }, rule(3)];
    house.rules(rules[..2].to_vec()).await;
    house.server_rules(vec![rules[2].clone()]).await;
    let owner = Arc::new(Mutex::new(house.join().await));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let house = Arc::clone(&house);
        writers.spawn(async move { write(&house, writer).await });
    }
    let mut seen: Vec<Seen> = vec![Seen::new(); rules.len()];
    // The owner takes and settles in the middle of it, so that credit, hand-over and reading overlap.
    for _ in 0..ROUNDS {
        for (rule, seen) in rules.iter().zip(&mut seen) {
            drain(&mut *owner.lock().await, rule, seen, 3).await;
        }
    }
    let committed: Vec<Vec<EventId>> = writers.join_all().await;
    let committed: BTreeSet<EventId> = committed.into_iter().flatten().collect();
    let (house, owner) = (&house, &owner);
    for (rule, seen) in rules.iter().zip(&mut seen) {
        let seen = Mutex::new(seen);
        eventually("everything was taken", || async {
            let mut seen = seen.lock().await;
            drain(&mut *owner.lock().await, rule, &mut seen, 16).await;
            (house.owed(rule).await == Some(0)).then_some(())
        })
        .await;
    }

    for (seen, share) in seen.iter().zip([1, 2, 1]) {
        assert_eq!(seen.len(), committed.len() / share);
        let expected: Vec<Number> = (1..=seen.len() as Number).collect();
        assert_eq!(seen.keys().copied().collect::<Vec<_>>(), expected, "no gap (DL-4)");
        let events: BTreeSet<EventId> = seen.values().map(|(id, _)| *id).collect();
        assert_eq!(events.len(), seen.len(), "each number to another event");
        assert!(events.is_subset(&committed));
        assert!(seen.values().is_sorted_by_key(|(_, sequencer)| *sequencer), "in the order of the commits");
    }
}

/// Writes and has refused what cannot be written, turn by turn. Returns the ids of what was committed.
async fn write(house: &House, writer: usize) -> Vec<EventId> {
    let mut events = Vec::new();
    for round in 0..ROUNDS {
        let folder = if round % 2 == 0 { "even" } else { "odd" };
        let key = format!("{folder}/{}", (writer + round) % 3);
        events.extend(house.put(&key).await.events);
        let own = format!("own/{writer}/{round}");
        events.extend(house.put(&format!("even/{own}")).await.events);
        events.extend(house.put(&format!("odd/{own}")).await.events);
        assert!(house.put_if(&format!("even/{own}"), WritePrecondition::Absent).await.is_err());
        assert!(house.commit(ChangeKind::PutObject(object("no-such-bucket", &key))).await.is_err());
        assert!(house.delete("even/never").await.events.is_empty());
    }
    events
}

/// Takes what is there and what was handed over, settles it, and notes it. Handed to one rule is settled for it only.
async fn drain(owner: &mut Owner, rule: &Rule, seen: &mut Seen, free: usize) {
    let endpoint = owner.endpoint(rule).await;
    let mut due = owner.take(endpoint, free).await.due;
    // Ends the credit, so that what was handed over until then is all in the channel.
    due.extend(owner.take(endpoint, 0).await.due);
    while let Ok(signal) = owner.signals.try_recv() {
        if let bucketbell_ledger::Signal::Committed { endpoint: of, due: more } = signal {
            assert_eq!(of, endpoint, "only this one gave credit");
            due.extend(more);
        }
    }
    note(seen, &due);
    owner.settle(endpoint, numbers(&due).into_iter().map(|number| owner.delivered(number)).collect(), 0).await;
}

fn note(seen: &mut Seen, due: &[DueDelivery]) {
    for delivery in due {
        let before = seen.insert(delivery.number, (delivery.event.id, delivery.event.sequencer));
        assert_eq!(before, None, "number {} was given twice (DL-4)", delivery.number);
    }
}

pub async fn numbers_go_on_over_a_restart(store: &impl Store) {
    let mut house = House::open(store).await;
    house.rules(vec![rule(1)]).await;
    for round in 0..3u64 {
        house.put("a").await;
        house.put("b").await;
        let owner = house.join().await;
        let endpoint = owner.endpoint(&rule(1)).await;
        let taken = numbers(&owner.take(endpoint, 9).await.due);
        assert_eq!(taken, [2 * round + 1, 2 * round + 2]);
        owner.settle(endpoint, taken.into_iter().map(|number| owner.delivered(number)).collect(), 9).await;
        house.clock.advance(Duration::from_secs(1));
        house = house.reopen(store).await;
    }
}
