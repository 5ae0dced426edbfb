//! Blobs on a real file system, through the public door only.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails as the test does")]

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use bucketbell_blob::{BlobError, BlobStore, LocalBlobs};
use bucketbell_ledger::{BlobId, StoreId};
use bytes::Bytes;
use futures_util::TryStreamExt as _;

const STORE: StoreId = StoreId(uuid::Uuid::from_u128(0x0123_4567_89ab_cdef));

fn blob(number: u8) -> BlobId {
    BlobId::from_bytes([number; 16])
}

fn path_of(root: &Path, number: u8) -> PathBuf {
    let byte = format!("{number:02x}");
    root.join(&byte).join(&byte).join(byte.repeat(16))
}

/// Bytes in which a piece that is missing, repeated or misplaced shows.
fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8 ^ (at / 65_536) as u8).collect::<Vec<_>>().into()
}

fn open(root: &Path) -> LocalBlobs {
    LocalBlobs::open(root, STORE).expect("the folder is new, or ours")
}

async fn put(blobs: &LocalBlobs, number: u8, bytes: &Bytes, piece: usize) -> u64 {
    let mut writer = blobs.create(blob(number));
    for at in (0..bytes.len()).step_by(piece) {
        writer.write(bytes.slice(at..(at + piece).min(bytes.len()))).await.unwrap();
    }
    writer.finish().await.unwrap()
}

async fn get(blobs: &LocalBlobs, number: u8, range: std::ops::Range<u64>) -> Result<Vec<u8>, BlobError> {
    blobs
        .open(blob(number), range)
        .await?
        .try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_was_written_is_read_back_whatever_the_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = open(dir.path());
    for (number, (length, piece)) in
        [(0, 1), (1, 1), (16_385, 100), (262_144, 262_144), (1_000_003, 65_536), (3_000_000, 1_000_000)]
            .into_iter()
            .enumerate()
    {
        let number = u8::try_from(number).unwrap();
        let bytes = pattern(length);
        assert_eq!(put(&blobs, number, &bytes, piece).await, length as u64);
        assert_eq!(fs::read(path_of(dir.path(), number)).unwrap(), bytes, "one file, at its one place");
        assert_eq!(get(&blobs, number, 0..length as u64).await.unwrap(), bytes, "{length} in pieces of {piece}");
    }
}

#[tokio::test]
async fn any_range_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = open(dir.path());
    let bytes = pattern(700_000);
    put(&blobs, 7, &bytes, 300_000).await;
    for (start, end) in [(0, 1), (0, 0), (699_999, 700_000), (262_143, 262_145), (1, 699_999), (350_000, 350_000)] {
        assert_eq!(get(&blobs, 7, start..end).await.unwrap(), bytes[start as usize..end as usize], "{start}..{end}");
    }
    let beyond = get(&blobs, 7, 0..700_001).await;
    assert!(matches!(beyond, Err(BlobError::Truncated { found: 700_000, wanted: 700_001, .. })), "{beyond:?}");
}

/// OB-2: bytes that a row needs and that are gone are told, not made up.
#[tokio::test]
async fn a_missing_blob_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = open(dir.path());
    let nothing = get(&blobs, 1, 0..1).await;
    assert!(matches!(nothing, Err(BlobError::Missing(id)) if id == blob(1)), "{nothing:?}");
    assert!(!blobs.remove(blob(1)).await.unwrap(), "removing what is not there is no error");

    put(&blobs, 1, &pattern(10), 10).await;
    assert!(blobs.remove(blob(1)).await.unwrap());
    assert!(matches!(get(&blobs, 1, 0..1).await, Err(BlobError::Missing(_))));
    assert!(!path_of(dir.path(), 1).try_exists().unwrap());
}

#[tokio::test]
async fn a_name_is_used_once_and_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = open(dir.path());
    put(&blobs, 2, &pattern(100), 100).await;
    let mut again = blobs.create(blob(2));
    again.write(Bytes::from_static(b"other")).await.unwrap();
    assert!(matches!(again.finish().await, Err(BlobError::Exists(_))));
    again.abort().await.unwrap();
    drop(again);
    assert_eq!(get(&blobs, 2, 0..100).await.unwrap(), pattern(100), "the first one is whole");
}

