//! Where an endpoint's deliveries go, and what becomes of each.

use std::sync::Arc;

use bucketbell_event::EventId;
use bucketbell_ledger::{DeadReason, DueDelivery, Endpoint, Number, Settlement};
use tokio::time::Instant;

use crate::{attempt::Prepared, desk::Desk, engine::Shared, figures::Figures, verdict};

/// One state of an endpoint's rule, ready to send by. A changed rule is another route.
pub(crate) struct Route {
    pub endpoint: Endpoint,
    prepared: Prepared,
    figures: Figures,
}

impl Route {
    pub fn new(endpoint: Endpoint) -> Self {
        Self { prepared: Prepared::new(&endpoint), figures: Figures::new(&endpoint), endpoint }
    }

    /// Returns how many attempts may be in flight at once.
    pub fn slots(&self) -> usize {
        usize::from(self.prepared.target.concurrency)
    }

    /// Makes one attempt, unless the delivery is too old for it, and returns what becomes of the delivery.
    async fn send(&self, shared: &Shared, delivery: &DueDelivery, since: Instant) -> Settlement {
        let (number, event) = (delivery.number, delivery.event.id);
        if verdict::is_too_old(delivery.event.time, &self.prepared.target, shared.clock.now()) {
            self.bury(number, event, delivery.attempts, DeadReason::Age);
            return Settlement::Dead { number, reason: DeadReason::Age, attempt: None };
        }
        self.figures.sending_after(since.elapsed());
        let (finished, bytes) = self.prepared.attempt(&shared.client, shared.clock.as_ref(), delivery).await;
        self.figures.attempt(finished.accepted, finished.record.took, bytes);
        let attempt = finished.attempt;
        if !finished.accepted {
            tracing::info!(
                event.id = %event, rule.id = %self.endpoint.rule, endpoint = %self.endpoint.label,
                delivery.number = number, attempt, outcome = ?finished.record.outcome,
                took_ms = finished.record.took.as_millis(), "an attempt failed"
            );
        }
        // Without randomness all retries come at the end of their window: late, but never early.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        let policy = &shared.config.retry;
        let settlement = verdict::settle(finished, &self.prepared.target, policy, random, shared.clock.now());
        if let Settlement::Dead { reason, .. } = &settlement {
            self.bury(number, event, attempt, *reason);
        }
        settlement
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
}

/// Sends one delivery after the other while there is one and a slot for it.
pub(crate) async fn run(shared: Arc<Shared>, desk: Arc<Desk>) {
    while let Some((delivery, since, route)) = desk.next() {
        let settlement = route.send(&shared, &delivery, since).await;
        desk.lay_down(settlement);
    }
}
