//! A gateway on a free port.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bucketbell_access::{Accounts, token_hash};
use bucketbell_blob::LocalBlobs;
use bucketbell_gateway::{Gateway, GatewayConfig, PeerAddr};
use bucketbell_ledger::{
    AdminCredentials, Ledger, MasterKey, SystemClock,
    sqlite::{Config, SqliteLedger},
};
use bucketbell_rule::Secret;
use hyper::{Request, body::Incoming, service::Service as _};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::client::{Answer, Call};

pub const ACCESS_KEY: &str = "AKIDEXAMPLE";
pub const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A running gateway. Dropped, it stops listening.
pub struct Server {
    pub address: SocketAddr,
    pub ledger: Arc<dyn Ledger>,
    pub accounts: Arc<Accounts>,
    gateway: Gateway,
    /// Connections that have ended.
    ended: Arc<AtomicUsize>,
    listener: JoinHandle<()>,
    dir: Arc<tempfile::TempDir>,
}

impl Server {
    pub async fn start() -> Self {
        Self::start_with(GatewayConfig::default(), |ledger| ledger).await
    }

    pub async fn start_with(config: GatewayConfig, wrap: impl FnOnce(Arc<dyn Ledger>) -> Arc<dyn Ledger>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ledger = wrap(open(dir.path()));
        let secret_key = Secret::new(SECRET_KEY);
        let token = token_hash("a token that no test shows");
        ledger.put_admin(AdminCredentials { token, access_key: ACCESS_KEY.into(), secret_key }).await.unwrap();
        let blobs = Arc::new(LocalBlobs::open(dir.path().join("blobs"), ledger.store_id()).unwrap());
        let accounts = Arc::new(Accounts::new(Arc::clone(&ledger)));
        let gateway = Gateway::new(config, Arc::clone(&ledger), blobs, Arc::clone(&accounts)).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let ended = Arc::new(AtomicUsize::new(0));
        let listener = tokio::spawn(listen(tcp, gateway.clone(), Arc::clone(&ended)));
        Self { address, ledger, accounts, gateway, ended, listener, dir: Arc::new(dir) }
    }

    pub async fn send(&self, call: Call) -> Answer {
        call.send(self.address).await
    }

    /// Sends a call that must succeed.
    pub async fn ok(&self, call: Call) -> Answer {
        let answer = self.send(call).await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
        answer
    }

    /// Starts with a bucket called `bkt`.
    pub async fn with_bucket() -> Self {
        let server = Self::start().await;
        server.ok(Call::put("/bkt")).await;
        server
    }

    /// Waits until so many connections have ended since the start: each call is one.
    pub async fn ended(&self, connections: usize) {
        bucketbell_testkit::eventually("the connections have ended", || async {
            (self.ended.load(Ordering::SeqCst) >= connections).then_some(())
        })
        .await;
    }

    /// Returns the files of all blobs, after everything that was going on has ended.
    pub async fn blob_files(&self) -> Vec<PathBuf> {
        self.gateway.drained().await;
        let mut found = Vec::new();
        files(&self.dir.path().join("blobs"), &mut found);
        found.retain(|path| !path.ends_with("store-id"));
        found
    }

    /// Returns how many blobs the journal knows that no object has, as the next start would see it.
    pub async fn staged_blobs(self) -> usize {
        self.gateway.drained().await;
        self.listener.abort();
        self.ledger.close().await;
        let dir = Arc::clone(&self.dir);
        drop(self);
        let ledger = bucketbell_testkit::eventually("the ledger's lock is free again", || async {
            SqliteLedger::open(config(dir.path())).ok()
        })
        .await;
        let (signals, _kept) = tokio::sync::mpsc::unbounded_channel();
        ledger.join(signals).await.unwrap();
        ledger.removable_blobs(Duration::ZERO, 1000).await.unwrap().len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

fn config(dir: &Path) -> Config {
    Config { path: dir.join("ledger.sqlite"), master_key: MasterKey::new([7; 32]), clock: Arc::new(SystemClock) }
}

fn open(dir: &Path) -> Arc<dyn Ledger> {
    Arc::new(SqliteLedger::open(config(dir)).unwrap())
}

async fn listen(tcp: TcpListener, gateway: Gateway, ended: Arc<AtomicUsize>) {
    loop {
        let (stream, peer) = tcp.accept().await.unwrap();
        let (service, ended) = (gateway.service(), Arc::clone(&ended));
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(PeerAddr(peer));
                service.call(request)
            });
            // A client that goes away is part of some tests.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            ended.fetch_add(1, Ordering::SeqCst);
        });
    }
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}