#[tokio::test]
async fn a_writer_dropped_half_way_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = open(dir.path());
    let path = path_of(dir.path(), 3);
    let mut writer = blobs.create(blob(3));
    writer.write(pattern(1 << 20)).await.unwrap();
    // Returns only when the first piece is on the disk.
    writer.write(pattern(1 << 20)).await.unwrap();
    assert!(path.try_exists().unwrap(), "there was something to remove");
    drop(writer);
    eventually("the file goes with its writer", || !path.try_exists().unwrap()).await;
}

#[tokio::test]
async fn abort_returns_when_the_file_is_gone_finished_or_not() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = open(dir.path());
    let path = path_of(dir.path(), 4);

    blobs.create(blob(4)).abort().await.unwrap();

    let mut writer = blobs.create(blob(4));
    writer.write(pattern(1 << 20)).await.unwrap();
    writer.abort().await.unwrap();
    assert!(!path.try_exists().unwrap());

    let mut writer = blobs.create(blob(4));
    writer.write(pattern(1 << 20)).await.unwrap();
    writer.finish().await.unwrap();
    assert!(path.try_exists().unwrap());
    writer.abort().await.unwrap();
    assert!(!path.try_exists().unwrap());
}

/// A caller that goes away in the middle of `finish` must still be able to clean up behind it.
#[tokio::test]
async fn abort_waits_for_a_finish_that_nobody_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = open(dir.path());
    for number in 0..50 {
        let mut writer = blobs.create(blob(number));
        writer.write(pattern(300_000)).await.unwrap();
        // Polled once, then dropped.
        let finish = writer.finish();
        tokio::select! { biased; _ = finish => {}, () = std::future::ready(()) => {} }
        writer.abort().await.unwrap();
        assert!(!path_of(dir.path(), number).try_exists().unwrap());
    }
}

#[tokio::test]
async fn a_folder_of_another_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("deep/blobs");
    drop(open(&root));
    assert_eq!(fs::read_to_string(root.join("store-id")).unwrap().trim(), STORE.to_string());
    drop(open(&root));

    let other = StoreId(uuid::Uuid::from_u128(1));
    let refused = LocalBlobs::open(&root, other).unwrap_err();
    assert!(matches!(refused, BlobError::OtherStore { found: STORE, wanted, .. } if wanted == other), "{refused}");
    assert!(refused.to_string().contains("--blobs"), "it names the remedy: {refused}");
}

#[tokio::test]
async fn a_folder_with_blobs_and_without_an_id_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    put(&open(dir.path()), 5, &pattern(10), 10).await;
    for id in [None, Some(""), Some("not a uuid")] {
        fs::remove_file(dir.path().join("store-id")).ok();
        if let Some(id) = id {
            fs::write(dir.path().join("store-id"), id).unwrap();
        }
        let refused = LocalBlobs::open(dir.path(), STORE).unwrap_err();
        assert!(matches!(refused, BlobError::NoStoreId { .. }), "{refused}");
    }
}

/// A folder that cannot be written is made from a file in its place: permissions do not stop root, who runs many tests.
#[tokio::test]
async fn a_file_where_a_folder_should_be_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("blobs");
    fs::write(&file, "").unwrap();
    let refused = LocalBlobs::open(&file, STORE).unwrap_err();
    assert!(refused.to_string().contains(&file.display().to_string()), "{refused}");

    let root = dir.path().join("others");
    let blobs = open(&root);
    fs::write(root.join("06"), "").unwrap();
    let mut writer = blobs.create(blob(6));
    writer.write(pattern(10)).await.unwrap();
    let failed = writer.finish().await.unwrap_err();
    assert!(failed.to_string().contains("06/06"), "{failed}");
    assert!(writer.finish().await.is_err(), "a failed writer stays failed");
    writer.abort().await.expect("what could not be created is not there");
    drop(writer);
    put(&blobs, 7, &pattern(10), 10).await;
}

#[tokio::test]
async fn many_writers_of_one_folder_do_not_mind_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let blobs = open(dir.path());
    let bytes = pattern(20_000);
    let writers = (0..32u8).map(|number| {
        let (blobs, bytes) = (blobs.clone(), bytes.clone());
        tokio::spawn(async move {
            let mut name = [0xee; 16];
            name[15] = number;
            let mut writer = blobs.create(BlobId::from_bytes(name));
            writer.write(bytes).await.unwrap();
            writer.finish().await.unwrap()
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        assert_eq!(writer.await.unwrap(), 20_000);
    }
    assert_eq!(fs::read_dir(dir.path().join("ee/ee")).unwrap().count(), 32);
}
