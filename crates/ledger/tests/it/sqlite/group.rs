//! Jobs of one group commit: what one of them does to the others (OB-1, B2).

use std::{future::poll_fn, pin::Pin, task::Poll};

use bucketbell_ledger::{ChangeKind, CommitError, DeleteObject, StoreError, WritePrecondition};

use super::{Sqlite, sqlite, tables::count};
use crate::fixture::{BUCKET, House, Owner, bucket_scope, numbers, object, rule};

type Job<'a> = Pin<Box<dyn Future<Output = Result<(), CommitError>> + 'a>>;

/// Hands jobs in, in their order, while the writer is held up: it takes those that have gathered as one group.
async fn gathered<T>(store: &Sqlite, jobs: Vec<impl Future<Output = T>>) -> Vec<T> {
    let beside = store.beside();
    beside.execute_batch("BEGIN IMMEDIATE").expect("the write lock");
    let mut jobs: Vec<_> = jobs.into_iter().map(|job| (Box::pin(job), None)).collect();
    poll_fn(|context| {
        for (at, (job, result)) in jobs.iter_mut().enumerate() {
            if result.is_none()
                && let Poll::Ready(done) = job.as_mut().poll(context)
            {
                *result = Some(done);
            }
            if at == 0 {
                // Nothing tells when the writer has taken the first and waits. Where it is late, groups are smaller.
                (0..2000).for_each(|_| std::thread::yield_now());
            }
        }
        if !beside.is_autocommit() {
            beside.execute_batch("COMMIT").expect("the write lock");
        }
        if jobs.iter().all(|(_, result)| result.is_some()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    jobs.into_iter().filter_map(|(_, result)| result).collect()
}

async fn a_bad_job_among_good_ones(failure: &str) -> (usize, usize) {
    let store = sqlite();
    let house = House::open(&store).await;
    house.rules(vec![rule(1), rule(2)]).await;
    let beside = store.beside();
    let sql = format!(
        "CREATE TRIGGER broken AFTER INSERT ON delivery
         WHEN (SELECT body LIKE '%bad/%' FROM event WHERE sequencer = NEW.event) AND NEW.endpoint_id = 2
         BEGIN SELECT RAISE({failure}, 'injected'); END"
    );
    beside.execute_batch(&sql).expect("a trigger");
    let keys: Vec<String> = (0..60).map(|at| format!("{}/{at}", if at % 7 == 3 { "bad" } else { "good" })).collect();
    let puts: Vec<_> = keys.iter().map(|key| house.put_if(key, WritePrecondition::Absent)).collect();
    let results = gathered(&store, puts).await;
    let mut good = 0;
    for (key, result) in keys.iter().zip(&results) {
        assert_eq!(house.get(key).await.is_some(), result.is_ok(), "{key}: {result:?}");
        assert!(result.is_err() || key.starts_with("good"), "{key}");
        good += usize::from(result.is_ok());
    }
    assert_eq!(count(&beside, "event"), good as u64, "each change with its event, no event without its change");
    beside.execute_batch("DROP TRIGGER broken").expect("a trigger");
    house.put("after").await;
    let owner = house.join().await;
    for rule in [rule(1), rule(2)] {
        let endpoint = owner.endpoint(&rule).await;
        let taken = numbers(&owner.take(endpoint, 1000).await.due);
        assert_eq!(taken, (1..=good as u64 + 1).collect::<Vec<_>>(), "no gap (DL-4)");
    }
    (good, keys.iter().filter(|key| key.starts_with("good")).count())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_job_that_fails_does_not_take_the_others_of_its_group_along() {
    let (committed, good) = a_bad_job_among_good_ones("ABORT").await;
    assert_eq!(committed, good);
}

/// SQLite answers some failures by rolling everything back: then all must be told, and nothing may be there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_sqlite_rolled_back_fails_as_a_whole() {
    for _ in 0..20 {
        let (committed, good) = a_bad_job_among_good_ones("ROLLBACK").await;
        if committed < good {
            return;
        }
    }
    panic!("no jobs ever gathered");
}

/// What the jobs of a group did before one of them had all rolled back.
async fn rolled_back_together(store: &Sqlite, house: &House, jobs: Vec<Job<'_>>) -> Vec<Result<(), CommitError>> {
    let broken = "CREATE TRIGGER IF NOT EXISTS broken AFTER INSERT ON object WHEN NEW.key = CAST('bad' AS BLOB)
                  BEGIN SELECT RAISE(ROLLBACK, 'injected'); END";
    store.beside().execute_batch(broken).expect("a trigger");
    let plug: Job<'_> = Box::pin(async { house.put_if("plug", Default::default()).await.map(drop) });
    let bad: Job<'_> = Box::pin(async { house.put_if("bad", Default::default()).await.map(drop) });
    let jobs = std::iter::once(plug).chain(jobs).chain([bad]).collect();
    let mut results = gathered(store, jobs).await;
    assert!(results.pop().is_some_and(|bad| bad.is_err()));
    results.split_off(1)
}

/// A refusal that rests on a change of which nothing is left was once told as if that change stood.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_because_of_a_change_is_refused_only_when_that_change_stands() {
    let store = sqlite();
    let house = House::open(&store).await;
    for _ in 0..50 {
        let put = || -> Job<'_> { Box::pin(async { house.put_if("key", WritePrecondition::Absent).await.map(drop) }) };
        let results = rolled_back_together(&store, &house, vec![put(), put()]).await;
        let stands = house.get("key").await.is_some();
        let refused = matches!(results[1], Err(CommitError::PreconditionFailed));
        assert!(!refused || stands, "{results:?}");
        if !stands {
            return;
        }
        house.delete("key").await;
    }
    panic!("no jobs ever gathered");
}

/// What a group read of its own changes must not outlive them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn buckets_and_rules_of_a_group_that_was_rolled_back_are_not_remembered() {
    let store = sqlite();
    let house = House::open(&store).await;
    for _ in 0..50 {
        let put = |bucket: &'static str| -> Job<'_> {
            Box::pin(async { house.commit(ChangeKind::PutObject(object(bucket, "key"))).await.map(drop) })
        };
        let make: Job<'_> = Box::pin(async { house.make_bucket("new").await.map(drop) });
        let save: Job<'_> = Box::pin(async {
            let saved = house.ledger.put_rules(&bucket_scope(), vec![rule(1)], None).await;
            saved.map(drop).map_err(|error| StoreError::Database(error.to_string()).into())
        });
        let results = rolled_back_together(&store, &house, vec![save, make, put("new"), put(BUCKET)]).await;
        if results.iter().all(Result::is_err) {
            let refused = house.commit(ChangeKind::PutObject(object("new", "key"))).await;
            assert!(matches!(refused, Err(CommitError::NoSuchBucket(_))), "{refused:?}");
            assert!(house.put("key").await.events.is_empty(), "nobody's rule");
            return;
        }
        house.rules(vec![]).await;
        if house.ledger.bucket("new").await.expect("a read").is_some() {
            let delete = DeleteObject { bucket: "new".into(), key: "key".into() };
            house.commit(ChangeKind::DeleteObject(delete)).await.expect("a delete");
            house.delete_bucket("new").await.expect("it is empty");
        }
    }
    panic!("no jobs ever gathered");
}

