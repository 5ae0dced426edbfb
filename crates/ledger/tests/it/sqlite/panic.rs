//! A writer that panics ends its process: one without a writer would say that it is ready and refuse every write.

use std::{
    env,
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bucketbell_event::Timestamp;
use bucketbell_ledger::{
    Change, ChangeKind, Clock, Ledger as _, MasterKey,
    sqlite::{Config, SqliteLedger},
};

use super::sqlite;
use crate::fixture::{BUCKET, admin};

/// Tells the test that it is the process to be ended, and where its ledger is.
const CHILD: &str = "BUCKETBELL_TEST_PANIC_IN";

/// A clock that breaks, in whatever thread asks it.
#[derive(Default)]
struct Broken(AtomicBool);

impl Clock for Broken {
    fn now(&self) -> Timestamp {
        assert!(!self.0.load(Ordering::Relaxed), "injected");
        Timestamp::from_micros(1_800_000_000_000_000)
    }
}

async fn panic_in(path: PathBuf) {
    let clock = Arc::new(Broken::default());
    let config = Config { path, master_key: MasterKey::new([1; 32]), clock: Arc::clone(&clock) as Arc<dyn Clock> };
    let ledger = SqliteLedger::open(config).expect("a ledger");
    let owner = ledger.put_admin(admin()).await.expect("an admin").id;
    let make = |name: &str| {
        let kind = ChangeKind::CreateBucket { name: name.to_owned(), owner };
        ledger.commit(Change { origin: Default::default(), kind })
    };
    make(BUCKET).await.expect("a bucket");
    clock.0.store(true, Ordering::Relaxed);
    let told = make("never").await;
    println!("STILL HERE: {told:?}");
}

/// The callers were once told that the ledger is closed, and the process went on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_panics_ends_the_process_and_the_next_finds_what_was_answered() {
    if let Some(path) = env::var_os(CHILD) {
        return panic_in(path.into()).await;
    }
    let store = sqlite();
    let name = "sqlite::panic::a_writer_that_panics_ends_the_process_and_the_next_finds_what_was_answered";
    let mut child = Command::new(env::current_exe().expect("this test"));
    child.args(["--exact", name, "--nocapture"]).env(CHILD, store.path());
    let ended = child.output().expect("a process");
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(said.contains("running 1 test") && !said.contains("STILL HERE"), "{said}");
    assert!(ended.status.code().is_none(), "ended by a signal: {:?}", ended.status);
    let ledger = store.try_open().expect("the lock went with the process");
    let buckets = ledger.buckets().await.expect("a read");
    assert_eq!(buckets.iter().map(|bucket| bucket.name.as_str()).collect::<Vec<_>>(), [BUCKET]);
    ledger.check().await.expect("it works again");
}
