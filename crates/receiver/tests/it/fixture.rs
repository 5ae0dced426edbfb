//! Receivers, requests, and a memory in a folder of its own.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use bucketbell_dialect::{DialectName, Envelope, SigningKey, headers, render};
use bucketbell_event::{Event, EventId, EventType, Fact, Object, Origin, Sequencer, Timestamp};
use bucketbell_receiver::{
    Arrival, HandlerError, Handlers, IncomingDialect, KEEP_DEFAULT, Memory, Receiver, ReceiverConfig, Reply,
};
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_767_323_045_678_912);

/// A folder for one memory, which outlives receivers.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("seen.db")
    }

    pub(crate) fn memory(&self) -> Memory {
        Memory::open(&self.file(), KEEP_DEFAULT).expect("the memory opens")
    }

    /// Starts a receiver that believes the holder of [`SECRET`].
    pub(crate) fn receiver(&self, handlers: Handlers) -> Receiver {
        Receiver::new(signed(), self.memory(), handlers)
    }

    /// Starts the open receiver of the seed.
    pub(crate) fn open_receiver(&self, handlers: Handlers) -> Receiver {
        Receiver::new(unsigned(), self.memory(), handlers)
    }
}

pub(crate) fn signed() -> ReceiverConfig {
    ReceiverConfig::try_new(&[SECRET], false).expect("the secret is one")
}

pub(crate) fn unsigned() -> ReceiverConfig {
    ReceiverConfig::try_new(&[] as &[&str], true).expect("it is asked for")
}

/// What a handler saw, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Arrival>>>);

impl Log {
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.0.lock().expect("no test panicked while it wrote").clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.arrivals().len()
    }

    pub(crate) fn write(&self, arrival: &Arrival) {
        self.0.lock().expect("no test panicked while it wrote").push(arrival.clone());
    }

    /// Returns handlers that write down every event, and let `judge` decide what becomes of it.
    pub(crate) fn judged(
        &self,
        judge: impl Fn(&Arrival) -> Result<(), HandlerError> + Clone + Send + Sync + 'static,
    ) -> Handlers {
        let log = self.clone();
        Handlers::default().rest(move |arrival| {
            let (log, judge) = (log.clone(), judge.clone());
            async move {
                log.write(&arrival);
                judge(&arrival)
            }
        })
    }

    pub(crate) fn handlers(&self) -> Handlers {
        self.judged(|_| Ok(()))
    }
}

/// Returns the put of `key` at the sequencer `at`.
pub(crate) fn put(key: &str, at: u64) -> Event {
    let sequencer = Sequencer::from_u64(at);
    Event {
        id: EventId::new(sequencer, 7),
        sequencer,
        kind: EventType::ObjectCreatedPut,
        time: sequencer.timestamp(),
        fact: Fact::Object(Object { bucket: "photos".into(), key: key.into(), size: Some(3), ..Object::default() }),
        origin: Origin::default(),
    }
}

/// Returns `event` as the server sends it at [`NOW`].
pub(crate) fn sent(event: &Event, secret: &str) -> (HeaderMap, Bytes) {
    let body = render(DialectName::Bucketbell, event);
    let envelope = Envelope { id: event.id, timestamp: NOW, number: 1, attempt: 1 };
    let key = SigningKey::parse(secret).expect("the secret is one");
    (headers(DialectName::Bucketbell, &body, &envelope, Some(&key)), body.bytes)
}

pub(crate) async fn deliver(receiver: &Receiver, event: &Event) -> Reply {
    let (headers, body) = sent(event, SECRET);
    receiver.receive(IncomingDialect::Bucketbell, &headers, body, NOW).await
}

pub(crate) async fn deliver_minio(receiver: &Receiver, body: &Value) -> Reply {
    receiver.receive(IncomingDialect::Minio, &HeaderMap::new(), body.to_string().into(), NOW).await
}

/// The minimal body that the seed posts with curl.
pub(crate) fn minimal() -> Value {
    json!({"Records": [{"eventName": "s3:ObjectCreated:Put", "s3": {"bucket": {"name": "mybucket"}, "object": {"key": "myfile.txt"}}}]})
}

/// Returns the counts of a reply: handled, repeats, refused as older, failed.
pub(crate) fn counts(reply: &Reply) -> [u64; 4] {
    ["handled", "repeats", "refused_older", "failed"].map(|name| reply.body[name].as_u64().unwrap_or_default())
}