/// Deliveries of a group in which the owner changed were once handed to the new one, whose join had just made them due.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_handed_to_an_owner_that_is_replaced_in_the_same_group_is_given_once() {
    let store = sqlite();
    let house = House::open(&store).await;
    house.rules(vec![rule(1)]).await;
    let mut owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    for round in 0..10 {
        owner.take(endpoint, 9).await;
        let (sender, signals) = tokio::sync::mpsc::unbounded_channel();
        let put: Job<'_> = Box::pin(async { house.put_if("key", Default::default()).await.map(drop) });
        let instance = std::cell::Cell::new(None);
        let join: Job<'_> = Box::pin(async {
            instance.set(Some(house.ledger.join(sender).await?));
            Ok(())
        });
        let plug: Job<'_> = Box::pin(async { house.delete_bucket("none").await.map(drop).or(Ok(())) });
        assert!(gathered(&store, vec![plug, put, join]).await.iter().all(Result::is_ok));
        owner = Owner { instance: instance.get().expect("it joined"), signals, ..owner };
        assert!(owner.handed_now().is_empty(), "it gave no credit yet");
        let due = owner.take(endpoint, 9).await.due;
        assert_eq!(numbers(&due), [round + 1]);
        owner.settle(endpoint, vec![owner.delivered(round + 1)], 0).await;
    }
}
