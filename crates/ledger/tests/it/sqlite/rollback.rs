//! An error at any step of a transaction leaves neither change nor event (OB-1, B2), in the file or in memory.
//!
//! The steps are found, not listed: a first run notes every table that a verb writes, a second makes each of those
//! writes fail in every way that SQLite knows.

use std::{collections::BTreeSet, time::Duration};

use bucketbell_ledger::{
    ChangeKind, CommitError, Content, DeadReason, DeleteObject, PruneLimits, Settlement, WritePrecondition,
};
use bucketbell_rule::Rule;
use rusqlite::Connection;

use super::{
    Sqlite, sqlite,
    tables::{assert_same, count, dump, tables},
};
use crate::fixture::{BUCKET, DAY, House, Owner, blob, bucket_scope, many_rules, numbers, rule, short};

/// One verb that writes, after the same preparation each time.
#[derive(Debug, Clone, Copy)]
enum Step {
    CreateBucket,
    DeleteBucket,
    PutNew,
    PutOver,
    PutBlob,
    PutBlobOver,
    Delete,
    DeleteBlob,
    SettleMany,
    PutRules,
    PutServerRules,
    StageBlob,
    SweepBlobs,
    Prune,
    Join,
    PutAdmin,
}

const STEPS: &[Step] = &[
    Step::CreateBucket,
    Step::DeleteBucket,
    Step::PutNew,
    Step::PutOver,
    Step::PutBlob,
    Step::PutBlobOver,
    Step::Delete,
    Step::DeleteBlob,
    Step::SettleMany,
    Step::PutRules,
    Step::PutServerRules,
    Step::StageBlob,
    Step::SweepBlobs,
    Step::Prune,
    Step::Join,
    Step::PutAdmin,
];

/// A ledger with something of everything in it, and an owner who waits for more.
struct Prepared {
    house: House,
    owner: Owner,
    taken: Vec<u64>,
}

async fn prepare(store: &Sqlite) -> Prepared {
    let house = House::open(store).await;
    house.join().await;
    house.ledger.stage_blob(blob(9)).await.expect("staging");
    house.rules(vec![rule(1), Rule { prefix: "never".into(), ..rule(2) }]).await;
    house.server_rules(vec![rule(3), rule(6)]).await;
    house.make_bucket("empty").await.expect("a bucket");
    house.make_bucket("gone").await.expect("a bucket");
    house.delete_bucket("gone").await.expect("it is empty");
    let owner = house.join().await;
    for key in ["a", "b", "c", "d", "e"] {
        house.put(key).await;
    }
    for number in 1..=3 {
        house.ledger.stage_blob(blob(number)).await.expect("staging");
    }
    house.put_content("blob", Content::Blob(blob(1)), 100_000).await.expect("a put");
    house.server_rules(vec![rule(3)]).await;
    let old = owner.endpoint(&rule(3)).await;
    let due = numbers(&owner.take(old, 100).await.due);
    owner.settle(old, due.into_iter().map(|number| owner.delivered(number)).collect(), 0).await;
    let endpoint = owner.endpoint(&rule(1)).await;
    let taken = numbers(&owner.take(endpoint, 100).await.due);
    Prepared { house, owner, taken }
}

