//! The one thread that writes: jobs in, group commits out.

use std::{fs::File, sync::Arc, thread::JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::{checkpoint::Checkpointer, log::Log, memory::Memory};
use crate::{Clock, CommitError, RulesError, Sealer, SettleError, Signal, StoreError};

/// Jobs of one transaction at most. Group commit gains little beyond (bench: 26k/s at 16, 42k/s at 256), and the first
/// of a group waits for its last.
const GROUP_MAX: usize = 256;
/// Jobs handed in and not begun; a caller beyond that waits.
const WAITING_MAX: usize = 1024;

/// What a job sees while it runs inside the transaction.
pub(super) struct Tx<'a> {
    pub connection: &'a Connection,
    pub memory: &'a mut Memory,
    pub clock: &'a dyn Clock,
    pub sealer: &'a Sealer,
}

/// One unit of work: runs inside a savepoint, and is told what became of the whole transaction.
pub(super) trait Job: Send {
    /// Runs the work. `false` rolls back to before it.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Returns how the store itself failed under the work, if it did.
    fn failure(&self) -> Option<StoreError>;
    /// Answers the caller, after the commit or because of its failure.
    fn finish(self: Box<Self>, committed: Result<(), StoreError>);
}

/// The error of a verb: a refusal of its own, or the store's failure.
pub(super) trait Failure: From<StoreError> {
    fn of_store(&self) -> Option<StoreError>;
}

impl Failure for StoreError {
    fn of_store(&self) -> Option<StoreError> {
        Some(self.clone())
    }
}

impl Failure for CommitError {
    fn of_store(&self) -> Option<StoreError> {
        if let Self::Store(error) = self { Some(error.clone()) } else { None }
    }
}

impl Failure for RulesError {
    fn of_store(&self) -> Option<StoreError> {
        if let Self::Store(error) = self { Some(error.clone()) } else { None }
    }
}

impl Failure for SettleError {
    fn of_store(&self) -> Option<StoreError> {
        if let Self::Store(error) = self { Some(error.clone()) } else { None }
    }
}

/// A closure, its result until the commit, and the caller that waits for it.
struct Call<T, E, F> {
    work: Option<F>,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Call<T, E, F>
where
    T: Send,
    E: Failure + Send,
    F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        self.result = self.work.take().map(|work| work(tx));
        matches!(self.result, Some(Ok(_)))
    }

    fn failure(&self) -> Option<StoreError> {
        self.result.as_ref()?.as_ref().err()?.of_store()
    }

    fn finish(self: Box<Self>, committed: Result<(), StoreError>) {
        let result = match (self.result, committed) {
            (Some(result), Ok(())) => result,
            // Its own failure is the one that the caller should read.
            (Some(Err(error)), Err(_)) if error.of_store().is_some() => Err(error),
            // A refusal may have been decided by a job before it, of which nothing is left either.
            (_, Err(error)) => Err(error.into()),
            (None, Ok(())) => Err(StoreError::Closed.into()),
        };
        // A caller that went away has its change all the same, as after any lost answer.
        let _ = self.reply.send(result);
    }
}

/// The handle of the writer thread.
pub(super) struct Writer {
    jobs: std::sync::Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub fn start(bench: Bench) -> Result<Self, StoreError> {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        let thread = std::thread::Builder::new()
            .name("ledger-writer".to_owned())
            .spawn(move || bench.work(receiver))
            .map_err(|error| StoreError::Database(format!("cannot start the writer thread: {error}")))?;
        Ok(Self { jobs: Some(sender).into(), thread: Some(thread).into() })
    }

    /// Runs `work` in a transaction and returns its result once that is durable.
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: Failure + Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let jobs = self.jobs.lock().ok().and_then(|jobs| jobs.clone()).ok_or(StoreError::Closed)?;
        let job = Box::new(Call { work: Some(work), result: None, reply });
        jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    /// Takes no more jobs. Returns the thread that finishes those handed in, to be waited for; `None` the second time.
    pub fn close(&self) -> Option<JoinHandle<()>> {
        if let Ok(mut jobs) = self.jobs.lock() {
            jobs.take();
        }
        self.thread.lock().ok().and_then(|mut thread| thread.take())
    }
}

/// Ends the process when the writer panics.
///
/// Without its writer the process would go on to answer reads and to say that it is ready, and refuse every write. A
/// dead process is what the ledger is made for: what was answered is in the file, what was not is there as a whole or
/// not at all, and the next start, which whatever supervises the process makes at once, goes on from there (B3).
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            tracing::error!("the ledger's writer panicked: the process ends now, to be started again");
            std::process::abort();
        }
    }
}

/// What the thread owns, and lets go of when its last job is done: the lock on the folder last of all.
pub(super) struct Bench {
    pub connection: Connection,
    pub memory: Memory,
    pub clock: Arc<dyn Clock>,
    pub sealer: Sealer,
    pub log: Log,
    pub checkpointer: Checkpointer,
    pub lock: File,
}

impl Bench {
    fn work(mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        let mut group = Vec::with_capacity(GROUP_MAX);
        // The last to be made, so the first to go: a panic ends the process before anybody is told anything.
        let _guard = AbortOnPanic;
        while jobs.blocking_recv_many(&mut group, GROUP_MAX) > 0 {
            let committed = self.commit(&mut group);
            match &committed {
                Ok(()) => self.memory.keep(),
                Err(error) => {
                    tracing::error!(error = %error, jobs = group.len(), "a group of writes was not committed");
                    // Nothing of the group is in the file, so nothing of it may stay in memory.
                    let _ = self.connection.execute_batch("ROLLBACK");
                    self.memory.forget_all();
                }
            }
            for job in group.drain(..) {
                job.finish(committed.clone());
            }
            self.log.relieve(&self.connection);
        }
        let Self { connection, checkpointer, lock, .. } = self;
        drop(checkpointer);
        if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(error = %error, "the last checkpoint failed: the log is read at the next start");
        }
        drop(connection);
        drop(lock);
    }

    fn commit(&mut self, group: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        self.execute("BEGIN IMMEDIATE")?;
        for job in group {
            self.execute("SAVEPOINT job")?;
            let mark = self.memory.mark();
            let mut tx = Tx {
                connection: &self.connection,
                memory: &mut self.memory,
                clock: self.clock.as_ref(),
                sealer: &self.sealer,
            };
            if !job.run(&mut tx) {
                self.memory.forget_since(mark);
                // After some failures (a full disk, I/O) SQLite rolls the whole transaction back: all of the group failed.
                if self.connection.is_autocommit() {
                    let unknown = || StoreError::Database("the transaction was rolled back".to_owned());
                    return Err(job.failure().unwrap_or_else(unknown));
                }
                self.execute("ROLLBACK TO job")?;
            }
            self.execute("RELEASE job")?;
        }
        self.memory.write_back(&self.connection)?;
        self.execute("COMMIT")
    }

    fn execute(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

impl Tx<'_> {
    /// Queues a signal for the joined instance: sent after the commit, dropped with a rollback.
    pub fn signal(&mut self, signal: Signal) {
        self.memory.queue_signal(signal);
    }
}
