//! Copying the log into the database file, away from the writer.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;

use crate::StoreError;

const EVERY: Duration = Duration::from_millis(100);
/// A log beyond this size is restarted by the writer itself: under steady load a passive checkpoint never catches up,
/// because there is always a newer frame.
const LOG_PAGES_MAX: i64 = 64 * 1024 * 1024 / 4096;
/// How long the writer waits for readers of the old log to finish, and with it every write (FN-2).
const RESTART_WAIT: Duration = Duration::from_millis(100);
/// Rounds of [`EVERY`] between two such waits: 5 s. A reader that stays makes the log longer, not the writes slow.
const ROUNDS_BETWEEN_RESTARTS: u32 = 50;

/// Asks the writer to restart a log that has grown too long.
#[derive(Default)]
pub(super) struct Overflow(AtomicBool);

impl Overflow {
    /// Restarts the log when asked to. Called by the writer between two transactions.
    pub fn relieve(&self, connection: &Connection) {
        if self.0.swap(false, Ordering::Relaxed)
            && let Err(error) = restart(connection)
        {
            tracing::warn!(error = %error, "the ledger's log could not be restarted and goes on growing");
        }
    }
}

/// Copies the rest of the log and starts it anew, unless a reader is still in the old one after [`RESTART_WAIT`].
fn restart(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(RESTART_WAIT)?;
    // The first column of the answer says whether a reader kept it from finishing: then it is tried again later.
    let done = connection.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()));
    connection.busy_timeout(super::open::BUSY_WAIT)?;
    done
}

/// The thread that checkpoints until it is dropped.
pub(super) struct Checkpointer {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub fn start(database: &Path, overflow: Arc<Overflow>) -> Result<Self, StoreError> {
        let connection = Connection::open(database)?;
        connection
            .execute_batch("PRAGMA synchronous = FULL; PRAGMA busy_timeout = 1000; PRAGMA cache_size = -1024;")?;
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("ledger-checkpoint".to_owned())
            .spawn(move || run(&connection, &PathBuf::from(log), &overflow, &stopped))
            .map_err(|error| StoreError::Database(format!("cannot start the checkpoint thread: {error}")))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: &Connection, log: &Path, overflow: &Overflow, stopped: &Receiver<()>) {
    let mut complained = false;
    let mut seen = None;
    let mut pause = 0u32;
    while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        pause = pause.saturating_sub(1);
        // An idle ledger is left alone: neither size nor time of the log has changed.
        let now = std::fs::metadata(log).ok().map(|log| (log.len(), log.modified().ok()));
        if now == seen {
            continue;
        }
        // The answer: whether it was kept from finishing, pages in the log, pages of them copied.
        let done = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| row.get::<_, i64>(1));
        match done {
            Ok(pages) => {
                complained = false;
                seen = now;
                if pages > LOG_PAGES_MAX && pause == 0 {
                    pause = ROUNDS_BETWEEN_RESTARTS;
                    overflow.0.store(true, Ordering::Relaxed);
                }
            }
            Err(error) if !complained => {
                complained = true;
                tracing::warn!(error = %error, "a checkpoint of the ledger failed; it is tried again");
            }
            Err(_) => {}
        }
    }
}
