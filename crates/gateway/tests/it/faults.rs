//! Disks, ledgers and clients that fail at the worst moment.

use std::sync::{Arc, OnceLock};

use bucketbell_gateway::GatewayConfig;
use bucketbell_ledger::{CommitError, StoreError};
use bucketbell_testkit::{FaultyLedger, eventually};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};

use crate::{client::Call, objects::pattern, server::Server};

async fn faulty(config: GatewayConfig) -> (Server, Arc<FaultyLedger>) {
    let ledger = OnceLock::new();
    let server = Server::start_with(config, |inner| {
        let faulty = Arc::new(FaultyLedger::new(inner));
        ledger.set(Arc::clone(&faulty)).ok().unwrap();
        faulty
    })
    .await;
    server.ok(Call::put("/bkt")).await;
    (server, ledger.into_inner().unwrap())
}

#[tokio::test]
async fn a_full_disk_says_what_to_do_and_keeps_nothing() {
    let (server, ledger) = faulty(GatewayConfig::default()).await;
    for (error, says) in
        [(StoreError::Full, "free some"), (StoreError::ReadOnly("/secret/path".into()), "cannot write")]
    {
        *ledger.refuse.lock().unwrap() = Some(CommitError::Store(error));
        for size in [10, 100_000] {
            let answer = server.send(Call::put("/bkt/k").body(pattern(size))).await;
            assert_eq!(answer.error(), (503, "ServiceUnavailable".into()));
            assert!(answer.element("Message").contains(says) && !answer.text().contains("secret"), "{answer:?}");
        }
    }
    assert!(server.blob_files().await.is_empty(), "bytes of a change that was refused would fill the disk for good");
    *ledger.refuse.lock().unwrap() = None;
    server.ok(Call::put("/bkt/k").body(pattern(100_000))).await;
    drop(ledger);
    assert_eq!(server.staged_blobs().await, 0);
}

/// A commit whose outcome is not known must not cost an object its bytes: they stay, and the journal knows them.
#[tokio::test]
async fn bytes_outlive_a_commit_of_unknown_outcome() {
    let (server, ledger) = faulty(GatewayConfig::default()).await;
    *ledger.refuse.lock().unwrap() = Some(CommitError::Store(StoreError::Database("disk I/O error".into())));
    let answer = server.send(Call::put("/bkt/k").body(pattern(100_000))).await;
    assert_eq!(answer.error(), (500, "InternalError".into()));
    assert!(!answer.text().contains("I/O"));
    assert_eq!(server.blob_files().await.len(), 1);
    drop(ledger);
    assert_eq!(server.staged_blobs().await, 1);
}

