//! Connections that read, each used by one caller at a time.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::open::connect_reader;
use crate::StoreError;

/// Reads at once. Beyond that callers wait: more threads than this only wait for the same disk.
const READERS_MAX: usize = 16;

pub(super) struct Readers {
    path: PathBuf,
    idle: Arc<Mutex<Vec<Connection>>>,
    turn: Arc<Semaphore>,
}

impl Readers {
    pub fn new(path: PathBuf) -> Self {
        Self { path, idle: Arc::default(), turn: Arc::new(Semaphore::new(READERS_MAX)) }
    }

    /// Runs `work` on a connection of its own, in one read transaction, off the async threads.
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let turn = Arc::clone(&self.turn).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let (path, idle) = (self.path.clone(), Arc::clone(&self.idle));
        let done = tokio::task::spawn_blocking(move || {
            let waiting = idle.lock().ok().and_then(|mut idle| idle.pop());
            let connection = match waiting {
                Some(connection) => connection,
                None => connect_reader(&path)?,
            };
            let transaction = connection.unchecked_transaction().map_err(StoreError::from)?;
            let result = work(&transaction);
            drop(transaction);
            if let Ok(mut idle) = idle.lock()
                && !turn.semaphore().is_closed()
            {
                idle.push(connection);
            }
            // The turn ends here and not with the caller, who may have gone away while the read still runs.
            drop(turn);
            result
        });
        done.await.unwrap_or_else(|error| Err(StoreError::Database(format!("a read was cut off: {error}")).into()))
    }

    /// Closes what is idle and lets nobody read any more.
    pub fn close(&self) {
        self.turn.close();
        if let Ok(mut idle) = self.idle.lock() {
            idle.clear();
        }
    }
}
