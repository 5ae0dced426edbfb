//! What the file takes, and what the ledger says that its events take.

use std::{fs, time::Duration};

use bucketbell_ledger::PruneLimits;

use super::{Sqlite, sqlite};
use crate::fixture::{DAY, House, rule};

const LIMITS: PruneLimits = PruneLimits { history: DAY, history_bytes_max: u64::MAX, dead: DAY, rows_max: 100 };

/// A file that was once large stayed so for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_is_mostly_free_shrinks_step_by_step() {
    let store = sqlite();
    let house = House::open(&store).await;
    let filler = "CREATE TABLE filler (body BLOB);
                  INSERT INTO filler VALUES (zeroblob(8000000)), (zeroblob(8000000)), (zeroblob(8000000));
                  CREATE TABLE last (body BLOB); INSERT INTO last VALUES ('kept');
                  DROP TABLE filler;";
    store.beside().execute_batch(filler).expect("free pages");
    let pages = || store.beside().query_row("PRAGMA page_count", [], |row| row.get::<_, u32>(0)).expect("a count");
    let mut steps = vec![pages()];
    while house.prune_by(LIMITS).await.more {
        steps.push(pages());
    }
    assert!(steps[0] > 5800 && pages() < 2200, "{steps:?}, and then {}", pages());
    assert!(steps.windows(2).all(|step| step[0] - step[1] <= 1024 + 2), "bounded: {steps:?}");
    house.put("a").await;
    house.ledger.close().await;
    let length = fs::metadata(store.path()).expect("the file").len();
    assert!(length < 10_000_000, "the disk has them back: {length}");
    let sound: String = store.beside().query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(sound, "ok");
}

fn figures(store: &Sqlite) -> (u64, u64) {
    let sql = "SELECT (SELECT event_bytes FROM store), (SELECT coalesce(sum(octet_length(body)), 0) FROM event)";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let (said, counted) = store.beside().query_row(sql, [], read).expect("figures");
    (said.unsigned_abs(), counted.unsigned_abs())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bytes_of_all_events_are_known_after_failures_and_pruning_too() {
    let store = sqlite();
    let house = House::open(&store).await;
    house.rules(vec![rule(1)]).await;
    let agree = |stored: bool| {
        let (said, counted) = figures(&store);
        assert_eq!(said, counted);
        assert_eq!(said > 0, stored);
    };
    for key in ["a", "ü", "c"] {
        house.put(key).await;
    }
    agree(true);
    for failure in ["ABORT", "ROLLBACK"] {
        let broken =
            format!("CREATE TRIGGER broken AFTER INSERT ON delivery BEGIN SELECT RAISE({failure}, 'injected'); END");
        store.beside().execute_batch(&broken).expect("a trigger");
        house.put_if("broken", Default::default()).await.expect_err("it was broken");
        store.beside().execute_batch("DROP TRIGGER broken").expect("a trigger");
        agree(true);
        house.put("more").await;
        agree(true);
    }
    house.rules(vec![]).await;
    house.clock.advance(2 * DAY);
    house.prune_all(LIMITS).await;
    agree(true);
    house.clock.advance(2 * DAY);
    house.prune_all(PruneLimits { history: Duration::ZERO, ..LIMITS }).await;
    agree(false);
}
