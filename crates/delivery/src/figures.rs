//! The metrics of one endpoint (B12), looked up once.

use std::time::Duration;

use bucketbell_ledger::{DeadReason, Endpoint};
use metrics::{Counter, Histogram, counter, histogram};

/// Handles with the endpoint's labels: its rule, and host and port of its url, never path, query or credentials (Y6).
pub(crate) struct Figures {
    delivered: Counter,
    failed: Counter,
    dropped: Vec<(DeadReason, Counter)>,
    duration: Histogram,
    bytes: Counter,
    wake_to_send: Histogram,
}

impl Figures {
    pub fn new(endpoint: &Endpoint) -> Self {
        let labels = [("endpoint", endpoint.rule.to_string()), ("host", bucketbell_rule::host(&endpoint.target.url))];
        let dropped = |reason: &DeadReason| {
            let [rule, host] = labels.clone();
            let labels = [rule, host, ("reason", reason.as_str().to_owned())];
            (*reason, counter!("bucketbell_notifications_dropped_total", &labels))
        };
        Self {
            delivered: counter!("bucketbell_notifications_delivered_total", &labels),
            failed: counter!("bucketbell_notifications_failed_total", &labels),
            dropped: DeadReason::ALL.iter().map(dropped).collect(),
            duration: histogram!("bucketbell_delivery_duration_seconds", &labels),
            bytes: counter!("bucketbell_delivery_bytes_total", &labels),
            wake_to_send: histogram!("bucketbell_delivery_wake_to_send_seconds", &labels),
        }
    }

    /// Counts one attempt, successful or not.
    pub fn attempt(&self, accepted: bool, took: Duration, body_bytes: usize) {
        self.duration.record(took.as_secs_f64());
        self.bytes.increment(body_bytes as u64);
        let result = if accepted { &self.delivered } else { &self.failed };
        result.increment(1);
    }

    pub fn dropped(&self, reason: DeadReason) {
        if let Some((_, counter)) = self.dropped.iter().find(|(known, _)| *known == reason) {
            counter.increment(1);
        }
    }

    /// Records how long a delivery waited in memory for a slot.
    pub fn sending_after(&self, waited: Duration) {
        self.wake_to_send.record(waited.as_secs_f64());
    }
}
