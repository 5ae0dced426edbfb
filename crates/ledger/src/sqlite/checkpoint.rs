//! Copying the log into the database file, away from the writer.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::JoinHandle,
    time::Duration,
};

use rusqlite::Connection;

use crate::StoreError;

const EVERY: Duration = Duration::from_millis(100);

/// The thread that checkpoints until it is dropped.
pub(super) struct Checkpointer {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    pub fn start(database: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(database)?;
        connection
            .execute_batch("PRAGMA synchronous = FULL; PRAGMA busy_timeout = 1000; PRAGMA cache_size = -1024;")?;
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name("ledger-checkpoint".to_owned())
            .spawn(move || run(&connection, &PathBuf::from(log), &stopped))
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

fn run(connection: &Connection, log: &Path, stopped: &Receiver<()>) {
    let mut complained = false;
    let mut seen = None;
    while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
        // An idle ledger is left alone: neither size nor time of the log has changed.
        let now = std::fs::metadata(log).ok().map(|log| (log.len(), log.modified().ok()));
        if now == seen {
            continue;
        }
        match connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())) {
            Ok(()) => {
                complained = false;
                seen = now;
            }
            Err(error) if !complained => {
                complained = true;
                tracing::warn!(error = %error, "a checkpoint of the ledger failed; it is tried again");
            }
            Err(_) => {}
        }
    }
}
