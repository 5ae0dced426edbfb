//! The task that serves one endpoint.

use std::{sync::Arc, time::Duration};

use bucketbell_event::Timestamp;
use bucketbell_ledger::{DueDelivery, Endpoint, EndpointId, SettleError, Settlement, StoreError, Taken};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

use crate::{
    desk::Desk,
    engine::Shared,
    route::{self, Route},
};

/// Wait before a settle that failed is tried again, and the longest such wait.
const SETTLE_RETRY: Duration = Duration::from_millis(200);
const SETTLE_RETRY_MAX: Duration = Duration::from_secs(10);

/// A courier that was told nothing looks after this time. Only the safety net: commits and due retries wake it (B5).
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What the dispatcher tells a courier.
pub(crate) enum Note {
    /// These are taken and may be sent.
    Due(Vec<DueDelivery>),
    /// The rule changed: what is queued goes by the new one (C12).
    Changed(Box<Endpoint>),
}

/// What a settle said, in case it must be said again, and its answer.
type Settled = (Vec<Settlement>, Result<Taken, SettleError>);
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
    /// One for each delivery in flight.
    runners: JoinSet<()>,
    settling: Option<Settling>,
    /// Ask the ledger for more although there is nothing to settle.
    look: bool,
    next_due: Option<Timestamp>,
    look_at: Instant,
    settle_wait: Duration,
    not_before: Option<Instant>,
    /// No more is taken or sent: the engine stops, or the rule is gone.
    closing: bool,
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
            runners: JoinSet::new(),
            settling: None,
            look: true,
            next_due: None,
            look_at: Instant::now() + LOOK_EVERY,
            settle_wait: SETTLE_RETRY,
            not_before: None,
            closing: false,
        }
    }

    pub async fn run(mut self) {
        let mut stop = self.stopping.clone();
        let mut deadline = None;
        while self.step() {
            let wake = self.wake_at();
            tokio::select! {
                () = self.desk.outcome() => {}
                Some(ended) = self.runners.join_next() => self.ended(ended),
                note = self.notes.recv(), if !self.closing => match note {
                    Some(note) => self.noted(note),
                    // The rule is gone: what is in flight is finished and settled.
                    None => self.closing = true,
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
                    self.closing = true;
                }
                () = tokio::time::sleep_until(wake) => self.woken(),
                () = until(deadline) => return self.give_up(),
            }
        }
    }

    /// Starts runners for what there are slots for, and a settle when there is something to say. Returns false when all
    /// is done and nothing more will come.
    fn step(&mut self) -> bool {
        if self.closing || self.route.endpoint.held {
            self.desk.clear();
        }
        for _ in 0..self.desk.muster() {
            self.runners.spawn(route::run(Arc::clone(&self.shared), Arc::clone(&self.desk)));
        }
        if self.settling.is_none() && self.not_before.is_none() && (self.look || self.desk.has_outcomes()) {
            self.settle();
        }
        !self.closing || self.settling.is_some() || self.desk.unsettled() > 0
    }

    fn ended(&self, runner: Result<(), tokio::task::JoinError>) {
        if let Err(error) = runner {
            self.desk.bury_runner();
            let rule = self.route.endpoint.rule;
            tracing::error!(rule.id = %rule, error = %error, "an attempt ended badly: its delivery is sent again at the next start");
        }
    }

    fn noted(&mut self, note: Note) {
        match note {
            Note::Due(due) => self.desk.enqueue(due),
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
        self.look_at = Instant::now() + LOOK_EVERY;
        self.next_due = None;
        let (outcomes, room) = self.desk.collect(self.shared.config.ahead);
        let free = if self.closing || self.route.endpoint.held { 0 } else { room };
        let (shared, id) = (Arc::clone(&self.shared), self.id);
        self.settling = Some(tokio::spawn(async move {
            let answer = shared.ledger.settle(shared.instance, id, outcomes.clone(), free).await;
            (outcomes, answer)
        }));
    }

    fn settled(&mut self, (outcomes, answer): Settled) -> Standing {
        match answer {
            Ok(taken) => {
                self.settle_wait = SETTLE_RETRY;
                self.next_due = taken.next_due;
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
                self.look = true;
                self.not_before = Some(Instant::now() + self.settle_wait);
                self.settle_wait = (self.settle_wait * 2).min(SETTLE_RETRY_MAX);
                Standing::Owner
            }
        }
    }

    /// Returns when there is something to do although nothing came in.
    fn wake_at(&self) -> Instant {
        if let Some(usable) = self.not_before {
            // Whatever is due waits for the ledger to be usable again.
            return usable;
        }
        let due = self.next_due.filter(|_| !self.closing).map(|due| {
            // A millisecond more: timers are coarse, and one that is early finds nothing due.
            Instant::now() + due.since(self.shared.clock.now()) + Duration::from_millis(1)
        });
        due.map_or(self.look_at, |due| due.min(self.look_at))
    }

    fn woken(&mut self) {
        if self.not_before.take().is_none() {
            self.look = true;
        }
    }

    fn give_up(self) {
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