async fn run(step: Step, prepared: &Prepared) -> Result<(), String> {
    let Prepared { house, owner, taken } = prepared;
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let delete = |key: &str| ChangeKind::DeleteObject(DeleteObject { bucket: BUCKET.into(), key: key.into() });
    match step {
        Step::CreateBucket => house.make_bucket("new").await.map(drop).map_err(|error| text(&error)),
        Step::DeleteBucket => house.delete_bucket("empty").await.map(drop).map_err(|error| text(&error)),
        Step::PutNew => house.put_if("new", WritePrecondition::Absent).await.map(drop).map_err(|error| text(&error)),
        Step::PutOver => house.put_if("a", Default::default()).await.map(drop).map_err(|error| text(&error)),
        Step::PutBlob => put_blob(house, "new", 2).await.map_err(|error| text(&error)),
        Step::PutBlobOver => put_blob(house, "blob", 2).await.map_err(|error| text(&error)),
        Step::Delete => house.commit(delete("a")).await.map(drop).map_err(|error| text(&error)),
        Step::DeleteBlob => house.commit(delete("blob")).await.map(drop).map_err(|error| text(&error)),
        Step::SettleMany => {
            let settlements = vec![
                owner.delivered(taken[0]),
                owner.retry(taken[1], Duration::from_secs(1)),
                Settlement::Dead { number: taken[2], reason: DeadReason::Age, attempt: Some(owner.attempt(500)) },
                Settlement::Returned { number: taken[3] },
            ];
            let endpoint = owner.endpoint(&rule(1)).await;
            let settled = house.ledger.settle(owner.instance, endpoint, settlements, 7).await;
            settled.map(drop).map_err(|error| text(&error))
        }
        Step::PutRules => {
            let rules = vec![Rule { paused: true, ..rule(1) }, rule(4)];
            house.ledger.put_rules(&bucket_scope(), rules, None).await.map(drop).map_err(|error| text(&error))
        }
        Step::PutServerRules => {
            let scope = bucketbell_rule::Scope::Server;
            house.ledger.put_rules(&scope, vec![rule(5)], None).await.map(drop).map_err(|error| text(&error))
        }
        Step::StageBlob => house.ledger.stage_blob(blob(4)).await.map_err(|error| text(&error)),
        Step::SweepBlobs => house.ledger.removable_blobs(DAY, 9).await.map(drop).map_err(|error| text(&error)),
        Step::Prune => {
            house.clock.advance(DAY);
            let (history, dead) = (Duration::ZERO, Duration::ZERO);
            let limits = PruneLimits { history, history_bytes_max: u64::MAX, dead, rows_max: 100 };
            house.ledger.prune(limits).await.map(drop).map_err(|error| text(&error))
        }
        Step::Join => {
            let (sender, _) = tokio::sync::mpsc::unbounded_channel();
            house.ledger.join(sender).await.map(drop).map_err(|error| text(&error))
        }
        Step::PutAdmin => house.ledger.put_admin(crate::fixture::admin()).await.map(drop).map_err(|error| text(&error)),
    }
}

async fn put_blob(house: &House, key: &str, number: u8) -> Result<(), CommitError> {
    house.put_content(key, Content::Blob(blob(number)), 100_000).await.map(drop)
}

const OPERATIONS: [&str; 3] = ["INSERT", "UPDATE", "DELETE"];

/// Returns every kind of write, by table, that the step does.
async fn writes_of(step: Step) -> BTreeSet<(String, &'static str)> {
    let store = sqlite();
    let prepared = prepare(&store).await;
    let beside = store.beside();
    let tables = tables(&beside);
    beside.execute_batch("CREATE TABLE seen (write TEXT)").expect("a table");
    for table in &tables {
        for operation in OPERATIONS {
            let sql = format!(
                "CREATE TRIGGER seen_{operation}_{table} AFTER {operation} ON {table}
                 BEGIN INSERT INTO seen VALUES ('{table} {operation}'); END"
            );
            beside.execute_batch(&sql).expect("a trigger");
        }
    }
    run(step, &prepared).await.expect("nothing is broken yet");
    let mut statement = beside.prepare("SELECT DISTINCT write FROM seen").expect("a table");
    let seen: Vec<String> =
        statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).expect("what was seen");
    let tables = tables.iter().flat_map(|table| OPERATIONS.map(|operation| (table.clone(), operation)));
    tables.filter(|(table, operation)| seen.contains(&format!("{table} {operation}"))).collect()
}