/// Guards the loss of an acknowledged object: the client goes away while the commit runs, the commit stands, and the
/// clean-up of the upload must not take its bytes (OB-2).
#[tokio::test]
async fn a_client_that_goes_away_during_the_commit_loses_no_bytes() {
    let (server, ledger) = faulty(GatewayConfig::default()).await;
    ledger.arrived.forget_permits(usize::MAX >> 4);
    ledger.close_gate();
    let body = pattern(100_000);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&Call::put("/bkt/k").body(body.clone()).wire()).await.unwrap();
    ledger.arrived.acquire().await.unwrap().forget();
    drop(stream);
    // The connection is gone; another request shows that the server has gone on.
    server.ok(Call::head("/bkt")).await;
    ledger.gate.add_permits(1000);
    let get = eventually("the commit is seen through", || async {
        let answer = server.send(Call::get("/bkt/k")).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert!(get.body == body);
    assert_eq!(server.blob_files().await.len(), 1);
    drop(ledger);
    assert_eq!(server.staged_blobs().await, 0);
}

/// OB-2: a row whose bytes are gone is an error, never an empty object.
#[tokio::test]
async fn a_lost_blob_is_an_error_and_not_an_empty_object() {
    let server = Server::with_bucket().await;
    server.ok(Call::put("/bkt/k").body(pattern(100_000))).await;
    let file = server.blob_files().await.remove(0);
    std::fs::write(&file, b"cut").unwrap();
    assert_eq!(server.send(Call::get("/bkt/k")).await.error(), (500, "InternalError".into()));
    std::fs::remove_file(&file).unwrap();
    let answer = server.send(Call::get("/bkt/k")).await;
    assert_eq!(answer.error(), (500, "InternalError".into()));
    assert!(!answer.text().contains("blob"), "{answer:?}");
}

#[tokio::test]
async fn a_blob_folder_that_fails_stores_nothing() {
    let server = Server::with_bucket().await;
    server.ok(Call::put("/bkt/first").body(pattern(100_000))).await;
    let file = server.blob_files().await.remove(0);
    let root = file.ancestors().nth(3).unwrap().to_owned();
    // A file where each folder of the fan-out would be: permissions do not stop root, who runs many tests.
    for byte in 0..=255 {
        let folder = root.join(format!("{byte:02x}"));
        if !folder.try_exists().unwrap() {
            std::fs::write(folder, "").unwrap();
        }
    }
    let mut failed = 0;
    for _ in 0..3 {
        failed += usize::from(server.send(Call::put("/bkt/k").body(pattern(100_000))).await.status == 500);
    }
    assert!(failed > 0, "one of 256 folders is left to write to");
    server.ok(Call::put("/bkt/small").body(pattern(100))).await;
    assert_eq!(server.staged_blobs().await, 0);
}

#[tokio::test]
async fn a_stranger_gets_nothing_of_anothers_bucket() {
    let (server, ledger) = faulty(GatewayConfig::default()).await;
    server.ok(Call::put("/bkt/k").body("secret")).await;
    *ledger.strangers.lock().unwrap() = true;
    server.accounts.forget_recent();
    for call in [
        Call::get("/bkt/k"),
        Call::get("/bkt"),
        Call::get("/bkt").query("list-type", "2"),
        Call::get("/bkt").query("location", ""),
        Call::put("/bkt/k").body("x"),
        Call::put("/bkt/k").body(pattern(100_000)),
        Call::delete("/bkt/k"),
        Call::delete("/bkt"),
    ] {
        assert_eq!(server.send(call).await.error(), (403, "AccessDenied".into()));
    }
    assert_eq!(server.send(Call::head("/bkt")).await.status, 403);
    assert_eq!(server.ok(Call::get("/")).await.elements("Name"), [""; 0], "not even its name");
    assert_eq!(server.send(Call::put("/bkt")).await.error(), (409, "BucketAlreadyExists".into()));
}

#[tokio::test]
async fn more_requests_than_there_are_slots_are_told_to_slow_down() {
    let (server, ledger) = faulty(GatewayConfig { requests_max: 1, ..GatewayConfig::default() }).await;
    ledger.arrived.forget_permits(usize::MAX >> 4);
    ledger.close_gate();
    let (call, address) = (Call::put("/bkt/k").body("x"), server.address);
    let first = tokio::spawn(async move { call.send(address).await.status });
    ledger.arrived.acquire().await.unwrap().forget();
    assert_eq!(server.send(Call::get("/bkt/k")).await.error(), (503, "SlowDown".into()));
    ledger.gate.add_permits(1000);
    assert_eq!(first.await.unwrap(), 200);
    server.ok(Call::get("/bkt/k")).await;
}

#[tokio::test]
async fn signed_chunks_of_all_requests_share_their_memory() {
    let config = GatewayConfig { signed_chunk_bytes_max: 2 * 1024 * 1024, ..GatewayConfig::default() };
    let (server, ledger) = faulty(config).await;
    ledger.arrived.forget_permits(usize::MAX >> 4);
    ledger.close_gate();
    let large = Call::put("/bkt/k").body(pattern(2 * 1024 * 1024)).chunked(65_536, true, None);
    let address = server.address;
    let first = tokio::spawn(async move { large.send(address).await.status });
    ledger.arrived.acquire().await.unwrap().forget();
    let small = || Call::put("/bkt/j").body("x").chunked(65_536, true, None);
    assert_eq!(server.send(small()).await.error(), (503, "SlowDown".into()));
    assert_eq!(server.send(Call::get("/bkt/j")).await.status, 404, "others are served");
    ledger.gate.add_permits(1000);
    assert_eq!(first.await.unwrap(), 200);
    server.ok(small()).await;
}
