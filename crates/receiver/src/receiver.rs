//! The core: a request in, an answer out, whatever serves HTTP around it.

use std::{collections::HashSet, sync::Arc, time::Duration};

use bucketbell_dialect::{IncomingDialect, Received, VerifyError, decode, verify};
use bucketbell_event::Timestamp;
use bytes::Bytes;
use http::{HeaderMap, header::AUTHORIZATION};

use crate::{
    Arrival, Handlers, Memory, Outcome, ReceiverConfig, Reply,
    memory::{Known, Mark},
    turns::Turns,
    work::Work,
};

/// Headers that claim who sent a request.
const SIGNATURES: [&str; 3] = ["webhook-signature", "x-signature-256", "x-webhook-signature"];

/// Verifies, drops repeats, calls the handler, remembers. Cheap to clone; clones share everything.
#[derive(Debug, Clone)]
pub struct Receiver(Arc<Core>);

#[derive(Debug)]
struct Core {
    config: ReceiverConfig,
    memory: Memory,
    handlers: Handlers,
    turns: Arc<Turns>,
    work: Work,
}

impl Receiver {
    /// Makes a receiver of its parts.
    #[must_use]
    pub fn new(config: ReceiverConfig, memory: Memory, handlers: Handlers) -> Self {
        let work = Work::new(config.requests_max);
        Self(Arc::new(Core { config, memory, handlers, turns: Arc::default(), work }))
    }

    /// Receives one request: 200 when every event in it is handled, now or before, and that is durable (A4, A6).
    ///
    /// Events of a body are handled in its order. When one fails the others are handled all the same, but no later one
    /// of its key; the answer is then 5xx, and when the body comes again only what failed is handled. What was begun is
    /// finished also when the future is dropped, as happens when the sender hangs up: [`Receiver::finish`] waits for it.
    pub async fn receive(&self, dialect: IncomingDialect, headers: &HeaderMap, body: Bytes, now: Timestamp) -> Reply {
        if let Err(error) = self.0.authenticate(dialect, headers, &body, now) {
            tracing::warn!(%dialect, %error, "request refused: {error}");
            return Reply::error(401, "Unauthorized", &error.to_string());
        }
        let events = match decode(dialect, headers, &body) {
            Ok(events) => events,
            Err(error) => return Reply::error(400, "MalformedBody", &error.to_string()),
        };
        let core = Arc::clone(&self.0);
        let Some(handling) = self.0.work.begin(core.handle_all(dialect, events, now)) else {
            tracing::warn!(%dialect, "request refused: too many are being handled, or the receiver stops");
            return Reply::error(503, "Busy", "too many events are being handled: send it again");
        };
        match handling.await {
            Ok(Some(outcomes)) => Reply::of(&outcomes),
            Ok(None) => Reply::error(503, "Stopping", "the receiver stops: send it again"),
            Err(error) => {
                tracing::error!(%dialect, %error, "the handler panicked");
                Reply::error(500, "HandlerFailed", "the handler failed: send it again")
            }
        }
    }

    /// Takes no more requests, and waits until the events of those that came before are handled and remembered, also
    /// where their sender has hung up. What takes longer than `limit` is cut off where it waits, and comes again.
    /// Returns how many requests that were.
    ///
    /// `serve` does this when it stops; a program that serves the paths itself does it before it ends.
    pub async fn finish(&self, limit: Duration) -> usize {
        self.0.work.finish(limit).await
    }
}

#[cfg(feature = "server")]
impl Receiver {
    pub(crate) fn stop_timeout(&self) -> Duration {
        self.0.config.stop_timeout
    }
}

impl Core {
    fn authenticate(
        &self,
        dialect: IncomingDialect,
        headers: &HeaderMap,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), VerifyError> {
        let claims = headers.contains_key(AUTHORIZATION) || SIGNATURES.iter().any(|name| headers.contains_key(*name));
        // Open to all means open to those who claim nothing; a claim is still checked where there is a secret for it.
        if self.config.insecure_unsigned && (!claims || self.config.secrets.is_empty()) {
            return Ok(());
        }
        verify(dialect, headers, body, &self.config.secrets, now, self.config.tolerance)
    }

    async fn handle_all(
        self: Arc<Self>,
        dialect: IncomingDialect,
        events: Vec<Received>,
        now: Timestamp,
    ) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(events.len());
        let mut failed_keys = HashSet::new();
        for event in events {
            let key = event.key.as_ref().map(|key| (event.bucket.clone(), key.clone()));
            let mut arrival = Arrival { dialect, event, older_than_seen: false };
            let outcome = match &key {
                Some(key) if failed_keys.contains(key) => {
                    Outcome::Failed { reason: "an earlier event of this key in the same body failed".to_owned() }
                }
                _ => self.handle(&mut arrival, now).await,
            };
            if let Some(reason) = outcome.reason() {
                tracing::warn!(event.id = %arrival.event.identity, reason, "event {} not handled", arrival.event.identity);
                failed_keys.extend(key);
            }
            if let Some(observer) = &self.config.observer {
                observer(&arrival, &outcome);
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    async fn handle(&self, arrival: &mut Arrival, now: Timestamp) -> Outcome {
        // First the event, then its key: who holds a key never waits for an event, so nobody waits in a circle.
        let mut held = Vec::with_capacity(2);
        for name in turn_names(arrival) {
            match self.turns.take(name, self.config.wait).await {
                Some(turn) => held.push(turn),
                None => return Outcome::Busy { reason: "another event of its key is still being handled".to_owned() },
            }
        }
        let mark = Mark::new(arrival.dialect, &arrival.event);
        arrival.older_than_seen = match self.memory.look(mark.clone()).await {
            Ok(Known::Seen) => return Outcome::Repeat,
            Ok(Known::New { older }) => older,
            Err(error) => return Outcome::Failed { reason: chain(&error) },
        };
        let refused = arrival.older_than_seen && self.config.refuse_older;
        if !refused && let Err(error) = self.handlers.handle(Arc::new(arrival.clone())).await {
            let reason = error.to_string();
            return if error.is_busy() { Outcome::Busy { reason } } else { Outcome::Failed { reason } };
        }
        match self.memory.remember(mark, now).await {
            Ok(()) if refused => Outcome::RefusedOlder,
            Ok(()) => Outcome::Handled,
            Err(error) => Outcome::Failed { reason: chain(&error) },
        }
    }
}

/// What must not be worked on twice at once: this event, and its key. Control characters keep the two kinds apart.
fn turn_names(arrival: &Arrival) -> impl Iterator<Item = String> {
    let (dialect, event) = (arrival.dialect, &arrival.event);
    let key = event.bucket.as_ref().zip(event.key.as_ref());
    [format!("event\0{dialect}\0{}", event.identity)]
        .into_iter()
        .chain(key.map(|(bucket, key)| format!("key\0{dialect}\0{bucket}\0{key}")))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
