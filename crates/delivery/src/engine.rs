//! The engine: one courier for each endpoint, and the signals of the ledger among them.

use std::{sync::Arc, time::Duration};

use bucketbell_guard::Client;
use bucketbell_ledger::{Clock, Instance, Ledger, StoreError};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::Instant,
};

use crate::{EngineConfig, dispatch::Dispatch};

/// Why the engine did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    #[error("failed to join the ledger")]
    Join(#[source] StoreError),
    #[error("failed to read the endpoints")]
    Endpoints(#[source] StoreError),
}

/// What every courier shares.
pub(crate) struct Shared {
    pub config: EngineConfig,
    pub ledger: Arc<dyn Ledger>,
    pub client: Client,
    pub clock: Arc<dyn Clock>,
    pub instance: Instance,
}

/// Sends what is owed, from [`Engine::start`] until [`Engine::shutdown`].
pub struct Engine {
    stop: watch::Sender<Option<Instant>>,
    task: JoinHandle<()>,
}

impl Engine {
    /// Joins the ledger and begins to send. Whatever an earlier instance had taken and not settled is due at once.
    ///
    /// # Errors
    ///
    /// [`EngineError`] when the ledger cannot be joined or read.
    pub async fn start(
        config: EngineConfig,
        ledger: Arc<dyn Ledger>,
        client: Client,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, EngineError> {
        let (sender, signals) = mpsc::unbounded_channel();
        let instance = ledger.join(sender).await.map_err(EngineError::Join)?;
        let endpoints = ledger.endpoints(instance, None).await.map_err(EngineError::Endpoints)?;
        let (stop, stopping) = watch::channel(None);
        let shared = Arc::new(Shared { config, ledger, client, clock, instance });
        let mut dispatch = Dispatch::new(shared, stopping);
        dispatch.start_all(endpoints);
        Ok(Self { stop, task: tokio::spawn(dispatch.run(signals)) })
    }

    /// Takes nothing more, lets what is in flight finish for at most `grace`, and returns the rest to the ledger as
    /// untouched. What is cut off by the end of `grace` counts as unknown, and is sent again at the next start.
    pub async fn shutdown(self, grace: Duration) {
        self.stop.send_replace(Some(Instant::now() + grace));
        if let Err(error) = self.task.await {
            tracing::error!(error = %error, "the delivery engine ended badly: what it had taken is sent again at the next start");
        }
    }
}
