//! A disk that is full or read-only: an error that says so, nothing half-written, and all well when it is mended.
//!
//! A small file system needs the right to mount one. Without it these tests fail, unless they are told not to.

use std::{path::Path, process::Command};

use bucketbell_ledger::{CommitError, Content, StoreError};
use bytes::Bytes;

use super::{Sqlite, sqlite, tables::count};
use crate::fixture::{House, numbers, rule};

/// A file system of its own on a store's folder, until it is dropped.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn mount(folder: &'a Path, size: &str) -> Option<Self> {
        mounted(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], folder).then_some(Self(folder))
    }

    fn change(&self, option: &str) {
        assert!(mounted(&["-o", &format!("remount,{option}")], self.0), "remounting with {option}");
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        // Lazily: the ledger of a test that failed is still open.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn mounted(arguments: &[&str], folder: &Path) -> bool {
    Command::new("mount").args(arguments).arg(folder).output().is_ok_and(|output| output.status.success())
}

fn disk<'a>(store: &'a Sqlite, size: &str) -> Option<Disk<'a>> {
    let disk = Disk::mount(store.folder.path(), size);
    let skipped = std::env::var_os("BUCKETBELL_TEST_NO_MOUNT").is_some_and(|value| value == "1");
    assert!(
        disk.is_some() || skipped,
        "no right to mount a tmpfs, so no disk can be filled: run as root, or skip by BUCKETBELL_TEST_NO_MOUNT=1"
    );
    disk
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_whole_writes_and_takes_them_again_when_there_is_room() {
    let store = sqlite();
    let Some(disk) = disk(&store, "3m") else { return };
    let house = House::open(&store).await;
    house.rules(vec![rule(1)]).await;
    let body = Content::Inline(Bytes::from(vec![7; 16 * 1024]));
    let mut committed = 0u64;
    let mut refused = 0u64;
    for at in 0..2000u64 {
        match house.put_content(&format!("k{at}"), body.clone(), 16 * 1024).await {
            Ok(_) => committed += 1,
            Err(CommitError::Store(StoreError::Full)) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
        if refused == 20 {
            break;
        }
    }
    assert!(committed > 10 && refused == 20, "{committed} committed, {refused} refused");
    assert_eq!(house.owed(&rule(1)).await, Some(committed), "OB-1");
    assert!(house.get("k0").await.is_some(), "reading goes on");
    disk.change("size=64m");
    for at in 0..20 {
        house.put_content(&format!("later{at}"), body.clone(), 16 * 1024).await.expect("there is room again");
    }
    let house = house.reopen(&store).await;
    let whole = committed + 20;
    let beside = store.beside();
    for table in ["object", "blob_inline", "event", "delivery"] {
        assert_eq!(count(&beside, table), whole, "{table}: nothing half-written");
    }
    let sound: String = beside.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("a check");
    assert_eq!(sound, "ok");
    let owner = house.join().await;
    let endpoint = owner.endpoint(&rule(1)).await;
    let due = owner.take(endpoint, 4096).await.due;
    assert_eq!(numbers(&due), (1..=whole).collect::<Vec<_>>(), "no gap (DL-4)");
    drop(beside);
    house.ledger.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_disk_is_named_at_the_start() {
    let store = sqlite();
    let Some(disk) = disk(&store, "8m") else { return };
    let house = House::open(&store).await;
    house.put("a").await;
    house.ledger.close().await;
    disk.change("ro");
    let error = store.try_open().err().expect("it cannot be written");
    let folder = store.folder.path().display().to_string();
    assert!(matches!(&error, StoreError::ReadOnly(text) if text.contains(&folder)), "{error}");
    disk.change("rw");
    let house = House::open(&store).await;
    assert!(house.get("a").await.is_some());
    house.ledger.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_is_not_there_is_named_at_the_start() {
    let store = sqlite();
    std::fs::remove_dir(store.folder.path()).expect("an empty folder");
    let error = store.try_open().err().expect("there is no folder");
    assert!(error.to_string().contains(&store.folder.path().display().to_string()), "{error}");
}
