//! The task that tells couriers what concerns them.
//!
//! It never waits for one: a signal is forwarded, or kept until its courier is there. On a stop it goes on until every
//! courier has ended, then gives back what was handed over too late for any of them.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bucketbell_ledger::{DueDelivery, Endpoint, EndpointId, QueueDepth, Settlement, Signal};
use tokio::{
    sync::{mpsc, watch},
    task::{Id, JoinError, JoinHandle, JoinSet},
    time::{Instant, MissedTickBehavior},
};

use crate::{
    courier::{Courier, Note},
    engine::Shared,
};

/// How long the dispatcher waits before it reads endpoints again after that failed.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// How often overdue deliveries are looked for. Only the safety net: commits and due retries wake couriers (B5).
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A delivery that has been due for this long should have been taken.
const OVERDUE: Duration = Duration::from_secs(5);

/// What was handed to a courier that could not take it any more.
type Strays = Vec<DueDelivery>;

pub(crate) struct Dispatch {
    shared: Arc<Shared>,
    couriers: HashMap<EndpointId, mpsc::UnboundedSender<Note>>,
    tasks: JoinSet<Strays>,
    /// Whose each task is: also of those that were let go of and have not ended yet.
    running: HashMap<Id, EndpointId>,
    /// Endpoints whose rules are to be read again.
    stale: HashSet<EndpointId>,
    strays: BTreeMap<EndpointId, Strays>,
    stopping: watch::Receiver<Option<Instant>>,
}

impl Dispatch {
    pub fn new(shared: Arc<Shared>, stopping: watch::Receiver<Option<Instant>>) -> Self {
        Self {
            shared,
            couriers: HashMap::new(),
            tasks: JoinSet::new(),
            running: HashMap::new(),
            stale: HashSet::new(),
            strays: BTreeMap::new(),
            stopping,
        }
    }

    pub fn start_all(&mut self, endpoints: Vec<Endpoint>) {
        for endpoint in endpoints {
            self.start(endpoint);
        }
    }

    pub async fn run(mut self, mut signals: mpsc::UnboundedReceiver<Signal>) {
        let mut stop = self.stopping.clone();
        let mut net = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        net.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // At most one reading of endpoints at a time; what changes meanwhile is read after it.
        let mut reading: Option<Reading> = None;
        let mut overdue: Option<Overdue> = None;
        loop {
            if reading.is_none() && !self.stale.is_empty() {
                reading = Some(self.read_endpoints());
            }
            tokio::select! {
                // An engine that was dropped without a shutdown stops as well, at once.
                _ = stop.wait_for(Option::is_some) => break,
                signal = signals.recv() => match signal {
                    Some(signal) => self.signalled(signal),
                    // Another instance has joined: it owns everything now.
                    None => break,
                },
                (asked, endpoints) = answer(&mut reading) => {
                    reading = None;
                    self.apply(&asked, endpoints);
                }
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
                _ = net.tick(), if overdue.is_none() => overdue = Some(self.find_overdue()),
                endpoints = answer(&mut overdue) => {
                    overdue = None;
                    self.look(&endpoints);
                }
            }
        }
        if let Some(overdue) = overdue {
            overdue.abort();
        }
        if let Some(reading) = reading {
            // It may be giving strays back. What it reads is of no use any more.
            let abort = reading.abort_handle();
            if tokio::time::timeout(READ_AGAIN, reading).await.is_err() {
                abort.abort();
            }
        }
        self.finish(signals).await;
    }

