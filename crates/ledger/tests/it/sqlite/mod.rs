//! SQLite: the store of the suite, and what only a file can get wrong.

mod file;
mod group;
mod log;
mod panic;
mod plans;
mod rollback;
mod size;
mod space;
mod tables;

use std::{path::PathBuf, sync::Arc};

use bucketbell_ledger::{
    Ledger, MasterKey, StoreError,
    sqlite::{Config, SqliteLedger},
};
use bucketbell_testkit::{DEADLINE, ManualClock};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::store::Store;

/// A ledger in a folder of its own.
pub struct Sqlite {
    folder: TempDir,
    clock: ManualClock,
    key: u8,
}

pub fn sqlite() -> Sqlite {
    Sqlite { folder: tempfile::tempdir().expect("a folder"), clock: ManualClock::default(), key: 1 }
}

impl Sqlite {
    pub fn try_open(&self) -> Result<SqliteLedger, StoreError> {
        let clock = Arc::new(self.clock.clone());
        SqliteLedger::open(Config { path: self.path(), master_key: MasterKey::new([self.key; 32]), clock })
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("ledger.db")
    }

    /// Opens a connection beside the ledger's own, to look and to break things.
    pub fn beside(&self) -> Connection {
        let connection = Connection::open(self.path()).expect("a second connection");
        connection.busy_timeout(DEADLINE).expect("a timeout");
        // What the tests themselves write need not survive a loss of power.
        connection.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF").expect("settings");
        connection
    }
}

impl Store for Sqlite {
    async fn open(&self) -> Arc<dyn Ledger> {
        Arc::new(self.try_open().expect("a ledger"))
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}
