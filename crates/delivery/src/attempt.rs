//! One POST of one delivery.

use std::{sync::Arc, time::Instant};

use bucketbell_dialect::{Envelope, SigningKey, acknowledges, headers, render};
use bucketbell_event::Event;
use bucketbell_guard::{Answer, Client, Destination, Post, Reach, SendError};
use bucketbell_ledger::{AttemptOutcome, AttemptRecord, Clock, DueDelivery, Endpoint};
use bucketbell_rule::Target;

use crate::verdict::Finished;

/// An endpoint's target, ready to send to: its url parsed, its key made, once for all attempts.
pub(crate) struct Prepared {
    pub target: Target,
    destination: Result<Destination, String>,
    key: Option<SigningKey>,
}

impl Prepared {
    pub fn new(endpoint: &Endpoint) -> Self {
        let target = endpoint.target.clone();
        let key = target.secret.as_ref().and_then(|secret| match SigningKey::parse(secret.expose()) {
            Ok(key) => Some(key),
            Err(error) => {
                // Validation refuses such a secret, so only a damaged row has one.
                tracing::error!(rule.id = %endpoint.rule, error = %error, "a stored secret cannot be signed with");
                None
            }
        });
        let key_missing = target.secret.is_some() && key.is_none();
        let destination = if key_missing {
            Err("the rule's secret cannot be signed with: set it again".to_owned())
        } else {
            Destination::try_from(&target.url).map_err(|error| error.to_string())
        };
        Self { target, destination, key }
    }

    /// Sends one delivery and returns what came of it. Never longer than the rule's timeout.
    pub async fn attempt(&self, client: &Client, clock: &dyn Clock, delivery: &DueDelivery) -> (Finished, usize) {
        let (started, clocked) = (Instant::now(), clock.now());
        let attempt = delivery.attempts.saturating_add(1);
        let event: &Arc<Event> = &delivery.event;
        // Frozen before it is signed, and what is signed is what is sent (SG-1).
        let body = render(self.target.dialect, event);
        let envelope = Envelope { id: event.id, timestamp: clocked, number: delivery.number, attempt };
        let headers = headers(self.target.dialect, &body, &envelope, self.key.as_ref());
        let bytes = body.bytes.len();
        let sent = match &self.destination {
            Ok(destination) => {
                let timeout = self.target.timeout;
                // Rules come from the configuration file or an admin, who vouch for them (C5).
                client.post(Post { destination, headers, body: body.bytes, timeout, reach: Reach::Vouched }).await
            }
            Err(error) => Err(SendError::Unreachable(error.clone())),
        };
        let retry_after = sent.as_ref().ok().and_then(|answer| answer.retry_after);
        let (outcome, excerpt) = told(sent);
        let accepted =
            matches!(outcome, AttemptOutcome::Answered { status } if acknowledges(self.target.dialect, status));
        let record = AttemptRecord { started: clocked, took: started.elapsed(), outcome, excerpt };
        let finished = Finished { number: delivery.number, attempt, since: event.time, accepted, retry_after, record };
        (finished, bytes)
    }
}

/// Returns the outcome, and what of it may be shown to the rule's owner.
fn told(sent: Result<Answer, SendError>) -> (AttemptOutcome, String) {
    match sent {
        Ok(answer) => {
            let excerpt = String::from_utf8_lossy(&answer.excerpt).into_owned();
            (AttemptOutcome::Answered { status: answer.status }, excerpt)
        }
        Err(error) => {
            let outcome = match &error {
                SendError::Blocked(_) => AttemptOutcome::Blocked,
                SendError::TimedOut => AttemptOutcome::TimedOut,
                _ => AttemptOutcome::Unreachable,
            };
            (outcome, error.to_string())
        }
    }
}
