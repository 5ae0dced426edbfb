//! The engine: one courier for each endpoint, and the signals of the ledger among them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bucketbell_guard::Client;
use bucketbell_ledger::{Clock, Endpoint, EndpointId, Instance, Ledger, Signal, StoreError};
use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use crate::{
    EngineConfig,
    courier::{Courier, Note},
};

/// How long the engine waits before it reads the endpoints again after that failed.
const RELOAD_AFTER: Duration = Duration::from_secs(1);

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
        let endpoints = ledger.endpoints(instance).await.map_err(EngineError::Endpoints)?;
        let (stop, stopping) = watch::channel(None);
        let shared = Arc::new(Shared { config, ledger, client, clock, instance });
        let mut dispatch = Dispatch { shared, couriers: HashMap::new(), tasks: JoinSet::new(), stopping };
        dispatch.apply(endpoints);
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

/// The task that tells couriers what concerns them.
struct Dispatch {
    shared: Arc<Shared>,
    couriers: HashMap<EndpointId, mpsc::UnboundedSender<Note>>,
    tasks: JoinSet<EndpointId>,
    stopping: watch::Receiver<Option<Instant>>,
}

impl Dispatch {
    async fn run(mut self, mut signals: mpsc::UnboundedReceiver<Signal>) {
        let mut stop = self.stopping.clone();
        // At most one reading of the endpoints at a time; a change that comes meanwhile asks for one more.
        let mut reading: Option<Reading> = None;
        let mut stale = false;
        loop {
            if stale && reading.is_none() {
                stale = false;
                reading = Some(self.read_endpoints());
            }
            tokio::select! {
                // An engine that was dropped without a shutdown stops as well, at once.
                _ = stop.wait_for(Option::is_some) => break,
                signal = signals.recv() => match signal {
                    Some(Signal::Committed { endpoint, due }) => self.note(endpoint, Note::Due(due)),
                    Some(Signal::RulesChanged) => stale = true,
                    None => break,
                },
                endpoints = read(&mut reading) => {
                    reading = None;
                    self.apply(endpoints);
                }
                Some(ended) = self.tasks.join_next() => self.ended(ended),
            }
        }
        if let Some(reading) = reading {
            reading.abort();
        }
        self.couriers.clear();
        while self.tasks.join_next().await.is_some() {}
    }

    /// Reads the endpoints beside the signals, which must not wait, and as often as it takes.
    fn read_endpoints(&self) -> Reading {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            loop {
                match shared.ledger.endpoints(shared.instance).await {
                    Ok(endpoints) => return endpoints,
                    Err(error) => {
                        tracing::error!(error = %error, "failed to read the changed rules: deliveries go on under the old ones");
                        tokio::time::sleep(RELOAD_AFTER).await;
                    }
                }
            }
        })
    }

    fn note(&mut self, endpoint: EndpointId, note: Note) {
        // No courier, or one that has just ended: the rows are marked as taken, and the next join finds them.
        let told = self.couriers.get(&endpoint).is_some_and(|courier| courier.send(note).is_ok());
        if !told {
            tracing::warn!(endpoint.id = endpoint.0, "a delivery came for an endpoint that nobody sends for any more");
        }
    }

    /// Starts couriers for new endpoints, tells the others what changed, and lets go of those that are gone.
    fn apply(&mut self, endpoints: Vec<Endpoint>) {
        let mut gone = std::mem::take(&mut self.couriers);
        for endpoint in endpoints {
            let id = endpoint.id;
            match gone.remove(&id) {
                Some(courier) if !courier.is_closed() => {
                    let _ = courier.send(Note::Changed(Box::new(endpoint)));
                    self.couriers.insert(id, courier);
                }
                _ => {
                    let (sender, notes) = mpsc::unbounded_channel();
                    let courier = Courier::new(Arc::clone(&self.shared), endpoint, notes, self.stopping.clone());
                    self.tasks.spawn(async move {
                        courier.run().await;
                        id
                    });
                    self.couriers.insert(id, sender);
                }
            }
        }
        // Dropping the mailbox of a removed rule's courier ends it, once what is in flight is settled.
        drop(gone);
    }

    fn ended(&mut self, ended: Result<EndpointId, tokio::task::JoinError>) {
        match ended {
            Ok(endpoint) => {
                if self.couriers.get(&endpoint).is_some_and(mpsc::UnboundedSender::is_closed) {
                    self.couriers.remove(&endpoint);
                }
            }
            Err(error) => {
                tracing::error!(error = %error, "a courier ended badly: its endpoint waits for the next start");
            }
        }
    }
}

/// A reading of all endpoints that is under way.
type Reading = JoinHandle<Vec<Endpoint>>;

/// Waits for the endpoints; forever when nobody reads them.
async fn read(reading: &mut Option<Reading>) -> Vec<Endpoint> {
    let Some(handle) = reading else { return std::future::pending().await };
    match handle.await {
        Ok(endpoints) => endpoints,
        // Only the end of the runtime cuts a reading off.
        Err(_) => std::future::pending().await,
    }
}
