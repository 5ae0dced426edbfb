//! The task that serves one endpoint.

use std::{sync::Arc, time::Duration};

use bucketbell_ledger::{DueDelivery, Endpoint, EndpointId, SettleError, StoreError, Taken};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

use crate::{
    desk::{Desk, Outcome},
    engine::Shared,
    route::{self, Route},
};

/// Wait before a settle that failed is tried again, and the longest such wait.
const SETTLE_RETRY: Duration = Duration::from_millis(200);
const SETTLE_RETRY_MAX: Duration = Duration::from_secs(10);

/// How long outcomes gather before they are settled. A settle costs a transaction and a sync whatever its size; what waits
/// here is only the record, nothing is sent later for it.
const GATHER: Duration = Duration::from_millis(5);

/// Least time between two settles while every attempt fails: each is a transaction that writes wait for, and a failed
/// delivery waits for its retry anyway (FN-1).
const FAILING_PACE: Duration = Duration::from_millis(200);

/// What the dispatcher tells a courier.
pub(crate) enum Note {
    /// These are taken and may be sent.
    Due(Vec<DueDelivery>),
    /// The rule changed: what is queued goes by the new one (C12).
    Changed(Box<Endpoint>),
    /// Something is overdue: ask the ledger.
    Look,
}

impl Note {
    /// Returns the deliveries of a note that nobody read.
    pub fn due(self) -> Option<Vec<DueDelivery>> {
        match self {
            Self::Due(due) => Some(due),
            Self::Changed(_) | Self::Look => None,
        }
    }
}

/// What a settle said, in case it must be said again, and its answer.
type Settled = (Vec<Outcome>, Result<Taken, SettleError>);
/// A settle that is being committed.
type Settling = tokio::task::JoinHandle<Settled>;

/// Serves one endpoint until it is gone, owned by another, or the engine stops.
pub(crate) struct Courier {
    shared: Arc<Shared>,
    id: EndpointId,
    route: Arc<Route>,
    desk: Arc<Desk>,
    notes: mpsc::UnboundedReceiver<Note>,
    stopping: watch::Receiver<Option<Instant>>,
    /// The dispatcher may still say something.
    open: bool,
    /// One for each delivery in flight.
    runners: JoinSet<()>,
    settling: Option<Settling>,
    /// Ask the ledger for more although there is nothing to settle.
    look: bool,
    /// The ledger was told that there is no room: what is due is asked for with the next outcome.
    full: bool,
    /// When the outcomes that lie on the desk have gathered long enough.
    gathered: Option<Instant>,
    /// When a waiting retry is due.
    next_due: Option<Instant>,
    settle_wait: Duration,
    /// No settle before this: the ledger failed, or nothing but failures would be told.
    not_before: Option<Instant>,
    farewell: Farewell,
}

/// How far the end of a courier is: no more is taken or sent because the engine stops, or the rule is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Farewell {
    Serving,
    /// The ledger may still hand something over: a settle without room has yet to take the credit back.
    Closing,
    /// That settle is being committed.
    Said,
    /// It is committed: what comes now was on the way before.
    Heard,
}

impl Courier {
    pub fn new(
        shared: Arc<Shared>,
        endpoint: Endpoint,
        notes: mpsc::UnboundedReceiver<Note>,
        stopping: watch::Receiver<Option<Instant>>,
    ) -> Self {
        let id = endpoint.id;
        let route = Arc::new(Route::new(endpoint));
        Self {
            shared,
            id,
            desk: Arc::new(Desk::new(Arc::clone(&route))),
            route,
            notes,
            stopping,
            open: true,
            runners: JoinSet::new(),
            settling: None,
            look: true,
            full: false,
            gathered: None,
            next_due: None,
            settle_wait: SETTLE_RETRY,
            not_before: None,
            farewell: Farewell::Serving,
        }
    }

    /// Serves until the end, and returns what was handed over too late to be settled.
    pub async fn run(mut self) -> Vec<DueDelivery> {
        self.serve().await;
        self.notes.close();
        let mut strays = Vec::new();
        while let Ok(note) = self.notes.try_recv() {
            strays.extend(note.due().unwrap_or_default());
        }
        strays
    }

    async fn serve(&mut self) {
        let mut stop = self.stopping.clone();
        let mut deadline = None;
        while self.step() {
            let wake = self.wake_at();
            tokio::select! {
                () = self.desk.outcome() => {}
                note = self.notes.recv(), if self.open => match note {
                    Some(note) => self.noted(note),
                    // The rule is gone: what is in flight is finished and settled.
                    None => {
                        self.open = false;
                        self.close();
                    }
                },
                answer = answered(&mut self.settling) => {
                    self.settling = None;
                    if self.settled(answer) == Standing::Lost {
                        return;
                    }
                }
                stopped = stop.wait_for(Option::is_some), if deadline.is_none() => {
                    // An engine that was dropped without a shutdown gives no grace.
                    deadline = Some(stopped.ok().and_then(|at| *at).unwrap_or_else(Instant::now));
                    self.close();
                }
                () = until(wake) => self.woken(),
                () = until(deadline) => return self.give_up(),
            }
        }
    }

    /// Starts runners for what there are slots for, and a settle when there is something to say. Returns false when all
    /// is done and nothing more will come.
    fn step(&mut self) -> bool {
        // Runners come and go with every burst: they are picked up here, and wake nobody by ending.
        while let Some(ended) = self.runners.try_join_next() {
            self.ended(ended);
        }
        if self.waits() {
            self.desk.clear();
        }
        for _ in 0..self.desk.muster() {
            self.runners.spawn(route::run(Arc::clone(&self.shared), Arc::clone(&self.desk)));
        }
        if self.settling.is_none() && self.not_before.is_none() && self.has_to_settle() {
            self.settle();
        }
        self.farewell != Farewell::Heard || self.settling.is_some() || self.desk.unsettled() > 0
    }