/// Makes a write fail. `COMMIT` lets all statements pass and breaks a promise that is only checked at the end.
fn break_it(beside: &Connection, table: &str, operation: &str, how: (&str, &str)) {
    let (timing, failure) = how;
    let action = match failure {
        "COMMIT" => "INSERT INTO child VALUES (1)".to_owned(),
        _ => format!("SELECT RAISE({failure}, 'injected')"),
    };
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS parent (id INTEGER PRIMARY KEY);
         CREATE TABLE IF NOT EXISTS child (id INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED);
         CREATE TRIGGER broken {timing} {operation} ON {table} BEGIN {action}; END"
    );
    beside.execute_batch(&sql).expect("a trigger");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_error_at_any_step_of_a_transaction_leaves_no_trace_of_it() {
    let mut injected = 0;
    for &step in STEPS {
        let writes = writes_of(step).await;
        assert!(!writes.is_empty(), "{step:?} writes");
        let store = sqlite();
        let mut prepared = prepare(&store).await;
        prepared.owner.handed_now();
        let beside = store.beside();
        for (table, operation) in &writes {
            for how in [("BEFORE", "ABORT"), ("AFTER", "ABORT"), ("AFTER", "ROLLBACK"), ("AFTER", "COMMIT")] {
                break_it(&beside, table, operation, how);
                let before = dump(&beside);
                let told = run(step, &prepared).await.expect_err("it was broken");
                assert!(told.contains("injected") || told.contains("FOREIGN KEY"), "{told}");
                assert_same(&before, &dump(&beside), &format!("{step:?} after {how:?} of {operation} on {table}"));
                assert!(prepared.owner.handed_now().is_empty(), "nothing of it was told");
                beside.execute_batch("DROP TRIGGER broken").expect("a trigger");
                injected += 1;
            }
        }
        run(step, &prepared).await.expect("it is mended");
        if !matches!(step, Step::Join | Step::PutRules | Step::SettleMany) {
            nothing_is_missing(&mut prepared).await;
        }
        prepared.house.ledger.close().await;
    }
    assert!(injected > 100, "{injected} errors were injected: the steps are no longer found");
}

/// The credit of before the failures still counts, and no number was used up by them (DL-4).
async fn nothing_is_missing(prepared: &mut Prepared) {
    let Prepared { house, owner, taken } = prepared;
    let endpoint = owner.endpoint(&rule(1)).await;
    let last = taken.last().copied().expect("some were taken");
    let meanwhile = owner.handed_now();
    house.put("e").await;
    let mut handed = meanwhile;
    handed.extend(owner.handed(1).await);
    let expected: Vec<_> = (last + 1..).take(handed.len()).map(|number| (endpoint, number)).collect();
    assert_eq!(handed, expected);
    assert_eq!(house.owed(&rule(1)).await, Some((taken.len() + handed.len()) as u64));
}

/// The handles of a joined instance were once replaced by a join that was then rolled back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_join_that_was_rolled_back_leaves_the_owner_in_its_place() {
    let store = sqlite();
    let house = House::open(&store).await;
    house.rules(vec![rule(1)]).await;
    let mut owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    owner.take(endpoint, 3).await;
    let beside = store.beside();
    for failure in ["ABORT", "ROLLBACK", "COMMIT"] {
        break_it(&beside, "instance", "INSERT", ("AFTER", failure));
        let (sender, _receiver) = tokio::sync::mpsc::unbounded_channel();
        house.ledger.join(sender).await.expect_err("it was broken");
        beside.execute_batch("DROP TRIGGER broken").expect("a trigger");
        house.put(failure).await;
        assert_eq!(owner.handed(1).await.len(), 1, "still told, still with its credit");
    }
    house.rules(vec![rule(1), rule(2)]).await;
    assert_eq!(owner.endpoints().await.len(), 2, "new endpoints are its own");
}

/// Going on after a step that was rolled back, it would not know that the endpoints of that step are still owed something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_of_pruning_whose_step_was_rolled_back_begins_anew() {
    for failure in ["ABORT", "ROLLBACK", "COMMIT"] {
        let store = sqlite();
        let house = House::open(&store).await;
        house.rules(vec![Rule { paused: true, ..short(rule(1)) }]).await;
        house.server_rules(many_rules(400)).await;
        house.put("owed").await;
        house.clock.advance(2 * DAY);
        let beside = store.beside();
        let limits = PruneLimits { history: DAY, history_bytes_max: 0, dead: DAY, rows_max: 100 };
        break_it(&beside, "dead", "INSERT", ("AFTER", failure));
        house.ledger.prune(limits).await.expect_err("it was broken");
        beside.execute_batch("DROP TRIGGER broken").expect("a trigger");
        house.prune_all(limits).await;
        assert_eq!((count(&beside, "dead"), count(&beside, "event")), (1, 1), "{failure}: a dead letter needs it (B1)");
    }
}
