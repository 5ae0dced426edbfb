//! Where an endpoint's deliveries go, and what becomes of each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bucketbell_event::EventId;
use bucketbell_ledger::{AttemptOutcome, AttemptRecord, DeadReason, DueDelivery, Endpoint, Settlement};
use tokio::time::Instant;

use crate::{
    attempt::Prepared,
    desk::{Desk, Outcome},
    engine::Shared,
    figures::Figures,
    verdict::{self, Finished},
};

/// One state of an endpoint's rule, ready to send by. A changed rule is another route.
pub(crate) struct Route {
    pub endpoint: Endpoint,
    prepared: Prepared,
    figures: Figures,
    failing: AtomicBool,
}

impl Route {
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            prepared: Prepared::new(&endpoint),
            figures: Figures::new(&endpoint),
            failing: AtomicBool::new(false),
            endpoint,
        }
    }

    /// Returns how many attempts may be in flight at once.
    pub fn slots(&self) -> usize {
        usize::from(self.prepared.target.concurrency)
    }

    /// Makes one attempt, unless the delivery is too old for it, and returns what becomes of the delivery.
    async fn send(&self, shared: &Shared, delivery: &DueDelivery, since: Instant) -> Outcome {
        let (number, event) = (delivery.number, delivery.event.id);
        if verdict::is_too_old(delivery.event.time, &self.prepared.target, shared.clock.now()) {
            let settlement = Settlement::Dead { number, reason: DeadReason::Age, attempt: None };
            return Outcome { settlement, event, attempts: delivery.attempts };
        }
        self.figures.sending_after(since.elapsed());
        let (finished, bytes) = self.prepared.attempt(&shared.client, shared.clock.as_ref(), delivery).await;
        self.figures.attempt(finished.accepted, finished.record.took, bytes);
        self.tell(&finished, event);
        self.judge(shared, finished, event)
    }

    /// Logs when the endpoint begins to fail and when that is over; each failure in between only for debugging.
    fn tell(&self, finished: &Finished, event: EventId) {
        let failed_before = self.failing.swap(!finished.accepted, Ordering::Relaxed);
        let (rule, endpoint) = (self.endpoint.rule, &self.endpoint.label);
        if finished.accepted {
            if failed_before {
                tracing::info!(rule.id = %rule, %endpoint, event.id = %event, "an endpoint accepts again");
            }
            return;
        }
        let record = &finished.record;
        let (outcome, attempt, took_ms) = (record.outcome.as_str(), finished.attempt, record.took.as_millis());
        // What a receiver answered is its own; what kept it from answering is ours to tell.
        let (status, reason) = match record.outcome {
            AttemptOutcome::Answered { status } => (Some(status), ""),
            _ => (None, record.excerpt.as_str()),
        };
        if failed_before {
            tracing::debug!(rule.id = %rule, %endpoint, event.id = %event, attempt, outcome, status, reason, took_ms, "an attempt failed");
        } else {
            tracing::warn!(rule.id = %rule, %endpoint, event.id = %event, attempt, outcome, status, reason, took_ms, "an endpoint fails: its deliveries are tried again");
        }
    }

    /// Returns what becomes of a delivery after an attempt.
    fn judge(&self, shared: &Shared, finished: Finished, event: EventId) -> Outcome {
        // Without randomness all retries come at the end of their window: late, but never early.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        let (attempts, policy) = (finished.attempt, &shared.config.retry);
        let settlement = verdict::settle(finished, &self.prepared.target, policy, random, shared.clock.now());
        Outcome { settlement, event, attempts }
    }

    /// Counts and tells of what is recorded now: a delivery that will not be made is warned of in the audit log (B10).
    pub fn recorded(&self, outcome: &Outcome) {
        let Settlement::Dead { number, reason, .. } = outcome.settlement else { return };
        self.figures.dropped(reason);
        tracing::warn!(
            target: "audit",
            {
                event.id = %outcome.event, rule.id = %self.endpoint.rule, endpoint = %self.endpoint.label,
                delivery.number = number, attempts = outcome.attempts, reason = reason.as_str()
            },
            "a delivery is dead: it is kept as a dead letter"
        );
    }
}

/// Sends one delivery after the other while there is one and a slot for it.
pub(crate) async fn run(shared: Arc<Shared>, desk: Arc<Desk>) {
    while let Some((delivery, since, route)) = desk.next() {
        let mut flight = Flight { shared: &shared, desk: &desk, route: &route, delivery: &delivery, landed: false };
        let outcome = route.send(&shared, &delivery, since).await;
        flight.landed = true;
        desk.lay_down(outcome);
    }
}

/// A delivery that is being sent. Should that panic, it is recorded as an attempt of unknown outcome and tried again.
struct Flight<'a> {
    shared: &'a Shared,
    desk: &'a Desk,
    route: &'a Route,
    delivery: &'a DueDelivery,
    landed: bool,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        // Cut off otherwise, the engine has stopped: the next start finds the delivery taken and not settled.
        if self.landed || !std::thread::panicking() {
            return;
        }
        let finished = Finished {
            number: self.delivery.number,
            attempt: self.delivery.attempts.saturating_add(1),
            since: self.delivery.event.time,
            accepted: false,
            retry_after: None,
            record: AttemptRecord {
                started: self.shared.clock.now(),
                took: Duration::ZERO,
                outcome: AttemptOutcome::Unknown,
                excerpt: String::new(),
            },
        };
        self.desk.lay_down(self.route.judge(self.shared, finished, self.delivery.event.id));
        self.desk.free_slot();
    }
}
