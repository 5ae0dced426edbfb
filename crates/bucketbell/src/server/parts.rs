//! Making the parts of a server from its settings.

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use bucketbell_access::Accounts;
use bucketbell_blob::{BlobStore, LocalBlobs};
use bucketbell_delivery::Engine;
use bucketbell_gateway::{Gateway, GatewayConfig};
use bucketbell_guard::Client;
use bucketbell_ledger::{
    Clock, Ledger, PruneLimits,
    sqlite::{self, SqliteLedger},
};
use bucketbell_rule::{Rule, Scope};

use crate::{
    config::{DeliveryConfig, Environment, UpkeepConfig},
    data_dir::DataDir,
    master_key::master_key,
    settings::Settings,
};

/// Y2: a backup that was begun before a blob lost its last reference still finds it.
pub(super) const UNREFERENCED_FOR: Duration = Duration::from_secs(24 * 3600);
pub(super) const SWEPT_MAX: usize = 1000;
const PRUNED_MAX: usize = 1000;

/// What outlives the process.
pub(super) struct Stored {
    pub dir: DataDir,
    pub ledger: Arc<dyn Ledger>,
    pub blobs: Arc<dyn BlobStore>,
}

impl Stored {
    /// Opens the data folder, the ledger and the blobs, and makes those that are not there.
    pub async fn open(
        settings: &Settings,
        environment: &Environment<'_>,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let dir = DataDir::open(&settings.data_dir)?;
        let path = settings.ledger.clone().unwrap_or_else(|| dir.join("ledger.db"));
        let master_key = master_key(environment, settings.master_key_file.as_deref(), &dir, &path)?;
        let shown = path.display().to_string();
        let ledger = blocking(move || SqliteLedger::open(sqlite::Config { path, master_key, clock })).await?;
        let ledger: Arc<dyn Ledger> = Arc::new(ledger.with_context(|| format!("cannot open the ledger {shown}"))?);
        let root = settings.blobs.clone().unwrap_or_else(|| dir.join("blobs"));
        match open_blobs(root, &ledger).await {
            Ok(blobs) => Ok(Self { dir, ledger, blobs }),
            Err(error) => {
                ledger.close().await;
                Err(error)
            }
        }
    }
}

async fn open_blobs(root: PathBuf, ledger: &Arc<dyn Ledger>) -> anyhow::Result<Arc<dyn BlobStore>> {
    let store = ledger.store_id();
    let blobs = blocking(move || LocalBlobs::open(root, store)).await?;
    Ok(Arc::new(blobs.context("cannot open the blobs")?))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("a part of the start panicked")
}

/// Makes the configuration file's rules the server's, also when there are none: what is no longer there is removed (B8).
pub(super) async fn put_server_rules(ledger: &dyn Ledger, rules: Vec<Rule>) -> anyhow::Result<()> {
    let count = rules.len();
    let change = ledger.put_rules(&Scope::Server, rules, None).await.context("cannot save notifications.endpoints")?;
    if count > 0 || change.dead > 0 {
        let dead = change.dead;
        let endpoints = if count == 1 { "endpoint" } else { "endpoints" };
        tracing::info!(
            count,
            dead,
            "{count} server-wide {endpoints}; {dead} deliveries of removed ones became dead letters"
        );
    }
    Ok(())
}

pub(super) fn gateway(
    config: GatewayConfig,
    ledger: &Arc<dyn Ledger>,
    blobs: &Arc<dyn BlobStore>,
    accounts: &Arc<Accounts>,
) -> anyhow::Result<Gateway> {
    Gateway::new(config, Arc::clone(ledger), Arc::clone(blobs), Arc::clone(accounts)).context("cannot set S3 up")
}

pub(super) async fn delivery(
    config: &DeliveryConfig,
    ledger: &Arc<dyn Ledger>,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<Engine> {
    let client = Client::new(config.client()?).context("cannot set the delivery client up")?;
    Engine::start(config.engine()?, Arc::clone(ledger), client, clock).await.context("cannot start delivery")
}

pub(super) fn prune_limits(upkeep: &UpkeepConfig) -> PruneLimits {
    PruneLimits {
        history: upkeep.history.0,
        history_bytes_max: upkeep.history_bytes,
        dead: upkeep.dead_letters.0,
        rows_max: PRUNED_MAX,
    }
}

/// Returns 128 random bits.
pub(super) fn random() -> io::Result<[u8; 16]> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bits)
}
