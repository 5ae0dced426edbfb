//! Sweeping and pruning.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bucketbell_blob::{BlobError, BlobStore, BlobStream, BlobWriter, LocalBlobs};
use bucketbell_event::Timestamp;
use bucketbell_ledger::{
    BlobId, Clock, Ledger, MasterKey, PruneLimits, Signal, StoreError,
    sqlite::{Config, SqliteLedger},
};
use bucketbell_upkeep::{Pruner, Schedule, SweepError, Sweeper};
use bytes::Bytes;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_800_000_000_000_000)
    }
}

struct House {
    ledger: Arc<dyn Ledger>,
    blobs: Arc<dyn BlobStore>,
    _folder: TempDir,
    _signals: mpsc::UnboundedReceiver<Signal>,
}

impl House {
    /// Blobs that an earlier process staged and left behind, their bytes written.
    async fn with_left_behind(count: u8) -> (Self, Vec<BlobId>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.db");
        let open = || {
            SqliteLedger::open(Config {
                path: path.clone(),
                master_key: MasterKey::new([1; 32]),
                clock: Arc::new(Fixed),
            })
        };
        let crashed = open().unwrap();
        let blobs: Arc<dyn BlobStore> =
            Arc::new(LocalBlobs::open(folder.path().join("blobs"), crashed.store_id()).unwrap());
        let (sender, _first) = mpsc::unbounded_channel();
        crashed.join(sender).await.unwrap();
        let mut left = Vec::new();
        for index in 0..count {
            let blob = BlobId::from_bytes([index + 1; 16]);
            crashed.stage_blob(blob).await.unwrap();
            let mut writer = blobs.create(blob);
            writer.write(Bytes::from_static(b"bytes")).await.unwrap();
            writer.finish().await.unwrap();
            left.push(blob);
        }
        crashed.close().await;
        drop(crashed);
        let ledger: Arc<dyn Ledger> = Arc::new(open().unwrap());
        let (sender, signals) = mpsc::unbounded_channel();
        ledger.join(sender).await.unwrap();
        (Self { ledger, blobs, _folder: folder, _signals: signals }, left)
    }

    fn sweeper(&self, blobs_max: usize) -> Sweeper {
        Sweeper {
            ledger: Arc::clone(&self.ledger),
            blobs: Arc::clone(&self.blobs),
            unreferenced_for: Duration::from_secs(86_400),
            blobs_max,
        }
    }

    async fn removable(&self) -> usize {
        self.ledger.removable_blobs(Duration::from_secs(86_400), 1000).await.unwrap().len()
    }
}

#[tokio::test]
async fn what_a_crash_left_behind_is_removed_and_forgotten() {
    let (house, left) = House::with_left_behind(3).await;
    assert_eq!(house.sweeper(1000).round().await.unwrap(), 3);
    assert_eq!(house.removable().await, 0);
    for blob in left {
        assert!(!house.blobs.remove(blob).await.unwrap(), "the bytes are gone");
    }
    assert_eq!(house.sweeper(1000).round().await.unwrap(), 0);
}

/// A round that was cut off after the bytes and before the ledger: the next one finds no bytes, and that is fine.
#[tokio::test]
async fn bytes_that_are_gone_already_are_forgotten_too() {
    let (house, left) = House::with_left_behind(2).await;
    house.blobs.remove(left[0]).await.unwrap();
    assert_eq!(house.sweeper(1000).round().await.unwrap(), 2);
    assert_eq!(house.removable().await, 0);
}

#[tokio::test]
async fn the_loop_sweeps_page_after_page_and_stops_when_told() {
    let (house, _) = House::with_left_behind(5).await;
    let stop = CancellationToken::new();
    let schedule = Schedule { first_after: Duration::ZERO, every: Duration::from_secs(3600) };
    let running = tokio::spawn(house.sweeper(2).run(schedule, stop.clone()));
    tokio::time::timeout(Duration::from_secs(10), async {
        while house.removable().await > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("all five are gone before the next interval");
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(10), running).await.expect("it stops").unwrap();
}

/// A store from which nothing can be removed but the blobs of an even first byte.
struct Stubborn;

#[async_trait]
impl BlobStore for Stubborn {
    fn create(&self, _: BlobId) -> Box<dyn BlobWriter> {
        unreachable!("upkeep writes nothing")
    }

    async fn open(&self, blob: BlobId, _: std::ops::Range<u64>) -> Result<BlobStream, BlobError> {
        Err(BlobError::Missing(blob))
    }

    async fn remove(&self, blob: BlobId) -> Result<bool, BlobError> {
        if blob.as_bytes()[0].is_multiple_of(2) { Ok(true) } else { Err(BlobError::Full { path: "/blobs".into() }) }
    }
}

#[tokio::test]
async fn a_blob_that_cannot_be_removed_stays_in_the_journal_and_holds_no_other_up() {
    let (house, _) = House::with_left_behind(4).await;
    let sweeper = Sweeper { blobs: Arc::new(Stubborn), ..house.sweeper(1000) };
    assert!(matches!(sweeper.round().await, Err(SweepError::Blobs { count: 2, .. })));
    assert_eq!(house.removable().await, 2);
}

#[tokio::test]
async fn rounds_on_a_closed_ledger_fail_and_end_their_loops() {
    let (house, _) = House::with_left_behind(0).await;
    house.ledger.close().await;
    let limits = PruneLimits { history: Duration::ZERO, history_bytes_max: 0, dead: Duration::ZERO, rows_max: 10 };
    let pruner = Pruner { ledger: Arc::clone(&house.ledger), limits };
    assert!(matches!(pruner.round().await, Err(StoreError::Closed)));
    let schedule = Schedule { first_after: Duration::ZERO, every: Duration::from_secs(3600) };
    let both = async {
        tokio::join!(
            pruner.run(schedule, CancellationToken::new()),
            house.sweeper(1).run(schedule, CancellationToken::new())
        )
    };
    tokio::time::timeout(Duration::from_secs(10), both).await.expect("nobody told them to stop");
}

#[tokio::test]
async fn an_empty_ledger_prunes_nothing() {
    let (house, _) = House::with_left_behind(0).await;
    let limits = PruneLimits { history: Duration::ZERO, history_bytes_max: 0, dead: Duration::ZERO, rows_max: 10 };
    let pruned = Pruner { ledger: Arc::clone(&house.ledger), limits }.round().await.unwrap();
    assert!(!pruned.more && pruned.events == 0);
}