    /// Lets every courier end. Their last settle takes their credit back, so the signals that come after it are those
    /// that were already on the way.
    async fn finish(mut self, mut signals: mpsc::UnboundedReceiver<Signal>) {
        let mut open = true;
        while !self.tasks.is_empty() {
            tokio::select! {
                signal = signals.recv(), if open => match signal {
                    Some(signal) => self.signalled(signal),
                    None => {
                        open = false;
                        // Without a mailbox a courier ends also when nobody asked the engine to stop.
                        self.couriers.clear();
                    }
                },
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended),
            }
        }
        while let Ok(signal) = signals.try_recv() {
            self.signalled(signal);
        }
        for (endpoint, strays) in std::mem::take(&mut self.strays) {
            give_back(&self.shared, endpoint, strays).await;
        }
    }

    fn signalled(&mut self, signal: Signal) {
        match signal {
            Signal::Committed { endpoint, due } => {
                let unsent = match self.couriers.get(&endpoint) {
                    Some(courier) => courier.send(Note::Due(due)).err().and_then(|unsent| unsent.0.due()),
                    None => Some(due),
                };
                self.stray(endpoint, unsent.unwrap_or_default());
            }
            Signal::RulesChanged { endpoints } => self.stale.extend(endpoints),
        }
    }

    /// Reads the rules of the stale endpoints beside the signals, which must not wait, and as often as it takes. Their
    /// strays go back first: a courier that starts after that finds them.
    fn read_endpoints(&mut self) -> Reading {
        let shared = Arc::clone(&self.shared);
        let asked: Vec<EndpointId> = self.stale.drain().collect();
        let strays = std::mem::take(&mut self.strays);
        tokio::spawn(async move {
            for (endpoint, strays) in strays {
                give_back(&shared, endpoint, strays).await;
            }
            loop {
                match shared.ledger.endpoints(shared.instance, Some(asked.clone())).await {
                    Ok(endpoints) => return (asked, endpoints),
                    Err(error) => {
                        tracing::error!(error = %error, "failed to read the changed rules: deliveries go on under the old ones");
                        tokio::time::sleep(READ_AGAIN).await;
                    }
                }
            }
        })
    }

    /// Starts couriers for new endpoints, tells the others what changed, and lets go of those that are gone.
    fn apply(&mut self, asked: &[EndpointId], endpoints: Vec<Endpoint>) {
        let found: HashSet<EndpointId> = endpoints.iter().map(|endpoint| endpoint.id).collect();
        for gone in asked.iter().filter(|endpoint| !found.contains(endpoint)) {
            // Without its mailbox the courier ends, once what is in flight is settled.
            self.couriers.remove(gone);
        }
        for endpoint in endpoints {
            self.apply_one(endpoint);
        }
    }

    fn apply_one(&mut self, endpoint: Endpoint) {
        let id = endpoint.id;
        if let Some(courier) = self.couriers.get(&id)
            && courier.send(Note::Changed(Box::new(endpoint.clone()))).is_ok()
        {
            return;
        }
        // One that was let go of still settles: a second courier beside it would lose the credit to its last settle.
        // When it has ended, the rule is read again.
        if !self.running.values().any(|running| *running == id) {
            self.start(endpoint);
        }
    }

    fn start(&mut self, endpoint: Endpoint) {
        let id = endpoint.id;
        let (sender, notes) = mpsc::unbounded_channel();
        let courier = Courier::new(Arc::clone(&self.shared), endpoint, notes, self.stopping.clone());
        let task = self.tasks.spawn(courier.run());
        self.running.insert(task.id(), id);
        self.couriers.insert(id, sender);
    }

    fn ended(&mut self, ended: Result<(Id, Strays), JoinError>) {
        let (task, strays) = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(error = %error, "a courier ended badly: what it had taken is sent again at the next start");
                (error.id(), Vec::new())
            }
        };
        let Some(endpoint) = self.running.remove(&task) else { return };
        self.couriers.remove(&endpoint);
        self.stray(endpoint, strays);
        // Its rule may have come back meanwhile.
        self.stale.insert(endpoint);
    }

    /// Keeps what no courier took until it is given back, and has the endpoint's rule looked up.
    fn stray(&mut self, endpoint: EndpointId, due: Strays) {
        if !due.is_empty() {
            self.strays.entry(endpoint).or_default().extend(due);
            self.stale.insert(endpoint);
        }
    }

    /// Asks for the endpoints with something overdue, which their couriers should know of.
    fn find_overdue(&self) -> Overdue {
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            match shared.ledger.queue_depths().await {
                Ok(depths) => {
                    let overdue = |depth: &&QueueDepth| depth.owed > 0 && depth.oldest_due >= OVERDUE;
                    depths.iter().filter(overdue).map(|depth| depth.endpoint).collect()
                }
                Err(error) => {
                    tracing::warn!(error = %error, "failed to look for overdue deliveries");
                    Vec::new()
                }
            }
        })
    }

    fn look(&self, overdue: &[EndpointId]) {
        for courier in overdue.iter().filter_map(|endpoint| self.couriers.get(endpoint)) {
            let _ = courier.send(Note::Look);
        }
    }
}

/// Returns deliveries to the ledger as untouched: due at once, as if they had never been taken.
async fn give_back(shared: &Shared, endpoint: EndpointId, strays: Strays) {
    let returned = strays.iter().map(|delivery| Settlement::Returned { number: delivery.number }).collect();
    if let Err(error) = shared.ledger.settle(shared.instance, endpoint, returned, 0).await {
        tracing::warn!(
            endpoint.id = endpoint.0, deliveries = strays.len(), error = %error,
            "deliveries could not be returned: they are sent again at the next start"
        );
    }
}

/// A reading of endpoints that is under way: which, and what was found.
type Reading = JoinHandle<(Vec<EndpointId>, Vec<Endpoint>)>;

/// A search for endpoints with something overdue.
type Overdue = JoinHandle<Vec<EndpointId>>;

/// Waits for the answer of a task; forever when there is none.
async fn answer<T>(task: &mut Option<JoinHandle<T>>) -> T {
    let Some(task) = task else { return std::future::pending().await };
    match task.await {
        Ok(answer) => answer,
        // Only the end of the runtime cuts it off.
        Err(_) => std::future::pending().await,
    }
}
