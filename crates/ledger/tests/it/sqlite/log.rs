//! The write-ahead log stays short, and a reader that stays cannot hold writes up (FN-2).

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use bucketbell_ledger::Content;
use bucketbell_testkit::eventually;
use bytes::Bytes;
use tokio::task::JoinSet;

use super::sqlite;
use crate::fixture::House;

const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Restarting the log once waited five seconds for readers, again and again, with every write behind it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_bounded_and_a_reader_that_stays_delays_no_write() {
    let store = sqlite();
    let house = Arc::new(House::open(&store).await);
    let log = store.path().with_file_name("ledger.db-wal");
    let length = || fs::metadata(&log).expect("a log").len();
    let body = Bytes::from(vec![7; 16 * 1024]);
    let put = |key: usize| {
        let (house, content) = (Arc::clone(&house), Content::Inline(body.clone()));
        async move { house.put_content(&format!("{}", key % 64), content, 16 * 1024).await.expect("a put") }
    };

    let reader = store.beside();
    reader.execute_batch("BEGIN; SELECT count(*) FROM object").expect("a reader");
    let mut slowest = Duration::ZERO;
    let mut key = 0;
    while length() <= LOG_BYTES_MAX + LOG_BYTES_MAX / 4 {
        let began = Instant::now();
        let mut puts = JoinSet::new();
        for _ in 0..64 {
            key += 1;
            puts.spawn(put(key));
        }
        puts.join_all().await;
        slowest = slowest.max(began.elapsed());
    }
    assert!(slowest < Duration::from_secs(4), "a round of writes took {slowest:?}");
    reader.execute_batch("COMMIT").expect("the reader ends");
    drop(reader);
    eventually("the log is cut back", || async {
        put(1).await;
        (length() <= LOG_BYTES_MAX).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_ledger_leaves_no_log() {
    let store = sqlite();
    let house = House::open(&store).await;
    house.put("a").await;
    house.ledger.close().await;
    let log = fs::metadata(store.path().with_file_name("ledger.db-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0);
}