    fn has_to_settle(&mut self) -> bool {
        if self.look || !self.desk.has_outcomes() {
            return self.look;
        }
        let now = Instant::now();
        self.waits() || *self.gathered.get_or_insert(now + GATHER) <= now
    }

    /// Returns whether nothing more may be sent.
    fn waits(&self) -> bool {
        self.farewell != Farewell::Serving || self.route.endpoint.held
    }

    fn close(&mut self) {
        if self.farewell == Farewell::Serving {
            self.farewell = Farewell::Closing;
            self.desk.last_call();
            self.look = true;
            self.not_before = None;
        }
    }

    fn ended(&self, runner: Result<(), tokio::task::JoinError>) {
        if let Err(error) = runner {
            let rule = self.route.endpoint.rule;
            tracing::error!(rule.id = %rule, error = %error, "an attempt ended badly: it counts as one of unknown outcome");
        }
    }

    fn noted(&mut self, note: Note) {
        match note {
            Note::Due(due) => self.desk.enqueue(due),
            Note::Look => self.look = true,
            Note::Changed(endpoint) => {
                // Also when it reads the same: a pause that was taken back meanwhile cost the credit.
                self.look = true;
                if *endpoint != self.route.endpoint {
                    self.route = Arc::new(Route::new(*endpoint));
                    self.desk.reroute(Arc::clone(&self.route));
                }
            }
        }
    }

    /// Tells the ledger what came of what was sent, and how much more there is room for, in one transaction.
    fn settle(&mut self) {
        self.look = false;
        self.gathered = None;
        self.next_due = None;
        let (outcomes, room) = self.desk.collect(self.shared.config.ahead);
        let free = if self.waits() { 0 } else { room };
        self.full = free == 0;
        if self.farewell == Farewell::Closing {
            self.farewell = Farewell::Said;
        }
        let (shared, id) = (Arc::clone(&self.shared), self.id);
        self.settling = Some(tokio::spawn(async move {
            let settlements = outcomes.iter().map(|outcome| outcome.settlement.clone()).collect();
            let answer = shared.ledger.settle(shared.instance, id, settlements, free).await;
            (outcomes, answer)
        }));
    }

    fn settled(&mut self, (outcomes, answer): Settled) -> Standing {
        match answer {
            Ok(taken) => {
                // Only now is it durable: what is counted and told of is so.
                outcomes.iter().for_each(|outcome| self.route.recorded(outcome));
                if self.farewell == Farewell::Said {
                    self.farewell = Farewell::Heard;
                }
                if !outcomes.is_empty()
                    && outcomes.iter().all(Outcome::is_failure)
                    && self.farewell == Farewell::Serving
                {
                    self.not_before = Some(Instant::now() + FAILING_PACE);
                }
                self.settle_wait = SETTLE_RETRY;
                // A millisecond more: timers are coarse, and one that is early finds nothing due.
                self.next_due = taken
                    .next_due
                    .map(|due| Instant::now() + due.since(self.shared.clock.now()) + Duration::from_millis(1));
                self.desk.enqueue(taken.due);
                Standing::Owner
            }
            Err(SettleError::NotOwner | SettleError::Gone) => {
                let rule = self.route.endpoint.rule;
                tracing::warn!(rule.id = %rule, "the endpoint is no longer this instance's: what was in flight is not settled");
                Standing::Lost
            }
            Err(error) => {
                tracing::error!(
                    rule.id = %self.route.endpoint.rule, error = %error, outcomes = outcomes.len(),
                    "outcomes could not be recorded: tried again, and nothing more is taken until then"
                );
                self.desk.put_back(outcomes);
                if self.farewell == Farewell::Said {
                    self.farewell = Farewell::Closing;
                }
                self.look = true;
                self.not_before = Some(Instant::now() + self.settle_wait);
                self.settle_wait = (self.settle_wait * 2).min(SETTLE_RETRY_MAX);
                Standing::Owner
            }
        }
    }

    /// Returns when there is something to do although nothing came in.
    fn wake_at(&self) -> Option<Instant> {
        // What is due waits for room: the next outcome makes some.
        let due = self.next_due.filter(|_| !self.full);
        let settle = self.not_before.or(self.gathered).filter(|_| self.settling.is_none());
        due.into_iter().chain(settle).min()
    }

    fn woken(&mut self) {
        let now = Instant::now();
        if self.next_due.is_some_and(|due| due <= now) {
            self.next_due = None;
            self.look = true;
        }
        self.not_before = self.not_before.filter(|at| *at > now);
    }

    fn give_up(&self) {
        let unsettled = self.desk.unsettled();
        if unsettled > 0 {
            tracing::warn!(
                rule.id = %self.route.endpoint.rule, deliveries = unsettled,
                "stopped with deliveries whose outcome is not recorded: they are sent again at the next start"
            );
        }
    }
}

/// Whether the courier may go on.
#[derive(PartialEq, Eq)]
enum Standing {
    Owner,
    Lost,
}

/// Waits for the answer of a settle; forever when there is none under way.
async fn answered(settling: &mut Option<Settling>) -> Settled {
    let Some(handle) = settling else { return std::future::pending().await };
    match handle.await {
        Ok(settled) => settled,
        Err(error) => (Vec::new(), Err(StoreError::Database(error.to_string()).into())),
    }
}

/// Waits until `when`; forever for `None`.
async fn until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
