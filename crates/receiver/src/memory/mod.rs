//! What was handled, on disk: one file, one thread that owns it, many events in one fsync.

mod file;
mod worker;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use bucketbell_dialect::{Family, IncomingDialect, Received};
use bucketbell_event::Timestamp;
use tokio::sync::{mpsc, oneshot};

use worker::Ask;

/// How long an event is remembered (A4): a rule's `max_age` is at most 30 days, so that is how long bucketbell may send an
/// event again, and one day more for the attempts that are under way by then and for clocks that differ.
pub const KEEP_DEFAULT: Duration = Duration::from_secs(31 * 24 * 3600);
/// Questions that wait for the thread. More than that wait for room.
const QUEUE_MAX: usize = 1024;

/// The durable memory of a receiver. Cheap to clone; the file is closed when the last clone goes.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Thread>);

/// The memory cannot be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// The file is missing its folder, not writable, or not a database.
    #[error("cannot open the receiver's memory `{path}`")]
    Open {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        #[source]
        source: Arc<rusqlite::Error>,
    },
    /// Two receivers on one file would each handle what the other does.
    #[error("the receiver's memory `{path}` is in use by another receiver: give each its own file")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is some other program's.
    #[error("`{path}` is a database, but not a receiver's memory")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A later version wrote it (Y1).
    #[error("`{path}` has format {found}, and this version reads up to {known}: use the version that wrote it")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format of this version.
        known: i64,
    },
    /// Reading or writing failed, such as on a full disk.
    #[error("the receiver's memory failed")]
    Failed(#[source] Arc<rusqlite::Error>),
    /// The operating system gives no thread.
    #[error("cannot start the thread of the receiver's memory")]
    Thread(#[source] Arc<std::io::Error>),
    /// The thread that owns the file is gone.
    #[error("the receiver's memory is closed")]
    Closed,
}

/// What an event is remembered by.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    dialect: &'static str,
    identity: String,
    place: Option<Place>,
}

/// A change of a key, in the order that its sender gave it.
#[derive(Debug, Clone)]
struct Place {
    bucket: String,
    key: String,
    sequencer: String,
}

/// What the memory knows of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// It was handled.
    Seen,
    /// It was not.
    New {
        /// A later change of its key was.
        older: bool,
    },
}

#[derive(Debug)]
struct Thread {
    asks: Option<mpsc::Sender<Ask>>,
    worker: Option<JoinHandle<()>>,
}

impl Mark {
    pub(crate) fn new(dialect: IncomingDialect, event: &Received) -> Self {
        let place = match (&event.bucket, &event.key, &event.sequencer) {
            // A read changes nothing, so nothing is older for it.
            (Some(bucket), Some(key), Some(sequencer)) if event.family != Family::Access => {
                Some(Place { bucket: bucket.clone(), key: key.clone(), sequencer: sequencer.clone() })
            }
            _ => None,
        };
        Self { dialect: dialect.as_str(), identity: event.identity.clone(), place }
    }
}

impl Memory {
    /// Opens the memory in `path`, or makes it. An event is remembered for `keep` after it was handled.
    ///
    /// # Errors
    ///
    /// [`MemoryError`] when the file cannot be used.
    pub fn open(path: &Path, keep: Duration) -> Result<Self, MemoryError> {
        let connection = file::open(path)?;
        let (asks, queue) = mpsc::channel(QUEUE_MAX);
        let worker = std::thread::Builder::new()
            .name("receiver-memory".to_owned())
            .spawn(move || worker::run(connection, queue, keep))
            .map_err(|error| MemoryError::Thread(Arc::new(error)))?;
        Ok(Self(Arc::new(Thread { asks: Some(asks), worker: Some(worker) })))
    }

    /// Returns what is known of an event.
    pub(crate) async fn look(&self, mark: Mark) -> Result<Known, MemoryError> {
        self.ask(|answer| Ask::Look { mark, answer }).await
    }

    /// Writes down that an event was handled, and returns when that is durable.
    pub(crate) async fn remember(&self, mark: Mark, now: Timestamp) -> Result<(), MemoryError> {
        self.ask(|answer| Ask::Remember { mark, now, answer }).await
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<Result<T, MemoryError>>) -> Ask) -> Result<T, MemoryError> {
        let (answer, answered) = oneshot::channel();
        let asks = self.0.asks.as_ref().ok_or(MemoryError::Closed)?;
        asks.send(ask(answer)).await.map_err(|_| MemoryError::Closed)?;
        answered.await.map_err(|_| MemoryError::Closed)?
    }
}

impl Drop for Thread {
    /// Waits until the file is closed, so that it can be opened again at once.
    fn drop(&mut self) {
        self.asks = None;
        if let Some(worker) = self.worker.take() {
            // It can only have panicked, and then there is nothing left to wait for.
            let _ = worker.join();
        }
    }
}
