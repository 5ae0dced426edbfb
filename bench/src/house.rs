//! Ledger and delivery in this process, wired as the server wires them, with its defaults.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, anyhow, ensure};
use bucketbell_delivery::{Engine, EngineConfig};
use bucketbell_event::{Metadata, Origin};
use bucketbell_guard::{Client, ClientConfig};
use bucketbell_ledger::{
    AccountId, AdminCredentials, Change, ChangeKind, Clock, Content, ContentHeaders, Ledger, MasterKey, PutObject,
    SystemClock, TokenHash, WritePrecondition,
    sqlite::{self, SqliteLedger},
};
use bucketbell_rule::{Draft, Rule, RuleId, Scope, Secret, SecretChange};
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::task::JoinSet;
use tracing_subscriber::EnvFilter;

pub const BUCKET: &str = "bench";
const RULE: RuleId = RuleId::from_bytes([1; 16]);
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const MASTER_KEY: [u8; 32] = [7; 32];
/// Commits that wait for one fsync together.
const WRITERS: usize = 256;
const GRACE: Duration = Duration::from_secs(5);

/// Installs what every server has and what costs something: the metrics recorder, and log lines at its default level.
///
/// # Errors
///
/// When either is installed already.
pub fn install_as_the_server_does() -> anyhow::Result<()> {
    PrometheusBuilder::new().install_recorder().context("cannot install the metrics recorder")?;
    let filter = EnvFilter::new("info,s3s=off,hyper=warn,hyper_util=warn,h2=warn,rustls=warn");
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init()
        .map_err(|error| anyhow!("cannot start the log: {error}"))
}

/// An open ledger.
pub struct House {
    ledger: Arc<SqliteLedger>,
    clock: Arc<dyn Clock>,
}

impl House {
    /// Opens the ledger in `folder`, a new one where there is none.
    ///
    /// # Errors
    ///
    /// The ledger's own.
    pub async fn open(folder: &Path) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let config = sqlite::Config {
            path: folder.join("ledger.db"),
            master_key: MasterKey::new(MASTER_KEY),
            clock: Arc::clone(&clock),
        };
        let ledger = tokio::task::spawn_blocking(|| SqliteLedger::open(config)).await??;
        Ok(Self { ledger: Arc::new(ledger), clock })
    }

    /// Makes the admin and the bucket of a new ledger.
    ///
    /// # Errors
    ///
    /// The ledger's own.
    pub async fn furnish(&self) -> anyhow::Result<()> {
        let credentials = AdminCredentials {
            token: TokenHash([9; 32]),
            access_key: "BENCH".to_owned(),
            secret_key: Secret::new("a secret key of the bench"),
        };
        let owner: AccountId = self.ledger.put_admin(credentials).await?.id;
        let kind = ChangeKind::CreateBucket { name: BUCKET.to_owned(), owner };
        self.ledger.commit(Change { origin: Origin::default(), kind }).await?;
        Ok(())
    }

    /// Makes one rule with a secret the only one of the bucket, everything else by default. The same rule every time.
    ///
    /// # Errors
    ///
    /// The ledger's own.
    pub async fn put_rule(&self, url: &str, paused: bool) -> anyhow::Result<()> {
        let draft = Draft {
            url: url.to_owned(),
            events: vec!["s3:ObjectCreated:*".to_owned()],
            secret: SecretChange::Set(Secret::new(SECRET)),
            paused: Some(paused),
            ..Draft::default()
        };
        let rule: Rule = draft.validate(RULE, None)?;
        self.ledger.put_rules(&Scope::Bucket(BUCKET.to_owned()), vec![rule], None).await?;
        Ok(())
    }

    /// Commits one put of a small object under the key of this number.
    ///
    /// # Errors
    ///
    /// When it is not committed, or raised no event.
    pub async fn commit(&self, number: usize) -> anyhow::Result<()> {
        commit(self.ledger.as_ref(), number).await
    }

    /// Commits `count` puts, many at once.
    ///
    /// # Errors
    ///
    /// The first that fails.
    pub async fn commit_many(&self, count: usize) -> anyhow::Result<()> {
        let given = Arc::new(AtomicUsize::new(0));
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            let (ledger, given) = (Arc::clone(&self.ledger), Arc::clone(&given));
            writers.spawn(async move {
                loop {
                    match given.fetch_add(1, Ordering::Relaxed) {
                        number if number < count => commit(ledger.as_ref(), number).await?,
                        _ => return anyhow::Ok(()),
                    }
                }
            });
        }
        while let Some(ended) = writers.join_next().await {
            ended.context("a writer ended early")??;
        }
        Ok(())
    }

    /// Starts delivery with its defaults.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn deliver(&self) -> anyhow::Result<Engine> {
        let client = Client::new(ClientConfig::default()).context("cannot set the delivery client up")?;
        let ledger: Arc<dyn Ledger> = Arc::clone(&self.ledger) as _;
        Ok(Engine::start(EngineConfig::default(), ledger, client, Arc::clone(&self.clock)).await?)
    }

    /// Returns how many deliveries are owed. A transaction: this also waits for what is being settled.
    ///
    /// # Errors
    ///
    /// The ledger's own.
    pub async fn owed(&self) -> anyhow::Result<u64> {
        Ok(self.ledger.queue_depths().await?.iter().map(|depth| depth.owed).sum())
    }

    /// Stops delivery and closes the ledger, its log copied into the database.
    pub async fn close(self, engine: Option<Engine>) {
        if let Some(engine) = engine {
            engine.shutdown(GRACE).await;
        }
        self.ledger.close().await;
    }
}

async fn commit(ledger: &SqliteLedger, number: usize) -> anyhow::Result<()> {
    let committed = ledger.commit(put(number)).await?;
    ensure!(committed.events.len() == 1, "a put raised {} events instead of one", committed.events.len());
    Ok(())
}

/// A put as the gateway makes it. Its event is 600 bytes long on the wire, as the bodies of R-http are.
fn put(number: usize) -> Change {
    let origin = Origin {
        principal: "admin".to_owned(),
        source_ip: "127.0.0.1".to_owned(),
        request_id: format!("{number:016X}"),
        host_id: "bench".to_owned(),
        user_agent: "benchcli".to_owned(),
        region: "us-east-1".to_owned(),
    };
    let kind = ChangeKind::PutObject(PutObject {
        bucket: BUCKET.to_owned(),
        key: format!("images/2026/{number:08}.jpg"),
        precondition: WritePrecondition::None,
        content: Content::Inline(Bytes::from_static(b"sixteen bytes...")),
        size: 16,
        etag: "15986aaa2edb1a5148af59d63d59e281".to_owned(),
        content_type: Some("image/jpeg".to_owned()),
        headers: ContentHeaders::default(),
        metadata: Metadata::new(),
        checksum: None,
    });
    Change { origin, kind }
}
