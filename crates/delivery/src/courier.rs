//! The task that serves one endpoint.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bucketbell_event::{EventId, Timestamp};
use bucketbell_ledger::{
    DeadReason, DueDelivery, Endpoint, EndpointId, Number, SettleError, Settlement, StoreError, Taken,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::Instant,
};

use crate::{
    attempt::Prepared,
    engine::Shared,
    figures::Figures,
    verdict::{self, Finished},
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
    endpoint: Endpoint,
    prepared: Arc<Prepared>,
    figures: Arc<Figures>,
    notes: mpsc::UnboundedReceiver<Note>,
    stopping: watch::Receiver<Option<Instant>>,
    /// Taken, waiting for a slot, each since when.
    queue: VecDeque<(DueDelivery, Instant)>,
    in_flight: JoinSet<Finished>,
    /// Not yet handed to the ledger.
    outcomes: Vec<Settlement>,
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
        Self {
            id: endpoint.id,
            prepared: Arc::new(Prepared::new(&endpoint)),
            figures: Arc::new(Figures::new(&endpoint)),
            shared,
            endpoint,
            notes,
            stopping,
            queue: VecDeque::new(),
            in_flight: JoinSet::new(),
            outcomes: Vec::new(),
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
                Some(finished) = self.in_flight.join_next() => self.finished(finished),
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

    /// Sends what there are slots for, and begins a settle when there is something to say. Returns false when all is
    /// done and nothing more will come.
    fn step(&mut self) -> bool {
        if self.closing || self.endpoint.held {
            let untouched = self.queue.drain(..).map(|(delivery, _)| Settlement::Returned { number: delivery.number });
            self.outcomes.extend(untouched);
        }
        while self.in_flight.len() < self.slots() {
            let Some((delivery, since)) = self.queue.pop_front() else { break };
            self.send(delivery, since);
        }
        if self.settling.is_none() && self.not_before.is_none() && (self.look || !self.outcomes.is_empty()) {
            self.settle();
        }
        !self.closing || !self.in_flight.is_empty() || !self.outcomes.is_empty() || self.settling.is_some()
    }

    fn slots(&self) -> usize {
        usize::from(self.prepared.target.concurrency)
    }

    fn send(&mut self, delivery: DueDelivery, since: Instant) {
        if verdict::is_too_old(delivery.event.time, &self.prepared.target, self.shared.clock.now()) {
            self.bury(delivery.number, delivery.event.id, delivery.attempts, DeadReason::Age);
            self.outcomes.push(Settlement::Dead { number: delivery.number, reason: DeadReason::Age, attempt: None });
            return;
        }
        self.figures.sending_after(since.elapsed());
        let (shared, prepared, figures) =
            (Arc::clone(&self.shared), Arc::clone(&self.prepared), Arc::clone(&self.figures));
        self.in_flight.spawn(async move {
            let (finished, bytes) = prepared.attempt(&shared.client, shared.clock.as_ref(), &delivery).await;
            figures.attempt(finished.accepted, finished.record.took, bytes);
            finished
        });
    }

    fn finished(&mut self, finished: Result<Finished, tokio::task::JoinError>) {
        let finished = match finished {
            Ok(finished) => finished,
            Err(error) => {
                let rule = self.endpoint.rule;
                tracing::error!(rule.id = %rule, error = %error, "an attempt ended badly: its delivery is sent again at the next start");
                return;
            }
        };
        let (number, event, attempt, accepted) = (finished.number, finished.event, finished.attempt, finished.accepted);
        if !accepted {
            tracing::info!(
                event.id = %event, rule.id = %self.endpoint.rule, endpoint = %self.endpoint.label,
                delivery.number = number, attempt, outcome = ?finished.record.outcome, took_ms = finished.record.took.as_millis(), "an attempt failed"
            );
        }
        // Without randomness all retries come at the end of their window: late, but never early.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        let now = self.shared.clock.now();
        let settlement = verdict::settle(finished, &self.prepared.target, &self.shared.config.retry, random, now);
        if let Settlement::Dead { reason, .. } = &settlement {
            self.bury(number, event, attempt, *reason);
        }
        self.outcomes.push(settlement);
    }

    /// Warns in the audit log of a delivery that will not be made (B10).
    fn bury(&self, number: Number, event: EventId, attempts: u32, reason: DeadReason) {
        self.figures.dropped(reason);
        tracing::warn!(
            target: "audit",
            {
                event.id = %event, rule.id = %self.endpoint.rule, endpoint = %self.endpoint.label,
                delivery.number = number, attempts, reason = reason.as_str()
            },
            "a delivery is dead: it is kept as a dead letter"
        );
    }

    fn noted(&mut self, note: Note) {
        match note {
            Note::Due(due) => self.enqueue(due),
            Note::Changed(endpoint) => {
                // Also when it reads the same: a pause that was taken back meanwhile cost the credit.
                self.look = true;
                if *endpoint == self.endpoint {
                    return;
                }
                self.prepared = Arc::new(Prepared::new(&endpoint));
                if endpoint.label != self.endpoint.label {
                    self.figures = Arc::new(Figures::new(&endpoint));
                }
                self.endpoint = *endpoint;
            }
        }
    }

    fn enqueue(&mut self, due: Vec<DueDelivery>) {
        let now = Instant::now();
        self.queue.extend(due.into_iter().map(|delivery| (delivery, now)));
    }

    /// Tells the ledger what came of what was sent, and how much more there is room for, in one transaction.
    fn settle(&mut self) {
        self.look = false;
        self.look_at = Instant::now() + LOOK_EVERY;
        self.next_due = None;
        let room = self.slots() * (1 + self.shared.config.ahead);
        let waits = self.closing || self.endpoint.held;
        let free = if waits { 0 } else { room.saturating_sub(self.queue.len() + self.in_flight.len()) };
        let outcomes = std::mem::take(&mut self.outcomes);
        let (shared, id) = (Arc::clone(&self.shared), self.id);
        self.settling = Some(tokio::spawn(async move {
            let answer = shared.ledger.settle(shared.instance, id, outcomes.clone(), free).await;
            (outcomes, answer)
        }));
    }

    fn settled(&mut self, answer: Settled) -> Standing {
        let (mut outcomes, answer) = answer;
        match answer {
            Ok(taken) => {
                self.settle_wait = SETTLE_RETRY;
                self.next_due = taken.next_due;
                self.enqueue(taken.due);
                Standing::Owner
            }
            Err(SettleError::NotOwner | SettleError::Gone) => {
                let rule = self.endpoint.rule;
                tracing::warn!(rule.id = %rule, "the endpoint is no longer this instance's: what was in flight is not settled");
                Standing::Lost
            }
            Err(error) => {
                tracing::error!(
                    rule.id = %self.endpoint.rule, error = %error, outcomes = outcomes.len(),
                    "outcomes could not be recorded: tried again, and nothing more is taken until then"
                );
                outcomes.append(&mut self.outcomes);
                self.outcomes = outcomes;
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
        let cut_off = self.in_flight.len() + self.outcomes.len();
        if cut_off > 0 {
            tracing::warn!(
                rule.id = %self.endpoint.rule, deliveries = cut_off,
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
