//! The receiver of the quickstart: a real one, on a port of its own, with a secret made for this run.

use std::{
    fs::{OpenOptions, Permissions},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::Arc,
};

use anyhow::{Context, anyhow};
use base64::{Engine, prelude::BASE64_STANDARD};
use bucketbell_receiver::{Arrival, Handlers, KEEP_DEFAULT, Memory, Outcome, Receiver, ReceiverConfig, serve};
use tokio::{net::TcpListener, sync::mpsc, time::Instant};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Standard Webhooks asks for 24 to 64 bytes.
const SECRET_BYTES: usize = 24;
/// Events that were received and not shown yet. More are handled all the same, and not shown.
const UNSHOWN_MAX: usize = 1024;

/// Where verified events arrive.
pub struct Inbox {
    url: String,
    secret: String,
    events: mpsc::Receiver<Arrived>,
    _stop: DropGuard,
}

/// A verified event.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub id: String,
    /// Type, bucket and key, fit for a terminal.
    pub line: String,
    pub at: Instant,
    pub repeat: bool,
}

impl Inbox {
    /// Starts the receiver. It remembers in the folder which events it has handled.
    ///
    /// # Errors
    ///
    /// No port, no randomness, or the folder cannot be written.
    pub async fn open(folder: &Path) -> anyhow::Result<Self> {
        let mut key = [0; SECRET_BYTES];
        getrandom::fill(&mut key).map_err(|error| anyhow!("no randomness for a secret: {error}"))?;
        let secret = format!("whsec_{}", BASE64_STANDARD.encode(key));
        let path = folder.join("quickstart-receiver.db");
        // What it remembers is the owner's, as everything in the folder. SQLite gives its other files the mode of this one.
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        file.and_then(|file| file.set_permissions(Permissions::from_mode(0o600)))
            .with_context(|| format!("cannot write {}", path.display()))?;
        let memory = tokio::task::spawn_blocking(move || Memory::open(&path, KEEP_DEFAULT)).await??;
        let (sender, events) = mpsc::channel(UNSHOWN_MAX);
        let mut config = ReceiverConfig::try_new(&[&secret], false)?;
        config.observer = Some(Arc::new(move |arrival, outcome| {
            if sender.try_send(Arrived::new(arrival, outcome)).is_err() {
                tracing::warn!(event.id = %arrival.event.identity, "event {} is not shown", arrival.event.identity);
            }
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen for webhooks")?;
        let url = format!("http://{}/webhooks/bucketbell", listener.local_addr()?);
        let stop = CancellationToken::new();
        let receiver = Receiver::new(config, memory, Handlers::default());
        tokio::spawn(serve(listener, receiver, stop.clone().cancelled_owned()));
        Ok(Self { url, secret, events, _stop: stop.drop_guard() })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Returns the next event, `None` when there will be none.
    pub async fn next(&mut self) -> Option<Arrived> {
        self.events.recv().await
    }
}

impl Arrived {
    fn new(arrival: &Arrival, outcome: &Outcome) -> Self {
        Self {
            id: arrival.event.identity.clone(),
            line: arrival.to_string(),
            at: Instant::now(),
            repeat: *outcome == Outcome::Repeat,
        }
    }
}
